"""Run workflows on one photo or many, and write a manifest of what was done."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from fourfold.api.features import Sharpener
from fourfold.api.inspect import measure
from fourfold.api.names import SHORTENED, shortened
from fourfold.api.restore import guarded, of_the_caller
from fourfold.api.session import Session, common_figures
from fourfold.api.targets import Failure, expanded, reread
from fourfold.core.atomic import write_document
from fourfold.core.contract import Levels
from fourfold.core.environment import environment
from fourfold.core.errors import PictureError, UsageError
from fourfold.core.image import Image
from fourfold.core.options import RestoreOptions
from fourfold.imaging import files
from fourfold.models.classifier import Classifier, Encoding
from fourfold.workflow import engine
from fourfold.workflow.cache import LIMIT, Cache
from fourfold.workflow.engine import Event, Place, Record
from fourfold.workflow.graph import Graph, check, file_parameters
from fourfold.workflow.node import Restoration
from fourfold.workflow.nodes import NODES
from fourfold.workflow.schema import Workflow, find

_LONGEST_STEM = 180
"""Bytes of a photo's name in those of its results; the names of steps come on top."""

Watch = Callable[[str, Event], None]
"""Called with every event of a run and the name of its photo; may raise to stop between two tiles."""


def kept_in(folder: Path) -> Cache:
    """Where the results of steps are kept beside what they made; it may be deleted at any time."""
    return Cache(folder / ".fourfold")


@dataclass
class NodeTools:
    """The tools that nodes may use, see ``workflow.node.Tools``; it keeps networks loaded from one photo to the next.

    Attributes:
        session: whose networks are used; engines: of networks where a step leaves them open, see ``Restorer.prepare``.
        decoded: photos that need not be read from their files.
    """

    session: Session = field(default_factory=Session)
    engines: Mapping[str, str] = field(default_factory=dict)
    decoded: Mapping[Path, Image] = field(default_factory=dict)
    _classifiers: dict[tuple[Path, Encoding], Classifier] = field(default_factory=dict, init=False, repr=False)
    _sharpeners: dict[int, Sharpener] = field(default_factory=dict, init=False, repr=False)

    def read(self, path: Path) -> Image:
        """As ``workflow.node.Tools`` says."""
        return self.decoded.get(path) or files.read(path)

    def models(self, options: RestoreOptions) -> dict[str, str]:
        """As ``workflow.node.Tools`` says."""
        return self.session.restorer(options).models()

    def restore(self, image: Image, options: RestoreOptions) -> Restoration:
        """As ``workflow.node.Tools`` says."""
        started = time.perf_counter()
        prepared = self.session.restorer(options).prepare(image, engines=self.engines)

        def figures() -> dict[str, Any]:
            return prepared.figures(common_figures(image, prepared, started, prepared.notes("")))

        return Restoration(prepared, figures)

    def measure(self, large: Levels, small: Levels) -> dict[str, Any]:
        """As ``workflow.node.Tools`` says."""
        return asdict(measure(large, small))

    def classifier(self, path: Path, encoding: Encoding) -> Classifier:
        """As ``workflow.node.Tools`` says."""
        if (path, encoding) not in self._classifiers:
            self._classifiers[path, encoding] = Classifier(path, encoding)
        return self._classifiers[path, encoding]

    def sharpener(self, factor: int) -> Sharpener:
        """As ``workflow.node.Tools`` says."""
        return self._sharpeners.setdefault(factor, Sharpener(factor))


@dataclass(frozen=True)
class WorkflowRun:
    """What a workflow made.

    Attributes:
        manifest: everything about the run, plain values; path: the file it was written to.
        files: the pictures that were saved; failed: inputs that gave nothing, and why.
    """

    manifest: dict[str, Any]
    path: Path
    files: tuple[Path, ...]
    failed: tuple[Failure, ...]


