"""The ``fourfold`` command: finds the verb, runs it, and turns errors into a sentence and an exit code."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Protocol

from fourfold import __version__
from fourfold.cli import (
    adapt,
    ask,
    batch,
    bench,
    cascade,
    doctor,
    features,
    measure,
    models,
    run,
    serve,
    train,
    workflow,
)
from fourfold.cli.progress import ending
from fourfold.cli.restore import Restore
from fourfold.core.errors import FourfoldError
from fourfold.core.options import TASKS


class Command(Protocol):
    """What a command is, made of a module of this package or of the options of a way to restore photos."""

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        ...

    def add(self, parser: argparse.ArgumentParser, /) -> None:
        """Add the command's arguments."""

    def run(self, args: argparse.Namespace, /) -> int:
        """Do it and return the exit code."""
        ...


class Verb:
    """A module of this package as a command; the first line of its docstring is ``name: summary``."""

    def __init__(self, module: ModuleType) -> None:
        self.add, self.run = module.add, module.run
        self.name = module.__name__.rpartition(".")[2]
        self.summary = (module.__doc__ or "").split("\n\n")[0].replace("\n", " ").split(": ", 1)[1]


_MODULES = (batch, measure, ask, run, workflow, models, cascade, adapt, features, serve, doctor, bench, train)


def commands() -> dict[str, Command]:
    """Every command by its name."""
    return {task: Restore(options) for task, options in TASKS.items()} | {
        verb.name: verb for verb in map(Verb, _MODULES)
    }


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
    for name, command in commands().items():
        summary = command.summary
        command.add(verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:]))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(arguments)
    if sys.stderr is None:  # closed; what is printed there would go to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the life of the process
    try:
        with _ended_like_ctrl_c():
            return commands()[args.verb].run(args)
    except FourfoldError as error:
        print(f"fourfold: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("fourfold: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: say nothing more, also not at exit
        return 1


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """A signal to end, or a lost terminal, is an interruption: nothing half done is left behind."""
    ending.clear()
    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and threading.current_thread() is threading.main_thread():
            found = signal.getsignal(number)
            if found in (signal.SIG_DFL, signal.default_int_handler):  # one that is ignored, as under nohup, stays so
                before[number] = found
                signal.signal(number, _interrupt)
    hook, sys.unraisablehook = sys.unraisablehook, _quiet
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, found in before.items():
            signal.signal(number, found)


def _interrupt(_number: int, _frame: object) -> None:
    """Raise ``KeyboardInterrupt``; where a library swallows it, ``cli.progress`` sees the mark between two tiles."""
    ending.set()
    raise KeyboardInterrupt


def _quiet(failure: "sys.UnraisableHookArgs") -> None:
    if not issubclass(failure.exc_type, KeyboardInterrupt):  # which may come in the midst of tidying up
        sys.__unraisablehook__(failure)
