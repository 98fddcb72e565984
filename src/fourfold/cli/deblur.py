"""deblur: undo the motion blur of photos, and leave sharp ones alone."""

import argparse
import json
from typing import TYPE_CHECKING

from fourfold.cli.flags import add_flags, flag_values
from fourfold.cli.progress import figures_alone, follow
from fourfold.core.options import DeblurOptions

if TYPE_CHECKING:
    from fourfold.api.deblurring import DeblurReport


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="Photos, folders of photos, or - for a pipe.")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="A file, a folder, or -; default NAME_deblurred.EXT beside it."
    )
    add_flags(parser, DeblurOptions)
    parser.add_argument("--overwrite", action="store_true", help="Replace results that exist already.")
    parser.add_argument("--json", action="store_true", help="Print the figures as one JSON document.")
    parser.add_argument("--quiet", action="store_true", help="Print nothing but errors.")


def run(args: argparse.Namespace) -> int:
    """Deblur every input and return the exit code."""
    options = DeblurOptions(**flag_values(args, DeblurOptions))
    if args.json:
        figures_alone(args.inputs, args.output)
    from fourfold.api.deblurring import deblur_files
    from fourfold.api.reports import document

    done, failed, code = follow(
        lambda start: deblur_files(args.inputs, args.output, options, overwrite=args.overwrite, progress=start),
        _line,
        quiet=args.quiet or args.json or args.output == "-",
    )
    if args.json:
        print(json.dumps(document(done, failed), indent=2, ensure_ascii=False))
    return code


def _line(entry: "DeblurReport") -> str:
    width, height = entry.size
    how = f"{entry.model} on {entry.runtime}, {entry.blur}" if entry.changed else "not changed"
    line = f"{entry.input} → {entry.output}: {width}×{height}, {entry.seconds:.1f} s, {how}"
    return "\n".join([line, *(f"  note: {warning}" for warning in entry.warnings)])
