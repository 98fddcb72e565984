"""measure: how a result relates to the photo it was made from."""

import argparse
import json
from dataclasses import asdict


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("output", metavar="OUTPUT", help="The upscaled picture.")
    parser.add_argument("--input", required=True, metavar="LOW", help="The small picture it was made from.")
    parser.add_argument("--reference", metavar="HIGH", help="The true large picture, if there is one.")
    parser.add_argument("--json", action="store_true", help="Print the figures as one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit code."""
    from fourfold.api.inspect import measure

    found = measure(args.output, args.input, args.reference)
    if args.json:
        print(json.dumps(asdict(found), indent=2))
        return 0
    rows = [
        ("consistency", _decibel(found.consistency_psnr), "shrunk to the input's size, against the input"),
        ("  at worst", f"{found.consistency_worst:.2f} levels", "of 255"),
        ("added detail", f"{found.added_detail:.2f} levels", "beyond what the input can show; bicubic has 0"),
        ("  over bicubic", f"{found.added_detail_db:.1f} dB", "which in 8 bits has only its rounding"),
        ("sharpness", f"{found.sharpness:.2f} levels", f"a pixel; bicubic has {found.sharpness_bicubic:.2f}"),
        ("to bicubic", _decibel(found.bicubic_psnr), "between the output and a bicubic enlargement"),
        ("  on a phone", _decibel(found.phone_psnr), "the same, both shrunk to a phone's screen"),
    ]
    if found.psnr_y is not None and found.ssim_y is not None:
        rows.append(("PSNR-Y", f"{found.psnr_y:.2f} dB", "against the reference, 4-pixel border removed"))
        rows.append(("SSIM-Y", f"{found.ssim_y:.4f}", ""))
    for name, figure, meaning in rows:
        print(f"{name:<14}  {figure:>12}   {meaning}".rstrip())
    return 0


def _decibel(value: float | None) -> str:
    return "exact" if value is None else f"{value:.2f} dB"
