"""Every node there is: a function here is a node, and there is no other list.

One ``restore`` serves every network of the catalog; nodes never multiply with models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Levels
from fourfold.core.errors import PictureError, UsageError
from fourfold.core.image import Image
from fourfold.core.options import OF_READING, OF_THE_FILE, RestoreOptions
from fourfold.core.params import Param
from fourfold.core.size import Size, sized
from fourfold.imaging import color, files
from fourfold.imaging.formats import Format, fitting, format_of, writable_like
from fourfold.imaging.metadata import for_output, with_recipe
from fourfold.imaging.metrics import psnr_y, ssim_y
from fourfold.imaging.resize import bicubic
from fourfold.methods.cascade import Cascade, Network
from fourfold.methods.features import colours
from fourfold.models.classifier import Encoding
from fourfold.workflow.node import Context, Node, Options, Port, Values, node
from fourfold.workflow.ports import ImageType, Picture, StepReport

LARGEST, SMALLEST = 8.0, 1 / 64
"""Times the photo's sides that a picture may have: beyond, there would be nothing but invention, or nothing left."""

Types = Mapping[str, ImageType]


def _loaded(_types: Types, _values: Values) -> ImageType:
    return ImageType(scale=1.0)


@node(version=1, infer=_loaded)
def load(
    file: Annotated[Path, Param("The photo.")],
    context: Context,
    multiple: Annotated[
        int, Param("Leave out last rows and columns till both sides are multiples of this.", 1, 64)
    ] = 1,
) -> Annotated[Picture, Port("The photo, upright, in its own colours and depth.")]:
    """Read a photo: JPEG, PNG, WebP, TIFF, AVIF, HEIC and others."""
    image = context.tools.read(file)
    height, width = (side - side % multiple for side in image.size)
    if not height or not width:
        raise PictureError(
            f"{file}: expected sides of at least {multiple} pixels, got {image.size[1]}×{image.size[0]}. "
            "Give a larger photo"
        )
    if image.size != (height, width):
        alpha = None if image.alpha is None else image.alpha[:height, :width]
        image = replace(image, pixels=image.pixels[:height, :width], alpha=alpha)
    picture = Picture.of(image, ImageType(scale=1.0))
    picture.image = image  # as it will be read again
    return picture


def _scaled(of: ImageType, size: Size | None, scale: float | None) -> ImageType:
    """The type of an image that became ``size`` or ``scale`` times as large, as far as known."""
    if scale is None and size is not None and of.size is not None:
        scale = size[0] / of.size[0]
    total = None if scale is None or of.scale is None else scale * of.scale
    if total is not None and not SMALLEST <= total <= LARGEST * (1 + 1e-6):
        raise UsageError(
            f"expected an image of at most {LARGEST:g} times the photo's sides and at least 1/{1 / SMALLEST:g}, this "
            f"would have {total:.3g} times; choose another scale"
        )
    return replace(of, scale=total, size=size)


def _resized(types: Types, values: Values) -> ImageType:
    of, like, ways = types["image"], types.get("like"), ("scale", "width", "height")
    given = [name for name in ways if values[name] is not None] + (["like"] if like else [])
    if not given or (len(given) > 1 and given != ["width", "height"]):
        raise UsageError(f"expected scale, width and height, or like; got {' and '.join(given) or 'none of them'}")
    if like is not None:
        return replace(of, scale=like.scale, size=like.size)
    size = sized(of.size, *(values[name] for name in ways)) if of.size else None
    return _scaled(of, size, values["scale"])


