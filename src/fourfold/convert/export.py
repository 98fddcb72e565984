"""Export PyTorch networks to ONNX and safetensors, and publish trained weights on a card.

Weights are published as fp16, which halves the files; arithmetic stays fp32. A tensor that fp16 cannot hold exactly,
as in third-party models, is stored as it is. Equal weights give equal bytes.
"""

import hashlib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog import load
from fourfold.catalog.card import Card, Entry, Format, Shipped, SizeRule, Weights, parse
from fourfold.core.errors import MissingExtra, ModelError
from fourfold.engines.onnxruntime import OnnxRunner
from fourfold.engines.weights import onnx_state

try:
    import safetensors.numpy
    import torch
    import torch.nn.functional as F
    from torch import Tensor, fx, nn

    from fourfold.convert.graph import OnnxGraph, exact
    from fourfold.convert.quantise import to_int8
    from fourfold.engines.pytorch import build, fill, read_state
except ImportError as missing:
    raise MissingExtra("exporting networks", "torch") from missing

TOLERANCE = 1e-4
"""Largest difference between a network and its export, in 0..1: a fortieth of a level."""

_TILES = ((8, 8), (17, 23), (48, 40))


def publish(
    state: Path, card_id: str, *, package: Path | None = None, tiles: Sequence[NDArray[np.float32]] = ()
) -> Card:
    """Write a trained network's weights files and state them on its card.

    All files are prepared and checked before the first is replaced; the card comes last, so that an interruption
    in between shows as a wrong checksum, and running again repairs it.

    Args:
        state: the folded network's state dict, see ``pytorch.read_state``.
        card_id: its card.
        package: the folder that holds ``catalog/cards`` and ``weights``; by default this package's own.
        tiles: ``3×H×W`` in 0..1 to calibrate on, if the card lists 8-bit weights.

    Returns:
        The card as rewritten.

    Raises:
        ModelError: the state does not fit the card's network, cannot be stored as fp16, or an export differs.
    """
    package = package or Path(__file__).parents[1]
    path = package / "catalog" / "cards" / f"{card_id}.toml"
    if not path.is_file():
        raise ModelError(f"{path}: expected the card of {card_id} there; write it first")
    text = path.read_text("utf-8")
    card = _network(text, path)
    network = build(card.network)
    fill(network, rounded(read_state(state), str(state)), str(state))
    blobs = checked(network, card.scale, card.size)
    if card.offers("onnx-int8"):
        blobs["onnx-int8"] = to_int8(blobs["onnx"], tiles)
    stored = store(path, text, card, blobs)
    assert isinstance(stored, Card)
    return stored


def store(path: Path, text: str, card: Shipped, blobs: Mapping[Format, bytes]) -> Entry:
    """Write weights files and state them on their card.

    Args:
        path: of the card, in ``catalog/cards`` beside ``weights``; text: its own; card: what it says.
        blobs: the content of every file that it lists, by format.

    Returns:
        The card as rewritten.
    """
    stated = tuple(
        replace(w, sha256=hashlib.sha256(blobs[w.format]).hexdigest(), bytes=len(blobs[w.format])) for w in card.weights
    )
    text = _with_weights(text, stated)
    written = {path.parents[2] / "weights" / w.file: blobs[w.format] for w in stated} | {path: text.encode()}
    for target, content in written.items():
        _part(target).write_bytes(content)
    for target in written:
        _part(target).replace(target)
    load.all_entries.cache_clear()
    return parse(text, path.name)


def _network(text: str, path: Path) -> Card:
    card = parse(text, path.name)
    if not isinstance(card, Card):
        raise ModelError(f"{path}: expected the card of a network, got that of a {card.kind} of others")
    return card


def checked(network: nn.Module, scale: int, size: SizeRule) -> dict[Format, bytes]:
    """The contents of a network's weights files, each compared with the network.

    Raises:
        ModelError: the network cannot be exported, or an export differs from it.
    """
    blobs: dict[Format, bytes] = {"onnx": to_onnx(network)}
    check_onnx(network, blobs["onnx"], scale, size)
    return blobs


