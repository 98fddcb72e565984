"""cascade: a little classifier answers, and a big one only where the little one is unsure (Little-Big)."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from fourfold.core.errors import UsageError


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("fit", "Choose the threshold on all samples, and show how such a choice does on samples it has not seen."),
        ("evaluate", "Measure on samples that had no say in the threshold: a given one, or one chosen on a half."),
    ):
        action = actions.add_parser(name, help=text, description=text)
        source = action.add_argument_group("stored logits")
        source.add_argument(
            "--logits", type=Path, metavar="FILE.npz", help="labels, NAME.logits, NAME.macs; or a folder of .npy files."
        )
        action.add_argument("--little", required=True, metavar="NAME|FILE", help="Stored name, or .onnx/.tflite file.")
        action.add_argument("--big", required=True, metavar="NAME|FILE", help="Stored name, or .onnx/.tflite file.")
        real = action.add_argument_group("real networks")
        real.add_argument("--images", type=Path, metavar="FOLDER", help="Pictures.")
        real.add_argument("--labels", type=Path, metavar="CSV", help="Table with the columns file and label.")
        real.add_argument("--batch", type=int, metavar="N", help="Pictures a call. Default: 32.")
        for which in ("little", "big"):
            real.add_argument(
                f"--{which}-input",
                default="auto",
                metavar="NUMBERS",
                help=f"What {which} wants for 8-bit levels: levels, unit, signed, imagenet; default auto.",
            )
        action.add_argument(
            "--max-loss", type=float, default=0.0, metavar="FRACTION", help="Accuracy to give up, 0.01 = one point."
        )
        if name == "evaluate":
            action.add_argument("--threshold", type=float, metavar="T", help="A threshold chosen on other samples.")
        action.add_argument("--json", action="store_true", help="Print the figures as one JSON document.")
        action.add_argument("--plot", type=Path, metavar="FILE.png", help="Draw accuracy against MACs.")


def run(args: argparse.Namespace) -> int:
    """Fit, measure, print, and return the exit code."""
    _check(args)
    from fourfold.api.cascade import fit, labelled, report

    threshold = args.threshold if args.action == "evaluate" else None
    choice: fit.Choice = "held-out" if args.action == "evaluate" else "in-sample"
    timed = None
    if args.logits:
        found = fit.fit_stored(
            args.logits, args.little, args.big, max_loss=args.max_loss, threshold=threshold, picture=args.plot
        )
    else:
        pair = fit.NetworkPair(Path(args.little), Path(args.big), args.little_input, args.big_input)
        found, timed = fit.fit_photos(
            pair, args.images, args.labels, max_loss=args.max_loss, threshold=threshold, choice=choice,
            batch_size=args.batch or fit.BATCH, picture=args.plot,
        )  # fmt: skip
    point = fit.headline(found, choice)
    if args.json:
        document = report.document(found, point) | ({"run": asdict(timed)} if timed else {})
        print(json.dumps(document, indent=2, allow_nan=False))
        return 0
    print(report.table(found))
    if timed:
        print("\n" + labelled.timing(timed, found.samples))
    if args.action == "fit":
        print(f"\nthreshold {point.threshold!r}")
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.logits and (args.images or args.labels):
        raise UsageError("expected either --logits, or --images and --labels, not both")
    if not args.logits and not (args.images and args.labels):
        raise UsageError("expected --logits FILE.npz, or --images FOLDER and --labels CSV")
    if args.batch is not None and args.batch < 1:
        raise UsageError(f"expected --batch of at least 1, got {args.batch}")
    if not -1 <= args.max_loss <= 1:
        raise UsageError(f"expected --max-loss as a fraction of 1, for example 0.01 for one point, got {args.max_loss}")
