"""Weights of the architectures that spandrel knows, run by PyTorch; spandrel is an optional part."""

from pathlib import Path
from typing import Any

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.core.errors import MissingExtra, ModelError
from fourfold.engines import tensors, weights

try:
    import torch

    from fourfold.engines.pytorch import TorchRunner, read_state
except ImportError as missing:
    raise MissingExtra("networks of others as .safetensors or .pth", "spandrel") from missing


def network(path: Path) -> Any:
    """The network of a file of weights as a torch module from ``B×3×H×W`` in 0..1 to ``B×3×sH×sW``.

    Raises:
        MissingExtra: spandrel is not installed. ModelError: it does not know these weights, or not for RGB pictures.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise MissingExtra("networks of others as .safetensors or .pth", "spandrel") from error
    try:
        found = ModelLoader(device="cpu").load_from_state_dict(read_state(path))
    except UnsupportedModelError as error:
        raise ModelError(f"{path}: spandrel knows no architecture with these weights") from error
    if not isinstance(found, ImageModelDescriptor) or (found.input_channels, found.output_channels) != (3, 3):
        raise ModelError(f"{path}: expected a network from one RGB picture to another")
    return found.eval()


def opened(path: Path) -> tuple[Any, int, int]:
    """What runs the network, its parameters, and 0, as nobody counted its operations."""
    found = network(path)

    def run(tile: Floats) -> Floats:
        with torch.inference_mode():
            answer: Floats = found(torch.from_numpy(tile[None]))[0].numpy()
        return answer

    return run, sum(parameter.numel() for parameter in found.model.parameters()), 0


def load(card: Card, *, tile: tuple[int, int], threads: int, precision: str) -> TorchRunner:
    """A runner for a card's weights.

    Raises:
        ModelError: weights missing or damaged. MissingExtra: spandrel is not installed.
        InvalidInput: a precision other than auto and fp32.
    """
    tensors.require_fp32(precision, "pytorch")
    weights.read(card, "safetensors")
    found = network(weights.locate(card, "safetensors"))
    return TorchRunner(found, tile, threads)
