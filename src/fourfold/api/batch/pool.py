"""The local pool: one process per worker. When one dies, only its current photo is affected, and is tried once more."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Self

from fourfold.api.batch.journal import Outcome
from fourfold.api.batch.worker import Job, Setting, died

_TRIES = 2
_PROGRAM = """import json, sys
sys.path[:] = json.loads(sys.argv[1])
from fourfold.api.batch.worker import serve
serve()"""


class Pool:
    """Worker processes, as a context manager; on an early exit, photos in progress are dropped.

    Args:
        setting: of the batch; workers: how many, each started when it has something to do.
    """

    def __init__(self, setting: Setting, workers: int) -> None:
        self._setting = setting
        self._slots = [_Slot() for _ in range(workers)]
        self._threads: list[Thread] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for slot in self._slots:
            slot.stop()
        while any(thread.is_alive() for thread in self._threads):
            for slot, thread in zip(self._slots, self._threads, strict=True):
                slot.stop()  # it may just have begun with another photo
                thread.join(0.1)

    def do(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Do the jobs, each in the next worker that is free; outcomes come as they are ready.

        A photo during which a worker dies (for want of memory, as a rule) is tried once more, then it has failed.
        """
        lock, waiting = Lock(), iter(jobs)
        done: SimpleQueue[Outcome | BaseException | None] = SimpleQueue()

        def work(slot: _Slot) -> None:
            try:
                while not self._closed:
                    with lock:
                        job = next(waiting, None)
                    if job is None:
                        break
                    done.put(self._tried(slot, job))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                done.put(error)
            done.put(None)

        self._threads = [Thread(target=work, args=(slot,), daemon=True) for slot in self._slots]
        for thread in self._threads:
            thread.start()
        working = len(self._slots)
        while working:
            outcome = done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is None:
                working -= 1
            else:
                yield outcome

    def _tried(self, slot: "_Slot", job: Job) -> Outcome:
        for _ in range(_TRIES):
            outcome = None if self._closed else slot.ask(self._setting, job)
            if outcome is not None:
                return outcome
        return died(self._setting, job)


class _Slot:
    """Holds one worker process, which is replaced when it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, setting: Setting, job: Job) -> Outcome | None:
        """The outcome of the job, None if the worker died over it."""
        try:
            process = self._process = self._process or _started(setting)
            _send(process, asdict(job))
            assert process.stdout is not None
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):  # it is dead, or was stopped
            line = b""
        if not line.endswith(b"\n"):
            self.stop()
            return None
        return Outcome(**json.loads(line))

    def stop(self) -> None:
        """End the process at once; results appear whole or not at all, whenever that is."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(BrokenPipeError), process:  # which closes its pipes, one perhaps with words it did not hear
                process.wait()


def _started(setting: Setting) -> "subprocess.Popen[bytes]":
    """A worker in a group of its own: Ctrl-C in a terminal reaches this process alone, which then decides."""
    program = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path)]
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    _send(process, setting.plain())
    return process


def _send(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()
