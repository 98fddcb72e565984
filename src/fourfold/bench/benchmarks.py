"""All benchmarks by name; the catalog's networks are compared with bicubic, Lanczos and third-party models."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold import engines
from fourfold.api.batch.run import Batch
from fourfold.api.restore import restored
from fourfold.api.session import Session
from fourfold.api.upscaling import UpscaleRestorer
from fourfold.api.workflows import run_workflow
from fourfold.bench import adapt_gain as gained
from fourfold.bench import cascade, datasets, overhead, parts, peers, roofline, scaling, service
from fourfold.bench import deblurring as blurring
from fourfold.bench import quality as scoring
from fourfold.bench import routing as routed
from fourfold.bench import speed as timing
from fourfold.bench.adapt_gain import AdaptingReport, Gain
from fourfold.bench.overhead import Overhead, measure
from fourfold.bench.perceptual import st_lpips
from fourfold.catalog import load as catalog
from fourfold.catalog.card import STYLES, TIERS, Card
from fourfold.core.contract import Runner
from fourfold.core.environment import environment
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.core.threads import available
from fourfold.imaging import files
from fourfold.training.data import split

_TILE = (512, 512)  # of the picture on which deblurring networks are timed
_PHOTOS = 10
_SMALL, _SEEDS = 96, (1, 2, 3)
_WAYS = (scaling.WorkerCount("local", 1), scaling.WorkerCount("local", 2), scaling.WorkerCount("ray", 2))
_THRESHOLDS = (36.0, 38.0, 40.0, 42.0, 44.0, 46.0, 48.0, 52.0)
"""In dB between the networks, around those that gates are fitted to."""


def quality(data: Path | None, *, alone: bool, perceptual: bool = False) -> scoring.QualityReport:
    """Score everything on the benchmark sets; ``alone`` leaves out third-party models, ``perceptual`` adds ST-LPIPS.

    Raises:
        UsageError: the data is not there. MissingExtra: third-party models cannot run here.
    """
    folder = datasets.data_folder(data)
    others = () if alone else peers.peers(folder, available())
    contenders = (scoring.BICUBIC, scoring.LANCZOS, *_own(), *others)
    sets, measure = datasets.benchmark_sets(folder), st_lpips() if perceptual else None
    return scoring.QualityReport(tuple(scoring.score(one, sets, st_lpips=measure) for one in contenders))


def speed(data: Path | None, folder: Path, *, rounds: int, alone: bool) -> timing.SpeedReport:
    """Time everything on one 480×320 picture, and whole runs from file to file on one of a megapixel.

    Args:
        data: the benchmark data; folder: for the files of the whole runs; rounds: of the paired run;
        alone: leaves out third-party models.

    Raises:
        UsageError: the data is not there. MissingExtra: third-party models cannot run here.
    """
    found = datasets.data_folder(data)
    threads = available()
    others = () if alone else (*peers.peers(found, threads), peers.real_esrgan_shape(threads))
    picture, photo = _megapixel(found, folder)
    contenders = (*_own(), scoring.BICUBIC, scoring.LANCZOS, *others)
    return timing.measure(contenders, picture, _whole_runs(photo), threads, timing.Rounds(measured=rounds))


def routing(data: Path | None, *, rounds: int) -> tuple[routed.RoutingReport, ...]:
    """Route pictures by every threshold, beside both networks alone: Set14 with BSD20, and ten held-out photos.

    The photos are inputs of their full size, so what the big network makes of them is the measure.

    Raises:
        UsageError: the data is not there.
    """
    folder = datasets.data_folder(data)
    sets = [one for one in datasets.benchmark_sets(folder) if one.name in ("Set14", "BSD20")]
    pairs = [pair.load() for one in sets for pair in one.pairs]
    photos = [(datasets.read(path), None) for path in split(folder / "photos")[1][:_PHOTOS]]
    session = Session(UpscaleOptions(style="faithful"))

    def run(low: NDArray[np.uint8], setting: routed.Setting) -> routed.RoutedRun:
        changes: dict[str, Any] = {"route": setting} if setting in ("little", "big") else {}
        if isinstance(setting, float):
            changes["route_threshold"] = setting
        result = session.upscale(low, **changes)
        tiles = result.report.tiles
        return routed.RoutedRun(result.image, result.report.seconds, tiles["big"] / tiles["total"])

    return (
        routed.measure("Set14 and BSD20", pairs, run, _THRESHOLDS, rounds),
        routed.measure("ten held-out photos", photos, run, _THRESHOLDS, rounds),
    )


def layers() -> roofline.Roofline:
    """Both faithful networks, layer by layer, in eight bits and in what the processor does beside that.

    Raises:
        RuntimeFailure: OpenVINO is not installed.
    """
    cards = tuple(catalog.find(UpscaleOptions.catalog_task, 4, tier, "faithful") for tier in TIERS)
    return roofline.measure(cards, (_wide(), "int8"), available())


def workflow(data: Path | None, folder: Path, *, rounds: int) -> Overhead:
    """Time upscaling a one-megapixel JPEG as a workflow, nothing of it kept from before, beside upscaling it directly.

    Args:
        data: the benchmark data; folder: for the files; rounds: in turns.

    Raises:
        UsageError: the data is not there.
    """
    out, session = folder / "out", Session()
    _, photo = _megapixel(datasets.data_folder(data), folder)

    direct = partial(restored, str(photo), UpscaleOptions(), session)

    def around() -> None:
        made = run_workflow("upscale", {"photo": photo}, out, session=session)
        if made.failed:
            raise made.failed[0].error

    return measure("1-megapixel JPEG to JPEG", direct, around, partial(shutil.rmtree, out), rounds, available())


def adapting(data: Path | None, folder: Path) -> AdaptingReport:
    """Measure what POUF gains: MNIST's network on other digits, and the recogniser on other families of damage.

    Args:
        data: the data folder; folder: where the networks of the digits are trained, one for each seed.

    Raises:
        UsageError: the data is not there. MissingExtra: PyTorch is not installed.
    """
    from fourfold.methods.adapt import TUNED  # PyTorch only for who measures
    from fourfold.training import digits, recogniser

    shared = datasets.data_folder(data)
    gains = []
    for tuned in TUNED:
        found = [digits.gain(shared / "digits", folder, tuned, seed) for seed in _SEEDS]
        gains.append(Gain("MNIST to scikit-learn's digits", tuned, *zip(*found, strict=True)))
    for tuned in TUNED:
        found = [recogniser.gain(shared / "photos", tuned, seed) for seed in _SEEDS]
        gains.append(Gain("photos, other families of damage", tuned, *zip(*found, strict=True)))
    return AdaptingReport(tuple(gains), recogniser.accuracy(shared / "photos"))


def batches(data: Path | None, folder: Path, *, photos: int, rounds: int, alone: bool) -> scaling.Scaling:
    """Time batches of small JPEGs with one and two local workers and, unless ``alone``, with two on Ray, in turns.

    Args:
        data: the benchmark data, of which the photos are parts; folder: for the files; photos, rounds: how many.

    Raises:
        UsageError: the data is not there. MissingExtra: Ray is not installed.
    """
    source, rng = folder / "photos", np.random.default_rng(0)
    source.mkdir()
    pictures = [one.load()[1] for a_set in datasets.benchmark_sets(datasets.data_folder(data)) for one in a_set.pairs]
    large = [picture for picture in pictures if min(picture.shape[:2]) >= _SMALL]
    for number in range(photos):
        picture = large[number % len(large)]
        top, left = (int(rng.integers(side - _SMALL + 1)) for side in picture.shape[:2])
        part = picture[top : top + _SMALL, left : left + _SMALL * 3 // 4]
        Pillow.fromarray(part).save(source / f"{number:05}.jpg", quality=92)

    def once(way: scaling.WorkerCount) -> scaling.BatchRun:
        target = folder / "large"
        options = UpscaleOptions(route="little", style="faithful", threads=way.workers if way.engine == "local" else 1)
        batch = Batch(str(source), str(target), options, engine=way.engine, workers=way.workers)
        plan, started = batch.plan(), time.perf_counter()
        outcomes, ready, before = [], [], os.times()
        for outcome in batch.run(plan):
            outcomes.append(outcome)
            ready.append(time.perf_counter() - started)
        figures = [outcome.figures for outcome in outcomes if outcome.figures is not None]
        shutil.rmtree(target)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        return scaling.timed(
            way, ready, [one["peak_memory_mb"] for one in figures], spent if way.engine == "local" else None,
            (sum(job.size for job in plan.jobs), sum(outcome.bytes for outcome in outcomes)),
        )  # fmt: skip

    ways = [way for way in _WAYS if not (alone and way.engine == "ray")]
    return scaling.measure(ways, once, rounds, available())


def deblurring(data: Path | None) -> blurring.DeblurBenchmark:
    """Score the deblurring network on ``photos`` with simulated shake and on ``blurred/levin`` of the data folder.

    What a megapixel costs is printed for it and for the sizes of the paper, with random weights, on the same engine.

    Raises:
        UsageError: the data is not there. ModelError: there is no network. MissingExtra: PyTorch is not installed.
    """
    folder = datasets.data_folder(data)
    held = split(folder / "photos")[1]
    careful, always = _deblurrer(DeblurOptions()), _deblurrer(DeblurOptions(when="always"))
    return blurring.DeblurBenchmark(
        sets=deblurred_sets(folder, DeblurOptions(when="always")),
        sharp=blurring.score_sharp(held, careful, always),
        judged=blurring.judged(held),
        costs=tuple(_costs(Session().restorer(DeblurOptions()).cards()[0])),
    )


def deblurred_sets(folder: Path, options: DeblurOptions) -> tuple[blurring.DeblurScore, ...]:
    """The scores on both sets of pairs of a data folder; raises as ``deblurring``."""
    run = _deblurrer(options)
    return (
        blurring.score(blurring.SIMULATED, blurring.simulated_shake(split(folder / "photos")[1]), run),
        blurring.score(blurring.LEVIN, blurring.levin(folder / "blurred" / "levin"), run, align=True),
    )


def _deblurrer(options: DeblurOptions) -> blurring.Deblur:
    session = Session()
    return lambda picture: session.restore(picture, options).image


def _costs(card: Card) -> Iterator[blurring.Cost]:
    from fourfold.convert import export
    from fourfold.engines import onnxruntime, openvino
    from fourfold.engines.pytorch import macs
    from fourfold.networks.mssnet import SIZES, MSSNet  # PyTorch only for who measures

    threads = available()
    light: Runner = engines.load(card, tile=_TILE)
    yield blurring.Cost(
        card.id, card.parameters, card.macs_per_pixel / 1e6, blurring.seconds_per_megapixel(light, _TILE)
    )
    for name, widths in SIZES.items():
        network = MSSNet(*widths).eval()
        network.tail3_3.weight.data.zero_()
        model = export.to_onnx(network)
        runner: Runner
        if light.runtime == "openvino":
            runner = openvino.OpenVinoRunner(model, _TILE, threads, "auto")
        else:
            runner = onnxruntime.OnnxRunner(model, 1, _TILE, threads)
        yield blurring.Cost(
            f"MSSNet {name}",
            sum(parameter.numel() for parameter in network.parameters()),
            round(macs(network, 64)) / 1e6,
            blurring.seconds_per_megapixel(runner, _TILE),
        )


def _own() -> tuple[scoring.Contender, ...]:
    """Both styles routed, and every network alone, as a person would run them."""
    named = [(f"fourfold {style}, routed", UpscaleOptions(style=style)) for style in STYLES]
    cards = [card for card in catalog.all_cards() if card.task == UpscaleOptions.catalog_task]
    named += [(card.id, UpscaleOptions(model=card.id)) for card in cards]
    return tuple(contender(name, options) for name, options in named)


def contender(name: str, options: UpscaleOptions) -> scoring.Contender:
    """Upscaling with some options as something to compare."""
    session = Session(options)

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        result: NDArray[np.uint8] = session.upscale(low).image
        return result

    return scoring.Contender(name, enlarge, f"fourfold, {available()} threads, fastest runtime")


def _whole_runs(photo: Path) -> dict[str, timing.WholeRun]:
    """From file to file: what each network costs, and what 8-bit arithmetic and encoding in another thread buy."""
    little = UpscaleOptions(route="little", style="faithful", format="jpeg")
    wide = _wide()
    cases = {
        "little, 16 or 32 bit": little.changed(precision=wide),
        "little": little,
        "little to PNG": little.changed(format="png"),
        "big, 16 or 32 bit": little.changed(route="big", precision=wide),
        "big": little.changed(route="big"),
        "routed": little.changed(route="auto"),
        "routed, natural": little.changed(route="auto", style="natural"),
    }
    runs = {f"1-megapixel JPEG, {name}": _whole_run(photo, options) for name, options in cases.items()}
    return runs | {"1-megapixel JPEG, little, one thing after the other": _in_one_thread(photo, little)}


def _wide() -> Literal["bf16", "fp32"]:
    return "bf16" if {"avx512_bf16", "amx_bf16", "bf16"} & set(environment().instructions) else "fp32"


def _in_one_thread(photo: Path, options: UpscaleOptions) -> timing.WholeRun:
    """The same without measuring and encoding beside the network."""
    session = Session()

    def run() -> tuple[float, float]:
        started = time.perf_counter()
        image = files.read(photo)
        work = UpscaleRestorer(options, session.networks).prepare(image).work
        with files.open_writer(photo.with_suffix(".large.jpg"), files.Spec("JPEG", *work.target, 3, quality=95)) as to:
            for band in work.bands(lambda _done, _all: None):
                to.write(work.finish(band))
        return time.perf_counter() - started, work.seconds_model

    return run


def _whole_run(photo: Path, options: UpscaleOptions) -> timing.WholeRun:
    session = Session()

    def run() -> tuple[float, float]:
        report = restored(str(photo), options, session)
        return report.seconds, report.seconds_model

    return run


def _megapixel(data: Path, folder: Path) -> tuple[NDArray[np.uint8], Path]:
    """A picture of the benchmark sets, and a JPEG of one megapixel that is made of it."""
    picture = next(one for one in datasets.benchmark_sets(data) if one.name == "BSD20").pairs[1].load()[1]
    photo = folder / "megapixel.jpg"
    Pillow.fromarray(datasets.tiled_to(picture, (816, 1224))).save(photo, quality=95)
    return picture, photo


@dataclass(frozen=True)
class BenchSetting:
    """What a benchmark may need.

    Attributes:
        data: the benchmark data, None for the usual place; folder: for files, removed afterwards.
        rounds: of paired runs; photos: of a batch; alone: whether others are left out.
        perceptual: whether quality is also measured with ST-LPIPS.
    """

    data: Path | None
    folder: Path
    rounds: int
    photos: int
    alone: bool
    perceptual: bool


class Benchmark(NamedTuple):
    """A measurement, its report as text, and its curves in a folder, if it draws some."""

    measure: Callable[[BenchSetting], Any]
    table: Callable[[Any], str]
    plot: Callable[[Path, Any], None] | None = None


def _plot_routing(folder: Path, report: routed.RoutedGroups) -> None:
    for one in report.groups:
        routed.plot(folder / f"routing-{one.name.replace(' ', '-').lower()}.png", one)


BENCHMARKS = {
    "quality": Benchmark(lambda s: quality(s.data, alone=s.alone, perceptual=s.perceptual), scoring.table),
    "speed": Benchmark(lambda s: speed(s.data, s.folder, rounds=s.rounds, alone=s.alone), timing.table),
    "parts": Benchmark(lambda s: parts.measure(s.data, s.folder, s.rounds), parts.table),
    "routing": Benchmark(
        lambda s: routed.RoutedGroups(routing(s.data, rounds=s.rounds)),
        lambda report: "\n\n".join(map(routed.table, report.groups)),
        _plot_routing,
    ),
    "roofline": Benchmark(lambda _: layers(), roofline.table),
    "cascade": Benchmark(lambda _: cascade.measure(), cascade.table),
    "workflow": Benchmark(lambda s: workflow(s.data, s.folder, rounds=s.rounds), overhead.table),
    "deblurring": Benchmark(lambda s: deblurring(s.data), blurring.table),
    "batch": Benchmark(
        lambda s: batches(s.data, s.folder, photos=s.photos, rounds=s.rounds, alone=s.alone),
        scaling.table,
        lambda folder, report: scaling.plot(folder / "batch-memory.png", report),
    ),
    "service": Benchmark(lambda s: service.measure(s.rounds), service.table),
    "adapting": Benchmark(lambda s: adapting(s.data, s.folder), gained.table),
}
"""Every benchmark by the name that ``bench.MEASURED`` explains."""
