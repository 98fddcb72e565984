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
        choices=(
            "quality",
            "speed",
            "routing",
            "roofline",
            "cascade",
            "workflow",
            "deblurring",
            "batch",
            "service",
            "adapting",
        ),
        help="PSNR and SSIM on benchmark sets, time beside others, what routing loses and saves, layers against the "
        "processor, fitting cascades, what a workflow or the service costs over the direct way, "
        "deblurring, batches with more and more workers, or what adapting gains.",
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="Benchmark data; default ../shared/data.")
    parser.add_argument("--alone", action="store_true", help="Leave out the networks of others, and Ray.")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="Rounds of the paired run. Default: 15.")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="Draw the curves of routing and batch there.")
    parser.add_argument("--photos", type=int, default=2000, metavar="N", help="Photos of a batch. Default: 2000.")
    parser.add_argument("--save", action="store_true", help="Also write the results to bench/results.")
    parser.add_argument("--json", action="store_true", help="Print the results as one JSON document.")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit code."""
    from fourfold.bench import benchmarks, cascade, deblurring, quality, results, roofline, speed
    from fourfold.core.environment import environment

    if args.what == "quality":
        report: Any = benchmarks.quality(args.data, alone=args.alone)
        text = quality.table(report)
    elif args.what == "speed":
        with tempfile.TemporaryDirectory() as folder:
            report = benchmarks.speed(args.data, Path(folder), rounds=args.rounds, alone=args.alone)
        text = speed.table(report)
    elif args.what == "deblurring":
        report = benchmarks.deblurring(args.data)
        text = deblurring.table(report)
    elif args.what == "routing":
        report, text = _routing(args)
    elif args.what == "roofline":
        report = benchmarks.layers()
        text = roofline.table(report)
    elif args.what in ("workflow", "adapting"):
        with tempfile.TemporaryDirectory() as folder:
            report, text = _in_folder(args, Path(folder))
    elif args.what == "batch":
        report, text = _batches(args)
    elif args.what == "service":
        from fourfold.bench import service

        report = service.measure(args.rounds)
        text = service.table(report)
    else:
        report = cascade.measure()
        text = cascade.table(report)
    print(json.dumps(asdict(report), indent=2) if args.json else text)
    if args.save:
        path = results.save(args.what, report, environment(), Path("bench/results"))
        print(f"saved {path}" if not args.json else "", end="" if args.json else "\n")
    return 0


def _routing(args: argparse.Namespace) -> tuple[Any, str]:
    from fourfold.bench import benchmarks, routing

    found = benchmarks.routing(args.data, rounds=args.rounds)
    for one in found if args.plot else ():
        routing.plot(args.plot / f"routing-{one.name.replace(' ', '-').lower()}.png", one)
    return routing.Routing(found), "\n\n".join(map(routing.table, found))


def _batches(args: argparse.Namespace) -> tuple[Any, str]:
    from fourfold.bench import benchmarks, scaling

    with tempfile.TemporaryDirectory() as folder:
        found = benchmarks.batches(args.data, Path(folder), photos=args.photos, rounds=args.rounds, alone=args.alone)
    if args.plot:
        scaling.plot(args.plot / "batch-memory.png", found)
    return found, scaling.table(found)


def _in_folder(args: argparse.Namespace, folder: Path) -> tuple[Any, str]:
    """The report and the table of a measurement that needs a folder of its own."""
    from fourfold.bench import adapting, benchmarks, overhead

    if args.what == "adapting":
        gains = benchmarks.adapting(args.data, folder)
        return gains, adapting.table(gains)
    cost = benchmarks.workflow(args.data, folder, rounds=args.rounds)
    return cost, overhead.table(cost)
