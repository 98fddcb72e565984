"""Time and memory of fitting a cascade's threshold to stored logits of ImageNet's size."""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fourfold.core.contract import Progress
from fourfold.core.errors import NotEnough, RuntimeFailure
from fourfold.methods.cascade import answers, best_labels, fit_threshold
from fourfold.pages.report import text_table

SIZES = ((50_000, 1_000), (1_000_000, 1_000))
"""Samples and classes: ImageNet's validation set, and its training set rounded down."""

_IN_MEMORY = 100_000  # samples up to which the logits are also fitted from memory
_ROWS = 10_000
_MACS = {"little": 1.0, "big": 10.0}

# A system counts what a process held when it started another one as that one's, too: the command is started by a
# process that holds nothing.
_LAUNCHER = """
import subprocess, sys, time
before = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - before
peak = 0
if sys.platform != "win32":
    import resource
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(seconds, peak)
sys.exit(code)
"""


@dataclass(frozen=True)
class FitTime:
    """One size.

    Attributes:
        samples, classes: of each of the two networks' logits, 32-bit floats.
        seconds_fit: labels, confidences and threshold from logits in memory; None where they were not loaded.
        seconds_file: the whole command ``fourfold cascade fit`` in a fresh process: reading, fitting, 100 halvings.
        peak_mib: the most memory that process held; None on systems that do not report it.
        logits_mib: both networks' logits.
    """

    samples: int
    classes: int
    seconds_fit: float | None
    seconds_file: float
    peak_mib: float | None
    logits_mib: float


@dataclass(frozen=True)
class CascadeSpeed:
    """The sizes measured, in the order asked for."""

    fits: tuple[FitTime, ...]


def measure(
    folder: Path | None = None, sizes: tuple[tuple[int, int], ...] = SIZES, progress: Progress | None = None
) -> CascadeSpeed:
    """Write random logits, fit them, and remove them again.

    Args:
        folder: where there is room for them, 8 GB for ``SIZES``; default the system's for temporary files.
        sizes: samples and classes.
        progress: called with sizes done and in all.

    Raises:
        NotEnough: too little room on the disk. RuntimeFailure: the command failed.
    """
    found = []
    for done, (samples, classes) in enumerate(sizes):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            found.append(_one(Path(place), samples, classes))
        if progress:
            progress(done + 1, len(sizes))
    return CascadeSpeed(tuple(found))


def _one(place: Path, samples: int, classes: int) -> FitTime:
    size = 2 * 4 * samples * classes
    free = shutil.disk_usage(place).free
    if free < 1.1 * size:
        raise NotEnough(
            f"{place}: expected {1.1 * size / 1e9:.1f} GB of free disk for the logits, got {free / 1e9:.1f}"
        )
    _write(place, samples, classes)
    in_memory = _timed_in_memory(place) if samples <= _IN_MEMORY else None
    seconds, peak = _timed_command(place)
    return FitTime(samples, classes, in_memory, seconds, peak, size / 2**20)


def _write(place: Path, samples: int, classes: int) -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, classes, samples)
    ease = draw.exponential(4, samples).astype(np.float32)
    np.save(place / "labels.npy", labels)
    for name, skill in (("little", 1.0), ("big", 1.5)):
        np.save(place / f"{name}.macs.npy", np.array(_MACS[name]))
        with (place / f"{name}.logits.npy").open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (samples, classes)}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, samples, _ROWS):
                rows = draw.standard_normal((min(_ROWS, samples - start), classes), np.float32)
                rows[np.arange(len(rows)), labels[start : start + _ROWS]] += skill * ease[start : start + _ROWS]
                file.write(rows.astype("<f4", copy=False).data)


def _timed_in_memory(place: Path) -> float:
    labels = np.load(place / "labels.npy")
    logits = [np.load(place / f"{name}.logits.npy") for name in _MACS]
    before = time.perf_counter()
    little, big = answers(logits[0]), best_labels(logits[1])
    fit_threshold(little.confidence, little.labels == labels, big == labels, *_MACS.values())
    return time.perf_counter() - before


def _timed_command(place: Path) -> tuple[float, float | None]:
    words = ["-m", "fourfold", "cascade", "fit", "--logits", str(place), "--little", "little", "--big", "big", "--json"]
    launched = subprocess.run(  # noqa: S603 – this interpreter, with these words
        [sys.executable, "-c", _LAUNCHER, sys.executable, *words], capture_output=True, text=True, check=False
    )
    if launched.returncode != 0:
        raise RuntimeFailure(f"fourfold {' '.join(words[2:])} failed: {launched.stderr.strip()}")
    seconds, peak = (float(word) for word in launched.stdout.split())
    return seconds, peak / (2**20 if sys.platform == "darwin" else 2**10) if peak else None


def table(found: CascadeSpeed) -> str:
    """The measurements as text for a terminal."""
    rows = [["samples × classes", "logits", "fit in memory", "whole command", "its peak memory"]]
    rows += [
        [
            f"{one.samples:,} × {one.classes:,}",
            f"{one.logits_mib:,.0f} MiB",
            "" if one.seconds_fit is None else f"{one.seconds_fit:.2f} s",
            f"{one.seconds_file:.2f} s",
            "" if one.peak_mib is None else f"{one.peak_mib:,.0f} MiB",
        ]
        for one in found.fits
    ]
    return text_table(rows)
