"""serve: photos over HTTP, and a page for the phone."""

import argparse
import sys

from fourfold.cli.flags import add_flags, flag_values
from fourfold.core.errors import MissingExtra
from fourfold.serve.limits import ServeOptions


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    add_flags(parser, ServeOptions)
    parser.add_argument(
        "--lan", action="store_true", help="Let other devices of this network in; prints a token and its QR code."
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    options = ServeOptions(**flag_values(args, ServeOptions))
    if args.lan:
        options = options.changed(host="0.0.0.0")  # noqa: S104 - asked for, and only with a token
    try:
        from fourfold.serve.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fourfold"):
            raise
        raise MissingExtra("the service", "serve") from error
    serve(options, lambda line: print(line, file=sys.stderr, flush=True))
    return 0