@node(version=1, infer=_resized)
def resize(
    image: Annotated[Picture, Port("What to resize.")],
    like: Annotated[Picture | None, Port("A picture whose size it shall have.")] = None,
    scale: Annotated[float | None, Param("How many times as wide and high.", 1 / 64, 8)] = None,
    width: Annotated[int | None, Param("Width of the result.", 1, 65535, "pixels")] = None,
    height: Annotated[int | None, Param("Height of the result.", 1, 65535, "pixels")] = None,
) -> Annotated[Picture, Port("The picture in its new size.")]:
    """Resize without a network: bicubic, with antialiasing where it shrinks."""
    whole, values = image.image, {"scale": scale, "width": width, "height": height}
    size = sized(whole.size, scale, width, height) if like is None else like.type.size
    assert size is not None
    types = {"image": image.type} | ({"like": like.type} if like else {})
    pixels = color.bleed(whole.pixels, whole.alpha)
    alpha = None if whole.alpha is None else bicubic(whole.alpha, size)
    return Picture.of(
        replace(whole, pixels=bicubic(pixels, size), alpha=alpha), _resized(types, values), image.carried.engines
    )


def _restored(types: Types, values: Values) -> ImageType:
    of, options = types["image"], values["options"]
    return _scaled(of, options.target(of.size) if of.size else None, options.factor)


class Restored(NamedTuple):
    """What restoring gives."""

    image: Annotated[Picture, Port("The restored picture; the very same one where there was nothing to do.")]
    report: Annotated[StepReport, Port("Its figures: what was found and done, sizes, time, operations, tiles.")]


@node(version=1, infer=_restored, models=lambda tools, values: tools.models(values["options"]))
def restore(
    image: Annotated[Picture, Port("What to restore.")],
    options: Annotated[RestoreOptions, Options(but=OF_THE_FILE | OF_READING, by="task")],
    context: Context,
    task: Annotated[str, Param("What to do, such as deblur; the other parameters depend on it.")] = "upscale",  # noqa: ARG001
) -> Restored:
    """Restore a picture through a network of the catalog: enlarge it, deblur it, repair it."""
    made = context.tools.restore(image.image, options)
    prepared = made.prepared
    if prepared.unchanged is not None:
        return Restored(image, StepReport(made.figures))
    of_type = replace(_restored({"image": image.type}, {"options": options}), size=prepared.target)
    carried = replace(image.carried, engines={**image.carried.engines, **prepared.engines})
    flow = partial(prepared.run, progress=context.progress)
    return Restored(Picture(of_type, carried, flow=flow), StepReport(made.figures))


def _alike(types: Types, _values: Values) -> ImageType:
    first, second = types.values()
    first.require_same(second)
    return first


@node(version=1, infer=_alike)
def blend(
    image: Annotated[Picture, Port("The picture that a strength of 1 gives.")],
    other: Annotated[Picture, Port("The picture that a strength of 0 gives; of the same size and colours.")],
    strength: Annotated[float, Param("How much of the first picture.", 0, 1)] = 0.5,
) -> Annotated[Picture, Port("The mixture.")]:
    """Mix two pictures of one size."""
    one, two = image.image, other.image
    part = np.float32(strength)
    alpha = None if one.alpha is None or two.alpha is None else part * one.alpha + (1 - part) * two.alpha
    mixed = replace(one, pixels=part * one.pixels + (1 - part) * two.pixels, alpha=alpha)
    return Picture.of(mixed, image.type, {**other.carried.engines, **image.carried.engines})


class Compared(NamedTuple):
    """What comparing gives."""

    report: Annotated[StepReport, Port("PSNR in dB, nothing for equal pictures, and SSIM, both on luma.")]
    score: Annotated[float, Port("The SSIM, 1 for equal pictures.")]


def _compared(types: Types, values: Values) -> None:
    _alike(types, values)


@node(version=1, infer=_compared)
def compare(
    image: Annotated[Picture, Port("A picture.")],
    reference: Annotated[Picture, Port("The true one, of the same size.")],
    border: Annotated[int, Param("Pixels left out on every side.", 0, 64, "pixels")] = 4,
) -> Compared:
    """Compare a picture with the true one: PSNR and SSIM on luma, as the super-resolution papers measure them."""
    pair = image.image.rgb8(), reference.image.rgb8()
    psnr, ssim = psnr_y(*pair, border), ssim_y(*pair, border)
    return Compared(
        StepReport({"psnr_y": round(psnr, 2) if np.isfinite(psnr) else None, "ssim_y": round(ssim, 4)}), round(ssim, 4)
    )


