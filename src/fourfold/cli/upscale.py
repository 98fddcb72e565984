"""upscale: make photos four times as large."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fourfold.cli.flags import add_flags, flag_values
from fourfold.cli.progress import figures_alone, follow
from fourfold.core.errors import UsageError
from fourfold.core.options import UpscaleOptions

if TYPE_CHECKING:
    from fourfold.api.session import Report


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="Photos, folders of photos, or - for a pipe.")
    parser.add_argument("-o", "--output", metavar="OUT", help="A file, a folder, or -; default NAME_x4.EXT beside it.")
    add_flags(parser, UpscaleOptions)
    parser.add_argument("--overwrite", action="store_true", help="Replace results that exist already.")
    parser.add_argument(
        "--min-consistency", type=float, metavar="DB", help="Refuse a result whose consistency is below this many dB."
    )
    parser.add_argument("--report", metavar="FILE", help="Also write the figures, to FILE.html or FILE.json.")
    parser.add_argument("--json", action="store_true", help="Print the figures as one JSON document.")
    parser.add_argument("--quiet", action="store_true", help="Print nothing but errors.")


def run(args: argparse.Namespace) -> int:
    """Upscale every input and return the exit code."""
    options = UpscaleOptions(**flag_values(args, UpscaleOptions))
    if args.json:
        figures_alone(args.inputs, args.output)
    report = Path(args.report) if args.report else None
    if report is not None and report.suffix not in (".html", ".json"):
        raise UsageError(f"{report}: expected a report name ending in .html or .json")
    from fourfold.api.photos import upscale_files

    done, failed, code = follow(
        lambda start: upscale_files(
            args.inputs, args.output, options, overwrite=args.overwrite,
            min_consistency=args.min_consistency, progress=start,
        ),
        _line,
        quiet=args.quiet or args.json or args.output == "-",
    )  # fmt: skip
    if args.json or report is not None:
        from fourfold.api.reports import document, write_document  # pages, which take a while to load

        if args.json:
            print(json.dumps(document(done, failed), indent=2))
        if report is not None:
            write_document(report, done, failed)
    return code


def _line(entry: "Report") -> str:
    (width, height), (wide, high) = entry.input_size, entry.output_size
    kept = "exact" if entry.consistency_psnr is None else f"{entry.consistency_psnr:.1f} dB"
    line = (
        f"{entry.input} → {entry.output}: {width}×{height} → {wide}×{high}, {entry.seconds:.1f} s, "
        f"{entry.model} on {entry.runtime}, consistency {kept}, "
        f"added detail {entry.added_detail:.1f} levels"
    )
    how = f"  {entry.style}: {entry.style_reason}"
    if entry.routing is not None:
        how += f"; {entry.tiles['big']} of {entry.tiles['total']} tiles went on to the big network"
    if entry.condition.workflow:
        how += f"\n  fourfold run {entry.condition.workflow} --set photo={entry.input} is made for such a photo"
    return "\n".join([line, how, *(f"  note: {warning}" for warning in entry.warnings)])
