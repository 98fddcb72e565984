"""Run a checked workflow on one set of inputs: each step once, or not at all where its result is cached.

A step may return a picture that is not computed yet. Its rows are computed when a later step reads them, so that a
restored picture is encoded while the network makes it; a picture that no step reads is computed at the end. Rows are
cached, except where their only reader is a step that writes them to a file.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import fourfold
from fourfold.core.contract import Levels
from fourfold.core.errors import PictureError
from fourfold.imaging import files
from fourfold.imaging.metadata import LONGEST_RECIPE
from fourfold.workflow import cache
from fourfold.workflow.cache import Cache, Entry
from fourfold.workflow.graph import BoundStep, Graph
from fourfold.workflow.node import Context, Tools
from fourfold.workflow.ports import ImageType, Picture, StepReport, plain


@dataclass(frozen=True)
class Event:
    """Something that happened to a step; ``done`` of ``total`` tiles for ``progress``."""

    kind: Literal["started", "progress", "finished", "reused"]
    step: str
    done: int = 0
    total: int = 0


_LONGEST_ENGINE = "onnxruntime fp32"
"""Engine and arithmetic of a network, which a recipe will also name."""

Watch = Callable[[Event], None]
"""Called with every event; may raise to stop the run between two tiles."""


@dataclass(frozen=True)
class Place:
    """Where a run writes.

    Attributes:
        folder: for the files of steps that save; stem: what their names begin with.
        cache: of finished steps; fresh: whether to compute every step anew all the same.
        originals: files that must not be written; overwrite: whether other ones that are there may be replaced.
    """

    folder: Path
    stem: str
    cache: Cache
    fresh: bool = False
    originals: frozenset[Path] = frozenset()
    overwrite: bool = False


@dataclass
class Record:
    """What became of a step.

    Attributes:
        contents: the SHA-256 of every file that its parameters name.
        key: of its result, see ``workflow.cache``; reused: whether an earlier run had kept it.
        started, seconds: when it began and how long it took, in seconds from the start of the run; steps overlap.
        outputs: by name; pictures may still be open until the run is over.
        finish: what is left to do once the step that takes its rows is finished.
    """

    task: BoundStep
    contents: Mapping[Path, str]
    key: str
    reused: bool
    started: float
    seconds: float = 0.0
    outputs: dict[str, Any] = field(default_factory=dict)
    finish: Callable[[], None] | None = None

    def plain(self) -> dict[str, Any]:
        """The record as plain values, of pictures what is known of them."""
        return {
            "node": self.task.node.name,
            "version": self.task.node.version,
            "inputs": {port: f"{source.step}.{source.output}" for port, source in self.task.inputs.items()},
            "parameters": {name: self._plain(value) for name, value in self.task.parameters.items()},
            "key": self.key,
            "reused": self.reused,
            "started": round(self.started, 4),
            "seconds": round(self.seconds, 4),
            "outputs": {name: self._plain(value) for name, value in self.outputs.items()},
        }

    def _plain(self, value: Any) -> Any:
        if isinstance(value, StepReport):
            return value.figures
        if isinstance(value, Picture):
            return plain(value.type) | {"size": [*(value.type.size or ())][::-1]}  # width first, as reports have it
        return {"path": str(value.resolve()), "sha256": self.contents[value]} if isinstance(value, Path) else value


def run(graph: Graph, tools: Tools, place: Place, watch: Watch) -> dict[str, Record]:
    """Run a workflow; the records of its steps, by name.

    Raises:
        WorkflowProblems: with what the loaded photos turned out to be, the types do not fit.
        FourfoldError: as the nodes raise them; finished steps are kept.
    """
    with ExitStack() as unfinished:
        return _Run(graph, tools, place, watch, unfinished).all()


class _Run:
    def __init__(self, graph: Graph, tools: Tools, place: Place, watch: Watch, unfinished: ExitStack) -> None:
        self._graph, self._tools, self._place, self._watch = graph, tools, place, watch
        self._unfinished = unfinished
        self._began = time.perf_counter()
        self._contents = {path: files.digest(path) for _, path in graph.files()}
        self._keys: dict[str, str] = {}
        for task in graph.tasks:
            self._keys[task.name] = cache.key(self._identity(task))
        self._kept = {} if place.fresh else self._reusable()
        self._records: dict[str, Record] = {}

    def all(self) -> dict[str, Record]:
        loaded = False
        for task in self._graph.tasks:
            if task.inputs and not loaded:
                self._graph.infer(dict(self._known()))
                loaded = True
            self._step(task)
        for record in self._records.values():
            self._close(record)
        return self._records

    def _known(self) -> Iterator[tuple[str, ImageType]]:
        """The types of the images that are there."""
        for name, record in self._records.items():
            for value in record.outputs.values():
                if isinstance(value, Picture):
                    yield name, value.type

    def _reusable(self) -> dict[str, dict[str, Any]]:
        """Outputs of the steps that need not be done, by name; not of one whose rows are gone and wanted."""
        found: dict[str, dict[str, Any]] = {}
        for task in reversed(self._graph.tasks):
            kept = self._place.cache.get(self._keys[task.name])
            if kept is None or (task.node.writes and not self._stands(kept)):
                continue
            wanted = {output for taker, output in self._takers(task) if taker.name not in found}
            if not any(isinstance(kept[output], Picture) and kept[output].gone for output in wanted):
                found[task.name] = kept
        return found

    def _takers(self, task: BoundStep) -> Iterator[tuple[BoundStep, str]]:
        """Every task that takes an output of a task, and which."""
        for taker in self._graph.tasks:
            yield from ((taker, source.output) for source in taker.inputs.values() if source.step == task.name)

    def _step(self, task: BoundStep) -> None:
        kept = self._kept.get(task.name)
        started = time.perf_counter() - self._began
        record = Record(task, self._contents, self._keys[task.name], kept is not None, started)
        if kept is not None:
            record.outputs = kept
            self._watch(Event("reused", task.name))
        else:
            self._watch(Event("started", task.name))
            self._compute(record)
        self._records[task.name] = record

    def _stands(self, kept: Mapping[str, Any]) -> bool:
        """Whether the file that a step wrote is still there as it wrote it."""
        for report in kept.values():
            path = self._place.folder / report.figures["file"]
            if not path.is_file() or files.digest(path) != report.figures["sha256"]:
                return False
        return True

    def _identity(self, task: BoundStep) -> dict[str, Any]:
        """What a step's result is made from; two steps of one identity give the same."""
        found = self._described(task) | {
            "fourfold": fourfold.__version__,
            "inputs": {port: [self._keys[one.step], one.output] for port, one in task.inputs.items()},
            "models": task.node.models(self._tools, task.arguments),
        }
        return found | ({"file": f"{self._place.stem}_{task.name}"} if task.node.writes else {})

    def _described(self, task: BoundStep) -> dict[str, Any]:
        """A step without its connections and without names: node, version, parameters, files by their content."""
        described = {"node": task.node.name, "version": task.node.version}
        for name, value in task.parameters.items():
            if value != task.node.parameters[name].default:
                described[name] = self._contents[value] if isinstance(value, Path) else value
            if name == "model" and isinstance(value, str):
                described[name] = Path(value).name  # a third-party model is named by its file, without the folder
        return described

    def _recipe(self, task: BoundStep) -> dict[str, Any]:
        """How a step's picture is made, without names: the steps before it by number, versions and weights."""
        before = self._graph.before(task.name)
        number = {one.name: place for place, one in enumerate(before)}
        steps = [
            self._described(one) | {port: [number[source.step], source.output] for port, source in one.inputs.items()}
            for one in before
        ]
        models: dict[str, str] = {}
        for one in before:
            models |= one.node.models(self._tools, one.arguments)
        recipe = {"fourfold": fourfold.__version__, "models": models, "steps": steps}
        if len(json.dumps(recipe | {"engines": dict.fromkeys(models, _LONGEST_ENGINE)})) > LONGEST_RECIPE:
            recipe["steps"] = cache.key({"steps": steps})
        return recipe

    def _compute(self, record: Record) -> None:
        task, place = record.task, self._place
        inputs = {port: self._input(record, port) for port in task.inputs}
        context = Context(
            tools=self._tools,
            progress=lambda done, total: self._watch(Event("progress", task.name, done, total)),
            target=place.folder / f"{place.stem}_{task.name}",
            scratch=place.cache.folder,
            recipe=self._recipe(task) if task.node.writes else {},
            originals=place.originals,
            overwrite=place.overwrite,
        )
        record.outputs = task.node(task.arguments, inputs, context)
        entry = place.cache.keep(record.key)
        self._unfinished.callback(entry.abandon)
        for name, value in record.outputs.items():
            if isinstance(value, Picture) and value.open:
                self._leave_open(record, entry, name, value)
                return
        record.seconds = time.perf_counter() - self._began - record.started
        self._finish(record, entry)
        for source in task.inputs.values():
            self._settle(self._records[source.step])

    def _leave_open(self, record: Record, entry: Entry, name: str, picture: Picture) -> None:
        """Have the rows of a picture kept when they come, unless all they are for is to be written to a file."""
        takers = list(self._takers(record.task))
        alone = len(takers) == 1 and takers[0][1] == name and takers[0][0].node.writes

        def done() -> None:
            record.seconds = time.perf_counter() - self._began - record.started
            if not alone:
                self._finish(record, entry)

        if alone:
            record.finish = partial(self._finish, record, entry)
        picture.keeper = _Keeper(entry, name, picture, done, keeps=not alone)

    def _input(self, record: Record, port: str) -> Any:
        source = record.task.inputs[port]
        giving = self._records[source.step]
        value = giving.outputs[source.output]
        if not isinstance(value, Picture):
            self._close(giving)
        return value

    def _close(self, record: Record) -> None:
        """Compute what is still open of a step."""
        for value in record.outputs.values():
            if isinstance(value, Picture) and value.open:
                value.write_rows()
        self._settle(record)

    def _settle(self, record: Record) -> None:
        """Finish a step that waited for the one that takes its rows."""
        finish, record.finish = record.finish, None
        if finish is not None:
            finish()

    def _finish(self, record: Record, entry: Entry) -> None:
        entry.commit(record.outputs)
        if record.task.node.writes:  # last, so that a file in its place is always one that is known
            for report in record.outputs.values():
                self._put(report.figures["file"])
        self._watch(Event("finished", record.task.name))

    def _put(self, name: str) -> None:
        target = self._place.folder / name
        try:
            (self._place.cache.folder / name).replace(target)
        except OSError as error:
            raise PictureError(
                f"{target}: the file cannot be written. Give another --output ({error.strerror})"
            ) from error


class _Keeper:
    """Keeps the rows of an open picture in its step's entry, or drops them; calls ``done`` after the last one."""

    def __init__(self, entry: Entry, name: str, picture: Picture, done: Callable[[], None], *, keeps: bool) -> None:
        self._read = partial(entry.read, name, picture) if keeps else None
        self._rows = entry.rows(name) if keeps else None
        self._done = done

    def write(self, band: Levels) -> None:
        if self._rows is not None:
            self._rows.write(band)

    def done(self) -> Callable[[], Levels] | None:
        self._done()
        return self._read
