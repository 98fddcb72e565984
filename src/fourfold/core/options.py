"""The options of each method: one dataclass that the command line, Python, the service and the page all share."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from fourfold.core.errors import UsageError
from fourfold.core.params import Param, checked
from fourfold.core.size import Size, sized

Metadata = Literal["keep", "strip", "strip-location"]

OF_THE_FILE = frozenset({"format", "quality", "metadata", "times"})
"""The options of restoring that are about the file that is written."""

OF_READING = frozenset({"damaged", "pages"})
"""The options of restoring that are about the file that is read; those in neither set are about the photo."""


@dataclass(frozen=True)
class Options:
    """Options of a method: checked when they are made, and copied with changes."""

    def __post_init__(self) -> None:
        vars(self).update(checked(type(self), vars(self)))

    def changed(self, **changes: Any) -> Self:
        """A copy with some fields changed; ``"auto"`` means None wherever the command line takes it so.

        Raises:
            UsageError: a name is unknown or a value is outside its range.
        """
        return replace(self, **checked(type(self), changes))


TASKS: dict[str, type["RestoreOptions"]] = {}
"""Every way of restoring a photo by its word, with its options, in the order in which they are declared."""


@dataclass(frozen=True)
class RestoreOptions(Options):
    """What the options of every way of restoring a photo share; a subclass is in ``TASKS`` once it is declared.

    Attributes:
        task: the word for it, as in ``batch --task``; about: what it does, in a sentence; done: in a word.
        catalog_task: the task of its networks, as on their cards.
    """

    task: ClassVar[str]
    about: ClassVar[str]
    done: ClassVar[str]
    catalog_task: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        TASKS[cls.task] = cls

    model: Annotated[str | None, Param("Network by its id, see `fourfold models list`.", short="m", auto=True)] = None
    runtime: Annotated[
        Literal["openvino", "onnxruntime", "pytorch"] | None, Param("Inference engine; auto measures once.", auto=True)
    ] = None
    precision: Annotated[
        Literal["fp32", "bf16", "int8"] | None, Param("Arithmetic; auto takes the fastest here.", auto=True)
    ] = None
    threads: Annotated[int | None, Param("Processor threads to use.", 1, 1024, short="j", auto=True)] = None
    format: Annotated[
        Literal["jpg", "jpeg", "png", "webp", "tif", "tiff", "avif"] | None,
        Param("Format of the result; auto keeps the input's own.", auto=True),
    ] = None
    quality: Annotated[
        int | None, Param("Quality of a lossy result; auto is 95 for JPEG.", 1, 100, short="q", auto=True)
    ] = None
    metadata: Annotated[
        Metadata,
        Param(
            "What to do with EXIF, XMP, IPTC, texts and comments; strip-location removes all that may reveal where a "
            "photo was taken."
        ),
    ] = "keep"
    times: Annotated[
        Literal["keep", "now"],
        Param("Date of the result's file: keep that of the input's file, or now, as other tools do."),
    ] = "now"
    damaged: Annotated[
        Literal["refuse", "accept"],
        Param("What to do with a damaged photo; of JPEG and HEIC one of which more than half is damaged."),
    ] = "refuse"

    pages: Annotated[
        int | Literal["all"] | None,
        Param("Which of several pictures in a file; all of them go into files of their own.", 1, 65_535, auto=True,
              words=("all",)),
    ] = None  # fmt: skip

    @property
    def suffix(self) -> str:
        """What the name of a result ends in, as in ``photo_x4.jpg``."""
        return self.done

    @property
    def factor(self) -> float | None:
        """Times the sides of a photo that its result has; None where that depends on the photo."""
        return 1.0

    def target(self, size: Size) -> Size:
        """``(height, width)`` of the result of a photo of that size; raises ``UsageError`` if there is none."""
        return size

    def for_part(self, whole: Size, part: Size) -> Self:  # noqa: ARG002 - the same for all but those that name a size
        """The options that restore a part of a photo as these restore the whole."""
        return self


@dataclass(frozen=True)
class UpscaleOptions(RestoreOptions):
    """How to upscale a photo. Every field has a default that suits most photos."""

    task: ClassVar[str] = "upscale"
    about: ClassVar[str] = "make photos four times as large."
    done: ClassVar[str] = "upscaled"
    catalog_task: ClassVar[str] = "image-to-image/super-resolution"

    scale: Annotated[float, Param("How many times as wide and high.", 1, 8, short="s")] = 4.0
    width: Annotated[int | None, Param("Width of the result instead of a scale.", 1, 65535, "pixels")] = None
    height: Annotated[int | None, Param("Height of the result instead of a scale.", 1, 65535, "pixels")] = None
    model: Annotated[
        str | None, Param("Network by its id, see `fourfold models list`, or a file of one.", short="m", auto=True)
    ] = None
    style: Annotated[
        Literal["faithful", "natural"] | None,
        Param(
            "faithful: only what the input supports; natural: without noise and JPEG damage, and crisp by estimate.",
            auto=True,
            aliases=(("photo", "natural"),),
        ),
    ] = None
    strength: Annotated[
        float, Param("How far to go from faithful (0) to natural (1) where the style is natural.", 0, 1)
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
        Param(
            "Send a tile to the big network where the two networks are expected to agree less than this.",
            0,
            100,
            "dB",
            auto=True,
        ),
    ] = None
    consistent: Annotated[bool, Param("Correct the result until it shrinks back to exactly the input.")] = False
    min_consistency: Annotated[
        float | None, Param("Refuse a result whose consistency is below this.", 0, 1000, "dB")
    ] = None
    tile: Annotated[int | None, Param("Side of a tile of the input.", 32, 2048, "pixels", short="t", auto=True)] = None

    @property
    def suffix(self) -> str:
        """``x4``, or ``w1600``, ``h900``, ``1600x900`` where a size is asked for."""
        if self.width and self.height:
            return f"{self.width}x{self.height}"
        return f"w{self.width}" if self.width else f"h{self.height}" if self.height else f"x{self.scale:.3g}"

    @property
    def factor(self) -> float | None:
        """The scale, unless a width or height goes first."""
        return self.scale if self.width is None and self.height is None else None

    def target(self, size: Size) -> Size:
        """From the scale, or from a wanted width or height, which go first.

        Raises:
            UsageError: the wanted size is less than once or more than eight times the photo's.
        """
        wanted = sized(size, self.factor, self.width, self.height)
        for name, out, side in zip(("height", "width"), wanted, size, strict=True):
            if self.factor is None and not side <= out <= 8 * side:
                raise UsageError(
                    f"expected a {name} of {side} to {8 * side} pixels (1 to 8 times the input), got {out}"
                )
        return wanted

    def for_part(self, whole: Size, part: Size) -> Self:
        """With the width and height that enlarge the part as much; what a part keeps need not do for the whole."""
        if self.factor is not None:
            return self.changed(min_consistency=None)
        height, width = (round(side * to / of) for side, to, of in zip(part, self.target(whole), whole, strict=True))
        return self.changed(width=width, height=height, min_consistency=None)


@dataclass(frozen=True)
class DeblurOptions(RestoreOptions):
    """How to deblur a photo. Every field has a default that suits most photos."""

    task: ClassVar[str] = "deblur"
    about: ClassVar[str] = "undo the motion blur of photos, and leave sharp ones alone."
    done: ClassVar[str] = "deblurred"
    catalog_task: ClassVar[str] = "image-to-image/deblurring"

    strength: Annotated[float, Param("How much of what the network finds: 0 nothing, 1 all of it.", 0, 1)] = 1.0
    when: Annotated[
        Literal["blurred", "always"], Param("blurred: leave sharp photos unchanged; always: deblur every photo.")
    ] = "blurred"
    tile: Annotated[int | None, Param("Side of a tile at most.", 384, 2048, "pixels", short="t", auto=True)] = None


@dataclass(frozen=True)
class AdaptOptions(Options):
    """How to adapt the recogniser of photo conditions to a folder of photos."""

    tune: Annotated[
        Literal["model", "prompt"], Param("Adapt the whole recogniser, or only the prompts that name the conditions.")
    ] = "model"
    prior: Annotated[
        Literal["even", "found"] | None,
        Param(
            "Assumed frequency of each condition: even, as in the paper, or found, as the unadapted recogniser sees "
            "them; auto takes found where one condition dominates.",
            auto=True,
        ),
    ] = None
    passes: Annotated[int, Param("Passes over all photos.", 1, 1000)] = 20
    most: Annotated[int, Param("Photos to use at most, spread evenly over the folder.", 2, 20_000)] = 2000
    seed: Annotated[int, Param("Seed of the order of the photos.", 0)] = 1
