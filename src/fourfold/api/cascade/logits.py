"""Stored logits: outputs of networks on labelled samples, in a ``.npz`` file or a folder of ``.npy`` files.

Members: ``labels`` (``N`` integers), and for each network ``NAME.logits`` (``N×C`` real numbers) and ``NAME.macs`` (one
number: multiply-accumulate operations a sample). Logits pass through memory in blocks of rows, compressed or not, so a
file may be larger than memory.
"""

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import InvalidInput, UsageError, near
from fourfold.methods.cascade import answers, best_labels

_BLOCK_BYTES = 1 << 24
_LOGITS = ".logits"
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Judged:
    """One network on labelled samples: its name, MACs of one sample, and whether each label is the true one, ``N``."""

    name: str
    macs: float
    correct: NDArray[np.bool_]

    def part(self, which: NDArray[Any]) -> "Judged":
        """The same network on some of the samples."""
        return Judged(self.name, self.macs, self.correct[which])


@dataclass(frozen=True, eq=False)
class Samples:
    """A pair of networks on the same labelled samples.

    Attributes:
        little, big: the networks. confidence: the little one's maximum softmax probability, ``N``.

    Raises:
        UsageError: different numbers of samples, or none.
    """

    little: Judged
    big: Judged
    confidence: NDArray[np.float64]

    def __post_init__(self) -> None:
        lengths = len(self.little.correct), len(self.big.correct), len(self.confidence)
        if len(set(lengths)) != 1 or not lengths[0]:
            raise UsageError(
                f"expected the same samples of both networks and at least one, got {lengths[0]}, {lengths[1]}"
            )

    def __len__(self) -> int:
        return len(self.confidence)

    def part(self, which: NDArray[Any]) -> "Samples":
        """Some of the samples."""
        return Samples(self.little.part(which), self.big.part(which), self.confidence[which])


class StoredLogits:
    """A file or folder of stored logits, opened afresh for each member.

    Attributes:
        names: the networks whose logits are there. labels: the true class of each sample, ``N``.

    Raises:
        UsageError: it does not exist, or holds no logits, or no labels of one integer a sample.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.is_dir():
                members = [one.name for one in path.glob("*.npy")]
            else:
                with zipfile.ZipFile(path) as archive:
                    members = archive.namelist()
        except (OSError, zipfile.BadZipFile) as error:
            raise UsageError(f"{path}: expected a .npz file or a folder of .npy files: {error}") from error
        self._members = {name.removesuffix(".npy") for name in members}
        self.names = sorted(name.removesuffix(_LOGITS) for name in self._members if name.endswith(_LOGITS))
        if not self.names or "labels" not in self._members:
            raise UsageError(f"{path}: expected labels, NAME.logits and NAME.macs; it holds {sorted(self._members)}")
        labels = np.concatenate(list(self._rows("labels")))
        if labels.size != len(labels) or labels.dtype.kind not in "iu":
            raise UsageError(f"{path}: labels: expected one integer a sample, got {labels.shape} {labels.dtype}")
        self.labels: NDArray[np.int64] = labels.reshape(-1).astype(np.int64)

    def pair(self, little: str, big: str) -> Samples:
        """Two networks; of each block of logits only labels and the little network's confidence are kept.

        Raises:
            UsageError: as ``judged`` says.
        """
        parts = list(self._each(little, answers))
        said = np.concatenate([part.labels for part in parts])
        sure = np.concatenate([part.confidence for part in parts])
        return Samples(self._compared(little, said), self.judged(big), sure)

    def judged(self, name: str) -> Judged:
        """One network against the labels.

        Raises:
            UsageError: no such network, no MACs of it, or logits that do not belong to these labels.
        """
        return self._compared(name, np.concatenate(list(self._each(name, best_labels))))

    def _each(self, name: str, function: Callable[[NDArray[Any]], _Result]) -> Iterator[_Result]:
        if name not in self.names:
            raise UsageError(
                f"{self.path}: expected one of {', '.join(self.names)}; got {name!r}.{near(name, self.names)}"
            )
        try:
            for block in self._rows(name + _LOGITS):
                yield function(block)
        except InvalidInput as error:
            raise UsageError(f"{self.path}: {name}{_LOGITS}: {error}. Check the file") from error

    def _compared(self, name: str, said: NDArray[np.int64]) -> Judged:
        if len(said) != len(self.labels):
            raise UsageError(
                f"{self.path}: {name}{_LOGITS}: expected {len(self.labels)} samples as labels, got {len(said)}"
            )
        return Judged(name, self._macs(name), said == self.labels)

    def _macs(self, name: str) -> float:
        member = f"{name}.macs"
        if member not in self._members:
            raise UsageError(f"{self.path}: expected {member}, the multiply-accumulate operations of one sample")
        values = np.concatenate(list(self._rows(member)))
        if values.size != 1 or values.dtype.kind not in "fiu" or not 0 < float(values.flat[0]) < math.inf:
            raise UsageError(f"{self.path}: {member}: expected one number above 0, got {values}")
        return float(values.flat[0])

    def _rows(self, member: str) -> Iterator[NDArray[Any]]:
        """An array in blocks along its first axis, at least one block."""
        try:
            with self._stream(f"{member}.npy") as stream:
                yield from _blocks(stream)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            if isinstance(error, InvalidInput):
                raise
            raise UsageError(f"{self.path}: expected {member} as an array: {error}") from error

    @contextmanager
    def _stream(self, file: str) -> Iterator[BinaryIO]:
        if self.path.is_dir():
            with (self.path / file).open("rb") as stream:
                yield stream
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(file) as member:
            yield cast("BinaryIO", member)


def _blocks(stream: BinaryIO) -> Iterator[NDArray[Any]]:
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, by_columns, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    if not shape:
        shape = (1,)
    width = math.prod(shape[1:])
    if by_columns and len(shape) > 1:
        data = _exactly(stream, math.prod(shape) * dtype.itemsize)
        yield np.frombuffer(data, dtype).reshape(shape, order="F")
        return
    step = max(1, _BLOCK_BYTES // max(1, width * dtype.itemsize))
    for start in range(0, max(1, shape[0]), step):
        rows = min(step, shape[0] - start)
        data = _exactly(stream, rows * width * dtype.itemsize)
        yield np.frombuffer(data, dtype).reshape(rows, *shape[1:])


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError(f"expected {count} more bytes, got {len(data)}")
    return data
