"""The benchmarks: every super-resolution network of the catalog beside bicubic, Lanczos and the networks of others."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.api.photos import Failure, upscale_files
from fourfold.api.session import Session
from fourfold.api.workflows import run_workflow
from fourfold.catalog import load as catalog
from fourfold.core.options import UpscaleOptions
from fourfold.evaluation import datasets, peers
from fourfold.evaluation import quality as scoring
from fourfold.evaluation import speed as timing
from fourfold.evaluation.overhead import Overhead, measure
from fourfold.runtimes.threads import available

_FORMATS = ("jpeg", "png")


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


def workflow(data: Path | None, folder: Path, *, rounds: int) -> Overhead:
    """Time upscaling a one-megapixel JPEG as a workflow, nothing of it kept from before, beside upscaling it directly.

    Args:
        data: the benchmark data; folder: for the files; rounds: in turns.

    Raises:
        UsageError: the data is not there.
    """
    photo, out, session = folder / "megapixel.jpg", folder / "out", Session()
    picture = next(one for one in datasets.benchmark_sets(datasets.data_folder(data)) if one.name == "BSD20")
    Pillow.fromarray(_tiled_to(picture.pairs[1].load()[1], (816, 1224))).save(photo, quality=95)

    def direct() -> None:
        (outcome,) = upscale_files([str(photo)], overwrite=True, session=session)
        if isinstance(outcome, Failure):
            raise outcome.error

    def around() -> None:
        made = run_workflow("upscale", {"photo": photo}, out, session=session)
        if made.failed:
            raise made.failed[0].error

    return measure("1-megapixel JPEG to JPEG", direct, around, partial(shutil.rmtree, out), rounds, available())


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
