"""What a worker does for each kind of job. Pictures lie in the job's folder; results refer to them by name."""

import io
import json
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from fourfold.api.ask import Answered, ask_files, explain
from fourfold.api.reports import document
from fourfold.api.restore import restore_files
from fourfold.api.session import Session
from fourfold.api.targets import Failure
from fourfold.api.workflows import NodeTools, bound, place_in, run_all
from fourfold.convert import third_party
from fourfold.core.atomic import write_text
from fourfold.core.contract import Levels
from fourfold.core.errors import FourfoldError, PictureError, UsageError
from fourfold.core.options import TASKS
from fourfold.core.size import Size
from fourfold.serve.store import Job
from fourfold.workflow.engine import Event
from fourfold.workflow.graph import file_parameters
from fourfold.workflow.nodes import NODES
from fourfold.workflow.presets import presets
from fourfold.workflow.schema import Workflow, find, parse

_PREVIEW = 480
"""About as many pixels has a row of the preview."""

_LONGEST = 64 << 10
"""Letters of a workflow; reading YAML takes its time."""

_REFUSED = "files of the server are not read"

OnEvent = Callable[[str, Mapping[str, Any]], None]
"""Called with the kind and data of an event; may raise to stop between two tiles."""


@dataclass(frozen=True)
class JobResult:
    """What a job made, by names of files in its folder.

    Attributes:
        result: the picture, or for a question the page; report: its figures as JSON.
        name: what the result is called for its person; media: its media type.
    """

    result: str
    report: str
    name: str
    media: str


