"""Third-party models: find out what a model file holds by running it, and describe it as a card.

An ``.onnx`` file, the two files of ncnn, or weights that spandrel knows then run like any other network, with our
tiling, colours and metadata. They do not become part of fourfold, and no licence is assumed.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from fourfold.catalog import load
from fourfold.catalog.card import Card, Format, SizeRule, Weights, parse
from fourfold.core.atomic import replacing, write_text
from fourfold.core.contract import Floats
from fourfold.core.errors import MissingExtra, ModelError, RuntimeFailure, UsageError
from fourfold.engines import ncnn, onnxruntime, profile

FORMATS: dict[str, tuple[Format, ...]] = {
    ".onnx": ("onnx",),
    ".param": ("ncnn-param", "ncnn-bin"),
    ".bin": ("ncnn-param", "ncnn-bin"),
    ".safetensors": ("safetensors",),
}
"""For each suffix, the formats of the files that make up such a model."""

UNKNOWN = "unknown: ask its makers before you pass it or its results on"

Run = Callable[[Floats], Floats]
"""``3×H×W`` in 0..1 → ``3×sH×sW``."""

_SUFFIX: dict[Format, str] = {
    "onnx": ".onnx", "ncnn-param": ".param", "ncnn-bin": ".bin", "safetensors": ".safetensors",
}  # fmt: skip
_SIDE, _FRAME = 128, 12
"""Of the tile that the reach is measured on, and how wide the part of it is that is changed."""

_SEEN = 0.5 / 255
"""A difference below half a level cannot be seen at a seam."""

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)


def is_file(name: str) -> bool:
    """Whether a model's name is that of a file of a known kind."""
    return Path(name).suffix.lower() in FORMATS and Path(name).is_file()


def described(path: Path) -> Card:
    """The card of a file used where it is; measured once in a process.

    Raises:
        ModelError: it is not a network from one RGB picture to another at 1 to 8 times its size.
        MissingExtra: what runs such files is not installed.
    """
    status = path.stat()
    return _described(path.resolve(), status.st_mtime_ns, status.st_size)


@cache
def _described(path: Path, _modified: int, _size: int) -> Card:
    stored = tuple(_stated(path.with_suffix(_SUFFIX[one]), one) for one in FORMATS[path.suffix.lower()])
    try:
        run, parameters, macs = _opened(path)
        scale, multiple = _shape(run)
        reach = _reach(run, scale, multiple)
    except MissingExtra:
        raise
    except (ModelError, RuntimeFailure) as error:
        raise type(error)(f"{path}: {error}") from error
    return Card(
        id=path.stem,
        title=path.stem,
        summary=f"A third-party model that enlarges {scale} times, used from {path.name}.",
        task="image-to-image/super-resolution",
        tier="big",
        style="natural",
        scale=scale,
        licence=UNKNOWN,
        provenance=f"{path.name}, sha256 {stored[-1].sha256}",
        parameters=parameters,
        receptive_field=reach,
        macs_per_pixel=macs,
        size=SizeRule(multiple, multiple),
        weights=stored,
    )


def _stated(path: Path, form: Format) -> Weights:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: expected the file beside the other of its network: {error.strerror}") from error
    return Weights(path.name, form, "fp32", hashlib.sha256(content).hexdigest(), len(content), str(path.parent))


def _opened(path: Path) -> tuple[Run, int, int]:
    """What runs the network, its parameters, and multiply-accumulates for each pixel; 0 where nobody counted."""
    if path.suffix.lower() == ".onnx":
        model = path.read_bytes()
        run = onnxruntime.runs(model)
        return run, *profile.counted(model)
    if path.suffix.lower() == ".safetensors":
        from fourfold.engines import spandrel  # which needs torch

        return spandrel.opened(path)
    param = path.with_suffix(".param").read_text("utf-8", "replace")
    first, last = ncnn.ends(param)
    net = ncnn.network(param, path.with_suffix(".bin"), threads=1)
    return lambda tile: ncnn.extract(net, first, tile, last), *ncnn.counted(net, param)


def _shape(run: Run) -> tuple[int, int]:
    """The scale, and the multiple that tile sides must have."""
    came: object = None
    for multiple in _MULTIPLES:
        sides = [multiple * max(1, round(near / multiple)) for near in (61, 67)]
        try:
            came = run(np.full((3, *sides), 0.5, np.float32)).shape
        except RuntimeFailure as error:
            came = error
            continue
        assert isinstance(came, tuple)
        scale = came[-1] // sides[1]
        if came == (3, scale * sides[0], scale * sides[1]) and 1 <= scale <= 8:
            return scale, multiple
    raise ModelError(f"expected a network from a 3×H×W picture to one of 1 to 8 times its size, got {came}")


