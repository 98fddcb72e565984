"""A worker process: takes one job after the other, within limits of time and memory.

The process can be killed at any moment: a job is finished by one transaction at its end, and whatever a dead attempt
left in the job's folder is never looked at again. It ends itself when its server is gone.

It runs as ``python -m fourfold.serve.worker`` with pipes: the first line in holds its settings, every other one says
that there may be a job; each line out names a job to which something happened.
"""

import json
import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy.exc import OperationalError

from fourfold.api.session import Session
from fourfold.core.errors import FourfoldError, NotEnough
from fourfold.serve import tasks
from fourfold.serve.limits import ServeOptions
from fourfold.serve.store import Job, Store

_HEARTBEAT, _GRACE = 1.0, 10.0
"""Seconds between two looks at the lease, and those a job may take to stop when it has to."""

_BETWEEN = 0.1
"""Seconds between two notes of how far a job is."""

_RECYCLE = 200
"""Jobs after which a worker gives its place to a fresh one, and with it whatever libraries never gave back."""


class Stopped(Exception):
    """The job is to stop at once; ``why`` is cancel, lost, time or memory."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass
class _Running:
    """The job in hand, since when, why it is to stop, if it is, and when it was last said how far it is."""

    job: Job
    since: float
    stop: str = ""
    shown: float = 0.0


class Worker:
    """Takes jobs and does them.

    Args:
        options: the limits; owner: name under which jobs are held; inbox, outbox: streams from and to the server.
    """

    def __init__(self, options: ServeOptions, owner: str, inbox: TextIO, outbox: TextIO) -> None:
        self._options, self._owner, self._inbox, self._outbox = options, owner, inbox, outbox
        self._store = Store(options.url, options.lease_seconds, options.keep_hours * 3600, promises=False)
        self._session = Session()
        self._wake, self._sending = threading.Event(), threading.Lock()
        self._running: _Running | None = None

    def run(self) -> None:
        """Take jobs; returns after so many that a fresh process is better."""
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        for _ in range(_RECYCLE):
            self._do(self._next())
            if _resident_mb() > self._options.max_memory * 3 // 4:
                return

    def _next(self) -> Job:
        while True:
            job = None
            try:
                job = self._store.take(self._owner)
            except OperationalError as error:  # it is started again, or its disk is full, and is asked again soon
                _log(error)
            if job is not None:
                self._notify(job.id)
                if not job.over:
                    return job
                continue
            self._wake.wait(_HEARTBEAT)
            self._wake.clear()

    def _do(self, job: Job) -> None:
        self._running = _Running(job, time.monotonic())
        try:
            self._attempt(job)
        except OperationalError as error:  # the job is not to blame: when its lease ends, it is begun again
            _log(error)
        finally:
            self._running = None
            os.chdir("/")
            self._notify(job.id)

    def _attempt(self, job: Job) -> None:
        try:
            os.chdir(self._options.place / "jobs" / job.id)
            attempt = Path(f"{job.attempts}-{secrets.token_hex(4)}")
            attempt.mkdir()
            photo = next((path.name for path in Path().glob("photo.*")), "")
            outcome = tasks.Attempt(job, photo, attempt, self._session, self._on_event).done()
            self._store.finish(job.id, self._owner, "succeeded", outcome=asdict(outcome))
        except Stopped as stopped:
            self._stopped(job, stopped.why)
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever happens to one job, the next one is to be done
            if not isinstance(error, FourfoldError):
                traceback.print_exc()
            self._store.finish(job.id, self._owner, "failed", error=tasks.problem(error))

    def _stopped(self, job: Job, why: str) -> None:
        if why == "cancel":
            self._store.finish(job.id, self._owner, "cancelled")
        elif why != "lost":
            self._store.finish(job.id, self._owner, "failed", error=tasks.problem(self._excess(why)))

    def _excess(self, why: str) -> NotEnough:
        if why == "time":
            return NotEnough(f"it took longer than {self._options.max_seconds:g} seconds; try a smaller photo or scale")
        return NotEnough(f"it took more than {self._options.max_memory} MB of memory; try a smaller photo or scale")

    def _on_event(self, kind: str, data: Mapping[str, Any]) -> None:
        running = self._running
        assert running is not None
        if running.stop:
            raise Stopped(running.stop)
        if kind == "progress" and data["done"] < data["total"]:
            if time.monotonic() - running.shown < _BETWEEN:
                return
            running.shown = time.monotonic()
        self._store.note(running.job.id, self._owner, kind, data)
        self._notify(running.job.id)

    def _notify(self, job: str) -> None:
        with self._sending, suppress(OSError):
            print(job, file=self._outbox, flush=True)

    def _listen(self) -> None:
        """Wake up for new jobs; end when the server is gone."""
        for _ in self._inbox:
            self._wake.set()
        os._exit(0)

    def _watch(self) -> None:
        """Hold the lease of the job in hand, and have it stopped where it is to stop."""
        stopping = 0.0
        while True:
            time.sleep(_HEARTBEAT)
            running = self._running
            if running is None:
                continue
            if not running.stop:
                stopping = time.monotonic()
                running.stop = self._reason(running)
            elif time.monotonic() - stopping > _GRACE:  # between two tiles it would have stopped long ago
                with suppress(OperationalError):  # the lease ends, too
                    self._stopped(running.job, running.stop)
                os._exit(1)

    def _reason(self, running: _Running) -> str:
        """Why a job is to stop, empty if it may go on; its lease is renewed."""
        with suppress(Exception):  # a database that cannot be reached now may be there before the lease ends
            state = self._store.renew(running.job.id, self._owner)
            if state != "go on":
                return state
        if time.monotonic() - running.since > self._options.max_seconds:
            return "time"
        return "memory" if _resident_mb() > self._options.max_memory else ""


def _log(error: OperationalError) -> None:
    print(f"the database cannot be used now: {error.orig}", file=sys.stderr)


def _resident_mb() -> int:
    """Memory this process holds now; 0 where the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except (OSError, ValueError, AttributeError):
        return 0


def main() -> None:
    """Be a worker, as the first line of the standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the server, which ends its workers
    if hasattr(os, "nice"):
        os.nice(5)  # the server answers first
    outbox = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is for the log
    given = json.loads(sys.stdin.readline())
    options = ServeOptions(**given["options"] | {"folder": Path(given["options"]["folder"])})
    os.environ["FOURFOLD_MEM_MB"] = str(options.max_memory)
    Worker(options, given["owner"], sys.stdin, outbox).run()


if __name__ == "__main__":
    main()
