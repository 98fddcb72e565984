"""PyTorch: the reference engine, and reading of state dicts."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError

from fourfold.catalog.card import Card, Network
from fourfold.core.contract import Floats
from fourfold.core.errors import MissingExtra, ModelError, RuntimeFailure
from fourfold.engines import tensors, weights

try:
    import torch
    from torch import Tensor, nn
except ImportError as missing:
    raise MissingExtra("the pytorch runtime", "torch") from missing

_WHOLE = ("params_ema", "params", "model_state_dict", "state_dict")


class TorchRunner(tensors.TileRunner):
    """A PyTorch network.

    Args:
        network: ``B×3×H×W`` → ``B×3×sH×sW``; put in evaluation mode.
        tile: height and width of its tiles; threads: PyTorch's, for the whole process.
    """

    runtime = "pytorch"

    def __init__(self, network: nn.Module, tile: tuple[int, int], threads: int) -> None:
        self.tile = tile
        self._network = network.eval()
        torch.set_num_threads(threads)

    def answer(self, tiles: Floats) -> Floats:
        """See ``TileRunner``."""
        try:
            with torch.inference_mode():
                answer: Floats = self._network(torch.from_numpy(tiles)).numpy()
        except RuntimeError as error:
            raise RuntimeFailure(f"pytorch failed on a {self.tile[0]}×{self.tile[1]} tile: {error}") from error
        return answer


def load(card: Card, *, tile: tuple[int, int], threads: int, precision: str) -> TorchRunner:
    """A runner for the card's network and weights.

    Raises:
        ModelError: weights missing or damaged; InvalidInput: a precision other than auto and fp32.
    """
    tensors.require_fp32(precision, "pytorch")
    network = build(card.network)
    fill(network, {name: torch.from_numpy(tensor) for name, tensor in weights.state(card).items()}, card.id)
    return TorchRunner(network, tile, threads)


def build(network: Network | None) -> nn.Module:
    """The network a card describes, with fresh weights, in evaluation mode.

    Raises:
        ModelError: the card describes none, being that of a third-party model.
    """
    if network is None:
        raise ModelError("expected a network of fourfold's own, got one of others, which is known by its files alone")
    made = getattr(import_module(f"fourfold.networks.{network.module}"), network.class_)(**network.arguments)
    assert isinstance(made, nn.Module)
    return made.eval()


def fill(network: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Give a network its weights; every tensor must fit, and none may be missing or left over.

    A parameter that layers share need only stand under one of its names, and what a network names in ``training_only``
    may be missing.

    Args:
        network: changed in place.
        state: tensors by name.
        name: where they come from, for the message.

    Raises:
        ModelError: they do not fit.
    """
    own = network.state_dict(keep_vars=True)
    given = {id(own[key]) for key in state if key in own}
    spared = tuple(getattr(network, "training_only", ()))
    missing = [key for key in own if id(own[key]) not in given and not key.startswith(spared)]
    try:
        if missing:
            raise RuntimeError(f"missing {', '.join(missing)}")
        unexpected = network.load_state_dict(state, strict=False).unexpected_keys
        if unexpected:
            raise RuntimeError(f"unexpected {', '.join(unexpected)}")
    except RuntimeError as error:
        raise ModelError(f"{name}: the weights do not fit the network the card describes: {error}") from error


def macs(network: nn.Module, side: int, forward: Callable[[Tensor], object] | None = None) -> float:
    """Multiply-accumulates of the convolutions for each pixel of a ``side×side`` input that ``forward`` runs."""
    counted = 0

    def count(conv: nn.Module, _given: object, output: Tensor) -> None:
        nonlocal counted
        assert isinstance(conv, nn.Conv2d)
        counted += output.numel() * conv.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        (forward or network)(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return counted / side**2


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors``, ``.pt`` or ``.pth``; nothing in the file is ever executed.

    Of a checkpoint that holds more than the network, the part with its weights is taken, by the usual names for it and
    running means first, without the ``module.`` that parallel training puts before every name.

    Raises:
        ModelError: missing, another kind of file, or one that holds more than tensors by name.
    """
    if not path.is_file():
        raise ModelError(f"{path}: expected a file of weights, there is none")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise ModelError(f"{path}: expected a safetensors file: {error}") from error
    if path.suffix not in (".pt", ".pth"):
        raise ModelError(f"{path}: expected .safetensors, .pt or .pth, got {path.suffix or 'no suffix'}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise ModelError(
            f"{path}: expected tensors only, as torch.save(network.state_dict(), …) writes: {error}"
        ) from error
    if isinstance(state, dict):
        state = next((state[name] for name in _WHOLE if name in state), state)
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelError(f"{path}: expected a dictionary of tensors by name; save network.state_dict() alone")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}
