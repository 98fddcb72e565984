"""Find weights files, and verify them against the card each time before anything else reads them."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Format, Shipped, Weights
from fourfold.catalog.load import folders
from fourfold.core.errors import MissingExtra, ModelError


def locate(card: Shipped, format: Format) -> Path:  # noqa: A002
    """The card's weights file in the first folder that has one of its name.

    Raises:
        ModelError: no folder has it; the message names them.
    """
    stored = card.stored(format)
    name = stored.file
    for folder in (Path(stored.folder),) if stored.folder else folders():
        if (folder / name).is_file():
            return folder / name
    searched = ", ".join(map(str, folders()))
    raise ModelError(
        f"the weights {name} of model {card.id} are missing; expected in {searched}. "
        "Install fourfold again, put the file there, or name its folder in FOURFOLD_MODEL_PATH"
    )


def read(card: Shipped, format: Format) -> bytes:  # noqa: A002
    """The content of the card's weights file, verified. Engines are given these bytes, never the path.

    Raises:
        ModelError: missing, unreadable, or not the very file the card states.
    """
    path = locate(card, format)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: expected the weights of {card.id} to be readable: {error.strerror}") from error
    check(content, card.stored(format), path)
    return content


def check(content: bytes, stated: Weights, path: Path) -> None:
    """Compare a file's content with what its card states; ``path`` is for the message.

    Raises:
        ModelError: the SHA-256 differs.
    """
    came = hashlib.sha256(content).hexdigest()
    if came != stated.sha256:
        raise ModelError(
            f"{path} is not the file its card states: expected sha256 {stated.sha256} ({stated.bytes} bytes), "
            f"got {came} ({len(content)} bytes). It was damaged or changed, and is not used; install fourfold again"
        )


def state(card: Shipped) -> dict[str, NDArray[np.float32]]:
    """The network's tensors by name as ``float32``, from its verified ``.safetensors`` file or, without one, ``.onnx``.

    Raises:
        ModelError: missing or damaged; MissingExtra: what reads such files is not installed.
    """
    if not card.offers("safetensors"):
        return onnx_state(read(card, "onnx"))
    try:
        from safetensors.numpy import load
    except ImportError as error:
        raise MissingExtra("reading .safetensors weights", "torch") from error
    return {name: tensor.astype(np.float32) for name, tensor in load(read(card, "safetensors")).items()}


def onnx_state(content: bytes) -> dict[str, NDArray[np.float32]]:
    """The network's tensors by name as ``float32``, from an ONNX file of ``convert.export``.

    Of what training alone needs it holds nothing, and a parameter that layers share stands under one name only.

    Raises:
        MissingExtra: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("reading weights out of .onnx files", "torch") from error
    found = {}
    for stored in onnx.load_from_string(content).graph.initializer:
        name, value = stored.name.removesuffix(".fp16"), onnx.numpy_helper.to_array(stored).astype(np.float32)
        if name.endswith((".weight", ".bias")):
            found[name] = value.ravel() if value.ndim == 3 else value  # slopes lie there as C×1×1
    return found
