"""Compiled networks kept on disk, so that the next process starts without compiling them.

They lie in the person's cache folder and may be deleted at any time. Every file begins with the SHA-256 of the rest,
so that one that is damaged or cut short is not used, but written anew.
"""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import platformdirs

from fourfold.core.atomic import replacing

KEPT = 64 << 20
"""Bytes of compiled networks at most; the least recently used go first."""

_CHECK = 32


def kept_in() -> Path:
    """The folder of compiled networks."""
    return Path(platformdirs.user_cache_dir("fourfold", appauthor=False)) / "compiled"


def place(facts: Iterable[object]) -> Path:
    """The file for a compiled network, by everything that it depends on: model, shape, settings, engine, processor."""
    return kept_in() / hashlib.sha256(repr([*facts]).encode()).hexdigest()


def recall(path: Path) -> bytes | None:
    """The compiled network kept in a file, None if it is missing or damaged."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    content = stored[_CHECK:]
    if hashlib.sha256(content).digest() != stored[:_CHECK]:
        return None
    with suppress(OSError):
        os.utime(path)
    return content


def keep(path: Path, content: bytes) -> None:
    """Keep a compiled network, if the folder can be written, and remove what is too much."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            stream.write(hashlib.sha256(content).digest() + content)
        _tidy(path.parent)


def _tidy(folder: Path) -> None:
    found = sorted(((path.stat(), path) for path in folder.iterdir()), key=lambda one: -one[0].st_mtime)
    total = 0
    for stat, path in found:
        total += stat.st_size
        if total > KEPT:
            path.unlink(missing_ok=True)