def _measured(types: Types, _values: Values) -> None:
    large, small = types["large"], types["small"]
    if large.origin == small.origin and large.scale and small.scale and large.scale < small.scale:
        raise UsageError(
            f"expected large to be the larger one, got {large.scale:.3g} and {small.scale:.3g} times the photo; "
            "change large and small"
        )


@node(version=1, infer=_measured)
def measure(
    large: Annotated[Picture, Port("An enlarged picture.")],
    small: Annotated[Picture, Port("The picture it was made from.")],
    context: Context,
) -> Annotated[StepReport, Port("Consistency, added detail, what a phone shows of it, and sharpness.")]:
    """Measure what an enlarged picture kept of the one it was made from, and what was added."""
    return StepReport(context.tools.measure(large.levels, small.levels))


class Classified(NamedTuple):
    """What classifying gives."""

    label: Annotated[str, Port("The class: its name, or its number where no names are given.")]
    score: Annotated[float, Port("How sure the network that answered is, 0 to 1.")]
    report: Annotated[StepReport, Port("Class, confidence, which network answered, and what it took.")]


@node(version=1)
def classify(
    image: Annotated[Picture, Port("The picture.")],
    little: Annotated[Path, Param("The little network, an .onnx or .tflite file.")],
    big: Annotated[Path, Param("The big network, asked where the little one is unsure.")],
    context: Context,
    threshold: Annotated[float, Param("Least confidence at which the little network's answer stays.", 0, 2)] = 0.5,
    little_input: Annotated[Encoding, Param("The numbers the little network wants for 8-bit levels.")] = "auto",
    big_input: Annotated[Encoding, Param("The numbers the big network wants for 8-bit levels.")] = "auto",
    names: Annotated[Path | None, Param("Names of the classes, one a line, in their order.")] = None,
) -> Classified:
    """Say what a picture shows: a little classifier answers, and a big one where it is unsure (Little-Big)."""
    pair = (little, little_input), (big, big_input)
    asked = [_network(context, path, encoding) for path, encoding in pair]
    found = Cascade(asked[0], asked[1], threshold)([image.image.rgb8()])
    number, sure, took_big = int(found.labels[0]), round(float(found.confidence[0]), 4), bool(found.took_big[0])
    used = [context.tools.classifier(path, encoding) for path, encoding in pair[: 1 + took_big]]
    figures = {"class_number": number, "confidence": sure, "threshold": threshold, "network": used[-1].name}
    figures |= {"took_big": took_big, "gmacs": round(sum(one.macs for one in used) / 1e9, 3)}
    return Classified(str(number) if names is None else _name(names, number), sure, StepReport(figures))


