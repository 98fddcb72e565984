"""Command-line flags made from described parameters, see ``core.params``."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fourfold.core.errors import UsageError
from fourfold.core.params import Parameter, parameters


def add_flags(parser: argparse.ArgumentParser, *owners: type) -> None:
    """One ``--flag`` for each described field; one that several dataclasses have takes what any of them takes."""
    known: dict[str, dict[type, Parameter]] = {}
    for owner in owners:
        for name, parameter in parameters(owner).items():
            known.setdefault(name, {})[owner] = parameter
    for name, found in known.items():
        first = next(iter(found.values()))
        names = [f"-{first.param.short}"] if first.param.short else []
        names.append(f"--{name.replace('_', '-')}")
        shared: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": _help(found, len(owners))}
        if first.kind is bool:
            parser.add_argument(*names, **shared, action="store_true")
        else:
            parser.add_argument(*names, **shared, metavar=_metavar(first), type=_Parse([*found.values()]))


def flag_values(args: argparse.Namespace, owner: type) -> dict[str, Any]:
    """What the person gave for the dataclass's fields."""
    return {name: getattr(args, name) for name in parameters(owner) if hasattr(args, name)}


class _Parse:
    """Parses one flag as the first does that can; argparse shows the message of ``ArgumentTypeError`` as it is."""

    def __init__(self, known: Sequence[Parameter]) -> None:
        self._known = known

    def __call__(self, text: str) -> object:
        for parameter in self._known:
            try:
                return parameter.parse(text)
            except UsageError as error:
                problem = error
        raise argparse.ArgumentTypeError(str(problem))


def _metavar(parameter: Parameter) -> str:
    words = list(parameter.choices) or [parameter.name.upper() if parameter.kind in (str, Path) else "N"]
    words = [*parameter.param.words, *words]
    return "|".join((["auto"] if parameter.param.auto else []) + words)


def _help(found: Mapping[type, Parameter], owners: int) -> str:
    """The help and the default; where not all have the flag, or mean the same by it, with the tasks that it is for."""
    texts: dict[str, list[str]] = {}
    for owner, parameter in found.items():
        default = "auto" if parameter.default is None and parameter.param.auto else parameter.default
        text = parameter.param.help + ("" if default in (None, False) else f" Default: {default}.")
        texts.setdefault(text, []).append(getattr(owner, "task", ""))
    if len(found) == owners and len(texts) == 1:
        return next(iter(texts))
    return " ".join(f"{', '.join(tasks)}: {text}" for text, tasks in texts.items())
