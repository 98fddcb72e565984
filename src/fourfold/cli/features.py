"""features: what a vision network sees in a photo, place by place, two to four times as fine."""

import argparse
import json
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="The photo.")
    parser.add_argument("--factor", type=int, choices=(2, 3, 4), default=2, help="How many times as fine. Default: 2.")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.npz",
        help="The maps; default IMAGE_features_xN.npz beside the photo.",
    )
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="The maps in colours, side by side.")
    parser.add_argument("--overwrite", action="store_true", help="Replace files that are there.")
    parser.add_argument("--json", action="store_true", help="Print what was written as one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Compute, write, and return the exit code."""
    from fourfold.api.features import features_file
    from fourfold.api.targets import is_pipe

    named = Path("stdin") if is_pipe(str(args.image)) else args.image
    target = args.output or named.with_name(f"{named.stem}_features_x{args.factor}.npz")
    found = features_file(args.image, args.factor, target, args.picture, overwrite=args.overwrite)
    shapes = {name: list(values.shape) for name, values in found.named().items()}
    if args.json:
        written = {"input": str(args.image), "output": str(target), "picture": args.picture and str(args.picture)}
        print(json.dumps(written | {"factor": args.factor, "shapes": shapes}, indent=2))
        return 0
    print(f"{target}: {shapes['low'][2]}×{shapes['low'][1]} → {shapes['sharp'][2]}×{shapes['sharp'][1]} features of "
          f"{shapes['sharp'][0]} channels")  # fmt: skip
    if args.picture:
        print(args.picture)
    return 0
