"""Run a workflow again from a manifest or from the recipe in a picture, and compare the files byte for byte."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fourfold.api.session import Session
from fourfold.api.workflows import NodeTools, Watch, WorkflowRun, bound, manifest_of, place_in, run_all
from fourfold.core.errors import QualityGate, UsageError
from fourfold.imaging import files
from fourfold.imaging.metadata import recipe_of
from fourfold.workflow.graph import Graph
from fourfold.workflow.nodes import NODES
from fourfold.workflow.schema import from_plain


def replay(
    path: Path,
    inputs: Mapping[str, Any] | None = None,
    folder: str | Path = ".",
    *,
    session: Session | None = None,
    watch: Watch | None = None,
    overwrite: bool = False,
) -> WorkflowRun:
    """Repeat every step of a manifest or of a picture's recipe, and compare the files byte for byte.

    Args:
        path: the manifest (``.json``), or a picture that holds a recipe.
        inputs: to use instead of a manifest's own, for example where photos have been moved; a recipe, which knows no
            names, needs ``photo``, and ``photo2`` and so on where there were more.
        folder, session, watch, overwrite: as ``run_workflow``.

    Raises:
        UsageError: this is no manifest and holds no recipe, or an input is not the file it was.
        QualityGate: a file came out differently; the message says what else is different.
    """
    recorded = _manifest(path) if path.suffix == ".json" else _from_recipe(path)
    workflow = from_plain(recorded["workflow"], recorded["source"])
    tools = NodeTools(session or Session(), _engines(recorded))
    graphs: list[tuple[dict[str, str], Graph]] = []
    for run in recorded["runs"]:
        graphs += bound(workflow, {**run["given"], **(inputs or {})}, tools)
        _require_same_files(graphs[-1][1], run, path)
    made = run_all(workflow, graphs, tools, place_in(Path(folder), fresh=True, overwrite=overwrite), watch)
    if made.failed:
        raise made.failed[0].error
    _compare(recorded, made.manifest, path)
    return made


def _manifest(path: Path) -> dict[str, Any]:
    recorded = manifest_of(path)
    if recorded is None:
        raise UsageError(f"{path}: expected the manifest.json of a run")
    if not recorded["runs"]:
        raise UsageError(
            f"{path}: expected a run to do again; this manifest holds only {len(recorded['failed'])} failures"
        )
    return recorded


def _from_recipe(path: Path) -> dict[str, Any]:
    """A picture's recipe in the form of a manifest."""
    recipe = recipe_of(files.read(path).metadata)
    if recipe is None or not isinstance(recipe.get("steps"), list):
        raise UsageError(f"{path}: expected a manifest.json, or a picture that holds the recipe of its workflow")
    photos: list[str] = []
    try:
        steps = {f"s{number}": _lines(step, photos) for number, step in enumerate(recipe["steps"])}
        report = {"engines": dict(recipe["engines"]), "sha256": files.digest(path)}
        ran: dict[str, dict[str, Any]] = {name: {"parameters": {}, "outputs": {}} for name in steps}
        ran[[*steps][-1]] = {
            "parameters": {f"file{number}": {"sha256": photo} for number, photo in enumerate(photos)},
            "outputs": {"report": report},
        }
        return {
            "workflow": {"inputs": {_input(number): None for number in range(len(photos))}, "steps": steps},
            "source": path.name,
            "runs": [{"given": {}, "steps": ran}],
            "models": recipe["models"],
            "made_with": {"engines": {"fourfold": recipe["fourfold"]}},
        }
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise UsageError(f"{path}: expected a recipe that can be read in this picture: {error!r}") from error


def _lines(step: Mapping[str, Any], photos: list[str]) -> dict[str, Any]:
    """A step of a recipe as a step of a workflow; a file becomes an input, and is added to ``photos``."""
    node, found = NODES[step["node"]], {}
    for name, value in step.items():
        if name in node.inputs:
            found[name] = f"s{value[0]}.{value[1]}"
        elif name in node.parameters and node.parameters[name].kind is Path:
            found[name] = f"${_input(len(photos))}"
            photos.append(value)
        elif name != "version":
            found[name] = value
    return found


def _input(number: int) -> str:
    return f"photo{number + 1 if number else ''}"


def _require_same_files(graph: Graph, run: Mapping[str, Any], path: Path) -> None:
    values = [value for step in run["steps"].values() for value in step["parameters"].values()]
    was = {value["sha256"] for value in values if isinstance(value, dict)}
    for _, file in graph.files():
        if files.digest(file) not in was:
            raise UsageError(f"{file}: expected a file that {path} names, this one has another content")


def _engines(recorded: Mapping[str, Any]) -> dict[str, str]:
    """Engine and arithmetic of each network then: the one choice that is measured rather than made by parameters."""
    found: dict[str, str] = {}
    steps = [step for run in recorded["runs"] for step in run["steps"].values()]
    for step in sorted(steps, key=lambda step: step["parameters"].get("runtime") is None):  # open choices count last
        found |= step["outputs"].get("report", {}).get("engines", {})
    return found


def _compare(recorded: Mapping[str, Any], made: Mapping[str, Any], path: Path) -> None:
    for before, after in zip(recorded["runs"], made["runs"], strict=True):
        for name, step in before["steps"].items():
            was, now = (one.get("report", {}) for one in (step["outputs"], after["steps"][name]["outputs"]))
            if was.get("sha256") != now.get("sha256"):
                raise QualityGate(
                    f"{now['file']}: expected the very bytes that {path} records, got others "
                    f"({'; '.join(_differences(recorded, made)) or 'with the same versions and weights'}). "
                    "Install what it was made with to get them"
                )


def _differences(recorded: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[str]:
    was, now = recorded["made_with"], made["made_with"]
    for name, version in was["engines"].items():
        if version != now["engines"].get(name):
            yield f"{name} {version} then, {now['engines'].get(name, 'none')} now"
    for key in ("cpu", "threads", "python"):
        if key in was and was[key] != now[key]:
            yield f"{key}: {was[key]} then, {now[key]} now"
    if recorded["models"] != made["models"]:
        yield "other weights"
