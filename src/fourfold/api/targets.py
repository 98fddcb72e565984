"""Where results go: the inputs of a run, the names and formats of their results, and what must not be replaced."""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from fourfold.api.names import SHORTENED, TEMPLATE, Names, listing, was_shortened
from fourfold.core.atomic import replacing, sweep
from fourfold.core.errors import FourfoldError, NotEnough, PictureError, UsageError
from fourfold.core.options import RestoreOptions
from fourfold.imaging.formats import Format, format_of, sniff, writable_like
from fourfold.imaging.source import taken, unwritable


@dataclass(frozen=True)
class Failure:
    """One input that gave no picture, and why; the others went on."""

    input: str
    error: FourfoldError


def expanded(inputs: Iterable[str], note: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """The inputs, folders replaced by the photos in them; ``note`` is called with what is passed over in a folder."""
    for name in inputs:
        folder = Path(name)
        found: tuple[str, ...] = ()
        if name != "-" and os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK):  # noqa: PTH112 - never raises
            listed = listing(path.name for path in folder.iterdir() if path.is_file())
            found = tuple(str(folder / photo) for photo in listed.photos)
            if listed.note:
                note(f"{name}: {listed.note}")
        yield from found or [name]  # a folder without photos, or closed to us, fails by itself, as a bad file does


def is_pipe(source: str) -> bool:
    """Whether an input is read once and has no place of its own: ``-``, a named pipe, ``/dev/stdin``, ``<(…)``."""
    if source == "-":
        return True
    try:
        mode = Path(source).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def given(source: str) -> Path | bytes:
    """What an input stands for: a file, or the bytes of a pipe; only the start of them if that is no picture.

    Raises:
        PictureError: the pipe cannot be read.
    """
    if not is_pipe(source):
        return Path(source)
    if source == "-" and sys.stdin is None:
        raise PictureError("standard input is closed; expected a picture there. Give a file, or a pipe")
    try:
        with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as stream:
            start = stream.read(64)
            return start if sniff(start) is None else start + stream.read()
    except OSError as error:
        raise PictureError(f"{source}: the pipe cannot be read ({error.strerror}). Give a file") from error


@contextmanager
def reread(source: str | Path) -> Iterator[Path]:
    """A file that can be read several times: the input itself, or of a pipe a copy that lasts as long as the block.

    Raises:
        PictureError: the pipe cannot be read.
    """
    data = given(str(source))
    if isinstance(data, Path):
        yield data
        return
    with TemporaryDirectory(prefix="fourfold-") as folder:
        copied = Path(folder) / "stdin"
        copied.write_bytes(data)
        yield copied


def output_stream() -> BinaryIO:
    """Standard output for a picture; raises ``PictureError`` if it is closed."""
    if sys.stdout is None:
        raise PictureError("standard output is closed; expected it open for the picture. Give a file as --output")
    return sys.stdout.buffer


@dataclass(frozen=True)
class Targets:
    """The policy for the results of one run.

    Attributes:
        output: a file for one input, a folder for any number (made if need be), ``-`` for standard output; None puts
            each result beside its input.
        options: of the run; inputs: all of them; overwrite: whether an existing file may be replaced. An input is never
            replaced.

    Raises:
        UsageError: several pictures would go to standard output.
    """

    output: str | None
    options: RestoreOptions
    inputs: Sequence[str]
    overwrite: bool
    _written: set[Path] = field(default_factory=set)
    _originals: set[tuple[int, int] | None] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.output == "-" and len(self.inputs) > 1:
            raise UsageError(
                f"expected one input for standard output, got {len(self.inputs)}; give a folder as --output"
            )
        self._originals.update(_identity(Path(name)) for name in self.inputs if not is_pipe(name))
        self._originals.discard(None)

    def _folder(self) -> Path | None:
        """The folder that results go to, if the output is one."""
        if self.output is None or self.output == "-":
            return None
        folder = Path(self.output)
        return folder if len(self.inputs) > 1 or self.output.endswith((os.sep, "/")) or folder.is_dir() else None

    def format_for(self, of_input: str) -> Format:
        """As asked for, else as the output's name says, else the input's own, else the nearest that can be written."""
        asked = format_of(self.options.format) if self.options.format else None
        if self.output is not None and self.output != "-" and self._folder() is None:
            named = format_of(Path(self.output))
            if asked is not None and asked is not named:
                raise UsageError(
                    f"{self.output}: expected a name ending in {asked.suffixes[0]} for --format {asked.name}"
                )
            return named
        return asked or writable_like(format_of(of_input))

    def path_for(self, source: str, of_input: str, kind: Format, page: int | None = None) -> Path | None:
        """Where the result of an input goes, ``NAME_x4.EXT`` or the like if no name was given; None is standard output.

        Raises:
            PictureError: it would replace an input, a result of this run, or a file that may not be replaced.
        """
        piped = is_pipe(source)
        if self.output == "-" or (piped and self.output is None):
            return None
        folder = self._folder()
        if self.output is not None and folder is None:
            path = Path(self.output)
        else:
            given = Path("stdin" if piped else source)
            name = Names(TEMPLATE, self.options).result(given, format_of(of_input), kind, page)
            path = (folder or given.parent) / name
        if _identity(path) in self._originals:
            own = not piped and _identity(path) == _identity(Path(source))
            its = "its own input" if own else f"{path}, which is an input, too"
            raise PictureError(f"{source}: the result would replace {its}; give another --output")
        if path.resolve() in self._written:
            raise PictureError(f"{source}: {path} was just written from another input; give the inputs other names")
        sweep(path.parent)  # also where nothing will be written, because the result is there already
        try:
            if path.exists() and not self.overwrite:
                raise taken(f"{source}: {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(
                f"{path.parent}: expected a folder to write to: {error.strerror}. Give another --output"
            ) from error
        return path

    def shortened(self, source: str, path: Path | None) -> tuple[str, ...]:
        """A note if the name of a result could not hold that of its input."""
        named = self.output is not None and self._folder() is None
        if path is None or named or is_pipe(source) or not was_shortened(Path(source), path.name):
            return ()
        return (SHORTENED.format(path.name),)

    def wrote(self, path: Path, source: str) -> tuple[str, ...]:
        """Remember a result, which no other input of this run may replace, and date it as the options say.

        Returns:
            A note if the date of its input cannot be kept.
        """
        self._written.add(path.resolve())
        if self.options.times == "now" or is_pipe(source):
            return ()
        try:
            found = Path(source).stat()
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        except OSError as error:
            return (f"The date of the input was not kept: {error.strerror}.",)
        return ()


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of one file; None for what is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def copy(data: Path | bytes, target: Path | BinaryIO, *, overwrite: bool) -> None:
    """Hand an input's file on byte for byte; a file appears whole or not at all.

    Raises:
        PictureError: it cannot be read or written, or is there already. NotEnough: the disk is full.
    """
    try:
        content = data if isinstance(data, bytes) else data.read_bytes()
        if not isinstance(target, Path):
            target.write(content)
        elif target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            with replacing(target, overwrite=overwrite) as file:
                file.write(content)
    except FileExistsError as error:
        raise taken(str(target)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NotEnough(f"{target}: the disk is full. Make room or choose another folder") from error
        raise unwritable(str(target), error) from error