def run_workflow(
    workflow: str | Path | Workflow,
    inputs: Mapping[str, Any] | None = None,
    folder: str | Path = ".",
    *,
    session: Session | None = None,
    watch: Watch | None = None,
    fresh: bool = False,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> WorkflowRun:
    """Run a workflow, once or for each of many photos; steps whose results an earlier run kept are not repeated.

    Args:
        workflow: name of a preset, or a file.
        inputs: values of its inputs, or of parameters as ``step.parameter``. One of them may be a list or a folder of
            photos: the workflow is then run for each, and a photo that fails never stops the rest.
        folder: for pictures, ``manifest.json``, and results of steps in a folder ``.fourfold``; made if need be.
        session: whose loaded networks are used.
        watch: called with every event and the photo's name.
        fresh: compute every step anew; overwrite: replace files of the same name.
        note: called with a sentence about what was passed over in a folder.

    Raises:
        WorkflowProblems: the workflow cannot be run; every reason at once.
        UsageError, ModelError: as the names say. PictureError: the folder cannot be written.
    """
    opened = workflow if isinstance(workflow, Workflow) else find(str(workflow))
    tools = NodeTools(session or Session())
    with ExitStack() as pipes:
        graphs = list(bound(opened, inputs or {}, tools, note, pipes))
        return run_all(opened, graphs, tools, place_in(Path(folder), fresh=fresh, overwrite=overwrite), watch)


def place_in(folder: Path, *, fresh: bool, overwrite: bool) -> Place:
    """Where runs write: a folder, made if need be; raises ``PictureError`` if it cannot be."""
    kept = kept_in(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept.folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PictureError(
            f"{folder}: expected a folder to write to: {error.strerror}. Give another --output"
        ) from error
    return Place(folder, "", kept, fresh, overwrite=overwrite)


def bound(
    workflow: Workflow,
    inputs: Mapping[str, Any],
    tools: NodeTools,
    note: Callable[[str], None] = lambda _: None,
    pipes: ExitStack | None = None,
) -> Iterator[tuple[dict[str, str], Graph]]:
    """The workflow bound to each photo, with the values it is bound to; problems show before any work.

    Args:
        note: as for ``run_workflow``; pipes: keeps what came through pipes; without it there are none.

    Raises:
        UsageError: several inputs have several values. WorkflowProblems: the workflow cannot be run.
    """
    names = {name for place, value in file_parameters(workflow, NODES) for name in (place, value.removeprefix("$"))}
    lists: dict[str, list[str]] = {}
    for name, value in inputs.items():
        values = [str(one) for one in (value if isinstance(value, list | tuple) else [value])]
        lists[name] = list(expanded(values, note)) if name in names else values
        if pipes is not None and name in names:
            lists[name] = [str(pipes.enter_context(reread(one))) for one in lists[name]]
    many = [name for name, values in lists.items() if len(values) != 1]
    if len(many) > 1:
        raise UsageError(f"expected several values for one input at most, got them for {' and '.join(many)}")
    single = {name: values[0] for name, values in lists.items() if name not in many}
    for value in lists[many[0]] if many else [None]:
        given = single if value is None else {**single, many[0]: value}
        lasting = {name: str(Path(text).resolve()) if name in names else text for name, text in given.items()}
        yield lasting, check(workflow, NODES, tools, given)


def run_all(
    workflow: Workflow,
    graphs: Sequence[tuple[dict[str, Any], Graph]],
    tools: NodeTools,
    place: Place,
    watch: Watch | None,
) -> WorkflowRun:
    """Run a workflow bound to each photo; the manifest holds what was done even if the last one is interrupted.

    A run without any result leaves the manifest of an earlier one as it is.

    Raises:
        PictureError: a file of somebody else is in the manifest's place, or it cannot be written.
    """
    path = place.folder / "manifest.json"
    if path.exists() and manifest_of(path) is None:
        raise PictureError(f"{path}: expected the manifest of a run or nothing here; give another folder")
    runs: list[dict[str, Any]] = []
    failed: list[Failure] = []
    models: dict[str, str] = {}
    taken = {path.resolve() for _, graph in graphs for _, path in graph.files()}
    try:
        for given, graph in graphs:
            first = next((path for _, path in graph.files()), Path("picture"))
            stem = shortened(first.stem, _LONGEST_STEM)
            here = replace(place, stem=stem, originals=frozenset(taken))
            on_event = of_the_caller(partial(watch or _unseen, str(first)))
            made = guarded(str(first), partial(_run_one, given, graph, tools, here, on_event))
            if isinstance(made, Failure):
                failed.append(made)
            else:
                notes = [SHORTENED.format(made["saved"][0])] if stem != first.stem and made["saved"] else []
                runs.append({"input": str(first), "notes": notes, **made})
                taken |= {(place.folder / name).resolve() for name in made["saved"]}
            for task in graph.tasks:
                models |= task.node.models(tools, task.arguments)
            if place.cache.added > LIMIT // 4:
                place.cache.prune()
    finally:
        manifest = {
            "made_with": asdict(environment()),
            "source": workflow.source,
            "workflow": workflow.plain(),
            "models": models,
            "runs": runs,
            "failed": [{"input": one.input, "error": str(one.error)} for one in failed],
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        if runs or not path.exists():
            write_document(path, text + "\n", "the manifest")
        place.cache.prune()
    saved = tuple(place.folder / name for run in runs for name in run["saved"])
    return WorkflowRun(json.loads(text), path, saved, tuple(failed))


def manifest_of(path: Path) -> dict[str, Any] | None:
    """The manifest in a file, None if it cannot be read or is not a manifest."""
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    wanted = {"made_with", "source", "workflow", "models", "runs"}
    return manifest if isinstance(manifest, dict) and wanted <= manifest.keys() else None


def _run_one(
    given: dict[str, Any], graph: Graph, tools: NodeTools, place: Place, watch: engine.Watch
) -> dict[str, Any]:
    began = time.perf_counter()
    records = engine.run(graph, tools, place, watch)
    return {
        "given": given,
        "seconds": round(time.perf_counter() - began, 4),
        "steps": {name: record.plain() for name, record in records.items()},
        "saved": list(_saved(records.values())),
    }


def _unseen(_name: str, _event: Event) -> None:
    """Nobody watches."""


def _saved(records: Iterable[Record]) -> Iterator[str]:
    for record in records:
        if record.task.node.writes:
            yield from (output.figures["file"] for output in record.outputs.values())
