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
        choices=("quality", "speed", "routing", "roofline", "cascade", "workflow", "deblurring", "service"),
        help="PSNR and SSIM on benchmark sets, time beside others, what routing loses and saves, layers against the "
        "processor, fitting cascades, what a workflow or the service costs over the direct way, or deblurring.",
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="Benchmark data; default ../shared/data.")
    parser.add_argument("--alone", action="store_true", help="Leave out the networks of others.")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="Rounds of the paired run. Default: 15.")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="Draw the curves of the routing run there.")
    parser.add_argument("--save", action="store_true", help="Also write the results to bench/results.")
    parser.add_argument("--json", action="store_true", help="Print the results as one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit code."""
    from fourfold.api import benchmark
    from fourfold.evaluation import cascade_speed, deblurring, overhead, quality, results, roofline, routing, speed

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
    elif args.what == "routing":
        found = benchmark.routing(args.data, rounds=args.rounds)
        report = routing.Routing(found)
        text = "\n\n".join(map(routing.table, found))
        for one in found if args.plot else ():
            routing.plot(args.plot / f"routing-{one.name.replace(' ', '-').lower()}.png", one)
    elif args.what == "roofline":
        report = benchmark.layers()
        text = roofline.table(report)
    elif args.what == "workflow":
        with tempfile.TemporaryDirectory() as folder:
            report = benchmark.workflow(args.data, Path(folder), rounds=args.rounds)
        text = overhead.table(report)
    elif args.what == "service":
        from fourfold.serve import bench as service

        report = service.measure(args.rounds)
        text = service.table(report)
    else:
        report = cascade_speed.measure()
        text = cascade_speed.table(report)
    print(json.dumps(asdict(report), indent=2) if args.json else text)
    if args.save:
        path = results.save(args.what, report, results.environment(), Path("bench/results"))
        print(f"saved {path}" if not args.json else "", end="" if args.json else "\n")
    return 0