def rounded(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The state with every value rounded to fp16 and held as fp32; ``name`` is for the message.

    Raises:
        ModelError: a value is not finite, or too large for fp16.
    """
    result = {key: tensor.half().float() for key, tensor in state.items()}
    bad = [key for key, tensor in result.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise ModelError(f"{name}: expected finite values of at most 65504, not so in {', '.join(bad)}; train again")
    return result


def to_safetensors(network: nn.Module) -> bytes:
    """The network's state dict as a safetensors file."""
    return bytes(safetensors.numpy.save({name: exact(value) for name, value in sorted(network.state_dict().items())}))


def check_onnx(network: nn.Module, model: bytes, scale: int, size: SizeRule) -> None:
    """Compare an ONNX file with the network it was made from: its weights, and its answers to tiles of several sizes.

    Raises:
        ModelError: a weight differs at all, or an answer by more than ``TOLERANCE``.
    """
    own = network.state_dict()
    different = [name for name, value in onnx_state(model).items() if not np.array_equal(value, own[name].numpy())]
    if different:
        raise ModelError(f"the ONNX export differs from the network in {', '.join(different)}; it was not written")
    rng = np.random.default_rng(0)
    for sides in _TILES:
        tile = size.padded(sides[0]), size.padded(sides[1])
        tiles = rng.random((2, 3, *tile), dtype=np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(tiles)).numpy()
        difference = float(np.abs(OnnxRunner(model, scale, tile, threads=1)(tiles) - expected).max())
        if not difference <= TOLERANCE:
            raise ModelError(
                f"the ONNX export differs from the network by {difference:.2g} on a {tile[0]}×{tile[1]} tile, expected "
                f"at most {TOLERANCE:.0e}; it was not written"
            )


def to_onnx(network: nn.Module) -> bytes:
    """A folded network as an ONNX file: ``batch×3×height×width`` → ``batch×3×s·height×s·width``, every size free.

    The network is traced; it may consist of the operations listed in ``_Traced`` only.

    Raises:
        ModelError: it holds another operation.
    """
    traced = _Traced(network)
    for node in fx.symbolic_trace(network).graph.nodes:
        traced.add(node)
    inputs = {traced.input: ("batch", 3, "height", "width")}
    return traced.graph.model(type(network).__name__, inputs, {traced.output: ("batch", 3, None, None)})


class _Traced:
    """A network's graph, grown one traced operation at a time; the operations known are the keys of ``_rules``."""

    def __init__(self, network: nn.Module) -> None:
        self.input = self.output = ""
        self.graph = OnnxGraph()
        self._modules = dict(network.named_modules())
        self._channels: dict[str, int] = {}
        self._rules: dict[object, Callable[[fx.Node], int]] = {
            "placeholder": self._placeholder,
            "output": self._output,
            nn.Conv2d: self._conv,
            nn.PReLU: self._prelu,
            nn.LeakyReLU: self._leaky_relu,
            nn.Upsample: self._upsample,
            nn.PixelUnshuffle: self._pixel_unshuffle,
            operator.add: self._sum,
            torch.cat: self._concatenation,
            F.pixel_shuffle: self._pixel_shuffle,
            "repeat_interleave": self._repeat,
        }

    def add(self, node: fx.Node) -> None:
        """Append what a traced node does."""
        kind: object = node.op if node.op in self._rules else node.target
        if node.op == "call_module":
            kind = type(self._modules[str(node.target)])
        if kind not in self._rules:
            raise ModelError(f"cannot export {node.op} {kind} to ONNX; add a rule for it")
        self._channels[node.name] = self._rules[kind](node)

    def _placeholder(self, node: fx.Node) -> int:
        self.input = node.name
        return 3

    def _output(self, node: fx.Node) -> int:
        self.output = _name(node.args[0])
        return 3

    def _conv(self, node: fx.Node) -> int:
        conv = self._modules[str(node.target)]
        assert isinstance(conv, nn.Conv2d)
        if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise ModelError(f"cannot export {node.target}: expected zero padding given in pixels")
        parts = ("weight", "bias") if conv.bias is not None else ("weight",)
        names = [self.graph.weight(f"{node.target}.{part}", exact(getattr(conv, part))) for part in parts]
        self.graph.add(
            "Conv", [_name(node.args[0]), *names], node.name, kernel_shape=conv.kernel_size, strides=conv.stride,
            dilations=conv.dilation, group=conv.groups, pads=conv.padding * 2,
        )  # fmt: skip
        return conv.out_channels

    def _prelu(self, node: fx.Node) -> int:
        source = _name(node.args[0])
        slope = exact(self._modules[str(node.target)].weight)
        self.graph.add("PRelu", [source, self.graph.weight(f"{node.target}.weight", slope[:, None, None])], node.name)
        return self._channels[source]

    def _leaky_relu(self, node: fx.Node) -> int:
        source = _name(node.args[0])
        self.graph.add("LeakyRelu", [source], node.name, alpha=self._modules[str(node.target)].negative_slope)
        return self._channels[source]

    def _sum(self, node: fx.Node) -> int:
        names = [_name(argument) for argument in node.args]
        self.graph.add("Add", names, node.name)
        return self._channels[names[0]]

    def _concatenation(self, node: fx.Node) -> int:
        parts, axis = node.args
        assert isinstance(parts, Sequence)
        assert axis == 1
        names = [_name(part) for part in parts]
        self.graph.add("Concat", names, node.name, axis=1)
        return sum(self._channels[name] for name in names)

    def _upsample(self, node: fx.Node) -> int:
        source, resize = _name(node.args[0]), self._modules[str(node.target)]
        assert isinstance(resize, nn.Upsample)
        if resize.mode != "bilinear" or not isinstance(resize.scale_factor, float):
            raise ModelError(f"cannot export {node.target}: expected a bilinear resize by one factor")
        scales = f"{node.name}.scales"
        factors = np.array([1, 1, resize.scale_factor, resize.scale_factor], np.float32)
        self.graph.constant(scales, factors)
        grid = "align_corners" if resize.align_corners else "half_pixel"
        self.graph.add(
            "Resize", [source, "", scales], node.name, mode="linear", coordinate_transformation_mode=grid
        )  # fmt: skip
        return self._channels[source]

    def _pixel_unshuffle(self, node: fx.Node) -> int:
        """As a convolution that picks pixels: ONNX's own SpaceToDepth puts the channels in another order."""
        source, factor = _name(node.args[0]), self._modules[str(node.target)].downscale_factor
        assert isinstance(factor, int)
        channels, picked = self._channels[source], factor**2
        kernel = np.tile(np.eye(picked, dtype=np.float16).reshape(picked, 1, factor, factor), (channels, 1, 1, 1))
        self.graph.add(
            "Conv", [source, self.graph.weight(f"{node.name}.kernel", kernel)], node.name,
            kernel_shape=[factor] * 2, strides=[factor] * 2, group=channels,
        )  # fmt: skip
        return channels * picked

    def _pixel_shuffle(self, node: fx.Node) -> int:
        source, factor = _name(node.args[0]), node.args[1]
        assert isinstance(factor, int)
        self.graph.add("DepthToSpace", [source], node.name, blocksize=factor, mode="CRD")
        return self._channels[source] // factor**2

    def _repeat(self, node: fx.Node) -> int:
        """Channels repeated in place, as a 1×1 convolution with ones: engines fuse it with the addition after it."""
        source, times = _name(node.args[0]), node.args[1]
        if node.kwargs != {"dim": 1} or not isinstance(times, int):
            raise ModelError(f"cannot export {node.name}: expected repeat_interleave(times, dim=1)")
        channels = self._channels[source]
        kernel = np.repeat(np.eye(channels, dtype=np.float16), times, axis=0)[:, :, None, None]
        self.graph.add(
            "Conv", [source, self.graph.weight(f"{node.name}.kernel", kernel)], node.name, kernel_shape=[1, 1]
        )
        return channels * times


def _name(argument: object) -> str:
    if not isinstance(argument, fx.Node):
        raise ModelError(f"cannot export an operation with the constant {argument!r}; only tensors are known")
    return argument.name


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _with_weights(text: str, weights: tuple[Weights, ...]) -> str:
    """The card's text with its ``[[weights]]`` tables replaced, everything else as it was."""
    tables = re.split(r"(?m)^(?=\[)", text)
    first = next(index for index, table in enumerate(tables) if table.startswith("[[weights]]"))
    before = "".join(tables[:first])
    after = "".join(table for table in tables[first:] if not table.startswith("[[weights]]"))
    return before + weights_tables(weights) + (f"\n{after}" if after else "")


def weights_tables(weights: Sequence[Weights]) -> str:
    """The ``[[weights]]`` of a card in TOML."""
    return "\n".join(
        f'[[weights]]\nfile = "{w.file}"\nformat = "{w.format}"\nprecision = "{w.precision}"\n'
        f'sha256 = "{w.sha256}"\nbytes = {w.bytes}\n'
        for w in weights
    )
