"""batch: whole folders and object stores of photos, resumable."""

import argparse
import json
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fourfold.cli.flags import add_flags, flag_values
from fourfold.cli.progress import Progress, exit_code
from fourfold.core.errors import UsageError
from fourfold.core.options import TASKS
from fourfold.core.params import parameters

if TYPE_CHECKING:
    from fourfold.api.batch.estimate import Estimate
    from fourfold.api.batch.run import Batch, BatchPlan

_EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("source", metavar="SOURCE", help="A folder of photos, or a URL such as s3://bucket/photos.")
    parser.add_argument("target", metavar="TARGET", help="A folder or URL for the results; folders below are kept.")
    parser.add_argument("--task", choices=TASKS, default="upscale", help="What to do. Default: upscale.")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local",
        help="Processes on this machine, or the workers of a Ray cluster. Default: local.",
    )  # fmt: skip
    parser.add_argument("-w", "--workers", type=_count, metavar="N", help="Photos made at once; default by threads.")
    parser.add_argument(
        "--name", metavar="TEMPLATE",
        help="Names of results, of {stem}, {size}, {ext}, {input_ext}, {model}, {style}. Default: {stem}_{size}{ext}.",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="Go on with the batch before, with its options.")
    parser.add_argument("--overwrite", action="store_true", help="Make results anew that exist already.")
    parser.add_argument("--watch", action="store_true", help="Go on with photos that come later, until interrupted.")
    parser.add_argument("--dry-run", action="store_true", help="Only print what is to be done and what it will take.")
    parser.add_argument("--journal", metavar="FILE", help="The journal; default in TARGET/.fourfold.")
    add_flags(parser, *TASKS.values())
    parser.add_argument("--json", action="store_true", help="Print the summary and every figure as one JSON document.")
    parser.add_argument("--quiet", action="store_true", help="Print nothing but errors.")


def run(args: argparse.Namespace) -> int:
    """Do the batch and return the exit code."""
    kind = TASKS[args.task]
    given = flag_values(args, kind)
    if other := [name for one in TASKS.values() for name in flag_values(args, one) if name not in parameters(kind)]:
        raise UsageError(f"--{other[0].replace('_', '-')} is no option of --task {args.task}; leave it out")
    from fourfold.api.batch.run import Batch

    batch = Batch(
        args.source, args.target, kind(**given), name=args.name, overwrite=args.overwrite, resume=args.resume,
        journal=args.journal, engine=args.engine, workers=args.workers,
    )  # fmt: skip
    started, interrupted = time.monotonic(), False
    with Progress(args.quiet or args.json) as progress:
        plan = batch.plan()
        passed = f"; {plan.note}" if plan.note else ""
        progress.say(f"{args.source}: {len(plan.jobs)} photos to do, {plan.skipped} done already{passed}")
        about = batch.estimate(plan.jobs) if plan.jobs else None
        if about is not None:
            progress.say(_about(about))
            about.require_room(args.target)
        if not args.dry_run:
            try:
                with redirect_stdout(sys.stderr):  # what Ray prints of lost machines is no answer
                    _follow(batch, plan, progress, watch=args.watch)
            except KeyboardInterrupt:
                interrupted = True
                progress.say("fourfold: interrupted; finished files are kept, --resume goes on", error=True)
        summary = _summary(batch, plan, about, time.monotonic() - started)
        progress.say(_sentences(summary))
    if args.json:
        rows = [] if args.dry_run else list(batch.outcomes())
        summary["files"] = [row.figures for row in rows if row.figures is not None]
        summary["failed"] = [{"input": row.source, "error": row.error} for row in rows if row.error]
        print(json.dumps(summary, indent=2))
    if interrupted:
        return 130
    return 6 if batch.full else exit_code(batch.done + plan.skipped, batch.codes)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _follow(batch: "Batch", plan: "BatchPlan", progress: Progress, *, watch: bool) -> None:
    total = len(plan.jobs) + len(plan.refused)
    step = progress.start("photos")
    began = said = time.monotonic()
    for done, outcome in enumerate(batch.run(plan, watch=watch), 1):
        total = max(total, done)  # more may have come
        step(done, total)
        if outcome.error:
            progress.say(f"fourfold: {outcome.error}", error=True)
        now = time.monotonic()
        if not sys.stderr.isatty() and (now - said > _EVERY or watch):
            said = now
            progress.say(f"{done} of {total} photos, about {_duration((now - began) / done * (total - done))} left")
    if batch.full:
        progress.say("fourfold: the disk is full; make room, then --resume goes on", error=True)


def _about(about: "Estimate") -> str:
    free = "" if about.free is None else f" ({about.free / 1e9:.1f} GB free)"
    return (
        f"about {_duration(about.seconds)} and {about.bytes_out / 1e6:.1f} MB{free}, "
        f"as {about.sampled} of {about.photos} photos suggest"
    )


def _summary(batch: "Batch", plan: "BatchPlan", about: "Estimate | None", seconds: float) -> dict[str, Any]:
    return {
        "source": batch.source.url,
        "target": batch.target.url,
        "journal": str(batch.journal.path),
        "done": batch.done,
        "skipped": plan.skipped,
        "failed_count": batch.failed,
        "left": max(0, len(plan.jobs) + len(plan.refused) - batch.done - batch.failed),
        "seconds": round(seconds, 1),
        "estimate": None if about is None else asdict(about),
    }


def _sentences(summary: dict[str, Any]) -> str:
    return (
        f"{summary['done']} done, {summary['skipped']} done before, {summary['failed_count']} failed, "
        f"{summary['left']} left, {_duration(summary['seconds'])}; journal: {summary['journal']}"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.0f} h"
