"""The contract of every restorer: it prepares a photo, and the prepared photo is run and reports its figures.

The command line, Python, batches, the service, the page and workflows know restorers by this contract alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from fourfold.catalog.card import Card
from fourfold.core.contract import Progress, Write
from fourfold.core.image import Image
from fourfold.core.options import RestoreOptions
from fourfold.core.size import Size


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures of one restored photo, measured in that run or read from a card; restorers add their own.

    Attributes:
        input, output: names as given, ``-`` for a pipe, empty for a picture in memory.
        input_size, output_size: ``[width, height]`` in pixels.
        model: ids of the networks, empty if none ran; engines: by the id of each, its engine and arithmetic, as in
            ``openvino bf16``; runtime, precision: of the network that every tile goes through.
        seconds: from reading to the finished file; seconds_model: inside the networks alone.
        megapixels_per_second: output megapixels over ``seconds``.
        gmacs: billions of multiply-accumulates computed; tiles: how many in ``total``, and by network.
        peak_memory_mb: of the whole process so far.
        warnings: sentences about anything that was found, left alone or changed on the way.
    """

    input: str = ""
    output: str = ""
    input_size: Size
    output_size: Size
    model: str = ""
    runtime: str = ""
    precision: str = ""
    engines: Mapping[str, str] = field(default_factory=dict)
    seconds: float
    seconds_model: float = 0.0
    megapixels_per_second: float
    gmacs: float = 0.0
    tiles: Mapping[str, int] = field(default_factory=lambda: {"total": 0})
    peak_memory_mb: int
    warnings: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was done, for the end of a line about the photo."""
        return f"{self.model} on {self.runtime}" if self.model else ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else a person may want to know, a line each."""
        return ()


class Prepared(Protocol):
    """A photo ready to be restored."""

    target: Size
    """Height and width of the result, which has the photo's channels and depth."""

    unchanged: str | None = None
    """Why there is nothing to do, in a sentence: the result is the photo as it is; None if there is."""

    engines: Mapping[str, str] = MappingProxyType({})
    """As in ``Report``."""

    def run(self, write: Write, progress: Progress) -> None:
        """Compute the result, and write every row of it, perhaps from another thread.

        Raises:
            QualityGate: it is not as good as the options demand. RuntimeFailure: the network failed.
        """
        ...

    def notes(self, lossy: str) -> tuple[str, ...]:  # noqa: ARG002 - most have nothing to say of formats
        """Sentences about the run, once it is over; ``lossy`` names the lossy format that was written, if one was."""
        return () if self.unchanged is None else (self.unchanged,)

    def report(self, common: Mapping[str, Any]) -> Report:
        """The figures of the finished run; ``common`` are those that every restorer has, ready as keywords."""
        return Report(**common)

    def figures(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """The same for the report of a workflow's step, plain values, as far as they are known."""
        return {name: value for name, value in asdict(self.report(common)).items() if value != ""}


RESTORERS: dict[type[RestoreOptions], type["Restorer"]] = {}
"""What carries out each of ``core.options.TASKS``, by its options."""


@dataclass(frozen=True)
class Restorer(ABC):
    """One way of restoring photos; to declare ``class Inverter(Restorer, of=InvertOptions)`` is to register it.

    Attributes:
        options: what to do, of the class ``of``; networks: those of ``api.networks``, kept loaded between photos.
    """

    options: RestoreOptions
    networks: Any

    def __init_subclass__(cls, *, of: type[RestoreOptions]) -> None:
        RESTORERS[of] = cls

    def cards(self) -> tuple[Card, ...]:
        """The networks that the options may lead to; all tiles go through the first, or through another one's.

        Raises:
            ModelError: there is none such. UsageError: options that contradict each other.
        """
        return ()

    def models(self) -> dict[str, str]:
        """All networks that decide about a result, id → SHA-256 of their weights; raises as ``cards``."""
        return {card.id: card.stored("onnx").sha256 for card in self.cards()}

    def require_memory(  # noqa: B027 - most need too little to ask
        self, size: Size, channels: int, depth: int, *, keeps_whole: bool, held: int
    ) -> None:
        """Make sure that a photo can be restored, before it is decoded; arguments as of ``prepare``.

        Raises:
            NotEnough: it cannot; the message holds both figures.
        """

    @abstractmethod
    def prepare(
        self, image: Image, *, keeps_whole: bool = True, held: int = 0, engines: Mapping[str, str] | None = None
    ) -> Prepared:
        """Look at a photo, load the networks and plan the tiles, after making sure that memory suffices.

        Args:
            image: the photo.
            keeps_whole: whether the result is held whole before it is written.
            held: bytes of each pixel of a result that is made in memory.
            engines: those of another run, to be used where the options leave them open.

        Raises:
            ModelError, NotEnough, UsageError: as the names say.
        """
