"""The values that flow between the steps of a workflow, and what is known of them before they are computed.

An image, a report (figures by name), a score (one figure) and a text; ``KINDS`` is the list.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from fourfold.core.contract import Levels, Write
from fourfold.core.errors import InvalidInput, UsageError
from fourfold.core.image import Image, Metadata
from fourfold.imaging import color


@dataclass(frozen=True)
class ImageType:
    """What is known of an image without its pixels; None wherever only a run can show it.

    Attributes:
        origin: the step that loaded the photo it was made from.
        scale: its sides in pixels for each pixel of that photo's sides.
        size: height and width in pixels.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
        depth: bits a channel, 8 or 16.
        colour: the colour space by name.
    """

    origin: str | None = None
    scale: float | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    depth: int | None = None
    colour: str | None = None

    def require_same(self, other: "ImageType") -> None:
        """Make sure that the two can be laid over each other, as far as is known.

        Raises:
            UsageError: they cannot; the message says what would help.
        """
        if self.scale and other.scale and self.origin == other.origin and not math.isclose(self.scale, other.scale):
            raise UsageError(
                f"expected two images of one size, got {self.scale:.3g} and {other.scale:.3g} times the photo; "
                "put a resize step before one of them"
            )
        for name, words in _FACTS.items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if None not in (mine, theirs) and mine != theirs:
                raise UsageError(f"expected two images of one {name}, got {words(mine)} and {words(theirs)}")


_FACTS: dict[str, Callable[[Any], str]] = {
    "size": lambda size: f"{size[1]}×{size[0]} pixels",
    "channels": lambda count: ("grey", "grey with alpha", "RGB", "RGB with alpha")[count - 1],
    "colour": str,
}


class Flow(Protocol):
    """A picture that is still to be computed."""

    def __call__(self, write: Write, /) -> None:
        """Compute it, and write every band of its rows, perhaps from another thread."""


class Keeper(Protocol):
    """Where the rows of a picture go, so that they can be had again."""

    def write(self, band: Levels, /) -> None:
        """Take the next rows."""

    def done(self) -> Callable[[], Levels] | None:
        """How to read all the rows, once the last one was written; None if they are not kept."""
        ...


class _Memory:
    def __init__(self) -> None:
        self._bands: list[Levels] = []

    def write(self, band: Levels) -> None:
        self._bands.append(band)

    def done(self) -> Callable[[], Levels]:
        return lambda: np.concatenate(self._bands)  # type: ignore[return-value]


@dataclass(frozen=True)
class Carried:
    """What travels beside the pixels of a picture.

    Attributes:
        profile, metadata, format, lossy, notes: as of ``core.image.Image``.
        engines: by the id of each network that computed it, its inference engine and precision.
    """

    profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    lossy: bool = False
    notes: tuple[str, ...] = ()
    engines: Mapping[str, str] = field(default_factory=dict)

    @property
    def beside(self) -> dict[str, Any]:
        """All that an ``Image`` has beside its pixels, by name."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "engines"}


class Picture:
    """A picture between two steps: its facts at once, its rows when they are first wanted, and kept from then on.

    Args:
        type: everything but perhaps its origin is known.
        carried: what travels beside the pixels.
        read: gives the rows ``H×W×C`` as integers of ``type.depth``, alpha last; flow: computes them. One of them, or
            neither where the rows are gone.
    """

    def __init__(
        self,
        type: ImageType,  # noqa: A002
        carried: Carried,
        *,
        read: Callable[[], Levels] | None = None,
        flow: Flow | None = None,
    ) -> None:
        self.type, self.carried = type, carried
        self.keeper: Keeper = _Memory()
        self._read, self._flow = read, flow

    @staticmethod
    def of(image: Image, type: ImageType, engines: Mapping[str, str] | None = None) -> "Picture":  # noqa: A002
        """A picture in memory; origin and scale are those of ``type``, values outside 0..1 are clipped."""
        levels = image.levels()
        channels = levels.shape[2]
        colour = "sRGB" if channels > 2 else "grey"
        if image.profile is not None:
            colour = color.description(image.profile) or "an unnamed profile"
        known = ImageType(type.origin, type.scale, image.size, channels, image.depth, colour)
        carried = Carried(image.profile, image.metadata, image.format, image.lossy, image.notes, engines or {})
        return Picture(known, carried, read=lambda: levels)

    @property
    def open(self) -> bool:
        """Whether its rows are still to be computed."""
        return self._flow is not None

    @property
    def gone(self) -> bool:
        """Whether its rows were not kept."""
        return self._flow is None and self._read is None

    def write_rows(self, write: Write | None = None) -> None:
        """Write every row, computing them now if they were not yet."""
        flow, self._flow = self._flow, None
        if flow is not None:
            keep = self.keeper.write

            def both(band: Levels) -> None:
                keep(band)
                if write is not None:
                    write(band)

            flow(both)
            self._read = self.keeper.done()
        elif write is not None:
            write(self.levels)

    @cached_property
    def levels(self) -> Levels:
        """``H×W×C`` integers, alpha last."""
        self.write_rows()
        if self._read is None:
            raise InvalidInput("expected a picture whose rows were kept; these are gone")
        return self._read()

    @cached_property
    def image(self) -> Image:
        """The picture as the rest of fourfold knows it, with float pixels."""
        return Image.of_levels(self.levels, **self.carried.beside)


class StepReport:
    """Figures of a step by name, plain values; those about a picture are known when it is no longer open."""

    def __init__(self, figures: dict[str, Any] | Callable[[], dict[str, Any]]) -> None:
        self._figures = figures

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures; ask only once the picture that came with them is whole."""
        figures = self._figures() if callable(self._figures) else self._figures
        return json.loads(json.dumps(figures))  # type: ignore[no-any-return]  # plain, as it is after being kept


KINDS: dict[type, str] = {Picture: "image", StepReport: "report", float: "score", str: "text"}
"""The types of ports by the Python type that flows through them."""


def plain(type: ImageType) -> dict[str, Any]:  # noqa: A002
    """What is known of an image as plain values, but for where in a workflow it comes from."""
    known = {item.name: getattr(type, item.name) for item in fields(type) if item.name != "origin"}
    return {name: value for name, value in known.items() if value is not None}
