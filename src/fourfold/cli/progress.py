"""Progress of many pictures: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from fourfold.core.errors import UsageError

if TYPE_CHECKING:
    from fourfold.api.targets import Failure
    from fourfold.workflow.engine import Event

T = TypeVar("T")

ending = threading.Event()
"""Set once the process has been signalled to end."""


class Progress:
    """Shows what is being done on standard error; results are lines on standard error as well.

    Args:
        quiet: show errors only.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        if not self._quiet and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            columns = (
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                progress.TimeRemainingColumn(),
            )
            self._bar = progress.Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, name: str) -> "Step":
        """Begin a picture; call what is returned after each tile."""
        task = None if self._bar is None else self._bar.add_task(name, total=None)
        return Step(self._bar, task)

    def say(self, line: str, error: bool = False) -> None:
        """Print a line above the bar; when quiet, only errors."""
        if self._quiet and not error:
            return
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


class Step:
    """The progress of one picture."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def __call__(self, done: int, total: int) -> None:
        """Show how many of the tiles are done; a finished picture's bar disappears."""
        if ending.is_set():
            raise KeyboardInterrupt
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, visible=done < total)


def follow(
    outcomes: "Callable[[Progress], Iterator[T | Failure]]", line: Callable[[T], str], quiet: bool
) -> "tuple[list[T], list[Failure], int]":
    """Show the outcomes of many pictures as they come.

    Args:
        outcomes: takes what shows a picture's progress, and yields what became of each.
        line: what to say of a picture that is done.

    Returns:
        What was done, what failed, and the exit code.
    """
    from fourfold.api.targets import Failure

    done: list[T] = []
    failed: list[Failure] = []
    with Progress(quiet) as progress:
        try:
            for outcome in outcomes(progress):
                if ending.is_set():
                    raise KeyboardInterrupt
                if isinstance(outcome, Failure):
                    failed.append(outcome)
                    progress.say(f"fourfold: {outcome.error}", error=True)
                else:
                    done.append(outcome)
                    progress.say(line(outcome))
        except KeyboardInterrupt:
            progress.say(f"fourfold: interrupted; {len(done)} finished files are kept", error=True)
            return done, failed, 130
    return done, failed, exit_code(len(done), {entry.error.exit_code for entry in failed})


def figures_alone(inputs: Sequence[str], output: str | None) -> None:
    """Make sure that no picture goes where ``--json`` prints; raises ``UsageError`` if one would."""
    from fourfold.api.targets import is_pipe

    if output == "-" or (output is None and any(map(is_pipe, inputs))):
        raise UsageError("--json prints the figures where the picture would go; give --output FILE for the picture")


def exit_code(done: int, codes: set[int]) -> int:
    """The exit code of a command over many pictures: some were done, and failures stand for these codes."""
    if len(codes) == 1 and (done == 0 or codes == {4}):
        return next(iter(codes))
    return 3 if codes else 0


class TileProgress:
    """Shows the steps of a workflow that have tiles; to be called with every event and its photo's name."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._step: Step | None = None

    def __call__(self, name: str, event: "Event") -> None:
        """Show how far a step is; other events are passed over."""
        if event.kind != "progress":
            return
        self._step = self._step or self._progress.start(f"{name}: {event.step}")
        self._step(event.done, event.total)
        if event.done == event.total:
            self._step = None
