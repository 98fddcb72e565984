"""The routes of the service; the work is done in other modules, and never in the event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import FastAPI, Header, Path, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

import fourfold
from fourfold.api.ask import ask_as_html
from fourfold.catalog import load as catalog
from fourfold.core.options import TASKS, UpscaleOptions
from fourfold.scientist.answer import to_json
from fourfold.serve import forms, page, problems, tasks
from fourfold.serve.limits import ServeOptions
from fourfold.serve.problems import Problem, responses
from fourfold.serve.service import Service, Shown
from fourfold.serve.store import Job
from fourfold.workflow.presets import presets
from fourfold.workflow.schema import find

_OF_A_PAGE = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'; "
    "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox"
)
"""The page of an answer states a stricter policy itself; this one keeps it away from everything else here."""

JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As returned when the job was created.")]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=255, description="Of one request, which is done once."),
]
_THREADS = 8
"""For files and the database. More would only wait for each other, and let the event loop wait for them."""

_UPLOADING = (413, 415, 422, 429, 507)
_FETCHING = (404, 409, 413, 415, 422, 500)


class Health(BaseModel):
    """How the service is."""

    status: Literal["ready", "no worker"]
    version: str
    workers: int


class ScientistAnswer(BaseModel):
    """An answer of the scientist: as text, as HTML to be put into a page, and in the form of `answer.json`."""

    markdown: str
    html: str
    answer: dict[str, Any]


def application(options: ServeOptions) -> FastAPI:
    """The service as an ASGI application, without its guard."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        (options.place / "jobs").mkdir(parents=True, exist_ok=True, mode=0o700)
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        service = app.state.service = Service(options)
        janitor = asyncio.create_task(service.keep_tidy())
        yield
        janitor.cancel()
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="fourfold", version=fourfold.__version__, description="Small photos in, sharp and honest ones out.",
        lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json",
    )  # fmt: skip
    problems.install(app)
    _jobs(app)
    _at_once(app)
    _about(app)
    page.install(app)
    return app


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _jobs(app: FastAPI) -> None:
    texts = {"workflow": "Name of a workflow, or one as YAML.", "set": "A value of its input or step, NAME=VALUE."}
    body = forms.schema(photo=True, required=False, texts=texts, options=[*TASKS.values()])

    @app.post("/v1/jobs", status_code=202, openapi_extra=body, responses=responses(409, *_UPLOADING))
    async def create_job(request: Request, response: Response, key: Key = None) -> Shown:
        """Restore a photo as `task` says, or run a workflow on it, when its turn comes."""
        service, form = _service(request), await forms.read(request, ("workflow",))
        if "workflow" in form.fields:
            if extra := set(form.fields) - {"workflow"}:
                raise Problem(422, "parameter", f"{min(extra)} goes into set=NAME=VALUE where there is a workflow")
            text, given = form.fields["workflow"], form.settings()
            await run_in_threadpool(lambda: tasks.check_set(tasks.opened(text), given))
            job = await service.create("workflow", form, {"workflow": text, "set": given}, key)
        else:
            task, options = form.options()
            job = await service.create(task, _with_photo(form), {"options": options, "preview": True}, key)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return await service.shown(job)

    @app.get("/v1/jobs/{job}", responses=responses(404, 422))
    async def show_job(request: Request, job: JobId) -> Shown:
        """How a job stands."""
        service = _service(request)
        return await service.shown(await service.find(job))

    @app.delete("/v1/jobs/{job}", status_code=204, responses=responses(404, 422))
    async def remove_job(request: Request, job: JobId) -> None:
        """Cancel a job, which then stops at its next tile, or remove one that is over with all its files."""
        await _service(request).remove(job)

    @app.get(
        "/v1/jobs/{job}/events",
        response_class=StreamingResponse,
        responses={**responses(404, 422), **_sent("text/event-stream", "Its events.")},
    )
    async def job_events(
        request: Request, job: JobId, last: Annotated[int, Header(alias="Last-Event-ID", ge=0, le=2**62)] = 0
    ) -> StreamingResponse:
        """What happens to a job till it is over: `state`, `progress` in tiles, `rows` of a preview, `step`s."""
        service = _service(request)
        await service.find(job)
        return StreamingResponse(service.events(job, last), media_type="text/event-stream")

    @app.get(
        "/v1/jobs/{job}/result",
        response_class=FileResponse,
        responses={**responses(*_FETCHING), **_sent("*/*", "The file.")},
    )
    async def job_result(request: Request, job: JobId) -> FileResponse:
        """The picture a job made, or the page of an answer."""
        service = _service(request)
        return _file(service, await service.finished(job))

    @app.get("/v1/jobs/{job}/report", response_class=FileResponse, responses=responses(*_FETCHING))
    async def job_report(request: Request, job: JobId) -> FileResponse:
        """The figures of a job's run, as JSON."""
        service = _service(request)
        found = await service.finished(job)
        assert found.outcome is not None
        return FileResponse(service.folder(job) / found.outcome["report"], media_type="application/json")


