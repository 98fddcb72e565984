"""Nodes: a node is a function, and its annotations are its ports and parameters.

- ``Annotated[Picture, Port("…")]`` is an input; ``Annotated[float, Param("…", 0, 1)]`` is a parameter.
- A dataclass marked with ``Options`` gives a parameter for each of its described fields.
- The return value is the output; a named tuple of annotated fields gives several outputs.
- The first paragraph of the docstring is the node's help.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Protocol, get_args, get_origin, get_type_hints

from fourfold.core.contract import Levels, Progress
from fourfold.core.errors import UsageError, near
from fourfold.core.image import Image
from fourfold.core.options import TASKS, RestoreOptions
from fourfold.core.params import Parameter, parameters
from fourfold.methods.features import Features
from fourfold.methods.restorer import Prepared
from fourfold.models.classifier import Classifier, Encoding
from fourfold.workflow.ports import KINDS, ImageType

Values = Mapping[str, Any]
"""Arguments of a node by the names of its parameters and of the fields of its options."""


@dataclass(frozen=True)
class Port:
    """Marks what flows into a node or out of it; ``help`` is one sentence for the person."""

    help: str


@dataclass(frozen=True)
class Options:
    """Marks a dataclass whose described fields are parameters of the node: ``only`` some of them, or all but some.

    With ``by`` it marks ``RestoreOptions``: which of ``core.options.TASKS`` it is, a parameter of that name says.
    """

    only: frozenset[str] = frozenset()
    but: frozenset[str] = frozenset()
    by: str = ""

    def takes(self, name: str) -> bool:
        """Whether the field of that name is a parameter of the node."""
        return name in self.only if self.only else name not in self.but


@dataclass(frozen=True)
class Restoration:
    """A picture that is about to be restored; ``figures`` of the finished one, plain values."""

    prepared: Prepared
    figures: Callable[[], dict[str, Any]]


class Tools(Protocol):
    """What nodes may ask of the program around them; it keeps networks loaded from one picture to the next."""

    def read(self, path: Path) -> Image:
        """A photo, upright; raises ``PictureError`` if it cannot be read."""
        ...

    def models(self, options: RestoreOptions) -> dict[str, str]:
        """The networks the options lead to, id → SHA-256 of their weights; raises ``ModelError`` if there is none."""
        ...

    def restore(self, image: Image, options: RestoreOptions) -> Restoration:
        """Look at a picture, load the networks for it and plan its tiles."""
        ...

    def measure(self, large: Levels, small: Levels) -> dict[str, Any]:
        """How an enlarged picture relates to the one it was made from, plain values; both ``H×W×C``, alpha last."""
        ...

    def classifier(self, path: Path, encoding: Encoding) -> Classifier:
        """A classifier from its file."""
        ...

    def sharpener(self, factor: int) -> "Sharpener":
        """Feature maps ``factor`` times as fine; raises ``ModelError`` if there is none."""
        ...


class Sharpener(Protocol):
    """Feature maps of pictures, for nodes."""

    @property
    def models(self) -> dict[str, str]:
        """The networks it consists of, id → SHA-256 of their weights."""
        ...

    def __call__(self, image: Image) -> Features:
        """The maps of a picture."""
        ...


@dataclass(frozen=True)
class Context:
    """What a step knows of the run it is part of.

    Attributes:
        tools: what it may ask for; progress: to be called with tiles done and planned, may raise to stop.
        target: the file it is to write, without its suffix; scratch: the folder it writes that file to, from where the
            engine moves it into place.
        recipe: how its picture was made, plain values, for the picture's metadata.
        originals: files that must not be written; overwrite: whether another one that is there may be replaced.
    """

    tools: Tools
    progress: Progress
    target: Path
    scratch: Path
    recipe: dict[str, Any] = field(default_factory=dict)
    originals: frozenset[Path] = frozenset()
    overwrite: bool = False


@dataclass(frozen=True)
class PortSpec:
    """A port of a node: its kind, see ``ports.KINDS``, its help, and whether it must be connected."""

    kind: str
    help: str
    required: bool = True


@dataclass(frozen=True)
class Node:
    """A function taken apart; call it as the function.

    Attributes:
        name, help: of the function; version: to be raised whenever the same inputs give another result.
        inputs, outputs: its ports by name; parameters: by name, those of its options among them.
        infer: from the types of its image inputs and all its arguments to the type of its image output; raises
            ``UsageError`` where they cannot be; None for a node that gives no image and takes any.
        models: the networks its arguments lead to, id → SHA-256; raises ``ModelError`` if there is none.
        chooses: the parameter whose value decides which other ones there are, see ``of``; empty if there is none.
        writes: whether it writes a file, whose name it reports as ``file`` and whose SHA-256 as ``sha256``; it takes
            the rows of its picture once and nothing else of it.
    """

    function: Callable[..., Any]
    version: int
    inputs: dict[str, PortSpec]
    outputs: dict[str, PortSpec]
    parameters: dict[str, Parameter]
    infer: Callable[[Mapping[str, ImageType], Values], ImageType | None]
    models: Callable[[Tools, Values], dict[str, str]]
    chooses: str
    writes: bool
    _options: dict[str, tuple[Any, Options]]
    _context: str

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def help(self) -> str:
        """What it does, in a sentence."""
        return (inspect.getdoc(self.function) or "").split("\n\n")[0].replace("\n", " ")

    def of(self, choice: str) -> "Node":
        """The node with the parameters that a value of ``chooses`` leaves it.

        Raises:
            UsageError: there is no such value.
        """
        if choice not in TASKS:
            raise UsageError(f"{self.chooses} is one of {', '.join(TASKS)}; got {choice!r}.{near(choice, list(TASKS))}")
        (keyword, (_, mark)), owner = next(iter(self._options.items())), TASKS[choice]
        own = {name: one for name, one in self.parameters.items() if name in parameters(self.function)}
        own |= {name: one for name, one in parameters(owner).items() if mark.takes(name)}
        return replace(self, parameters=own, _options={keyword: (owner, mark)})

    @property
    def variants(self) -> "dict[str, Node]":
        """The node for every value of ``chooses``, empty if there is none."""
        return {choice: self.of(choice) for choice in TASKS} if self.chooses else {}

    @property
    def catalog_task(self) -> str:
        """The task on the cards of its networks; empty without any."""
        tasks = [owner.catalog_task for owner, mark in self._options.values() if mark.by]
        return tasks[0] if tasks else ""

    def arguments(self, parsed: Values) -> dict[str, Any]:
        """Keyword arguments of the function from parameters by name, each parsed; options become their dataclass."""
        found = dict(parsed)
        for keyword, (owner, options) in self._options.items():
            fields = {name: found.pop(name) for name in parameters(owner) if options.takes(name) and name in found}
            found[keyword] = owner(**fields)
        return found

    def __call__(self, arguments: Values, inputs: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Outputs by name."""
        given = {self._context: context} if self._context else {}
        result = self.function(**inputs, **arguments, **given)
        return result._asdict() if hasattr(result, "_asdict") else {next(iter(self.outputs)): result}


