"""The options of each method: one dataclass that the command line, Python, the service and the page all share."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from fourfold.core.params import Param, checked

Metadata = Literal["keep", "strip", "strip-location"]

Runtime = Annotated[
    Literal["openvino", "onnxruntime", "pytorch"] | None, Param("Inference engine; auto measures once.", auto=True)
]
Precision = Annotated[
    Literal["fp32", "bf16", "int8"] | None, Param("Arithmetic; auto takes the fastest here.", auto=True)
]
Threads = Annotated[int | None, Param("Processor threads to use.", 1, 1024, short="j", auto=True)]
Format = Annotated[
    Literal["jpg", "jpeg", "png", "webp", "tif", "tiff", "avif"] | None,
    Param("Format of the result; auto keeps the input's own.", auto=True),
]
Quality = Annotated[int | None, Param("Quality of a lossy result; auto is 95 for JPEG.", 1, 100, short="q", auto=True)]
Kept = Annotated[Metadata, Param("What to do with EXIF and XMP.")]


@dataclass(frozen=True)
class Options:
    """What the options of all methods share: they are checked, and copied with changes."""

    def __post_init__(self) -> None:
        checked(type(self), vars(self))

    def changed(self, **changes: Any) -> Self:
        """A copy with some fields changed; ``"auto"`` means None wherever the command line takes it so.

        Raises:
            UsageError: a name is unknown or a value is outside its range.
        """
        return replace(self, **checked(type(self), changes))


@dataclass(frozen=True)
class UpscaleOptions(Options):
    """How to upscale a photo. Every field has a default that suits most photos."""

    scale: Annotated[float, Param("How many times as wide and high.", 1, 8, short="s")] = 4.0
    width: Annotated[int | None, Param("Width of the result instead of a scale.", 1, 65535, "pixels")] = None
    height: Annotated[int | None, Param("Height of the result instead of a scale.", 1, 65535, "pixels")] = None
    model: Annotated[
        str | None, Param("Network by its id, see `fourfold models list`, or a file of one.", short="m", auto=True)
    ] = None
    style: Annotated[
        Literal["faithful", "photo"] | None,
        Param("faithful: only what the input supports; photo: also repair noise and JPEG damage.", auto=True),
    ] = None
    strength: Annotated[
        float, Param("How far to go from faithful (0) to photo (1) where the style is photo.", 0, 1)
    ] = 1.0
    route: Annotated[
        Literal["little", "big"] | None,
        Param("Size of network for all tiles; auto sends those that gain from it to the big one.", auto=True),
    ] = None
    time_budget: Annotated[
        float | None,
        Param("Time for one picture; fewer tiles go to the big network to keep it.", 0.01, 86400, "seconds"),
    ] = None
    route_threshold: Annotated[
        float | None,
        Param("Expected nearness of the two networks below which a tile goes to the big one.", 0, 100, "dB", auto=True),
    ] = None
    consistent: Annotated[bool, Param("Correct the result until it shrinks back to exactly the input.")] = False
    runtime: Runtime = None
    precision: Precision = None
    tile: Annotated[int | None, Param("Side of a tile of the input.", 32, 2048, "pixels", short="t", auto=True)] = None
    threads: Threads = None
    format: Format = None
    quality: Quality = None
    metadata: Kept = "keep"


@dataclass(frozen=True)
class DeblurOptions(Options):
    """How to deblur a photo. Every field has a default that suits most photos."""

    strength: Annotated[float, Param("How much of what the network finds: 0 nothing, 1 all of it.", 0, 1)] = 1.0
    when: Annotated[
        Literal["blurred", "always"], Param("blurred: leave sharp photos alone; always: trust no estimate.")
    ] = "blurred"
    model: Annotated[str | None, Param("Network by its id, see `fourfold models list`.", short="m", auto=True)] = None
    runtime: Runtime = None
    precision: Precision = None
    tile: Annotated[int | None, Param("Side of a tile at most.", 384, 2048, "pixels", short="t", auto=True)] = None
    threads: Threads = None
    format: Format = None
    quality: Quality = None
    metadata: Kept = "keep"