def _at_once(app: FastAPI) -> None:
    body = forms.schema(photo=True, required=True, texts={}, options=[UpscaleOptions])

    @app.post(
        "/v1/upscale",
        openapi_extra=body,
        response_class=FileResponse,
        responses={**responses(409, *_UPLOADING), **_sent("image/*", "The picture.")},
    )
    async def upscale_now(request: Request, key: Key = None) -> FileResponse:
        """Upscale a photo and answer with the picture; going away cancels it, unless a key finds it again."""
        service, form = _service(request), await forms.read(request)
        _, options = form.options("upscale")
        job = await service.create("upscale", _with_photo(form), {"options": options, "preview": False}, key)
        done = await service.over(job.id, request, key)
        return _file(service, await service.finished(done.id))

    texts = {
        "brief": "A question with the sources to answer it from; a question alone where `job` names a job.",
        "job": "A finished upscaling that the question is about.",
    }
    formats: dict[int | str, dict[str, Any]] = {
        202: {"model": Shown, "description": "A job, where there is a photo or a job to answer for."}
    }

    @app.post(
        "/v1/ask", openapi_extra=forms.schema(photo=True, required=False, texts=texts),
        response_model=ScientistAnswer, responses={**responses(404, 409, *_UPLOADING), **formats},
    )  # fmt: skip
    async def ask_scientist(request: Request, key: Key = None) -> Any:
        """Answer a brief: at once, or with a photo as a job that carries its task out and shows what came of it."""
        service, form = _service(request), await forms.read(request, ("brief",))
        if unknown := set(form.fields) - set(texts):
            raise Problem(422, "parameter", f"unknown field {min(unknown)[:40]!r}; expected photo, brief or job")
        brief, of = form.fields.get("brief", ""), form.fields.get("job")
        if not brief.strip():
            raise Problem(422, "parameter", "expected a question or a brief in the field brief")
        if form.photo is None and of is None:
            made, html = await run_in_threadpool(ask_as_html, brief)
            return ScientistAnswer(markdown=made.markdown, html=html, answer=to_json(made))
        wanted: dict[str, Any] = {"brief": brief}
        if of is not None:
            if form.photo is not None:
                raise Problem(422, "parameter", "expected either a photo or a job to answer for, got both")
            earlier = await service.finished(of)
            if earlier.kind != "upscale" or earlier.outcome is None:
                raise Problem(422, "parameter", "expected a job that upscaled a photo")
            wanted["of"] = {"job": of, "report": earlier.outcome["report"], "result": earlier.outcome["result"]}
        job = await service.create("ask", form, wanted, key)
        shown = await service.shown(job)
        return JSONResponse(shown.model_dump(mode="json"), 202, {"Location": f"/v1/jobs/{job.id}"})


def _about(app: FastAPI) -> None:
    @app.get("/v1/models")
    async def list_models() -> list[dict[str, Any]]:
        """Every network that runs here and every model that is known, with licence, provenance and checksums."""
        return [{"runs_here": hasattr(entry, "weights"), **asdict(entry)} for entry in catalog.all_entries()]

    @app.get("/v1/workflows")
    async def list_workflows() -> list[dict[str, Any]]:
        """The workflows that can be asked for by name."""
        found = [(name, find(name)) for name in presets()]
        return [{"name": name, **workflow.plain()} for name, workflow in found]

    @app.get("/v1/health", responses={503: {"model": Health}})
    async def health(request: Request, response: Response) -> Health:
        """Whether photos are upscaled here, and by how many workers; 503 while there is none."""
        workers = _service(request).pool.alive
        response.status_code = 200 if workers else 503
        return Health(status="ready" if workers else "no worker", version=fourfold.__version__, workers=workers)


def _sent(media: str, about: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media: {"schema": {"type": "string"}}}, "description": about}}


def _with_photo(form: forms.Form) -> forms.Form:
    if form.photo is None:
        raise Problem(422, "parameter", "expected a photo in the field photo")
    return form


def _file(service: Service, job: Job) -> FileResponse:
    assert job.outcome is not None
    outcome = tasks.JobResult(**job.outcome)
    headers = {"Content-Location": f"/v1/jobs/{job.id}/result"}
    if outcome.media == "text/html":
        headers["Content-Security-Policy"] = _OF_A_PAGE
    shown = "inline" if outcome.media.startswith(("image/", "text/html")) else "attachment"
    path = service.folder(job.id) / outcome.result
    return FileResponse(path, 200, headers, outcome.media, filename=outcome.name, content_disposition_type=shown)
