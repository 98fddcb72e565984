"""models: the catalog of networks, with licences and provenance."""

import argparse
import json
from dataclasses import asdict


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("list", "One line a model."),
        ("show", "Everything known of one model."),
        ("verify", "Check the weights against their checksums."),
    ):
        action = actions.add_parser(name, help=text, description=text)
        if name != "list":
            action.add_argument("id", nargs=None if name == "show" else "?", metavar="ID", help="The model's id.")
        action.add_argument("--json", action="store_true", help="Print one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for and return the exit code."""
    from fourfold.catalog import load as catalog
    from fourfold.catalog.card import Reference

    if args.action == "list":
        entries = catalog.all_entries()
        if args.json:
            print(json.dumps([asdict(entry) for entry in entries], indent=2, default=str))
        for entry in [] if args.json else entries:
            here = f"{entry.kind}, known" if isinstance(entry, Reference) else "runs here"
            print(f"{entry.id:22} {here:13} {entry.task:34} {entry.licence}")
        return 0
    if args.action == "show":
        return _show(args.id, args.json)
    return _verify(args.id, args.json)


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
