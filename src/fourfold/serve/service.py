"""Create, find and follow jobs, for all routes; nothing here blocks the event loop."""

import asyncio
import hashlib
import json
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from fourfold.serve import forms, problems
from fourfold.serve.forms import Form
from fourfold.serve.limits import ServeOptions
from fourfold.serve.pool import Pool
from fourfold.serve.problems import Problem
from fourfold.serve.store import Full, Job, Kind, Mismatch, State, Store

_POLL = 0.5
"""Seconds between two looks at a job of which nothing is heard, since another server may be doing it."""

_BREATH = 15.0
"""Seconds of silence after which an event stream shows that it is alive."""

_NO_JOB = "there is no such job; it may have expired, or been removed. Send the photo again"
_JANITOR = 60.0
_ABANDONED = 3600.0
"""Seconds after which a folder that no job knows is what is left of an upload that broke off."""


class Shown(BaseModel):
    """A job."""

    id: str
    kind: Kind
    state: State
    name: str = Field(description="The photo's name as it was sent.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    expires: datetime | None = Field(description="When the job and its files are removed.")
    attempts: int = Field(description="Times it was begun; more than one if a worker died over it.")
    done: int = Field(description="Tiles done.")
    total: int = Field(description="Tiles planned, 0 while that is not known.")
    error: problems.Details | None = Field(description="Why it failed.")
    links: dict[str, str]


class Service:
    """Jobs and their files, for all routes; made when the server starts."""

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        self.store = Store(options.url, options.lease_seconds, options.keep_hours * 3600)
        self.pool = Pool(options, self.store)

    async def create(self, kind: Kind, form: Form, request: Mapping[str, Any], key: str | None) -> Job:
        """Keep the photo and add a job, or find the one that the same request made before.

        Raises:
            Problem: the queue is full, the photo is refused, or the key was used for something else.
        """
        try:
            await run_in_threadpool(self.store.refuse_if_full, self.options.max_waiting)
            kept = await forms.keep(form.photo, self.options)
            asked = json.dumps([kind, kept.digest, request], sort_keys=True)
            keys = None if key is None else (_digest(key), _digest(asked))
            new = False
            try:
                job, new = await run_in_threadpool(
                    self.store.add, kept.job, kind, kept.name, request, self.options.max_waiting, keys
                )
            finally:
                if not new:
                    await run_in_threadpool(forms.discard, kept.job, self.options)
        except Full as error:
            reason = f"{error}, which is as many as this service takes; come again in {error.seconds} seconds"
            raise Problem(429, "busy", reason, {"Retry-After": str(error.seconds)}) from error
        except Mismatch as error:
            reason = "this Idempotency-Key was used for another request; give each request its own"
            raise Problem(422, "idempotency", reason) from error
        self.pool.wake()
        return job

    def close(self) -> None:
        """End the workers and give the database back."""
        self.pool.close()
        self.store.close()

    def folder(self, job: str) -> Path:
        """Where a job's files lie."""
        return self.options.place / "jobs" / job

    async def remove(self, job: str) -> None:
        """Cancel a job, or remove one that is over; raises ``Problem`` if there is none."""
        state = await run_in_threadpool(self.store.remove, job)
        if state == "missing":
            raise Problem(404, "no-job", _NO_JOB)
        if state == "removed":
            await run_in_threadpool(forms.discard, job, self.options)

    async def find(self, job: str) -> Job:
        """The job; raises ``Problem`` if there is none."""
        found = await run_in_threadpool(self.store.get, job)
        if found is None:
            raise Problem(404, "no-job", _NO_JOB)
        return found

    async def finished(self, job: str) -> Job:
        """The job, which succeeded; raises ``Problem`` if it did not, or not yet."""
        found = await self.find(job)
        if found.state == "failed":
            raise problems.of_job(found.error or {})
        if found.state != "succeeded":
            retry = {} if found.over else {"Retry-After": "1"}
            raise Problem(409, "not-finished", f"expected a job that is done, this one is {found.state}", retry)
        return found

    async def over(self, job: str, request: Request, key: str | None) -> Job:
        """The job, once it is over; it is cancelled if the client goes away and has no key that finds it again."""
        with self.pool.listening(job) as news:
            while not (found := await self.find(job)).over:
                news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), _POLL)
                if await request.is_disconnected():
                    if key is None:
                        await self.remove(job)
                    raise Problem(409, "not-finished", "the client went away; ask again")
        return found

    async def shown(self, job: Job) -> Shown:
        """A job as the service reports it."""
        done, total = await run_in_threadpool(self.store.progress, job.id)
        error = None
        if job.state == "failed":
            refusal = problems.of_job(job.error or {})
            error = problems.Details.model_validate(json.loads(bytes(refusal.response().body)))
        here = f"/v1/jobs/{job.id}"
        links = {"self": here, "events": f"{here}/events"}
        if job.state == "succeeded":
            links |= {"result": f"{here}/result", "report": f"{here}/report"}
        return Shown(
            id=job.id, kind=job.kind, state=job.state, name=job.name, created=datetime.fromtimestamp(job.created, UTC),
            started=_moment(job.started), finished=_moment(job.finished), expires=_moment(job.expires),
            attempts=job.attempts, done=done, total=total, error=error, links=links,
        )  # fmt: skip

    async def events(self, job: str, after: int) -> AsyncIterator[bytes]:
        """What happens to a job, as server-sent events, till it is over."""
        loop = asyncio.get_running_loop()
        sent = loop.time()
        with self.pool.listening(job) as news:
            while True:
                news.clear()
                found = await run_in_threadpool(self.store.get, job)
                for event in await run_in_threadpool(self.store.events, job, after):
                    data = await run_in_threadpool(self._with_rows, job, event.data)
                    yield f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(data)}\n\n".encode()
                    after, sent = event.number, loop.time()
                if found is None or found.over:
                    return
                if loop.time() - sent > _BREATH:
                    yield b": still here\n\n"
                    sent = loop.time()
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), _POLL)

    def _with_rows(self, job: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """An event's data with the picture it refers to, if that is still there."""
        if "file" not in data:
            return data
        with suppress(OSError):
            picture = (self.options.place / "jobs" / job / data["file"]).read_bytes()
            return {**data, "file": f"data:image/jpeg;base64,{b64encode(picture).decode()}"}
        return {name: value for name, value in data.items() if name != "file"}

    async def keep_tidy(self) -> None:
        """Remove what has expired, now and then, and what an upload that broke off left."""
        while True:
            try:
                await run_in_threadpool(self._tidy)
            except (SQLAlchemyError, OSError):  # the next time it may go better
                traceback.print_exc()
            await asyncio.sleep(_JANITOR)

    def _tidy(self) -> None:
        for job in self.store.expire():
            forms.discard(job, self.options)
        now, lying = datetime.now(UTC).timestamp(), []
        for one in (self.options.place / "jobs").iterdir():
            with suppress(FileNotFoundError):  # somebody has just removed it
                if now - one.stat().st_mtime > _ABANDONED:
                    lying.append(one.name)
        for job in set(lying) - self.store.known(lying):
            forms.discard(job, self.options)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
