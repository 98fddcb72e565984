"""A cache of step results, keyed by what they were made from, so that no step is computed twice.

A key is the SHA-256 of a step's node, its version, its parameters and the keys of its inputs; of a file, its content.
An entry is a folder of that name with ``values.json`` and, for a picture whose rows are kept, ``NAME.raw``. It is made
under another name and moved into place when it is complete: whatever stops the program, it is whole or not there.
"""

import base64
import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Levels
from fourfold.core.errors import NotEnough, PictureError
from fourfold.core.image import Metadata, Text
from fourfold.workflow.ports import Carried, ImageType, Picture, StepReport, plain

LIMIT = 2 << 30
"""Bytes of rows that may stay; those used longest ago go first, and what is known of the picture stays."""

_STALE, _OLD = 3600.0, 30 * 86400.0
_BLOCKS = ("exif", "xmp", "iptc")  # of metadata, stored in text
"""Seconds without a write after which an unfinished entry is taken for what a stopped program left, and without use
after which a whole one goes."""


def key(parts: Mapping[str, Any]) -> str:
    """The key of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Cache:
    """A folder of entries; several programs may use one at once.

    Attributes:
        added: bytes of rows since it was last pruned.
    """

    folder: Path
    added: int = 0

    def get(self, name: str) -> dict[str, Any] | None:
        """The outputs kept under a key, None if there are none; pictures are unread until asked for, or gone."""
        entry = self.folder / name
        try:
            stored = json.loads((entry / "values.json").read_text("utf-8"))
            values = {output: _taken(entry, output, value) for output, value in stored.items()}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        with suppress(OSError):
            os.utime(entry)
        return values

    def keep(self, name: str) -> "Entry":
        """A new entry, to be filled and committed."""
        return Entry(self, self.folder / name, self.folder / f"part-{secrets.token_hex(8)}")

    def prune(self, limit: int = LIMIT) -> None:
        """Remove what stopped programs left, what nobody used for a month, and rows beyond ``limit`` bytes."""
        self.added = 0
        with suppress(OSError):
            total = 0
            for used, path in sorted(((_used(path), path) for path in self.folder.iterdir()), reverse=True):
                finished = path.is_dir() and not path.name.startswith("part-")
                if time.time() - used > (_OLD if finished else _STALE):
                    _remove(path)
                for rows in path.glob("*.raw") if finished else ():
                    total += rows.stat().st_size
                    if total > limit:
                        rows.unlink()


class Entry:
    """An entry being made; it appears when it is committed."""

    def __init__(self, cache: Cache, place: Path, part: Path) -> None:
        self._cache, self._place, self._part = cache, place, part
        self._rows: dict[str, Rows] = {}
        with _failures(place):
            part.mkdir(parents=True)

    def rows(self, output: str) -> "Rows":
        """Where the rows of a picture go."""
        self._rows[output] = Rows(self._part / f"{output}.raw")
        return self._rows[output]

    def commit(self, values: Mapping[str, Any]) -> None:
        """Write the outputs and let the entry appear; rows that were written are there already, or those of pictures
        that are gone never will be.

        Raises:
            NotEnough: the disk is full. PictureError: the folder cannot be written.
        """
        stored = {}
        for output, value in values.items():
            if isinstance(value, Picture) and output not in self._rows and not value.gone:
                self.rows(output).write(value.levels)
            stored[output] = _plain(value, self._rows.get(output))
        self._cache.added += sum(rows.written for rows in self._rows.values())
        with _failures(self._place):
            (self._part / "values.json").write_text(json.dumps(stored, indent=1), "utf-8")
            try:
                self._part.replace(self._place)
            except OSError:
                if not self._place.is_dir():
                    raise
                for path in sorted(self._part.iterdir()):  # there is one already, of which rows may be gone
                    path.replace(self._place / path.name)
                self._part.rmdir()

    def read(self, output: str, like: Picture) -> Levels:
        """The rows of a committed picture, mapped from its file."""
        return _mapped(self._place / f"{output}.raw", like.type)

    def abandon(self) -> None:
        """Leave nothing behind."""
        for rows in self._rows.values():
            rows.close()
        shutil.rmtree(self._part, ignore_errors=True)


class Rows:
    """Rows of a picture on their way into a file, ``written`` bytes so far."""

    def __init__(self, path: Path) -> None:
        self.written = 0
        self._path = path
        self._folded: NDArray[Any] | None = None
        with _failures(path.parent):
            self._stream = path.open("wb")

    def write(self, band: Levels) -> None:
        """Add rows."""
        folded = np.bitwise_xor.reduce(band, axis=0)
        self._folded = folded if self._folded is None else self._folded ^ folded
        self.written += band.nbytes
        with _failures(self._path.parent):
            self._stream.write(np.ascontiguousarray(band).data)

    def close(self) -> str:
        """End the file; a checksum of the rows."""
        with _failures(self._path.parent):
            self._stream.close()
        return _checksum(self._folded)


def _plain(value: Any, rows: Rows | None) -> Any:
    """An output as plain values."""
    if isinstance(value, StepReport):
        return {"report": value.figures}
    if not isinstance(value, Picture):
        return {"value": value}
    carried = asdict(value.carried)
    carried |= {"profile": _packed(value.carried.profile or b"")}
    packed = {name: _packed(getattr(value.carried.metadata, name)) for name in _BLOCKS}
    carried |= {"metadata": carried["metadata"] | packed}
    return {"image": plain(value.type), "carried": carried, "checksum": rows.close() if rows else ""}


def _taken(entry: Path, output: str, stored: Mapping[str, Any]) -> Any:
    """The output that ``_plain`` stored."""
    if "report" in stored:
        return StepReport(stored["report"])
    if "value" in stored:
        return stored["value"]
    of_type = ImageType(**stored["image"] | {"size": tuple(stored["image"]["size"])})
    given, meta = stored["carried"], stored["carried"]["metadata"]
    beside: dict[str, Any] = {name: _unpacked(meta[name]) for name in _BLOCKS}
    beside |= {"dpi": tuple(meta["dpi"]) if meta["dpi"] else None, "notes": tuple(meta["notes"])}
    beside |= {"aspect": tuple(meta["aspect"]) if meta["aspect"] else None}
    beside |= {"texts": tuple(Text(**text) for text in meta["texts"])}
    carried = Carried(
        **given
        | {
            "profile": _unpacked(given["profile"]) or None,
            "metadata": Metadata(**beside),
            "notes": tuple(given["notes"]),
        }
    )
    path = entry / f"{output}.raw"
    if not path.is_file() or path.stat().st_size != _bytes(of_type):
        return Picture(of_type, carried)
    return Picture(of_type, carried, read=partial(_verified, path, of_type, stored["checksum"]))


def _bytes(of_type: ImageType) -> int:
    return math.prod(_shape(of_type)) * (of_type.depth or 8) // 8


def _mapped(path: Path, of_type: ImageType) -> Levels:
    return np.memmap(path, f"u{(of_type.depth or 8) // 8}", "r", shape=_shape(of_type))


def _shape(of_type: ImageType) -> tuple[int, int, int]:
    height, width = of_type.size or (0, 0)
    return height, width, of_type.channels or 0


def _verified(path: Path, of_type: ImageType, checksum: str) -> Levels:
    levels = _mapped(path, of_type)
    if _checksum(np.bitwise_xor.reduce(levels, axis=0)) != checksum:
        raise PictureError(f"{path}: what an earlier run kept is damaged; remove the folder {path.parent.parent}")
    return levels


def _checksum(folded: NDArray[Any] | None) -> str:
    """A cheap checksum of rows folded into one by exclusive or: it detects parts that a power cut left out."""
    return hashlib.sha256(b"" if folded is None else folded.tobytes()).hexdigest()


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unpacked(text: str) -> bytes:
    return base64.b64decode(text)


def _used(path: Path) -> float:
    """When something in an entry was last written or asked for."""
    inside = list(path.iterdir()) if path.is_dir() else []
    return max(one.stat().st_mtime for one in [path, *inside])


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _failures(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NotEnough(f"{place.parent}: the disk is full while keeping a step's result; make room") from error
        raise PictureError(
            f"{place.parent}: a step's result cannot be kept here: {error.strerror}. Give another --output"
        ) from error
