"""Every error fourfold raises on purpose. Each message says what was expected, what came, and what to do.

FourfoldError                    exit code 1
├── Unexpected                   1  a bug: this picture is left out, the others go on
├── UsageError                   2  an option or argument cannot be used so
├── InvalidInput (ValueError)    2  a value handed to a Python function cannot be used so
├── PictureError                 3  one picture cannot be read or written; the others go on
├── QualityGate                  4  a result is below the asked-for quality
├── ModelError                   5  a model is missing, damaged or not permitted
│   ├── MissingExtra             5  an optional part is not installed
│   └── RuntimeFailure           5  an engine failed, or answered with nonsense
└── NotEnough                    6  memory or disk would not suffice

A KeyboardInterrupt passes through everything and ends a command with exit code 130.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar


class FourfoldError(Exception):
    """The root: something fourfold noticed itself."""

    exit_code: ClassVar[int] = 1


class Unexpected(FourfoldError):
    """A bug of fourfold over one picture, which is reported with it while the others go on; its cause is attached."""

    def __init__(self, what: str, bug: BaseException) -> None:
        frame = bug.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = "" if frame is None else f" at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
        super().__init__(
            f"{what}: expected a result or a reason, but fourfold failed ({type(bug).__name__}: {bug}{place}). This is "
            "a bug: please report it, with the picture if you can"
        )


class UsageError(FourfoldError):
    """An option or argument cannot be used so."""

    exit_code = 2


class InvalidInput(FourfoldError, ValueError):
    """A value handed to a Python function cannot be used so."""

    exit_code = 2


class PictureError(FourfoldError):
    """One picture cannot be read or written; the others go on."""

    exit_code = 3


class Damaged(ValueError):
    """What a reader finds wrong in a file, as words for a sentence; ``imaging.files`` makes a PictureError of it."""


class QualityGate(FourfoldError):
    """A result is below the asked-for quality."""

    exit_code = 4


class ModelError(FourfoldError):
    """A model is missing, damaged or not permitted."""

    exit_code = 5


class MissingExtra(ModelError):
    """An optional part is not installed; the message holds the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part: pip install 'fourfold[{extra}]'")


class RuntimeFailure(ModelError):
    """An inference engine failed, or answered with values that cannot be a picture."""


class NotEnough(FourfoldError):
    """Memory or disk would not suffice; the message holds the figure."""

    exit_code = 6


def near(word: str, known: list[str]) -> str:
    """``" Did you mean X?"`` with the closest known word, or an empty string."""
    close = get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
