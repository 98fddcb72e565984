"""Where the time of a photo goes: every step of a run from JPEG to JPEG timed by itself, for small and large photos.

The steps are taken one after the other, which shows what each costs; the run itself overlaps them.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image as Pillow

from fourfold.api.restore import restored
from fourfold.api.session import Session
from fourfold.bench import datasets
from fourfold.bench.speed import Spread, busy, load_average, spread
from fourfold.core.options import UpscaleOptions
from fourfold.core.threads import available
from fourfold.imaging import files
from fourfold.methods.upscale import Upscaling
from fourfold.pages.report import text_table

STEPS = ("decode", "plan", "network", "halo", "figures", "encode", "rest")
"""``plan`` judges the photo and loads networks; ``halo`` is the network's time for pixels that are computed twice."""

_SIZES = ((200, 300), (416, 600), (816, 1224), (2828, 4242))
_FEWEST = 2  # rounds of the largest photo, which takes seconds


@dataclass(frozen=True)
class PhotoParts:
    """One photo.

    Attributes:
        size: ``(width, height)`` in pixels; network: that it went through; windows: how many.
        seconds: by step, medians; together: of all steps, one after the other; run: of the run, as a person does it.
        ratio: of the run to the network's time without halos, round by round.
    """

    size: tuple[int, int]
    network: str
    windows: int
    seconds: dict[str, float]
    together: Spread
    run: Spread
    ratio: Spread


@dataclass(frozen=True)
class PartsReport:
    """A finished measurement; ``busy`` says whether other work ran beside it, so that it should not be published."""

    threads: int
    busy: bool
    photos: tuple[PhotoParts, ...]


def measure(data: Path | None, folder: Path, rounds: int) -> PartsReport:
    """Time all sizes with the little network; ``folder`` is for the photos and what is made of them.

    Raises:
        UsageError: the benchmark data is not there.
    """
    sets = datasets.benchmark_sets(datasets.data_folder(data))
    picture = next(one for one in sets if one.name == "BSD20").pairs[1].load()[1]
    before, found = load_average(), []
    session = Session(UpscaleOptions(route="little", style="faithful"))
    for size in _SIZES:
        photo = folder / f"{size[1]}x{size[0]}.jpg"
        Pillow.fromarray(datasets.tiled_to(picture, size)).save(photo, quality=95)
        found.append(_measured(photo, session, min(rounds, _FEWEST) if size == _SIZES[-1] else rounds))
    threads = available()
    return PartsReport(threads, busy(before, load_average(), threads), tuple(found))


def _measured(photo: Path, session: Session, rounds: int) -> PhotoParts:
    """One photo; the first round does not count."""
    out = photo.with_name(f"{photo.stem}_x4.jpg")
    whole = partial(restored, str(photo), session.options, session, str(out))
    steps, totals, runs = [], [], []
    for _ in range(1 + rounds):
        work, seconds, total = _stepwise(photo, out, session)
        started = time.perf_counter()
        whole()
        runs.append(time.perf_counter() - started)
        steps.append(seconds)
        totals.append(total)
    medians = {name: spread([one[name] for one in steps[1:]]).median for name in STEPS}
    ratios = [run / one["network"] for run, one in zip(runs, steps, strict=True)]
    sizes = work.image.size[::-1], f"{work.runner.runtime} {work.runner.precision}", work.plan.count
    return PhotoParts(*sizes, medians, spread(totals[1:]), spread(runs[1:]), spread(ratios[1:]))


def _stepwise(photo: Path, out: Path, session: Session) -> tuple[Upscaling, dict[str, float], float]:
    """The steps of one run in turn: what ran, the seconds of each step, and of all."""
    seconds, started = dict.fromkeys(STEPS, 0.0), time.perf_counter()

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        seconds[name] += time.perf_counter() - begun

    with timed("decode"):
        image = files.read(photo)
    with timed("plan"):
        work: Upscaling = session.restorer(session.options).prepare(image).work  # type: ignore[attr-defined]
    with files.open_writer(out, files.Spec("JPEG", *work.target, channels=3, quality=95)) as writer:
        for band in work.bands(lambda _done, _all: None):
            with timed("figures"):
                finished = work.finish(band)
            with timed("encode"):
                writer.write(finished)
    with timed("figures"):
        _ = work.fidelity
    useful = math.prod(image.size) / (work.plan.count * math.prod(work.plan.shape))
    seconds["network"], seconds["halo"] = work.seconds_model * useful, work.seconds_model * (1 - useful)
    total = time.perf_counter() - started
    seconds["rest"] = total - sum(seconds.values())
    return work, seconds, total


def table(report: PartsReport) -> str:
    """Milliseconds of each step and its part of all of them, a photo a column."""

    def row(name: str, value: Callable[[PhotoParts], str]) -> list[str]:
        return [name, *map(value, report.photos)]

    def step(name: str, photo: PhotoParts) -> str:
        return f"{1e3 * photo.seconds[name]:.0f} ms, {photo.seconds[name] / photo.together.median:.0%}"

    lines = [
        row("", lambda one: f"{math.prod(one.size) / 1e6:.2f} MP"),
        *(row(name, partial(step, name)) for name in STEPS),
        row("one after the other", lambda one: f"{1e3 * one.together.median:.0f} ms"),
        row("as it runs", lambda one: f"{1e3 * one.run.median:.0f} ms"),
        row("run / network", lambda one: f"{one.ratio.median:.2f}"),
    ]
    note = ["busy machine: these figures are noise"] if report.busy else []
    return "\n".join([f"JPEG to JPEG, little network, {report.threads} threads", text_table(lines), *note])
