"""Places that photos come from and results go to: folders, and object stores through fsspec."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from fourfold.core.errors import FourfoldError, MissingExtra, PictureError, UsageError

KEPT = ".fourfold"
"""The folder in a target that holds the journal and results in the making."""

_STAMPS = ("ETag", "mtime", "LastModified", "created")
"""Keys by which fsspec's file systems identify an object's content, the most reliable first."""

_WHOLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Kinds of URL whose objects appear whole or not at all; elsewhere a cut upload leaves half a file of its name."""

_HERE = ("file", "local")
"""Kinds of URL that are folders of this machine."""


@dataclass(frozen=True)
class Found:
    """A file in a place: its name relative to the place with ``/`` between folders, its bytes, and its stamp.

    The stamp changes whenever the content may have changed.
    """

    name: str
    size: int
    stamp: str


@dataclass(frozen=True)
class Unlisted:
    """A folder that cannot be looked into, and why."""

    name: str
    error: FourfoldError


class Place(Protocol):
    """Where files are. Made anew from its ``url`` in every process."""

    @property
    def url(self) -> str:
        """A path, or a URL without a slash at its end."""
        ...

    def files(self, leave_out: "Place | None" = None) -> Iterator[Found | Unlisted]:
        """Every file, folder by folder in the order of their names; nothing of what ``leave_out`` holds.

        Raises:
            PictureError: the place cannot be listed at all.
        """
        ...

    def fetched(self, name: str, scratch: Path) -> Path:
        """A local file with the content, which may be a copy in the folder ``scratch``; raises ``PictureError``."""
        ...

    def put(self, made: Path, name: str) -> None:
        """Move a local file here, whole and in place of any file of that name; raises ``PictureError``."""
        ...

    def scratch(self) -> Path | None:
        """The folder from which ``put`` only has to rename; None if any folder will do."""
        ...

    def free(self) -> int | None:
        """Bytes that still fit, None if nobody knows."""
        ...


def place(url: str) -> Place:
    """The place of a path or URL, for example ``photos/`` or ``s3://bucket/photos``.

    Raises:
        MissingExtra: fsspec, or what it needs for such a URL, is not installed. UsageError: no such kind of URL.
    """
    kind, colon, rest = url.partition("://")
    if not colon:
        return Folder(url)
    if kind in _HERE:
        return Folder(rest)
    _opened(url)
    return Store(url.rstrip("/"))


def target_place(url: str) -> Place:
    """The place of a path or URL that results may go to.

    Raises:
        MissingExtra: as ``place``. UsageError: as ``place``, or files might be seen there before they are whole.
    """
    kind, colon, _ = url.partition("://")
    if colon and kind not in (*_WHOLE, *_HERE):
        raise UsageError(
            f"{url}: results cannot go to {kind}://, where half of one might be left; expected a folder (also one of "
            "another machine, mounted) or an object store. "
            f"Give one of {', '.join(f'{known}://' for known in _WHOLE[:-1])}"
        )
    return place(url)


@dataclass(frozen=True)
class Folder:
    """A folder on this machine, or one that all machines share."""

    url: str

    def files(self, leave_out: Place | None = None) -> Iterator[Found | Unlisted]:
        """As ``Place`` says; links to folders are not followed."""
        top = Path(self.url)
        if not top.is_dir():
            raise PictureError(f"{top}: expected a folder, there is none. Check its name")
        skipped = Path(leave_out.url).resolve() if isinstance(leave_out, Folder) else None
        yield from self._files(top, "", skipped)

    def _files(self, folder: Path, prefix: str, skipped: Path | None) -> Iterator[Found | Unlisted]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Unlisted(
                prefix, PictureError(f"{folder}: the folder cannot be read: {error.strerror}. Check its permissions")
            )
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != KEPT and (skipped is None or Path(entry.path).resolve() != skipped):
                    yield from self._files(Path(entry.path), f"{prefix}{entry.name}/", skipped)
            elif (found := self.found(prefix + entry.name)) is not None:
                yield found

    def found(self, name: str) -> Found | None:
        """The file of this name, None if there is none; a link that leads nowhere is a file of no bytes."""
        path = Path(self.url) / name
        try:
            status = path.stat()
        except OSError:
            return Found(name, 0, "") if path.is_symlink() else None
        return Found(name, status.st_size, str(status.st_mtime_ns)) if path.is_file() else None

    def fetched(self, name: str, scratch: Path) -> Path:  # noqa: ARG002
        """The file itself."""
        return Path(self.url) / name

    def put(self, made: Path, name: str) -> None:
        """Rename it into place."""
        target = Path(self.url) / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.replace(target)
        except OSError as error:
            raise PictureError(
                f"{target}: the file cannot be written ({error.strerror}). Check permissions and room"
            ) from error

    def scratch(self) -> Path | None:
        """A hidden folder in this one."""
        return Path(self.url) / KEPT / "parts"

    def free(self) -> int | None:
        """Of the disk that the folder, or the nearest one above it, lies on."""
        folder = Path(self.url).absolute()
        return shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free


@dataclass(frozen=True)
class Store:
    """An object store, or any other file system that fsspec knows; see ``target_place`` for where results may go."""

    url: str

    def files(self, leave_out: Place | None = None) -> Iterator[Found | Unlisted]:
        """As ``Place`` says."""
        system, root = _opened(self.url)
        skipped = _opened(leave_out.url)[1] + "/" if isinstance(leave_out, Store) else None
        try:
            listed: dict[str, dict[str, Any]] = system.find(root, detail=True)
        except Exception as error:
            raise PictureError(
                f"{self.url}: the place cannot be listed: {_reason(error)}. Check its name and your access to it"
            ) from error
        for path, info in sorted(listed.items()):
            if skipped is None or not path.startswith(skipped):
                stamp = next((str(info[key]) for key in _STAMPS if key in info), "")
                yield Found(path.removeprefix(root).removeprefix("/"), int(info["size"] or 0), stamp)

    def fetched(self, name: str, scratch: Path) -> Path:
        """A copy of the object."""
        system, root = _opened(self.url)
        local = scratch / f"input{PurePosixPath(name).suffix}"
        try:
            system.get_file(f"{root}/{name}", str(local))
        except Exception as error:
            raise PictureError(
                f"{self.url}/{name}: the file cannot be fetched: {_reason(error)}. Check your access to it"
            ) from error
        return local

    def put(self, made: Path, name: str) -> None:
        """Upload it."""
        system, root = _opened(self.url)
        try:
            system.put_file(str(made), f"{root}/{name}")
        except Exception as error:
            raise PictureError(
                f"{self.url}/{name}: the file cannot be stored: {_reason(error)}. Check your access to the place"
            ) from error
        made.unlink()

    def scratch(self) -> Path | None:
        """None: it is uploaded from anywhere."""

    def free(self) -> int | None:
        """None: nobody knows."""


@cache
def _opened(url: str) -> tuple[Any, str]:
    """The file system and the path in it, without a slash at the end."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra(f"reading and writing {url}", "batch") from error
    try:
        system, root = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:  # fsspec names the package that a kind of URL needs
        raise MissingExtra(f"reading and writing {url} ({error})", "batch") from error
    except ValueError as error:
        raise UsageError(
            f"expected a folder, or a URL such as s3://bucket/photos; got {url!r}: {error}. Give one of these"
        ) from error
    return system, root.rstrip("/")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
