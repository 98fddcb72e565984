"""measure: how a result relates to the photo it was made from."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from fourfold.core.errors import QualityGate

if TYPE_CHECKING:
    from fourfold.api.inspect import Measurement


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("output", metavar="OUTPUT", help="The upscaled picture.")
    parser.add_argument("--input", required=True, metavar="LOW", help="The small picture it was made from.")
    parser.add_argument("--reference", metavar="HIGH", help="The true large picture, if there is one.")
    parser.add_argument(
        "--min-consistency",
        type=float,
        metavar="DB",
        help="Exit with code 4 if the consistency is below this many dB.",
    )
    parser.add_argument("--json", action="store_true", help="Print the figures as one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit code."""
    from fourfold.api.inspect import measure

    found = measure(args.output, args.input, args.reference)
    print(json.dumps(asdict(found), indent=2, allow_nan=False) if args.json else _table(found))
    kept = found.consistency_psnr
    if kept is not None and args.min_consistency is not None and kept < args.min_consistency:
        raise QualityGate(
            f"{args.output}: expected a consistency of at least {args.min_consistency:g} dB, measured {kept:.2f} dB. "
            "Lower --min-consistency to accept it"
        )
    return 0


def _table(found: "Measurement") -> str:
    rows = [
        ("consistency", _decibel(found.consistency_psnr), "shrunk to the input's size, against the input"),
        ("  at worst", f"{found.consistency_worst:.2f} levels", "of 255"),
        ("seen alike", f"{found.likeness:.4f}", "by a vision network that compares the same two; 1 is the same"),
        ("added detail", f"{found.added_detail:.2f} levels", "beyond what the input can show; bicubic has 0"),
        ("  over bicubic", f"{found.added_detail_db:.1f} dB", "which in 8 bits has only its rounding"),
        ("sharpness", f"{found.sharpness:.2f} levels", f"a pixel; bicubic has {found.sharpness_bicubic:.2f}"),
        ("to bicubic", _decibel(found.bicubic_psnr), "between the output and a bicubic enlargement"),
        ("  on a phone", _decibel(found.phone_psnr), "the same, both shrunk to a phone's screen"),
    ]
    if found.ssim_y is not None:
        rows.append(("PSNR-Y", _decibel(found.psnr_y), "against the reference, 4-pixel border removed"))
        rows.append(("SSIM-Y", f"{found.ssim_y:.4f}", ""))
    return "\n".join(f"{name:<14}  {figure:>12}   {meaning}".rstrip() for name, figure, meaning in rows)


def _decibel(value: float | None) -> str:
    return "exact" if value is None else f"{value:.2f} dB"
