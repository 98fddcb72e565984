"""bench: measure quality and speed beside other upscalers."""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fourfold.bench import MEASURED


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    measured = "; ".join(f"{name}: {what}" for name, what in MEASURED.items())
    parser.add_argument("what", choices=MEASURED, help=f"{measured}.")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="Benchmark data; default ../shared/data.")
    parser.add_argument("--alone", action="store_true", help="Leave out third-party models, and Ray.")
    parser.add_argument("--perceptual", action="store_true", help="quality: with ST-LPIPS, the extra 'perceptual'.")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="Rounds of the paired run. Default: 15.")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="Draw the curves of routing and batch there.")
    parser.add_argument("--photos", type=int, default=2000, metavar="N", help="Photos of a batch. Default: 2000.")
    parser.add_argument("--save", action="store_true", help="Also write the results to bench/results.")
    parser.add_argument("--json", action="store_true", help="Print the results as one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit code."""
    from fourfold.bench import results
    from fourfold.bench.benchmarks import BENCHMARKS, BenchSetting
    from fourfold.core.environment import environment

    wanted = BENCHMARKS[args.what]
    with tempfile.TemporaryDirectory() as folder:
        report: Any = wanted.measure(
            BenchSetting(args.data, Path(folder), args.rounds, args.photos, args.alone, args.perceptual)
        )
    if args.plot and wanted.plot:
        wanted.plot(args.plot, report)
    print(json.dumps(asdict(report), indent=2) if args.json else wanted.table(report))
    if args.save:
        path = results.save(args.what, report, environment(), Path("bench/results"))
        print(f"saved {path}" if not args.json else "", end="" if args.json else "\n")
    return 0
