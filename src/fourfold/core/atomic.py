"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all; its folder is made if need be.

    What cannot be UTF-8, such as the name of a file in another encoding, is written as JSON writes it: ``\\udcfc``.

    Raises:
        OSError: as ``replacing``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as stream:
        stream.write(text.encode(errors="backslashreplace"))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new, seekable file beside ``path`` that takes its place when the block ends well.

    Until then, and whatever goes wrong, a file already at ``path`` stays as it is, and the new one is removed. A
    symbolic link at ``path`` is itself replaced, never the file it points at. Permissions are those of any new file.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    temporary = path.with_name(f".fourfold-{os.urandom(8).hex()}.part")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
