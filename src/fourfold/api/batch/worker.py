"""One worker of a batch: keeps a session loaded and restores one photo after the other with ``restore_files``."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self

from fourfold.api.batch.journal import Outcome, is_full
from fourfold.api.batch.places import place
from fourfold.api.names import SHORTENED, was_shortened
from fourfold.api.restore import restore_files
from fourfold.api.session import Session
from fourfold.api.targets import Failure
from fourfold.core.atomic import scratch
from fourfold.core.errors import FourfoldError, NotEnough, PictureError
from fourfold.core.options import TASKS, RestoreOptions


@dataclass(frozen=True)
class Job:
    """A photo to be done: names relative to source and target, the photo's bytes and stamp, and its page, if asked."""

    source: str
    target: str
    size: int
    stamp: str
    page: int | None = None


@dataclass(frozen=True)
class Setting:
    """What every worker of a batch needs to know; plain values, so that it travels.

    Attributes:
        source, target: paths or URLs; options: of every photo, with the threads of one worker.
        scratch: folder for what is in the making, which whoever began the batch clears; None: each machine's own.
    """

    source: str
    target: str
    options: RestoreOptions
    scratch: str | None = None

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"task": self.options.task}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """What ``plain`` gave."""
        given = dict(plain)
        return cls(**given | {"options": TASKS[given.pop("task")](**given["options"])})


class Worker:
    """Restores one photo after the other; failures are returned as outcomes, never raised."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._source, self._target = place(setting.source), place(setting.target)
        self._session = Session()

    def __call__(self, job: Job) -> Outcome:
        """The photo's outcome: its result stands in the target, or nothing has changed there."""
        undone = Outcome(job.source, job.target, job.stamp)
        try:
            with self._scratch() as scratch:
                local = self._source.fetched(job.source, scratch)
                result = str(scratch / PurePosixPath(job.target).name)
                options = self._setting.options.changed(pages=job.page)
                (made,) = restore_files([str(local)], result, options, session=self._session)
                if isinstance(made, Failure):
                    return _failed(undone, made.error, local, f"{self._setting.source.rstrip('/')}/{job.source}")
                size = Path(made.output).stat().st_size
                self._target.put(Path(made.output), job.target)
        except FourfoldError as error:
            return _failed(undone, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other photos go on
            text = f"{job.source}: {type(error).__name__}: {error}"
            full = is_full(error)
            return replace(undone, error=text, code=6 if full else 1, full=full)
        if was_shortened(PurePosixPath(job.source), PurePosixPath(job.target).name):
            made = replace(made, warnings=(*made.warnings, SHORTENED.format(PurePosixPath(job.target).name)))
        figures = asdict(replace(made, input=job.source, output=job.target))
        figures.pop("routing", None)  # a map of every tile: too much for a line of the journal
        return replace(undone, bytes=size, figures=figures)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder of its own for one photo, empty again afterwards."""
        if self._setting.scratch is None:
            with scratch() as folder:
                yield folder
            return
        folder = Path(self._setting.scratch) / f"fourfold-{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700, parents=True)
        except OSError as error:
            kind = NotEnough if is_full(error) else PictureError
            raise kind(f"{folder}: expected a folder to write to: {error.strerror}. Make room") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _failed(undone: Outcome, error: FourfoldError, local: Path | None = None, named: str = "") -> Outcome:
    """The outcome of a failure; a copy in a scratch folder is called by the name the person knows."""
    text = str(error) if local is None else str(error).replace(str(local), named)
    return replace(undone, error=text, code=error.exit_code, full=is_full(error.__cause__))


def died(setting: Setting, job: Job) -> Outcome:
    """The outcome of a job over which workers died, and those that came after them, too."""
    error = PictureError(
        f"{setting.source.rstrip('/')}/{job.source}: one worker after the other died over this photo; it may need more "
        "memory than there is: try fewer --workers"
    )
    return _failed(Outcome(job.source, job.target, job.stamp), error)


def serve() -> None:
    """Be a worker process: a setting, then jobs, as lines of JSON on standard input; outcomes on standard output.

    It ends with its input, even in the middle of a photo: nobody is left to read the outcome.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever an engine prints is no answer
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(lines,), daemon=True).start()
    worker = Worker(Setting.from_plain(json.loads(lines.get())))
    while True:
        outcome = worker(Job(**json.loads(lines.get())))
        answers.write(json.dumps(asdict(outcome)).encode() + b"\n")
        answers.flush()


def _listen(lines: "SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)