@dataclass(frozen=True)
class Attempt:
    """A job being done.

    Attributes:
        job: what to do; photo: the upload, empty if there is none; folder: of this attempt, for what is made.
            Both are relative to the job's folder, which is the current one, so that no message reveals where it lies.
        session: whose networks are used; on_event: called with every event.
    """

    job: Job
    photo: str
    folder: Path
    session: Session
    on_event: OnEvent

    def done(self) -> JobResult:
        """Do it.

        Raises:
            FourfoldError: as the names say.
        """
        ways = {"workflow": self._workflow, "ask": self._ask}
        return ways.get(self.job.kind, self._restore)()

    def _restore(self) -> JobResult:
        options = TASKS[self.job.kind](**self.job.request["options"])
        (made,) = restore_files(
            [self.photo], f"{self.folder}/", options, session=self.session,
            progress=lambda _name: lambda done, total: self.on_event("progress", {"done": done, "total": total}),
            rows=_Preview(self.folder, self.on_event) if self.job.request["preview"] else lambda _levels, _size: None,
        )  # fmt: skip
        if isinstance(made, Failure):
            raise made.error
        result = Path(made.output)
        name = Path(self.job.name).stem + result.stem.removeprefix(Path(self.photo).stem) + result.suffix
        named = replace(made, input=self.job.name, output=name)
        return self._finished(result, document([named], []), name)

    def _workflow(self) -> JobResult:
        tools = NodeTools(self.session)
        workflow = opened(self.job.request["workflow"])
        given = dict(self.job.request["set"])
        graphs = list(bound(workflow, given | ({"photo": self.photo} if self.photo else {}), tools))
        made = run_all(workflow, graphs, tools, place_in(self.folder, fresh=True, overwrite=True), self._watch)
        if made.failed:
            raise made.failed[0].error
        result = made.files[-1] if made.files else made.path
        manifest = json.loads(json.dumps(made.manifest).replace(str(Path.cwd()) + "/", ""))
        return self._finished(result, manifest, f"{Path(self.job.name).stem or 'workflow'}_{result.name}")

    def _ask(self) -> JobResult:
        if earlier := self.job.request.get("of"):
            folder = Path("..") / earlier["job"]
            photo = next(folder.glob("photo.*"), None)
            if photo is None:
                raise UsageError("the run that the question is about was removed meanwhile; upscale the photo again")
            upscaled = json.loads((folder / earlier["report"]).read_text("utf-8"))["files"][0]
            answer, page = explain(self.job.request["brief"], upscaled, photo, folder / earlier["result"])
            write_text(self.folder / "answer.html", page)
            report: dict[str, Any] = {"task": answer.task.id, "markdown": answer.markdown}
        else:
            (self.folder / "brief.txt").write_text(self.job.request["brief"], "utf-8")
            (made,) = ask_files(self.folder / "brief.txt", self.folder, None, Path(self.photo), self._watch)
            if not isinstance(made, Answered):
                raise made.error
            report = {"task": made.answer.task.id, "markdown": made.answer.markdown}
        return self._finished(self.folder / "answer.html", report, "answer.html")

    def _watch(self, _photo: str, event: Event) -> None:
        if event.kind == "progress":
            self.on_event("progress", {"done": event.done, "total": event.total, "step": event.step})
        else:
            self.on_event("step", {"step": event.step, "state": event.kind})

    def _finished(self, result: Path, report: Mapping[str, Any], name: str) -> JobResult:
        path = self.folder / "report.json"
        write_text(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        media = mimetypes.guess_type(result.name)[0] or "application/octet-stream"
        return JobResult(str(self.folder / result.name), str(path), name, media)


def opened(workflow: str) -> Workflow:
    """A preset by its name, or a workflow as written, which reads no file but the photo.

    Raises:
        UsageError: it is neither, is too long, or names a file of the server.
    """
    if len(workflow) > _LONGEST:
        raise UsageError(f"expected a workflow of at most {_LONGEST:,} letters, got {len(workflow):,}; shorten it")
    if "\n" not in workflow:
        if workflow not in presets():
            raise UsageError(f"expected a workflow as YAML or one of {', '.join(presets())}; got {workflow[:80]!r}")
        return find(workflow)
    made = parse(workflow, "the workflow")
    for place, value in file_parameters(made, NODES):
        if value != "$photo":
            raise UsageError(f"{place}: expected $photo; {_REFUSED}")
    if "photo" in made.inputs and made.inputs["photo"].value is not None:
        raise UsageError(f"expected the input photo without a default; {_REFUSED}")
    written = [text for step in made.steps.values() for text in step.arguments.values()]
    for text in (*written, *made.inputs.values()):
        _refuse_path(f"line {text.line}", text.value or "")
    return made


def check_set(workflow: Workflow, given: Mapping[str, str]) -> None:
    """Make sure that none of the values for inputs and parameters names a file; raises ``UsageError``."""
    wants = {name for place, value in file_parameters(workflow, NODES) for name in (place, value.removeprefix("$"))}
    for name, value in given.items():
        if name in wants:
            raise UsageError(f"{name}: {_REFUSED}; give the photo in the field photo")
        _refuse_path(name, value)


def _refuse_path(place: str, value: str) -> None:
    """Networks can be named by their file, too, but not from outside."""
    if "/" in value or "\\" in value or Path(value).suffix.lower() in third_party.FORMATS:
        raise UsageError(f"{place}: {_REFUSED}; name a network of the catalog")


class _Preview:
    """Shows the rows of a result as they come, shrunk to the width of a phone, as JPEG files beside it."""

    def __init__(self, folder: Path, on_event: OnEvent) -> None:
        self._folder, self._on_event, self._top = folder, on_event, 0

    def __call__(self, levels: Levels, size: Size) -> None:
        plain = levels if levels.dtype.itemsize == 1 else (levels >> 8).astype("u1")
        colours = plain[..., 0] if plain.shape[2] < 3 else plain[..., :3]
        shown = Pillow.fromarray(colours).reduce(max(1, size[1] // _PREVIEW, 1))
        data = io.BytesIO()
        shown.save(data, "JPEG", quality=70)
        name = self._folder / f"rows-{self._top}.jpg"
        name.write_bytes(data.getvalue())
        self._on_event("rows", {"top": self._top, "height": len(levels), "of": size[0], "file": str(name)})
        self._top += len(levels)


def problem(error: Exception) -> dict[str, Any]:
    """A failure as problem details; an unexpected one without its message, which may reveal too much."""
    if isinstance(error, FourfoldError):
        kind = "picture" if isinstance(error, PictureError) else type(error).__name__
        return {"kind": kind, "title": "the job failed", "detail": str(error)}
    return {"kind": "unexpected", "title": "the job failed", "detail": "something unforeseen; see the server's log"}
