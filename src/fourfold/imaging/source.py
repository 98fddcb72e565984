"""Open picture files and recognise their format, or refuse them with an error that says what to do."""

import errno
import io
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from fourfold.core.errors import PictureError, near
from fourfold.imaging.formats import refusal, sniff


def open_file(path: Path) -> io.BufferedReader:
    """The file, open for reading; raises ``PictureError`` with what to do if that cannot be."""
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        beside = islice(path.parent.iterdir(), 1000) if path.parent.is_dir() else ()
        hint = near(path.name, [other.name for other in beside])
        raise PictureError(f"{path}: expected a picture file, there is no such file. Check its name.{hint}") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path}: expected a picture file, got a folder. Name the files in it") from error
    except OSError as error:
        what = "its name" if error.errno == errno.ENAMETOOLONG else "its permissions"
        raise PictureError(f"{path}: the file cannot be opened ({error.strerror}). Check {what}") from error
    except ValueError as error:  # a zero byte in a name
        raise PictureError(f"{path!r}: the file cannot be opened ({error}). Check its name") from error


def recognised(stream: BinaryIO, label: str) -> str:
    """The format that the start of a stream announces; raises ``PictureError`` that says what it is instead."""
    start = stream.read(64)
    name = sniff(start)
    if name is None:
        raise PictureError(f"{label}: {refusal(start)}")
    return name


def taken(label: str) -> PictureError:
    """The refusal to replace a file."""
    return PictureError(f"{label} exists already; give --overwrite to replace it, or another --output")


def unwritable(label: str, error: OSError) -> PictureError:
    """The refusal of a file that cannot be written, and why."""
    return PictureError(f"{label}: the file cannot be written ({error.strerror or error}). Choose another --output")
