"""Adapting the recogniser of photo conditions to a person's own photos: no labels, and nothing leaves the machine."""

import hashlib
import io
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from fourfold.api.targets import expanded
from fourfold.catalog import load as catalog
from fourfold.core.atomic import replacing
from fourfold.core.contract import Progress
from fourfold.core.errors import FourfoldError, MissingExtra, NotEnough, UsageError
from fourfold.core.options import AdaptOptions
from fourfold.imaging import files
from fourfold.imaging.traces import traces, windows
from fourfold.methods.condition import KINDS, PROMPTS, dominant
from fourfold.models import recogniser

FEW = 100
"""With fewer photos than this, a folder says too little about how conditions look in it."""


@dataclass(frozen=True)
class AdaptReport:
    """What adapting did.

    Attributes:
        photos: that were looked at; skipped: those that could not be read.
        before, after: how many photos were found in each condition, by its name; changed: how many changed theirs.
        seconds: of this call; file: of the adapted weights; warnings: sentences for the person.
    """

    photos: int
    skipped: int
    before: dict[str, int]
    after: dict[str, int]
    changed: int
    seconds: float
    file: str
    warnings: tuple[str, ...]


def adapt(
    folder: str | Path,
    options: AdaptOptions | None = None,
    progress: Callable[[str], Progress] = lambda _what: lambda _done, _all: None,
) -> AdaptReport:
    """Adapt the recogniser to the photos of a folder; ``upscale`` uses it from then on, ``reset_adapted`` ends that.

    Stopped and called again for the same photos and options, it goes on where it was.

    Args:
        folder: photos of the kind that will be upscaled, without labels; options: how.
        progress: called with what is done next, returns what is called after each photo, then after each pass.

    Raises:
        UsageError: fewer than two photos can be read. MissingExtra: PyTorch is not installed. ModelError: the
        recogniser is damaged. NotEnough: the disk is full.
    """
    started, options = time.perf_counter(), options or AdaptOptions()
    if find_spec("torch") is None:
        raise MissingExtra("adapting", "torch")
    paths = [Path(name) for name in expanded([str(folder)]) if Path(name).is_file()]
    paths = [paths[round(place)] for place in np.linspace(0, len(paths) - 1, min(len(paths), options.most))]
    scratch = _scratch(paths, options)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        seen = _read(paths, scratch, progress("reading"))
        if len(seen) < 2:
            shutil.rmtree(scratch, ignore_errors=True)
            raise UsageError(f"{folder}: expected a folder of photos, at least two and better {FEW}, got {len(seen)}")
        from fourfold.training.recogniser import adapted  # PyTorch, only when there is something to do

        made = adapted(seen, options, scratch / "state.pt", progress("adapting"))
        before, after = (np.bincount(found, minlength=len(KINDS)) / len(seen) for found in (made.before, made.after))
        stated = recogniser.write(made.model, len(seen), before.round(4).tolist(), after.round(4).tolist())
    except OSError as error:
        raise NotEnough(
            f"{error.filename or scratch}: expected to write there: {error.strerror}. Make room, or check permissions"
        ) from error
    shutil.rmtree(scratch, ignore_errors=True)
    return AdaptReport(
        photos=len(seen),
        skipped=len(paths) - len(seen),
        before=_named(made.before),
        after=_named(made.after),
        changed=int((made.before != made.after).sum()),
        seconds=round(time.perf_counter() - started, 2),
        file=str(recogniser.adapted_in() / f"{stated.sha256}.onnx"),
        warnings=_warnings(made.before, options),
    )


def reset_adapted() -> bool:
    """Remove the adapted recogniser, so that the packaged one is used again; returns whether there was one.

    Raises:
        NotEnough: a file cannot be removed.
    """
    try:
        return recogniser.reset()
    except OSError as error:
        raise NotEnough(f"{error.filename}: expected to remove it: {error.strerror}. Check permissions") from error


def _scratch(paths: list[Path], options: AdaptOptions) -> Path:
    """A folder for these photos, options and recogniser, in the person's cache; it goes when the work is done."""
    facts = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    base = catalog.recogniser().stored("onnx").sha256
    key = hashlib.sha256(repr((facts, options, base)).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("fourfold", appauthor=False)) / "adapting" / key


def _read(paths: list[Path], scratch: Path, progress: Progress) -> NDArray[np.float32]:
    """Traces in every photo that can be read, ``N×16×74``; each is read once, also over interruptions."""
    found = []
    for number, path in enumerate(paths):
        kept = scratch / f"{number}.npy"
        if not kept.exists():
            try:
                photo = files.read(path)
                seen = traces(windows(photo.pixels, hidden=None if photo.alpha is None else photo.alpha <= 0))
            except FourfoldError:
                seen = np.empty((0,), np.float32)
            data = io.BytesIO()
            np.save(data, seen)
            with replacing(kept) as stream:
                stream.write(data.getvalue())
        seen = np.load(kept)
        if seen.size:
            found.append(seen)
        progress(number + 1, len(paths))
    return np.stack(found) if found else np.empty((0,), np.float32)


def _named(found: NDArray[np.int64]) -> dict[str, int]:
    return {PROMPTS[kind]: int((found == place).sum()) for place, kind in enumerate(KINDS)}


def _warnings(before: NDArray[np.int64], options: AdaptOptions) -> tuple[str, ...]:
    notes = []
    if len(before) < FEW:
        notes.append(f"{len(before)} photos are few: from about {FEW} on, what is found in them can be relied on")
    kind = dominant(before)
    if kind is not None and options.prior != "found":
        found = f"{int((before == kind).sum())} of {len(before)} photos look like {PROMPTS[KINDS[kind]]}"
        notes.append(
            f"{found}; the method takes all conditions to be equally frequent and will see the others too often. "
            "Leave --prior on auto, or --reset to go back"
            if options.prior == "even"
            else f"{found}, so answers were drawn to what was found before, not to equal frequencies (--prior found)"
        )
    return tuple(notes)
