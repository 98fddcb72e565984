"""The options of each method: one dataclass that the command line, Python, the service and the page all share."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from fourfold.core.params import Param, checked

Metadata = Literal["keep", "strip", "strip-location"]

Model = Annotated[str | None, Param("Network by its id, see `fourfold models list`.", short="m", auto=True)]
Runtime = Annotated[
    Literal["openvino", "onnxruntime", "pytorch"] | None, Param("Inference engine; auto measures once.", auto=True)
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
    model: Model = None
    style: Annotated[
        Literal["faithful", "photo"] | None,
        Param("faithful: only what the input supports; photo: also repair noise and JPEG damage.", auto=True),
    ] = None
    route: Annotated[
        Literal["little", "big"] | None, Param("Which size of network the tiles go through.", auto=True)
    ] = None
    runtime: Runtime = None
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
    model: Model = None
    runtime: Runtime = None
    tile: Annotated[int | None, Param("Side of a tile at most.", 384, 2048, "pixels", short="t", auto=True)] = None
    threads: Threads = None
    format: Format = None
    quality: Quality = None
    metadata: Kept = "keep"
