"""The benchmarks: the networks of the catalog beside bicubic, Lanczos and the networks of others; deblurring."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold import runtimes
from fourfold.api.deblurring import choose_card, deblur_picture
from fourfold.api.photos import upscale_files
from fourfold.api.session import Session
from fourfold.api.targets import Failure
from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card
from fourfold.core.contract import Runner
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.evaluation import datasets, peers
from fourfold.evaluation import deblurring as blurring
from fourfold.evaluation import quality as scoring
from fourfold.evaluation import speed as timing
from fourfold.runtimes.threads import available
from fourfold.training.data import split

_FORMATS = ("jpeg", "png")
_TILE = (512, 512)  # of the picture on which deblurring networks are timed


def quality(data: Path | None, *, alone: bool) -> scoring.QualityReport:
    """Score everything on the benchmark sets; ``alone`` leaves out the networks of others.

    Raises:
        UsageError: the data is not there. MissingExtra: the networks of others cannot run here.
    """
    folder = datasets.data_folder(data)
    others = () if alone else peers.peers(folder, available())
    contenders = (scoring.BICUBIC, scoring.LANCZOS, *_own(), *others)
    sets = datasets.benchmark_sets(folder)
    return scoring.QualityReport(tuple(scoring.score(one, sets) for one in contenders))


def speed(data: Path | None, folder: Path, *, rounds: int, alone: bool) -> timing.SpeedReport:
    """Time everything on one 480×320 picture, and whole runs from file to file on one of a megapixel.

    Args:
        data: the benchmark data; folder: for the files of the whole runs; rounds: of the paired run;
        alone: leaves out the networks of others.

    Raises:
        UsageError: the data is not there. MissingExtra: the networks of others cannot run here.
    """
    found = datasets.data_folder(data)
    threads = available()
    others = () if alone else peers.peers(found, threads)
    picture = next(one for one in datasets.benchmark_sets(found) if one.name == "BSD20").pairs[1].load()[1]
    photo = folder / "megapixel.jpg"
    Pillow.fromarray(_tiled_to(picture, (816, 1224))).save(photo, quality=95)
    whole = {f"1-megapixel JPEG to {kind.upper()}": _whole_run(photo, kind) for kind in _FORMATS}
    contenders = (*_own(), scoring.BICUBIC, scoring.LANCZOS, *others)
    return timing.measure(contenders, picture, whole, threads, timing.Rounds(measured=rounds))


def deblurring(data: Path | None) -> blurring.DeblurReport:
    """Score the deblurring network on shaken photos of ``photos`` and on ``blurred/levin`` of the data folder.

    What a megapixel costs is printed for it and for the sizes of the paper, with random weights, on the same engine.

    Raises:
        UsageError: the data is not there. ModelError: there is no network. MissingExtra: PyTorch is not installed.
    """
    folder = datasets.data_folder(data)
    held = split(folder / "photos")[1]
    session = Session()

    def deblur(options: DeblurOptions) -> blurring.Deblur:
        return lambda picture: deblur_picture(picture, options, session).image

    careful, always = deblur(DeblurOptions()), deblur(DeblurOptions(when="always"))
    return blurring.DeblurReport(
        sets=(
            blurring.score(blurring.SHAKEN, blurring.shaken(held), always),
            blurring.score(blurring.LEVIN, blurring.levin(folder / "blurred" / "levin"), always, align=True),
        ),
        sharp=blurring.score_sharp(held, careful, always),
        judged=blurring.judged(held),
        costs=tuple(_costs(choose_card(DeblurOptions()))),
    )


def _costs(card: Card) -> Iterator[blurring.Cost]:
    from fourfold.networks.mssnet import SIZES, MSSNet  # PyTorch only for who measures
    from fourfold.runtimes import export, importing, onnxruntime, openvino

    threads = available()
    light: Runner = runtimes.load(card, tile=_TILE)
    yield blurring.Cost(
        card.id, card.parameters, card.macs_per_pixel / 1e6, blurring.seconds_per_megapixel(light, _TILE)
    )
    for name, widths in SIZES.items():
        network = MSSNet(*widths).eval()
        network.tail3_3.weight.data.zero_()
        model = export.to_onnx(network)
        if light.runtime == "openvino":
            runner: Runner = openvino.OpenVinoRunner(model, _TILE, threads, "auto")
        else:
            runner = onnxruntime.OnnxRunner(model, 1, _TILE, threads)
        yield blurring.Cost(
            f"MSSNet {name}",
            sum(parameter.numel() for parameter in network.parameters()),
            importing.macs_per_pixel(network) / 1e6,
            blurring.seconds_per_megapixel(runner, _TILE),
        )


def _own() -> tuple[scoring.Contender, ...]:
    return tuple(contender(card.id) for card in catalog.all_cards() if card.task == "image-to-image/super-resolution")


def contender(identifier: str) -> scoring.Contender:
    """A network of the catalog as something to compare, just as a person would run it."""
    session = Session(UpscaleOptions(model=identifier))

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        result: NDArray[np.uint8] = session.upscale(low).image
        return result

    return scoring.Contender(identifier, enlarge, f"fourfold, {available()} threads, fastest runtime")


def _whole_run(photo: Path, kind: str) -> timing.WholeRun:
    session = Session()

    def run() -> tuple[float, float]:
        options = UpscaleOptions(format=kind)  # type: ignore[arg-type]
        (outcome,) = upscale_files([str(photo)], options=options, overwrite=True, session=session)
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome.seconds, outcome.seconds_model

    return run


def _tiled_to(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    repeats = [-(-wanted // side) for wanted, side in zip(size, picture.shape[:2], strict=True)]
    mirrored = np.concatenate([picture, picture[::-1]])
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], axis=1)
    return np.tile(mirrored, (*repeats, 1))[: size[0], : size[1]]
