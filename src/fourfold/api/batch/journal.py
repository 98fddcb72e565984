"""The journal of a batch: a line for its settings, then one for each photo that is done or failed, as JSON."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from fourfold.core.errors import NotEnough, PictureError, UsageError


@dataclass(frozen=True)
class Outcome:
    """What became of one photo.

    Attributes:
        source, target: names relative to the batch's source and target; stamp: of the source when it was read.
        bytes: of the result; figures: its report, see ``methods.restorer.Report``; None if it failed.
        error: why it failed; code: the exit code that this stands for, 0 if it did not.
        full: whether the disk was full, which the next photo would find, too.
    """

    source: str
    target: str
    stamp: str
    bytes: int = 0
    figures: dict[str, Any] | None = None
    error: str = ""
    code: int = 0
    full: bool = False


class Made(NamedTuple):
    """A result that a batch made once: of which photo, and with which stamp; None if that no longer counts."""

    source: str
    stamp: str | None


@dataclass
class Journal:
    """What a batch has done so far, and the file that records it.

    Attributes:
        path: of the file; setting: of the last batch in it, empty if there is none.
        made: by names of results. An entry no longer counts when making it again fails, or when a batch starts over.
    """

    path: Path
    setting: dict[str, Any] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    _stream: FileIO | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for line in self._lines():
            if "batch" in line:
                self._begin(line["batch"], anew=line["anew"])
            else:
                self._learn(Outcome(**line))

    def _begin(self, setting: dict[str, Any], *, anew: bool) -> None:
        self.setting = setting
        if anew:
            self.made = {name: made._replace(stamp=None) for name, made in self.made.items()}

    def _learn(self, outcome: Outcome) -> None:
        if not outcome.error:
            self.made[outcome.target] = Made(outcome.source, outcome.stamp)
        elif outcome.target in self.made:  # what stands there was made of the photo as it was before
            self.made[outcome.target] = self.made[outcome.target]._replace(stamp=None)

    def _lines(self, start: int = 0) -> Iterator[dict[str, Any]]:
        """Every whole line; a last one that was cut short when the machine stopped is none."""
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as stream:
                stream.seek(start)
                for line in stream:
                    if line.endswith(b"\n"):
                        yield json.loads(line)
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.path}: expected the journal of a batch: {error}. Move it away to begin") from error

    @contextmanager
    def writing(self, setting: dict[str, Any], *, anew: bool) -> Iterator[int]:
        """Hold the journal, which no other batch may then, and write its setting; gives where it stands in the file.

        Raises:
            UsageError: another batch is at work. PictureError, NotEnough: the journal cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            stream = self.path.open("ab+", buffering=0)
        except OSError as error:
            raise PictureError(
                f"{self.path}: expected to write the journal here: {error.strerror}. Check permissions, or give "
                "another --journal"
            ) from error
        with stream:
            _lock(stream, self.path)
            start = _whole(stream)
            self._stream = stream
            self._write({"batch": setting, "anew": anew})
            self._begin(setting, anew=anew)
            try:
                yield start
            finally:
                os.fsync(stream.fileno())
                self._stream = None

    def add(self, outcome: Outcome) -> None:
        """Write down what became of a photo.

        Raises:
            NotEnough: the disk is full. PictureError: the journal cannot be written.
        """
        self._write(asdict(outcome))
        self._learn(outcome)

    def outcomes(self, start: int) -> Iterator[Outcome]:
        """What was written since a place in the file."""
        yield from (Outcome(**line) for line in self._lines(start) if "batch" not in line)

    def _write(self, line: dict[str, Any]) -> None:
        assert self._stream is not None
        text = (json.dumps(line, ensure_ascii=False) + "\n").encode(errors="backslashreplace")  # names may be any bytes
        before = self._stream.seek(0, os.SEEK_END)
        try:
            if self._stream.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._stream.truncate(before)
            kind = NotEnough if is_full(error) else PictureError
            raise kind(f"{self.path}: the journal cannot be written ({error.strerror}); make room") from error


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that a disk is full or a quota is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _lock(stream: FileIO, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: there two batches on one target only do their work twice
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(f"{path}: another batch is at work on this target; wait for it, or stop it") from error


def _whole(stream: FileIO) -> int:
    """Cut off a last line that was not finished; the file's length."""
    length = stream.seek(0, os.SEEK_END)
    while length and _byte(stream, length - 1) != b"\n":
        length -= 1
    stream.truncate(length)
    return length


def _byte(stream: FileIO, place: int) -> bytes:
    stream.seek(place)
    return stream.read(1)
