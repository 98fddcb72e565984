"""adapt: fit the recogniser of photo conditions to your own photos, without labels."""

import argparse
import json
from dataclasses import asdict

from fourfold.cli.flags import add_flags, flag_values
from fourfold.cli.progress import Progress
from fourfold.core.errors import UsageError
from fourfold.core.options import AdaptOptions


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("--photos", metavar="FOLDER", help="Photos of the kind that will be upscaled, 100 or more.")
    parser.add_argument("--reset", action="store_true", help="Remove what was adapted; the package's own is used.")
    add_flags(parser, AdaptOptions)
    parser.add_argument("--json", action="store_true", help="Print the figures as one JSON document.")
    parser.add_argument("--quiet", action="store_true", help="Print nothing but errors.")


def run(args: argparse.Namespace) -> int:
    """Adapt or go back, print what was found, and return the exit code."""
    if args.reset == bool(args.photos):
        raise UsageError("expected either --photos FOLDER, or --reset")
    from fourfold.api.adapt_recogniser import adapt, reset_adapted

    if args.reset:
        text = "removed; the package's recogniser is used again" if reset_adapted() else "there was nothing to remove"
        print(text if not args.json else json.dumps({"reset": text}))
        return 0
    with Progress(args.quiet or args.json) as progress:
        report = adapt(args.photos, AdaptOptions(**flag_values(args, AdaptOptions)), progress.start)
    if args.json:
        print(json.dumps(asdict(report), indent=2))
    elif not args.quiet:
        print(f"{report.photos} photos in {report.seconds:.0f} s; {report.changed} are called something else now:")
        for name, count in report.before.items():
            print(f"  {name:28} {count:5} → {report.after[name]}")
        print("\n".join(f"  note: {warning}" for warning in report.warnings), end="\n" if report.warnings else "")
        print(f"kept as {report.file}; fourfold adapt --reset removes it")
    return 0
