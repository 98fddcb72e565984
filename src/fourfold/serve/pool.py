"""The worker processes of one server: started, woken, listened to, and replaced when they die."""

import asyncio
import json
import secrets
import subprocess
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from subprocess import PIPE

from sqlalchemy.exc import SQLAlchemyError

from fourfold.serve.limits import ServeOptions
from fourfold.serve.store import Store

_SOON = 2.0
"""Seconds: a worker that dies younger is not replaced at once, lest a fault at its start keeps the machine busy."""


class Pool:
    """Workers, and who waits for news of which job; to be made inside the event loop.

    Args:
        options: how many and within which limits; store: where their jobs are.
    """

    def __init__(self, options: ServeOptions, store: Store) -> None:
        self._options, self._store = options, store
        self._loop = asyncio.get_running_loop()
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._alive: dict[str, subprocess.Popen[str]] = {}
        self._closed = False
        for _ in range(options.workers):
            threading.Thread(target=self._keep_one, daemon=True).start()

    @property
    def alive(self) -> int:
        """How many workers there are now."""
        return len(self._alive)

    def wake(self) -> None:
        """Tell the workers that there is a job."""
        for process in list(self._alive.values()):
            _say(process, "")

    @contextmanager
    def listening(self, job: str) -> Iterator[asyncio.Event]:
        """An event that is set when something happens to a job here; another server's workers set none."""
        event = asyncio.Event()
        self._waiting[job].add(event)
        try:
            yield event
        finally:
            self._waiting[job].discard(event)
            if not self._waiting[job]:
                del self._waiting[job]

    def close(self) -> None:
        """End the workers; what they had in hand can be taken by others at once."""
        self._closed = True
        for owner, process in list(self._alive.items()):
            process.kill()  # at any moment is what it is made for
            process.wait()
            self._release(owner)

    def _keep_one(self) -> None:
        while not self._closed:
            owner, started = secrets.token_hex(8), time.monotonic()
            try:
                self._have_one(owner)
            except Exception:  # noqa: BLE001 - no memory for a process, say; there will be some again
                traceback.print_exc()
            if not self._closed:
                self._release(owner)
                self.wake()
                time.sleep(_SOON if time.monotonic() - started < _SOON else 0)

    def _have_one(self, owner: str) -> None:
        """Start a worker and listen to it till it ends."""
        command = [sys.executable, "-m", "fourfold.serve.worker"]
        process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)  # noqa: S603 - our own module
        plain = asdict(self._options) | {"folder": str(self._options.place), "certificate": None, "key": None}
        _say(process, json.dumps({"options": plain, "owner": owner}))
        self._alive[owner] = process
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._on_line, line.strip())
        process.wait()
        del self._alive[owner]

    def _release(self, owner: str) -> None:
        try:
            self._store.release(owner)
        except SQLAlchemyError:  # then the lease of what the worker held has to end by itself
            traceback.print_exc()

    def _on_line(self, job: str) -> None:
        for event in self._waiting.get(job, ()):
            event.set()


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # it has just died
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
