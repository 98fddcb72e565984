"""Run a brief's task on a photo, and make the page that shows the answer and the result."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from fourfold.api.inspect import measure
from fourfold.api.workflows import NodeTools, Watch, bound, kept_in, manifest_of, place_in, run_all
from fourfold.catalog import load as catalog
from fourfold.core.contract import Levels
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.core.size import Size
from fourfold.imaging import files
from fourfold.imaging.resize import bicubic
from fourfold.pages.answer import AnswerPage, Box, Figure, Mark, TileMap, html, main
from fourfold.pages.report import BeforeAfter
from fourfold.scientist.plan import Plan, plan
from fourfold.scientist.run import Proposal, Run, propose, rows
from fourfold.scientist.trust import QUOTED, quoted
from fourfold.scientist.values import Answer, Brief
from fourfold.scientist.wording import Words
from fourfold.workflow.graph import nodes_of
from fourfold.workflow.nodes import NODES
from fourfold.workflow.ports import Carried, ImageType, Picture
from fourfold.workflow.presets import presets, suited
from fourfold.workflow.schema import Workflow, find

_SIDE, _CLOSER, _SMALL = 1600, 560, 480
"""Longest sides in pixels of the whole photo, of the closer look and of the photo under the tile map."""


@dataclass(frozen=True)
class PhotoAnswer:
    """A brief's task, run on a photo or not.

    Attributes:
        run: what was proposed and the record of its run; None for a question without a photo.
        pictures: the photo and what became of it, as the run kept them; None if nothing was run.
    """

    run: Run | None = None
    pictures: tuple[Picture, Picture] | None = None

    def page(self, brief: Brief, answer: Answer) -> str:
        """``answer.html``: the answer with its marks, pictures before and after, workflow, tiles and figures."""
        return html(self._content(brief, answer))

    def part(self, brief: Brief, answer: Answer) -> str:
        """The same content, to be embedded in another page."""
        return main(self._content(brief, answer))

    def _content(self, brief: Brief, answer: Answer) -> AnswerPage:
        words, record = Words(answer.language), self.run.record if self.run else None
        table = words.table("page")
        links = tuple(link for source in brief.sources for link in source.links)
        marks = tuple(_marks(brief, answer, table))
        text = AnswerPage(
            words.spoken, table, brief.question, answer.markdown, words.table("run")["heading"], links, marks
        )
        if record is None or self.pictures is None:
            return text
        figures = tuple(Figure(name, one.text, one.fields[0]) for name, one in rows(record, words))
        shown = replace(text, pairs=tuple(_pairs(*self.pictures, table)), boxes=tuple(_boxes(record)))
        return replace(shown, tiles=_tiles(self.pictures[0], record), figures=figures)


def already_done(brief: Brief, report: Mapping[str, Any], photo: Path, result: Path) -> PhotoAnswer:
    """A brief's task as it was carried out before by upscaling a photo: with the pictures and figures of that run.

    Args:
        report: of the run, as ``upscale --json`` prints it; photo, result: its files.

    Raises:
        PictureError: a picture cannot be read.
    """
    proposed = propose(plan(brief), catalog.all_entries(), (UpscaleOptions.catalog_task,))
    proposal = replace(
        proposed, task=UpscaleOptions.catalog_task
    )  # however the question is read, this is what was done
    figures = {name: value for name, value in report.items() if name not in ("input", "output")}
    if report["routing"] is not None:
        figures["tile_map"] = [["big" if big else "little" for big in row] for row in report["routing"]["big"]]
    small, large = (Picture.of(files.read(path), ImageType()) for path in (photo, result))
    measured = asdict(measure(large.levels, small.levels))
    saved = {"file": result.name, "bytes": result.stat().st_size, "sha256": files.digest(result)}
    steps: tuple[tuple[str, str, dict[str, str], dict[str, Any]], ...] = (
        ("small", "load", {}, {}),
        ("restored", "restore", {"image": "small.image"}, figures),
        ("figures", "measure", {"large": "restored.image", "small": "small.image"}, measured),
        ("large", "save", {"image": "restored.image"}, saved),
    )
    record = {
        "steps": {
            name: {"node": node, "inputs": inputs, "outputs": {"report": figures} if figures else {}}
            for name, node, inputs, figures in steps
        }
    }
    return PhotoAnswer(Run(proposal, record), (small, large))


class PhotoRunner:
    """Runs tasks on one photo, each way of doing it once, and keeps networks loaded in between.

    Args:
        photo: the person's; watch: as of ``run_workflow``.
        overwrite: whether a picture may be replaced that is not of the very same run before.
        folder: for the picture and the manifest of the first workflow; those of others go into folders of their names
            in it.
    """

    def __init__(self, photo: Path, folder: Path, watch: Watch | None = None, overwrite: bool = False) -> None:
        self._photo, self._folder, self._watch, self._overwrite = photo, folder, watch, overwrite
        self._tools = NodeTools()
        self._run_before: dict[tuple[str, str | None], PhotoAnswer] = {}

    def run(self, made: Plan) -> PhotoAnswer:
        """Choose the workflow for a plan's task and the photo's condition, and run every step of it on the photo.

        Raises:
            PictureError: the photo cannot be read, or the result cannot be written.
            ModelError, NotEnough: as the names say.
        """
        known = {one.answers: one for one in map(find, presets()) if one.answers and not one.suits}
        proposal = propose(made, catalog.all_entries(), known)
        if not proposal.task:
            files.probe(self._photo)  # a photo that is none is said, whatever the question
            return PhotoAnswer(Run(proposal, None, "nothing"))
        key = proposal.task, proposal.model
        if key not in self._run_before:
            self._run_before[key] = self._first(proposal, known[proposal.task])
        before = self._run_before[key]
        return replace(before, run=replace(before.run, proposal=proposal) if before.run else None)

    def condition(self, task: str) -> str:
        """The photo's condition (a kind of ``methods.condition``), where that decides how a task is run."""
        image = self._tools.read(self._photo)
        self._tools.decoded = {self._photo: image}
        session = self._tools.session
        blur = session.networks.blur(image).kind
        if task == DeblurOptions.catalog_task:
            return "sharp" if blur == "sharp" else ""
        if blur == "motion":
            return "motion-blurred"
        found = session.condition(image).kind
        return "" if found == "motion-blurred" else found

    def _first(self, proposal: Proposal, usual: Workflow) -> PhotoAnswer:
        condition = self.condition(proposal.task)
        if proposal.task == DeblurOptions.catalog_task and condition == "sharp":
            return PhotoAnswer(Run(proposal, None, "sharp"))
        fitting = suited(proposal.task, condition)
        record, pictures = self._workflow(find(fitting) if fitting else usual, proposal)
        return PhotoAnswer(Run(proposal, record, "done", condition if fitting else ""), pictures)

    def _workflow(
        self, workflow: Workflow, proposal: Proposal
    ) -> tuple[Mapping[str, Any], tuple[Picture, Picture] | None]:
        again = any(one.run and one.run.record for one in self._run_before.values())
        folder = self._folder / workflow.source if again else self._folder
        inputs: dict[str, Any] = {"photo": self._photo}
        if proposal.model is not None:
            named = [name for name, node in nodes_of(workflow, NODES) if node.catalog_task == proposal.task]
            inputs |= {f"{name}.model": proposal.model for name in named}
        graphs = list(bound(workflow, inputs, self._tools))
        place = place_in(folder, fresh=True, overwrite=self._overwrite or _did(folder, workflow, inputs))
        made = run_all(workflow, graphs, self._tools, place, self._watch)
        if made.failed:
            raise made.failed[0].error
        record = made.manifest["runs"][0]
        return record, _pictures(folder, record)