def _network(context: Context, path: Path, encoding: Encoding) -> Network:
    """Loaded when it is first asked, so that the big network is not loaded in vain."""

    def network(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[Any]:
        loaded = context.tools.classifier(path, encoding)
        return loaded(np.stack([loaded.prepare(picture) for picture in pictures]))

    return network


def _name(names: Path, number: int) -> str:
    try:
        lines = names.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PictureError(f"{names}: expected the names of classes, one a line: {error}. Check the file") from error
    if number >= len(lines):
        raise PictureError(f"{names}: expected a name for class {number}, got {len(lines)} names. Add the others")
    return lines[number].strip()


def _featured(types: Types, _values: Values) -> ImageType:
    return replace(types["image"], scale=None, size=None, channels=3, depth=8)


class Featured(NamedTuple):
    """What looking at features gives."""

    image: Annotated[Picture, Port("A map in colours, a pixel for each feature; equal colours mean equal features.")]
    report: Annotated[StepReport, Port("Channels and sizes of the maps.")]


@node(version=1, infer=_featured, models=lambda tools, values: tools.sharpener(values["factor"]).models)
def features(
    image: Annotated[Picture, Port("The photo.")],
    context: Context,
    factor: Annotated[int, Param("How many times as fine as the encoder's own map.", 2, 4)] = 2,
    view: Annotated[
        Literal["sharp", "tiles", "jbu", "bilinear", "low"], Param("Which map is shown: FeatSharp's, or a simpler one.")
    ] = "sharp",
) -> Featured:
    """See a photo as a vision network does: its feature map, made finer by FeatSharp."""
    found = context.tools.sharpener(factor)(image.image)
    maps = found.named()
    shown = Image(colours(found)[view].astype(np.float32) / np.float32(255), None, 8)
    of_type = replace(_featured({"image": image.type}, {}), size=shown.size)
    figures: dict[str, Any] = {"channels": len(found.low), "factor": factor}
    figures |= {f"{name}_size": list(maps[name].shape[:0:-1]) for name in ("low", "sharp")}
    return Featured(Picture.of(shown, of_type), StepReport(figures))


@node(version=1, writes=True)
def save(
    image: Annotated[Picture, Port("What to save.")],
    options: Annotated[RestoreOptions, Options(only=OF_THE_FILE - {"times"})],
    context: Context,
    recipe: Annotated[
        Literal["embed", "leave-out"],
        Param("Whether the file says how it was made: versions, weights and parameters, no names; not with strip."),
    ] = "embed",
) -> Annotated[StepReport, Port("The file: name, format, size, bytes and SHA-256.")]:
    """Save a picture as NAME_STEP in its own format or another, with its colours, date and place."""
    kind = format_of(options.format) if options.format else writable_like(format_of(image.carried.format or "PNG"))
    path = _place(context, kind)
    fits = fitting(_blank(image), kind)
    spec = _spec(image, kind, fits, options, context.recipe if recipe == "embed" else {})
    written = context.scratch / path.name

    def write(band: Levels) -> None:
        if (spec.channels, spec.depth) != (image.type.channels, image.type.depth):
            rows = Picture(image.type, image.carried, read=lambda: band).image
            band = Picture.of(fitting(rows, kind), image.type).levels
        writer.write(band)

    with files.open_writer(written, spec) as writer:
        image.write_rows(write)
    figures: dict[str, Any] = {"file": path.name, "format": kind.name, "output_size": [spec.width, spec.height]}
    figures |= {"bytes": written.stat().st_size, "sha256": files.digest(written)}
    return StepReport(figures | {"warnings": [*fits.notes, *writer.notes]})


def _blank(picture: Picture) -> Image:
    """One pixel of the same kind, with all that travels beside the picture."""
    of = picture.type
    return Image.of_levels(np.zeros((1, 1, of.channels or 3), f"u{(of.depth or 8) // 8}"), **picture.carried.beside)


def _place(context: Context, kind: Format) -> Path:
    path = context.target.with_name(context.target.name + kind.suffixes[0])
    if path.resolve() in context.originals:
        raise PictureError(
            f"{path}: the result would replace one of the photos, or what was just made of another; give another "
            "--output folder, or the photos other names"
        )
    if path.exists() and not context.overwrite:
        raise PictureError(f"{path} exists already; give --overwrite to replace it, or another --output folder")
    return path


def _spec(image: Picture, kind: Format, fits: Image, options: RestoreOptions, recipe: dict[str, Any]) -> files.Spec:
    size = image.type.size or (0, 0)
    metadata = for_output(fits.metadata, options.metadata, size)
    if recipe and options.metadata != "strip":
        metadata = with_recipe(metadata, recipe | {"engines": dict(image.carried.engines)})
    return files.Spec.of(fits, kind, size, metadata, options.quality)


NODES: dict[str, Node] = {made.name: made for made in list(vars().values()) if isinstance(made, Node)}
"""Every node by name, in the order of this file."""
