"""Labelled pictures (a folder and a CSV table of classes), and classifiers that are timed while they run."""

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import UsageError
from fourfold.imaging import files
from fourfold.methods.cascade import Network


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures and the numbers of their true classes, as the networks count them, in the order of the table."""

    pictures: tuple[Path, ...]
    labels: NDArray[np.int64]


def read_labelled(folder: Path, table: Path) -> Labelled:
    """The pictures that a CSV file with the columns ``file`` and ``label`` names; other columns are passed over.

    Raises:
        UsageError: no such table or column, no rows, a label that is no class number, or a picture that is not there.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if not {"file", "label"} <= set(rows.fieldnames or ()):
                raise UsageError(f"{table}: expected the columns file and label, got {rows.fieldnames}")
            found = [(folder / row["file"], row["label"]) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table}: expected a table in CSV: {error}") from error
    if not found:
        raise UsageError(f"{table}: expected at least one picture")
    for path, label in found:
        if not path.is_file():
            raise UsageError(f"{path}: the table {table} names this picture, but it is not there. Check its name")
        if label is None or not label.strip().isdecimal():
            raise UsageError(f"{table}: {path.name}: expected the number of a class, got {label!r}")
    return Labelled(tuple(path for path, _ in found), np.array([int(label) for _, label in found], np.int64))


def levels(path: Path) -> NDArray[np.uint8]:
    """A picture file as ``H×W×3`` levels, upright; grey becomes RGB, transparent parts are laid on black.

    Raises:
        PictureError: it cannot be read.
    """
    return files.read(path).rgb8()


class Timed:
    """A network over picture files (a ``methods.cascade.Network``) that counts its calls and its time.

    Args:
        prepare: from levels ``H×W×3`` to one sample. network: from samples to logits.

    Attributes:
        calls: of the network. pictures: seen. seconds_network: inside the network, without reading and preparing.
    """

    def __init__(self, prepare: Callable[[NDArray[np.uint8]], NDArray[Any]], network: Network) -> None:
        self._prepare, self._network = prepare, network
        self.calls = self.pictures = 0
        self.seconds_network = 0.0

    def __call__(self, pictures: Sequence[Path]) -> NDArray[Any]:
        """Logits of the pictures, ``N×C``."""
        samples = np.stack([self._prepare(levels(path)) for path in pictures])
        before = time.perf_counter()
        logits = self._network(samples)
        self.seconds_network += time.perf_counter() - before
        self.calls += 1
        self.pictures += len(pictures)
        return logits


@dataclass(frozen=True)
class Duration:
    """Wall-clock time of one run over all pictures.

    Attributes:
        seconds: from file to label. seconds_network: of these, inside the networks.
    """

    seconds: float
    seconds_network: float


@dataclass(frozen=True)
class CascadeRun:
    """The cascade really run over all pictures, files to labels, beside each network alone.

    Attributes:
        threshold: used. batch_size: pictures a call.
        big_pictures: that went to the big network. big_calls: of it.
        little, big, cascade: durations.
    """

    threshold: float
    batch_size: int
    big_pictures: int
    big_calls: int
    little: Duration
    big: Duration
    cascade: Duration


def timing(run: CascadeRun, pictures: int) -> str:
    """A run over so many pictures as text for a terminal."""
    went = f"{run.big_pictures} went to the big network, in {run.big_calls} calls of at most {run.batch_size}"
    lines = [
        f"Run over all {pictures} pictures with threshold {run.threshold:.4g}: {went}.",
        "Wall-clock seconds, file to label (of these inside the networks):",
    ]
    lines += [
        f"  {name:8} {spent.seconds:8.3f}  ({spent.seconds_network:.3f})"
        for name, spent in (("little", run.little), ("big", run.big), ("cascade", run.cascade))
    ]
    return "\n".join(lines)