def _did(folder: Path, workflow: Workflow, inputs: Mapping[str, Any]) -> bool:
    """Whether the run whose manifest lies in a folder is the very one that is to be done again."""
    manifest = manifest_of(folder / "manifest.json")
    given = {name: str(value.resolve() if isinstance(value, Path) else value) for name, value in inputs.items()}
    return (
        manifest is not None
        and manifest["source"] == workflow.source
        and [run["given"] for run in manifest["runs"]] == [given]
    )


def _pictures(folder: Path, record: Mapping[str, Any]) -> tuple[Picture, Picture] | None:
    """The photo that was loaded and the picture that was saved: as the run kept them, else from their files."""
    loaded = next(step for step in record["steps"].values() if not step["inputs"])
    saved = next((step for step in record["steps"].values() if NODES[step["node"]].writes), None)
    if saved is None:
        return None
    name, _, output = saved["inputs"]["image"].partition(".")
    made = record["steps"][name]
    return (
        _picture(folder, loaded["key"], "image", Path(loaded["parameters"]["file"]["path"])),
        _picture(folder, made["key"], output, folder / saved["outputs"]["report"]["file"]),
    )


def _picture(folder: Path, key: str, output: str, path: Path) -> Picture:
    kept = kept_in(folder).get(key)
    picture: Picture | None = kept[output] if kept else None
    return Picture.of(files.read(path), ImageType()) if picture is None or picture.gone else picture


