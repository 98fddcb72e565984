"""models: the catalog of networks, with licences and provenance."""

import argparse
import json
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fourfold.core.errors import ModelError

if TYPE_CHECKING:
    from fourfold.convert.exchange import Kind


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("list", "One line a model."),
        ("show", "Everything known of one model."),
        ("verify", "Check the weights against their checksums."),
        (
            "import",
            "Make a third-party model usable here: .onnx, ncnn's files, an MSSNet, or weights that spandrel knows.",
        ),
        ("export", "Write a network for other programs: ONNX, safetensors (ComfyUI, chaiNNer), ncnn (Upscayl)."),
    ):
        action = actions.add_parser(name, help=text, description=text)
        if name in ("show", "verify", "export"):
            action.add_argument("id", nargs="?" if name == "verify" else None, metavar="ID", help="The model's id.")
        if name == "import":
            action.add_argument("file", type=Path, metavar="FILE", help="A .onnx, .param, .bin, .safetensors or .pth.")
            action.add_argument("--id", metavar="ID", help="The id to use it by; default imported-FILE.")
            action.add_argument(
                "--licence", metavar="TEXT", help="Its licence, as its makers state it; else asked for."
            )
        if name == "export":
            action.add_argument("--format", choices=("onnx", "safetensors", "ncnn"), default="onnx", help="For whom.")
            action.add_argument("-o", "--output", type=Path, default=Path(), metavar="FOLDER", help="Default: here.")
        action.add_argument("--json", action="store_true", help="Print one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for and return the exit code."""
    if args.action == "list":
        return _list(args.json)
    if args.action == "verify":
        return _verify(args.id, args.json)
    if args.action == "import":
        return _show(_imported(args.file, args.licence, args.id), args.json)
    if args.action == "export":
        return _export(args.id, args.format, args.output, args.json)
    return _show(args.id, args.json)


def _list(as_json: bool) -> int:
    from fourfold.catalog import load as catalog
    from fourfold.catalog.card import Reference

    shipped, brought = catalog.all_entries(), catalog.imported()
    if as_json:
        print(json.dumps([asdict(entry) for entry in (*shipped, *brought)], indent=2, default=str))
        return 0
    for entry in (*shipped, *brought):
        here = (
            "imported" if entry in brought else f"{entry.kind}, known" if isinstance(entry, Reference) else "runs here"
        )
        print(f"{entry.id:26} {here:13} {entry.task:34} {entry.licence}")
    return 0


def _show(name: str, as_json: bool) -> int:
    from fourfold.catalog import load as catalog

    card = asdict(catalog.entry(name))
    if as_json:
        print(json.dumps(card, indent=2, default=str))
        return 0
    for key, value in card.items():
        if isinstance(value, dict):
            print(f"{key}:")
            print("\n".join(f"  {inner}: {part}" for inner, part in value.items()))
        elif isinstance(value, list | tuple):
            print(f"{key}:")
            print("\n".join("  - " + ", ".join(f"{k} {v}" for k, v in part.items()) for part in value))
        else:
            print(f"{key}: {value}")
    return 0


def _imported(file: Path, licence: str | None, name: str | None) -> str:
    """The id of what was imported: a checkpoint of a network that is built here, or any other file as it is."""
    from fourfold.convert import third_party

    if file.suffix.lower() in (".pt", ".pth", ".safetensors") and find_spec("torch"):
        from fourfold.convert import importing

        if importing.known(file):  # nobody states a licence for these
            return importing.import_checkpoint(file, name, licence or third_party.UNKNOWN).id
    return third_party.adopted(file, licence or _licence(file), name).id


def _licence(file: Path) -> str:
    """What the person says when asked; nothing is imported of which nobody knows whether it may be used."""
    asked = f"Licence of {file.name}, as its makers state it: "
    said = input(asked).strip() if sys.stdin.isatty() else ""
    if not said:
        raise ModelError(f"{file}: expected its licence; give --licence TEXT, 'unknown' if it is, and it will be shown")
    return said


def _export(name: str, form: "Kind", folder: Path, as_json: bool) -> int:
    from fourfold.catalog import load as catalog
    from fourfold.convert.exchange import exported

    card = catalog.card(name)
    files = [str(path) for path in exported(card, form, folder)]
    if as_json:
        print(json.dumps({"id": card.id, "format": form, "files": files, "licence": card.licence}, indent=2))
    else:
        print("\n".join(files))
        print(f"licence: {card.licence}")
    return 0


def _verify(name: str | None, as_json: bool) -> int:
    from fourfold.api.inspect import verify_models

    results = verify_models(name)
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for result in results:
            print(f"{'ok ' if result.problem is None else 'BAD'} {result.model} {result.file} {result.problem or ''}")
    return 0 if all(result.problem is None for result in results) else 5
