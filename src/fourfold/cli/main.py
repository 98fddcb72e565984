"""The ``fourfold`` command: finds the verb, runs it, and turns errors into a sentence and an exit code."""

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from fourfold import __version__
from fourfold.cli import (
    adapt,
    ask,
    batch,
    bench,
    cascade,
    deblur,
    doctor,
    features,
    measure,
    models,
    run,
    serve,
    train,
    upscale,
    workflow,
)
from fourfold.core.errors import FourfoldError


class Verb(Protocol):
    """A module of this package: one command."""

    __name__: str
    __doc__: str | None

    def add(self, parser: argparse.ArgumentParser, /) -> None:
        """Add the command's arguments."""

    def run(self, args: argparse.Namespace, /) -> int:
        """Do it and return the exit code."""
        ...


COMMANDS: tuple[Verb, ...] = (
    upscale,
    deblur,
    batch,
    measure,
    ask,
    run,
    workflow,
    models,
    cascade,
    adapt,
    features,
    serve,
    doctor,
    bench,
    train,
)
VERBS = {command.__name__.rpartition(".")[2]: command for command in COMMANDS}

EXIT_CODES = """exit codes:
  0 all done   1 unexpected   2 usage   3 some files failed, the rest are done   4 a quality gate failed
  5 model missing, damaged or refused   6 not enough memory or disk   130 interrupted, finished files kept"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; building it imports no engine and no numpy."""
    top = argparse.ArgumentParser(
        prog="fourfold",
        description="A small photo in, a sharp and honest one four times as large out. Nothing leaves this computer.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"fourfold {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for name, module in VERBS.items():
        summary = (module.__doc__ or "").split("\n\n")[0].replace("\n", " ").split(": ", 1)[1]
        module.add(verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:]))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(arguments)
    try:
        return VERBS[args.verb].run(args)
    except FourfoldError as error:
        print(f"fourfold: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("fourfold: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: say nothing more, also not at exit
        return 1
