"""doctor: what is installed, what is fastest here, what is missing."""

import argparse
import json


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("--json", action="store_true", help="Print one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Print what was found; 5 if no network can run here."""
    from fourfold.api.inspect import doctor

    found = doctor()
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        for key, value in found.items():
            if isinstance(value, dict):
                print(f"{key}:")
                print("\n".join(f"  {inner:22} {part}" for inner, part in value.items()))
            else:
                print(f"{key:24} {value}")
    return 0 if found["fastest_runtime"] else 5
