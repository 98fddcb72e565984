"""run: run a workflow, a preset or a file, on one photo or many."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourfold.cli.progress import Progress, TileProgress, exit_code
from fourfold.core.errors import UsageError

if TYPE_CHECKING:
    from fourfold.api.workflows import WorkflowRun


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("workflow", nargs="?", metavar="WORKFLOW", help="A preset's name, or a .yaml file.")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="inputs",
        metavar="PORT=VALUE",
        help="Give an input, or a parameter as STEP.PARAMETER. Photos: repeat it, or name a folder.",
    )
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER", help="For what it makes; default this folder.")
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="Repeat the run that a manifest.json or the recipe in a picture records, and compare.",
    )
    parser.add_argument("--fresh", action="store_true", help="Compute every step anew, also what was kept.")
    parser.add_argument("--overwrite", action="store_true", help="Replace results that exist already.")
    parser.add_argument("--json", action="store_true", help="Print the run's manifest.")
    parser.add_argument("--quiet", action="store_true", help="Print nothing but errors.")


def run(args: argparse.Namespace) -> int:
    """Run it and return the exit code."""
    if (args.workflow is None) == (args.replay is None):
        raise UsageError("expected either a workflow or --replay FILE")
    inputs = given(args.inputs)
    from fourfold.api.replay import replay
    from fourfold.api.workflows import run_workflow

    with Progress(args.quiet or args.json) as progress:
        shown = TileProgress(progress)
        if args.replay:
            made = replay(args.replay, inputs, args.output, watch=shown, overwrite=args.overwrite)
            progress.say(f"{args.replay}: done again, the same bytes")
        else:
            made = run_workflow(
                args.workflow, inputs, args.output, watch=shown, fresh=args.fresh, overwrite=args.overwrite,
                note=progress.say,
            )  # fmt: skip
        for failure in made.failed:
            progress.say(f"fourfold: {failure.error}", error=True)
        for line in _lines(made):
            progress.say(line)
    if args.json:
        print(json.dumps(made.manifest, indent=2))
    return exit_code(len(made.manifest["runs"]), {failure.error.exit_code for failure in made.failed})


def given(words: list[str]) -> dict[str, list[str]]:
    """What ``--set`` gave, values by name.

    Raises:
        UsageError: a word is not of the form name=value.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"expected --set NAME=VALUE, got {word!r}")
        found.setdefault(name, []).append(value)
    return found


def _lines(made: "WorkflowRun") -> Iterator[str]:
    for one in made.manifest["runs"]:
        reused = sum(step["reused"] for step in one["steps"].values())
        kept = f", {reused} of {len(one['steps'])} steps kept from before" if reused else ""
        names = ", ".join(str(made.path.parent / name) for name in one["saved"]) or "no file"
        yield f"{one['input']} → {names}: {one['seconds']:.1f} s{kept}"
        yield from (f"  note: {note}" for note in one["notes"])
        for name, step in one["steps"].items():
            if "image" not in step["outputs"] and step["node"] != "save":
                yield f"  {name}: {_figures(step['outputs'])}"
    yield f"manifest: {made.path}"


def _figures(outputs: dict[str, Any]) -> str:
    figures = {name: value for name, value in outputs.items() if name != "report"} | outputs.get("report", {})
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items() if value is not None)
