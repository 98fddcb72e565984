"""Decoded training pairs on disk: a photo is decoded and shrunk once, and a training starts within seconds.

A set lies in a folder of its own: ``NNN.npy`` files of bytes, which are mapped into memory, not read, and
``pairs.json``, which says where each pair lies. It is made anew when a photo is added, removed or changed.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fourfold.core import atomic
from fourfold.training.data import Pair, pair_of, read_pair
from fourfold.training.graphics import graphic

T = TypeVar("T")

SHARD_BYTES = 256 << 20
"""Bytes after which a new file is begun."""


def pairs(photos: Sequence[Path], folder: Path) -> list[Pair]:
    """The pairs of photos, in their order, decoded into ``folder`` first if they are not there."""
    stated = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in photos]
    return kept(folder, stated, lambda: _ahead(read_pair, photos))


def drawn(count: int, seed: int, folder: Path) -> list[Pair]:
    """The pairs of ``count`` graphics, drawn into ``folder`` first if they are not there."""

    def draw(number: int) -> Pair:
        return pair_of(graphic(np.random.default_rng([seed, number])))

    return kept(folder, ["graphics", count, seed], lambda: _ahead(draw, range(count)))


def kept(folder: Path, stated: object, make: Callable[[], Iterable[Pair]]) -> list[Pair]:
    """Pairs from ``folder``, made first if they are not there.

    Args:
        folder: one for all sets; stated: what the pairs depend on, as JSON; make: makes them.

    Returns:
        Pairs whose arrays are views of the mapped files.
    """
    here = folder / hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]
    index = here / "pairs.json"
    if not index.exists():
        _write(make(), here)
    shards = [np.load(path, mmap_mode="r") for path in sorted(here.glob("*.npy"))]
    return [_pair(shards[number], *place) for number, *place in json.loads(index.read_text("utf-8"))]


def _write(made: Iterable[Pair], here: Path) -> None:
    here.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[int, int, int, int]] = []
    shard: list[NDArray[np.uint8]] = []
    number = offset = 0
    for pair in made:
        if offset > SHARD_BYTES:
            _save(here, number, shard)
            shard, number, offset = [], number + 1, 0
        height, width = pair.low.shape[:2]
        rows.append((number, offset, height, width))
        shard += [pair.high.ravel(), pair.low.ravel()]
        offset += pair.high.size + pair.low.size
    _save(here, number, shard)
    atomic.write_text(here / "pairs.json", json.dumps(rows))


def _ahead(make: Callable[[T], Pair], values: Sequence[T]) -> Iterator[Pair]:
    """Made two at a time or more, never many of them in memory."""
    with ThreadPoolExecutor() as pool:
        for first in range(0, len(values), 8):
            yield from pool.map(make, values[first : first + 8])


def _save(here: Path, number: int, shard: list[NDArray[np.uint8]]) -> None:
    part = here / f"{number:03}.part.npy"
    np.save(part, np.concatenate(shard))
    part.replace(here / f"{number:03}.npy")


def _pair(shard: NDArray[np.uint8], offset: int, height: int, width: int) -> Pair:
    middle, end = offset + 48 * height * width, offset + 51 * height * width
    return Pair(shard[offset:middle].reshape(4 * height, 4 * width, 3), shard[middle:end].reshape(height, width, 3))
