"""Files that appear whole or not at all."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fourfold.core.errors import PictureError

try:
    import fcntl
except ImportError:  # Windows, where a file that is being written cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

_PART = ".fourfold-*.part"
_SCRATCH, _OWNER = "fourfold-scratch-", "owner"
_YOUNG = 60.0
_swept: set[Path] = set()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all; its folder is made if need be.

    What cannot be UTF-8, such as the name of a file in another encoding, is written as JSON writes it: ``\\udcfc``.

    Raises:
        OSError: as ``replacing``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as stream:
        stream.write(text.encode(errors="backslashreplace"))


def write_document(path: Path, text: str, what: str) -> None:
    """The same for what a person asked for, such as "the report"; raises ``PictureError`` if it cannot be written."""
    try:
        write_text(path, text)
    except OSError as error:
        raise PictureError(f"{path}: expected to write {what} here: {error.strerror}. Name another place") from error


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A new, seekable file beside ``path`` that takes its place when the block ends well.

    Until then, and whatever goes wrong, a file already at ``path`` stays as it is, and the new one is removed. A
    symbolic link at ``path`` is itself replaced, never the file it points at. Permissions are those of any new file.
    What a process that was killed left in the folder is removed, once in the life of this one.

    Args:
        path: the file's name.
        overwrite: whether a file that is there may be replaced; if not, of two that write it at once one is refused.

    Raises:
        FileExistsError: there is a file, and it may not be replaced.
        OSError: the folder is missing or not writable, or the disk is full.
    """
    sweep(path.parent)
    temporary = path.with_name(f".fourfold-{os.getpid()}-{os.urandom(8).hex()}.part")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "w+b") as stream:
            _lock(handle)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            if fcntl is not None:  # in place while it is still locked
                _put(temporary, path, overwrite)
        if fcntl is None:
            _put(temporary, path, overwrite)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left in a folder: parts that nobody holds a lock on."""
    folder = folder.absolute()
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError):
        for part in folder.glob(_PART):
            with suppress(OSError):
                if _abandoned(part):
                    part.unlink()


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder, removed after the block; what killed processes left of the kind is removed before.

    Raises:
        OSError: it cannot be made.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with suppress(OSError), (left / _OWNER).open("rb") as stream:
            if fcntl is not None and _lock(stream.fileno()):
                shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix="fourfold-"))
    folder = made.with_name(_SCRATCH + made.name.removeprefix("fourfold-"))
    try:
        with (made / _OWNER).open("wb") as stream:
            _lock(stream.fileno())
            if fcntl is None:
                yield made
            else:
                yield made.rename(folder)  # under this name it is always locked
    finally:
        for one in (made, folder):
            shutil.rmtree(one, ignore_errors=True)


def _abandoned(part: Path) -> bool:
    """Whether no process writes it; one just made may be about to be locked by a process of another machine."""
    if fcntl is None:
        return True
    with part.open("rb") as stream:
        if not _lock(stream.fileno()):
            return False
        owner = part.name.split("-")[1]
        return not _alive(owner) or time.time() - part.stat().st_mtime > _YOUNG


def _alive(owner: str) -> bool:
    if not owner.isdecimal():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _lock(handle: int) -> bool:
    """Take a file for this process alone; also true where files cannot be locked."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _put(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    if os.name == "nt":
        temporary.rename(path)  # which there fails if the name is taken
        return
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
            raise
        # A file system without hard links: an empty file claims the name.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        temporary.replace(path)
    else:
        temporary.unlink()
