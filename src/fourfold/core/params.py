"""Typed, described parameters: written once on a function or dataclass, read by every face of fourfold.

``Annotated[float, Param("…", minimum=1)]`` gives the type, the help and the range; the default is the field's own.
The command line, the HTTP schema and the page's form are all made from ``parameters()``.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from fourfold.core.errors import UsageError, near


@dataclass(frozen=True)
class Param:
    """What a type alone does not say.

    Attributes:
        help: one sentence for the person.
        minimum, maximum: inclusive range of a number.
        unit: of a number, as shown to the person.
        short: one-letter spelling on the command line.
        auto: whether the word ``auto`` stands for None, letting fourfold choose.
        words: that may stand instead of a number.
        aliases: other words for choices, each with what it stands for; taken, and shown nowhere.
    """

    help: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    short: str = ""
    auto: bool = False
    words: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()

    def meant(self, value: object) -> object:
        """What a value stands for: None for ``auto``, the choice for an alias, else itself."""
        if value == "auto" and self.auto:
            return None
        return dict(self.aliases).get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Parameter:
    """One field of a parameter dataclass, or one parameter of a function, taken apart.

    Attributes:
        name: the field's name; kind: ``bool``, ``int``, ``float``, ``str`` or ``Path``.
        choices: the allowed words, if the type is a ``Literal``; default: the field's default.
        required: whether there is no default.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    default: object
    param: Param
    required: bool = False

    def parse(self, text: str) -> object:
        """The value a person wrote, in its type.

        Raises:
            UsageError: it is of another type, outside the range or not among the choices.
        """
        meant = self.param.meant(text)
        if meant is None:
            return None
        if text in self.param.words:
            return text
        if self.choices:
            if meant not in self.choices:
                raise UsageError(
                    f"{self.name} is one of {', '.join(self.choices)}; got {text!r}.{near(text, list(self.choices))}"
                )
            return meant
        if self.kind is bool:
            if text not in ("true", "false"):
                raise UsageError(f"{self.name} is true or false; got {text!r}")
            return text == "true"
        try:
            return self.check(self.kind(text))
        except ValueError:
            raise UsageError(
                f"{self.name} is {_WORDS[self.kind]}{self._range()}{self._words()}; got {text!r}"
            ) from None

    def check(self, value: object) -> object:
        """The value itself, if it lies within the range.

        Raises:
            UsageError: it does not.
        """
        low, high = self.param.minimum, self.param.maximum
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            outside = value != value or (low is not None and value < low) or (high is not None and value > high)
            if outside:
                raise UsageError(f"{self.name} lies{self._range()}; got {value:g}")
        elif self.choices and self.param.meant(value) not in (None, *self.choices):
            raise UsageError(f"{self.name} is one of {', '.join(self.choices)}; got {value!r}")
        elif self.param.words and value not in (None, *self.param.words):
            raise UsageError(f"{self.name} is {_WORDS[self.kind]}{self._range()}{self._words()}; got {value!r}")
        return value

    def expected(self) -> str:
        """What it takes, in words."""
        words = " or ".join(self.choices) or _WORDS[self.kind] + self._range() + self._words()
        return words + (" or auto" if self.param.auto else "")

    def schema(self) -> dict[str, Any]:
        """Its values as a JSON Schema, with its help and its default."""
        value: dict[str, Any] = {"type": _JSON.get(self.kind, "string")}
        limits = {"minimum": self.param.minimum, "maximum": self.param.maximum}
        value |= {word: limit for word, limit in limits.items() if limit is not None}
        if self.choices:
            value["enum"] = [*self.choices, *(["auto"] if self.param.auto else [])]
        elif others := [*self.param.words, *(["auto"] if self.param.auto and value["type"] != "string" else [])]:
            value = {"anyOf": [value, *({"const": word} for word in others)]}
        value["description"] = self.param.help + (f" In {self.param.unit}." if self.param.unit else "")
        return value if self.default is None else value | {"default": self.default}

    def _words(self) -> str:
        return "".join(f" or {word}" for word in self.param.words)

    def _range(self) -> str:
        low, high, unit = self.param.minimum, self.param.maximum, self.param.unit and f" {self.param.unit}"
        if low is not None and high is not None:
            return f" between {low:g} and {high:g}{unit}"
        if low is not None:
            return f" of at least {low:g}{unit}"
        return f" of at most {high:g}{unit}" if high is not None else ""


_JSON = {int: "integer", float: "number", bool: "boolean"}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", Path: "a file"}


def parameters(owner: Callable[..., object]) -> dict[str, Parameter]:
    """The described fields of a dataclass, its own before those it inherits, or parameters of a function, in order."""
    hints = get_type_hints(owner, include_extras=True)
    found = {}
    for name, default in _defaults(owner):
        hint = hints[name]
        if get_origin(hint) is not Annotated or not isinstance(hint.__metadata__[0], Param):
            continue
        kind, param = get_args(hint)[:2]
        kinds = [
            k for k in (get_args(kind) if get_origin(kind) not in (None, Literal) else (kind,)) if k is not type(None)
        ]
        choices = tuple(get_args(kinds[0])) if get_origin(kinds[0]) is Literal else ()
        required = default is MISSING
        kind = str if choices else kinds[0]
        found[name] = Parameter(name, kind, choices, None if required else default, param, required)
    return found


_known = cache(parameters)  # options are checked for every photo


def _defaults(owner: Callable[..., object]) -> Iterator[tuple[str, object]]:
    """Names and defaults, ``MISSING`` where there is none."""
    if isinstance(owner, type) and is_dataclass(owner):
        defaults = {one.name: one.default for one in fields(owner)}
        own = [name for name in inspect.get_annotations(owner) if name in defaults]
        yield from ((name, defaults[name]) for name in dict.fromkeys([*own, *defaults]))
    else:
        for name, parameter in inspect.signature(owner).parameters.items():
            yield name, MISSING if parameter.default is parameter.empty else parameter.default


def checked(owner: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword values for a parameter dataclass, each known and within its range, as ``Param.meant`` takes them.

    Raises:
        UsageError: a name is unknown (with a near miss) or a value is outside its range.
    """
    known = _known(owner)
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"unknown option {name!r}; expected one of {', '.join(known)}.{near(name, list(known))}")
        known[name].check(value)
    return {name: known[name].param.meant(value) for name, value in values.items()}
