"""bench: measure quality and speed beside other upscalers."""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "what",
        choices=("quality", "speed", "cascade", "deblurring"),
        help="PSNR and SSIM on benchmark sets, time beside others, time and memory of fitting cascades, or deblurring.",
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="Benchmark data; default ../shared/data.")
    parser.add_argument("--alone", action="store_true", help="Leave out the networks of others.")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="Rounds of the speed run. Default: 15.")
    parser.add_argument("--save", action="store_true", help="Also write the results to bench/results.")
    parser.add_argument("--json", action="store_true", help="Print the results as one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit code."""
    from fourfold.api import benchmark
    from fourfold.evaluation import cascade_speed, deblurring, quality, results, speed

    if args.what == "quality":
        report: Any = benchmark.quality(args.data, alone=args.alone)
        text = quality.table(report)
    elif args.what == "speed":
        with tempfile.TemporaryDirectory() as folder:
            report = benchmark.speed(args.data, Path(folder), rounds=args.rounds, alone=args.alone)
        text = speed.table(report)
    elif args.what == "deblurring":
        report = benchmark.deblurring(args.data)
        text = deblurring.table(report)
    else:
        report = cascade_speed.measure()
        text = cascade_speed.table(report)
    print(json.dumps(asdict(report), indent=2) if args.json else text)
    if args.save:
        path = results.save(args.what, report, results.environment(), Path("bench/results"))
        print(f"saved {path}" if not args.json else "", end="" if args.json else "\n")
    return 0
