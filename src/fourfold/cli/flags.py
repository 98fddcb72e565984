"""Command-line flags made from described parameters, see ``core.params``."""

import argparse
from pathlib import Path
from typing import Any

from fourfold.core.errors import UsageError
from fourfold.core.params import Parameter, parameters


def add_flags(parser: argparse.ArgumentParser, owner: type) -> None:
    """One ``--flag`` for each described field of the dataclass."""
    for name, parameter in parameters(owner).items():
        names = [f"-{parameter.param.short}"] if parameter.param.short else []
        names.append(f"--{name.replace('_', '-')}")
        shared: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS}
        if parameter.kind is bool:
            parser.add_argument(*names, **shared, action="store_true", help=parameter.param.help)
        else:
            parse, metavar, told = _Parse(parameter), _metavar(parameter), _help(parameter)
            parser.add_argument(*names, **shared, metavar=metavar, type=parse, help=told)


def flag_values(args: argparse.Namespace, owner: type) -> dict[str, Any]:
    """What the person gave for the dataclass's fields."""
    return {name: getattr(args, name) for name in parameters(owner) if hasattr(args, name)}


class _Parse:
    """Parses one flag; argparse shows the message of ``ArgumentTypeError`` as it is."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter

    def __call__(self, text: str) -> object:
        try:
            return self._parameter.parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from None


def _metavar(parameter: Parameter) -> str:
    words = list(parameter.choices) or [parameter.name.upper() if parameter.kind in (str, Path) else "N"]
    return "|".join((["auto"] if parameter.param.auto else []) + words)


def _help(parameter: Parameter) -> str:
    default = "auto" if parameter.default is None and parameter.param.auto else parameter.default
    return parameter.param.help + ("" if default is None else f" Default: {default}.")