def _marks(brief: Brief, answer: Answer, table: Mapping[str, str]) -> Iterator[Mark]:
    """Claims and measured sentences; and where a line holds none, a source's name or words of the question."""
    for claim in answer.claims:
        if claim.text.strip("“”") != claim.quote:
            yield Mark(claim.text, "cited", claim.quote, claim.source)
    for sentence in answer.measured:
        yield Mark(sentence.text, "measured", ", ".join(sentence.fields), "manifest.json")
    for source in sorted(brief.sources, key=lambda source: len(source.name), reverse=True):
        yield Mark(source.name, "cited", source.name, ", ".join(source.links), weak=True)
    for match in QUOTED.finditer(answer.markdown):
        if (quote := match.group()) and quoted(match) in brief.question:
            yield Mark(quote, "cited", brief.question, table["question"], weak=True)


def _pairs(small: Picture, large: Picture, table: Mapping[str, str]) -> Iterator[BeforeAfter]:
    """The whole photo, and the part of it with most detail at the result's own pixels."""
    before, after = small.levels, large.levels
    yield BeforeAfter(table["whole"], _jpeg(_within(before, _SIDE), small), _jpeg(_within(after, _SIDE), large))
    rows, columns, over = _busiest(before, after.shape[:2])
    plain = bicubic(before[rows, columns], over[0])
    yield BeforeAfter(table["closer"], _jpeg(plain, small), _jpeg(after[over[1], over[2]], large))


def _busiest(small: Levels, size: Size) -> tuple[slice, slice, tuple[Size, slice, slice]]:
    """Where the photo's gradients are steepest: rows and columns, and size, rows and columns in the large picture."""
    bright = small.astype(np.int32).sum(axis=2)
    steep = np.abs(np.diff(bright, axis=1, prepend=bright[:, :1]))
    high, wide = (max(1, min(_CLOSER * side // large, side)) for side, large in zip(bright.shape, size, strict=True))
    sums = np.pad(steep, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    row, column = (int(at) for at in np.unravel_index(int(inside.argmax()), inside.shape))
    rows, columns = (
        slice(first * large // side, (first + length) * large // side)
        for first, length, large, side in zip((row, column), (high, wide), size, bright.shape, strict=True)
    )
    over = (rows.stop - rows.start, columns.stop - columns.start), rows, columns
    return slice(row, row + high), slice(column, column + wide), over


def _within(levels: Levels, side: int) -> Levels:
    """Levels shrunk to ``side`` pixels at most."""
    longest = max(levels.shape[:2])
    height, width = (max(1, round(length * side / longest)) for length in levels.shape[:2])
    return levels if longest <= side else bicubic(levels, (height, width))


def _jpeg(levels: Levels, of: Picture) -> bytes:
    """Levels of a picture for the page, with its colours and without anything else that the photo's file may tell."""
    data = io.BytesIO()
    profile = of.carried.profile
    colours = profile if profile and profile[16:20] == b"RGB " else None
    shown = Picture(of.type, Carried(), read=lambda: levels).image.rgb8()
    Pillow.fromarray(shown).save(data, "JPEG", quality=90, subsampling=0, icc_profile=colours)
    return data.getvalue()


def _boxes(record: Mapping[str, Any]) -> Iterator[Box]:
    for name, step in record["steps"].items():
        model = step["outputs"].get("report", {}).get("model", "")
        after = dict.fromkeys(source.partition(".")[0] for source in step["inputs"].values())
        yield Box(name, step["node"], model, tuple(after))


def _tiles(small: Picture, record: Mapping[str, Any]) -> TileMap | None:
    """The first map of tiles that a step reports: rows of words, or of truth values under the name they are true of."""
    for step in record["steps"].values():
        for name, grid in _grids(step["outputs"].get("report", {})):
            words = {True: name, False: "little"}
            rows = tuple(tuple(words[one] if isinstance(one, bool) else str(one) for one in row) for row in grid)
            height, width = small.levels.shape[:2]
            return TileMap(_jpeg(_within(small.levels, _SMALL), small), (width, height), rows)
    return None


def _grids(values: Mapping[str, Any]) -> Iterator[tuple[str, list[list[str | bool]]]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _grids(value)
        rows = [row for row in value if isinstance(row, list) and row] if isinstance(value, list) else []
        if rows and len(rows) == len(value) and all(isinstance(one, str | bool) for row in rows for one in row):
            yield name, rows
