"""ask: answer a brief about an AI task from only the sources it holds."""

import argparse
import os
from pathlib import Path

from fourfold.cli.progress import Progress, TileProgress, exit_code
from fourfold.core.errors import UsageError


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("brief", type=Path, metavar="BRIEF", help="A brief, or a folder of briefs.")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="For answer.md and answer.json (NAME.md and NAME.json for a folder of briefs); default this folder.",
    )
    parser.add_argument(
        "--photo",
        type=Path,
        metavar="PHOTO",
        help="Carry the task out on this photo, and show what came out in answer.html.",
    )
    parser.add_argument(
        "--llm-base-url",
        metavar="URL",
        help="Also ask a language model there (OpenAI-compatible); a key is read from FOURFOLD_LLM_KEY.",
    )
    parser.add_argument("--llm-model", metavar="NAME", help="The language model's name there.")
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace pictures that exist already, whoever made them."
    )
    parser.add_argument("--quiet", action="store_true", help="Print nothing but errors.")


def run(args: argparse.Namespace) -> int:
    """Answer every brief and return the exit code."""
    if bool(args.llm_base_url) != bool(args.llm_model):
        raise UsageError("--llm-base-url and --llm-model go together: give both or neither")
    from fourfold.api.ask import Unanswered, ask_files
    from fourfold.scientist.llm import Settings

    llm = None
    if args.llm_base_url:
        llm = Settings(args.llm_base_url, args.llm_model, os.environ.get("FOURFOLD_LLM_KEY", ""))
    done, codes = 0, set()
    with Progress(args.quiet) as progress:
        for outcome in ask_files(args.brief, args.output, llm, args.photo, TileProgress(progress), args.overwrite):
            if isinstance(outcome, Unanswered):
                codes.add(outcome.error.exit_code)
                progress.say(f"fourfold: {outcome.error}", error=True)
                continue
            done += 1
            written = ", ".join(map(str, outcome.files))
            progress.say(f"{outcome.brief} → {written}: {outcome.answer.task.id}")
    return exit_code(done, codes)
