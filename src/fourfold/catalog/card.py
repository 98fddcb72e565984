"""Model cards: typed facts about each model, parsed strictly from TOML.

Adding a card registers a model; tests recompute its facts (parameters, scale, receptive field, operations).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date
from pathlib import PurePath
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fourfold.core.errors import ModelError, near

Task = Literal["image-to-image/super-resolution", "image-to-image/deblurring"]
"""Tasks of the networks here; ids as in the scientist's taxonomy, Hugging Face names where they exist."""

Tier = Literal["little", "big"]
TIERS: tuple[Tier, ...] = get_args(Tier)
Style = Literal["faithful", "natural"]
STYLES: tuple[Style, ...] = get_args(Style)
Format = Literal["onnx", "onnx-int8", "safetensors", "ncnn-param", "ncnn-bin"]
Precision = Literal["fp16", "fp32", "int8"]


@dataclass(frozen=True)
class Network:
    """Where the network is defined.

    Attributes:
        module: a module of ``fourfold.networks``; class_: the class in it (key ``class``).
        arguments: of its constructor, by name.
    """

    module: str
    class_: str
    arguments: dict[str, int | str]


@dataclass(frozen=True)
class SizeRule:
    """Which tile sides the network accepts: at least ``minimum`` pixels, and a multiple of ``multiple_of``."""

    minimum: int
    multiple_of: int

    def padded(self, side: int) -> int:
        """The smallest accepted side that is at least ``side`` pixels."""
        return -(-max(side, self.minimum) // self.multiple_of) * self.multiple_of

    def side(self, largest: int) -> int | None:
        """The side to tile by, about ``largest``, where not every multiple of 8 is accepted; else None."""
        if max(self.minimum, self.multiple_of) <= 8 and 8 % self.multiple_of == 0:
            return None
        return self.padded(largest // self.multiple_of * self.multiple_of)


@dataclass(frozen=True)
class Training:
    """How the weights came to be: recipe and data by name, optimiser steps, hours on which machine, and when.

    ``teacher`` names a network whose answers were learned, with its licence and its data as far as known;
    ``licence_text`` the file of that licence in ``catalog/licences``.
    """

    recipe: str
    data: str
    steps: int
    hours: float
    machine: str
    date: date
    teacher: str = ""
    licence_text: str = ""


@dataclass(frozen=True)
class Weights:
    """One file of weights: its bare name, format, stored precision, SHA-256 in hex, and size in bytes.

    ``onnx-int8`` is the network quantised after training, for engines that find it faster; see ``convert.quantise``.
    ``folder`` is set for a file that is used in place; all others are looked for in ``catalog.load.folders``.
    """

    file: str
    format: Format
    precision: Precision
    sha256: str
    bytes: int
    folder: str = ""

    def __post_init__(self) -> None:
        if PurePath(self.file).name != self.file or "\\" in self.file:
            raise ModelError(f"expected the bare name of a weights file without folders, got {self.file!r}")


@dataclass(frozen=True)
class Gate:
    """Which tiles of a picture are worth this big network, see ``methods.route``.

    Attributes:
        little: id of the network that answers the others.
        coefficients: of ``methods.route.features``; they give the PSNR in dB expected between the two networks.
        threshold: dB below which a tile goes on to the big network.
        max_loss: dB of PSNR against the truth that this costs on the photos it was fitted to; tiles: of those.
    """

    little: str
    coefficients: tuple[float, ...]
    threshold: float
    max_loss: float
    tiles: int


@dataclass(frozen=True)
class Score:
    """A measured quality: PSNR in dB and SSIM, both on luma, on a named data set.

    Attributes:
        psnr_y_input: the same of what a network of unchanged size was given, so that its gain can be seen.
    """

    dataset: str
    psnr_y: float
    ssim_y: float
    psnr_y_input: float | None = None


class Shipped:
    """A model that runs: its weights are in this package or were imported."""

    id: str
    weights: tuple[Weights, ...]

    def offers(self, format: Format) -> bool:  # noqa: A002
        """Whether the card lists a weights file of the given format."""
        return any(weights.format == format for weights in self.weights)

    def stored(self, format: Format) -> Weights:  # noqa: A002
        """The weights file of the given format.

        Raises:
            ModelError: the card lists none.
        """
        for weights in self.weights:
            if weights.format == format:
                return weights
        listed = ", ".join(w.format for w in self.weights) or "none"
        raise ModelError(f"model {self.id} has no {format} weights (listed: {listed}); choose another runtime or model")


@dataclass(frozen=True)
class Card(Shipped):
    """Everything stated about one model.

    Attributes:
        id: the name it is asked for by, and the name of its file; title, summary: for people.
        task, tier, style: what it is for, how heavy it is, and whether it keeps to the photo or may please the eye.
        scale: output pixels a side for each input pixel.
        licence: of the weights, an SPDX expression; provenance: who made them, from what.
        parameters: how many the folded network has.
        receptive_field: how far, in input pixels to each side, an output pixel looks.
        macs_per_pixel: multiply-accumulates of the convolutions for each input pixel.
        network: None for a third-party model that is known by its files alone, see ``convert.third_party``.
        training: None for a third-party model, whose training is not known.
        gate: of a big network that can be routed to.
    """

    id: str
    title: str
    summary: str
    task: Task
    tier: Tier
    style: Style
    scale: int
    licence: str
    provenance: str
    parameters: int
    receptive_field: int
    macs_per_pixel: int
    size: SizeRule
    network: Network | None = None
    training: Training | None = None
    weights: tuple[Weights, ...] = ()
    scores: tuple[Score, ...] = ()
    gate: Gate | None = None

    @property
    def third_party(self) -> bool:
        """Whether it is a third-party model, known by its files alone."""
        return self.network is None


@dataclass(frozen=True)
class Accuracy:
    """A measured accuracy in per cent, on a named set of photos."""

    dataset: str
    percent: float


@dataclass(frozen=True)
class RecogniserCard(Shipped):
    """Everything stated about a network that names the condition of a photo.

    Attributes:
        id, title, summary, licence, provenance, parameters: as of a ``Card``; the parameters are those of both towers.
    """

    kind: Literal["recogniser"]
    id: str
    title: str
    summary: str
    task: Literal["image-classification"]
    licence: str
    provenance: str
    parameters: int
    network: Network
    training: Training
    weights: tuple[Weights, ...] = ()
    scores: tuple[Accuracy, ...] = ()


@dataclass(frozen=True)
class Fidelity:
    """How well a method of upsampling features predicts the encoder's, over seeds, see ``training.featsharp``."""

    way: str
    mean: float
    spread: float


@dataclass(frozen=True)
class FeatureCard(Shipped):
    """Everything stated about an encoder of pictures into feature maps, or about a sharpener of such maps.

    Attributes:
        id, title, summary, licence, provenance, parameters: as of a ``Card``.
        resolution: pixels a side of the squares that the encoder takes; patch: pixels a side of one feature.
        channels: of a feature; factor: how many times as fine a sharpener makes the map, 1 for an encoder.
        encoder: id of the encoder that a sharpener is for.
    """

    kind: Literal["encoder", "sharpener"]
    id: str
    title: str
    summary: str
    task: Literal["image-feature-extraction"]
    licence: str
    provenance: str
    parameters: int
    resolution: int
    patch: int
    channels: int
    factor: int
    network: Network
    training: Training
    encoder: str = ""
    weights: tuple[Weights, ...] = ()
    fidelity: tuple[Fidelity, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A third-party model or paper that fourfold knows but does not ship: described, linked, never run.

    Attributes:
        kind: what it is; id, title, summary: as of a ``Card``; task: its id in the scientist's taxonomy.
        licence: what its authors grant, in words; provenance: who made it.
        paper, repository: links, empty if there is none.
    """

    kind: Literal["paper", "model"]
    id: str
    title: str
    summary: str
    task: str
    licence: str
    provenance: str
    paper: str
    repository: str = ""


Entry = Card | RecogniserCard | FeatureCard | Reference
_KINDS = {
    "recogniser": RecogniserCard,
    "encoder": FeatureCard,
    "sharpener": FeatureCard,
    "paper": Reference,
    "model": Reference,
}


def parse(text: str, file: str) -> Entry:
    """Read a card from TOML: what its ``kind`` says, without one the ``Card`` of an upscaler.

    Args:
        text: the TOML document.
        file: its name ``<id>.toml``, which error messages show.

    Raises:
        ModelError: not TOML, a key is unknown, missing or of the wrong type, or the id is not the file's name.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{file}: expected TOML: {error}") from error
    card: Entry = _value(_KINDS.get(str(table["kind"]), Reference) if "kind" in table else Card, table, file, "")
    if f"{card.id}.toml" != PurePath(file).name:
        raise ModelError(f"{file}: expected id to be the file's name without .toml, got {card.id!r}")
    return card


def _value(kind: Any, value: object, file: str, key: str) -> Any:
    """Check ``value`` against the annotation ``kind`` and convert it; ``key`` is its dotted name for messages.

    Of a union the part of the value's own type counts, or else the first; None is nothing that TOML has.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return _value(next((part for part in arguments if type(value) is part), arguments[0]), value, file, key)
    if is_dataclass(kind):
        return _table(kind, _typed(dict, value, file, key), file, key)
    if origin is tuple:
        items = _typed(list, value, file, key)
        return tuple(_value(arguments[0], item, file, f"{key}[{index}]") for index, item in enumerate(items))
    if origin is dict:
        items = _typed(dict, value, file, key)
        return {name: _value(arguments[1], item, file, f"{key}.{name}") for name, item in items.items()}
    if origin is Literal:
        if value not in arguments:
            expected = ", ".join(map(repr, arguments))
            raise ModelError(
                f"{file}: expected {key} to be one of {expected}; got {value!r}.{near(str(value), [*arguments])}"
            )
        return value
    if kind is float and type(value) is int:
        return float(value)
    return _typed(kind, value, file, key)


def _typed(kind: type, value: object, file: str, key: str) -> Any:
    # Not isinstance: TOML's true is no integer, though Python's is.
    if type(value) is not kind:
        raise ModelError(
            f"{file}: expected {key} to be of type {kind.__name__}, got {value!r} ({type(value).__name__})"
        )
    return value


def _table(kind: Any, table: Mapping[str, object], file: str, key: str) -> Any:
    hints = get_type_hints(kind)
    known = {field.name.rstrip("_"): field for field in fields(kind)}
    prefix = f"{key}." if key else ""
    for name in table:
        if name not in known:
            raise ModelError(f"{file}: unknown key {prefix}{name}.{near(name, [*known])} Known: {', '.join(known)}")
    missing = [name for name, field in known.items() if name not in table and field.default is MISSING]
    if missing:
        raise ModelError(f"{file}: missing key {prefix}{missing[0]}; add it")
    values = {
        known[name].name: _value(hints[known[name].name], item, file, prefix + name) for name, item in table.items()
    }
    try:
        return kind(**values)
    except ModelError as error:
        raise ModelError(f"{file}: {key}: {error}") from error