def _any(_types: Mapping[str, ImageType], _values: Values) -> None:
    return None


def _none(_tools: Tools, _values: Values) -> dict[str, str]:
    return {}


def node(
    *,
    version: int,
    infer: Callable[[Mapping[str, ImageType], Values], ImageType | None] = _any,
    models: Callable[[Tools, Values], dict[str, str]] = _none,
    writes: bool = False,
) -> Callable[[Callable[..., Any]], Node]:
    """Make a function a node; arguments as of ``Node``.

    Raises:
        TypeError: a parameter or the result is not annotated as this module says.
    """

    def made(function: Callable[..., Any]) -> Node:
        hints = get_type_hints(function, include_extras=True)
        own = parameters(function)
        inputs: dict[str, PortSpec] = {}
        options: dict[str, tuple[type, Options]] = {}
        context = chooses = ""
        for name, parameter in inspect.signature(function).parameters.items():
            kind, mark = _parts(hints.get(name))
            if isinstance(mark, Port):
                inputs[name] = _port(kind, mark, required=parameter.default is parameter.empty)
            elif isinstance(mark, Options):
                owner, chooses = (TASKS[str(own[mark.by].default)], mark.by) if mark.by else (kind, chooses)
                options[name] = owner, mark
                own |= {key: value for key, value in parameters(owner).items() if mark.takes(key)}
            elif kind is Context:
                context = name
            elif name not in own:
                raise TypeError(f"{function.__name__}: annotate {name} with Port, Param or Options")
        outputs = _outputs(function.__name__, hints.get("return"))
        return Node(function, version, inputs, outputs, own, infer, models, chooses, writes, options, context)

    return made


def _parts(hint: Any) -> tuple[Any, Any]:
    return get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, None)


def _port(kind: Any, mark: Port, *, required: bool = True) -> PortSpec:
    kinds = [one for one in (get_args(kind) or (kind,)) if one is not type(None)]
    return PortSpec(KINDS[kinds[0]], mark.help, required)


def _outputs(name: str, hint: Any) -> dict[str, PortSpec]:
    kind, mark = _parts(hint)
    if isinstance(mark, Port):
        port = _port(kind, mark)
        return {port.kind: port}
    fields = get_type_hints(kind, include_extras=True) if isinstance(kind, type) and issubclass(kind, tuple) else {}
    found = {key: _port(*_parts(value)) for key, value in fields.items() if isinstance(_parts(value)[1], Port)}
    if not found or len(found) != len(fields):
        raise TypeError(f"{name}: annotate what is returned with Port, or return a named tuple of such fields")
    return found
