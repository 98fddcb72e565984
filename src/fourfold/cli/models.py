"""models: the catalog of networks, with licences and provenance."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("list", "One line a model."),
        ("show", "Everything known of one model."),
        ("verify", "Check the weights against their checksums."),
        ("import", "Make a network of others usable here: a checkpoint of MSSNet in its authors' form."),
    ):
        action = actions.add_parser(name, help=text, description=text)
        if name in ("show", "verify"):
            action.add_argument("id", nargs=None if name == "show" else "?", metavar="ID", help="The model's id.")
        if name == "import":
            action.add_argument("file", type=Path, metavar="FILE", help="A .pt, .pth or .safetensors file.")
            action.add_argument("--id", metavar="ID", help="The id to use it by; default imported-FILE.")
        action.add_argument("--json", action="store_true", help="Print one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for and return the exit code."""
    if args.action == "list":
        return _list(args.json)
    if args.action == "verify":
        return _verify(args.id, args.json)
    if args.action == "import":
        from fourfold.runtimes.importing import import_checkpoint

        return _show(import_checkpoint(args.file, args.id).id, args.json)
    return _show(args.id, args.json)


def _list(as_json: bool) -> int:
    from fourfold.catalog import load as catalog
    from fourfold.catalog.card import Card

    shipped, brought = catalog.all_entries(), catalog.imported()
    if as_json:
        print(json.dumps([asdict(entry) for entry in (*shipped, *brought)], indent=2, default=str))
        return 0
    for entry in (*shipped, *brought):
        here = "imported" if entry in brought else "runs here" if isinstance(entry, Card) else f"{entry.kind}, known"
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


def _verify(name: str | None, as_json: bool) -> int:
    from fourfold.api.inspect import verify_models

    results = verify_models(name)
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for result in results:
            print(f"{'ok ' if result.problem is None else 'BAD'} {result.model} {result.file} {result.problem or ''}")
    return 0 if all(result.problem is None for result in results) else 5