def _reach(run: Run, scale: int, multiple: int) -> int:
    """How many input pixels away a change can still be seen, by changing the rim of a tile; at most what was tried."""
    side = max(_SIDE, -(-_SIDE // multiple) * multiple)
    rng = np.random.default_rng(0)
    tile = rng.random((3, side, side), dtype=np.float32)
    other = tile.copy()
    inner = slice(_FRAME, side - _FRAME)
    other[:] = rng.random(other.shape, dtype=np.float32)
    other[:, inner, inner] = tile[:, inner, inner]
    changed = np.abs(run(tile) - run(other)).max(axis=0)
    rows = np.arange(scale * side) // scale
    depth = np.minimum(rows - _FRAME, side - _FRAME - 1 - rows)
    seen = np.minimum(depth[:, None], depth[None])[changed > _SEEN]
    return max(0, int(seen.max(initial=-1)) + 1)


_CARD = """\
id = {id}
title = {title}
summary = {summary}
task = "{task}"
tier = "{tier}"
style = "{style}"
scale = {scale}
licence = {licence}
provenance = {provenance}
parameters = {parameters}
receptive_field = {receptive_field}
macs_per_pixel = {macs_per_pixel}

[size]
minimum = {size.minimum}
multiple_of = {size.multiple_of}
"""
_WEIGHTS = """
[[weights]]
file = {file}
format = "{format}"
precision = "{precision}"
sha256 = "{sha256}"
bytes = {bytes}
"""


def adopted(path: Path, licence: str, identifier: str | None = None) -> Card:
    """Copy a third-party model into the person's data folder, with a card, so that it can be asked for by its id.

    Args:
        path: a file of ``FORMATS``; licence: of it, as the person says, shown wherever the network is.
        identifier: by default made from the file's name.

    Raises:
        ModelError, MissingExtra: as ``described``. UsageError: the id is no name, or taken.
    """
    identifier = free(path, identifier)
    with tempfile.TemporaryDirectory() as scratch:
        return _kept(described(_safe(path, Path(scratch))), licence, identifier)


def free(path: Path, identifier: str | None) -> str:
    """The id for what a file holds: as asked for, else made from the file's name.

    Raises:
        UsageError: it is no name, or taken.
    """
    identifier = identifier or "imported-" + re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", identifier):
        raise UsageError(f"expected an id of lower-case letters, digits, '-', '_' and '.', got {identifier!r}")
    if identifier in {entry.id for entry in (*load.all_entries(), *load.imported())}:
        raise UsageError(f"there is a model {identifier} already; give another --id")
    return identifier


def place(identifier: str, text: str, contents: Mapping[str, bytes]) -> Card:
    """Write a card and the contents of its weights by file name into the person's folder.

    Raises:
        ModelError: the text is no card, or the folder cannot be written.
    """
    made = parse(text, f"{identifier}.toml")
    assert isinstance(made, Card)
    folder = load.folders()[1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with replacing(folder / name) as file:
                file.write(content)
        write_text(folder / f"{identifier}.toml", text)  # last: without it the files are nothing
    except OSError as error:
        raise ModelError(f"{folder}: expected to write the imported network here: {error.strerror}") from error
    return made


def _safe(path: Path, scratch: Path) -> Path:
    """The file itself, or its weights copied out of a pickle, of which nothing is executed.

    Raises:
        ModelError: there is no such file, or it is of no kind known here.
    """
    if not path.is_file():
        raise ModelError(f"{path}: expected the file of a network, there is none")
    if path.suffix.lower() in FORMATS:
        return path
    if path.suffix.lower() not in (".pt", ".pth"):
        raise ModelError(f"{path}: expected {', '.join(FORMATS)}, .pt or .pth")
    from fourfold.engines.pytorch import read_state

    state = read_state(path)
    from safetensors.torch import save_file  # only now: the line before says what is to be installed

    safe = scratch / f"{path.stem}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, safe)
    return safe


def _kept(card: Card, licence: str, identifier: str) -> Card:
    """The files and the card, written into the person's folder."""
    names = {stored: f"{identifier}{_SUFFIX[stored.format]}" for stored in card.weights}
    texts = {"id": identifier, "licence": licence, "summary": card.summary, "title": card.title}
    texts |= {"provenance": f"Imported from {card.provenance}"}
    quoted = {name: json.dumps(text, ensure_ascii=False) for name, text in texts.items()}
    text = _CARD.format(**vars(card) | quoted)
    text += "".join(_WEIGHTS.format(**vars(stored) | {"file": json.dumps(name)}) for stored, name in names.items())
    contents = {name: (Path(stored.folder) / stored.file).read_bytes() for stored, name in names.items()}
    return place(identifier, text, contents)
