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
    kept = "exact" if found.consistency_psnr is None else f"{found.consistency_psnr:.2f} dB"
    print(f"consistency   {kept:>10}   shrunk to the input's size, against the input")
    print(f"sharpness     {found.sharpness:>10.3f}   bicubic enlargement has {found.sharpness_bicubic:.3f}")
    print(f"added detail  {found.added_detail:>10.3f}   energy finer than the input can hold; bicubic has 1")
    if found.psnr_y is not None and found.ssim_y is not None:
        print(f"PSNR-Y        {found.psnr_y:>7.2f} dB   against the reference, 4-pixel border removed")
        print(f"SSIM-Y        {found.ssim_y:>10.4f}")
    return 0
