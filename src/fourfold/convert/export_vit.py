"""Export the vision transformer to ONNX: fp16 weights, fp32 arithmetic, one picture size, any batch size."""

from typing import Any

import numpy as np
from onnx import TensorProto
from torch import Tensor, nn

from fourfold.convert.graph import OnnxGraph, half
from fourfold.networks.vit import Block, VisionTransformer, positions


def to_onnx(network: VisionTransformer, side: int) -> bytes:
    """``batch×3×side×side`` in 0..1 → ``batch×C×side/8×side/8``."""
    graph, cells = _Graph(), side // network.patch
    x = graph("Sub", graph("Mul", "pictures", graph.number(2)), graph.number(1))
    for name, layer in network.stem.named_children():
        x = graph.convolution(x, f"stem.{name}", layer) if isinstance(layer, nn.Conv2d) else graph.gelu(x)
    width = network.norm.normalized_shape[0]
    x = graph.turned(graph.shaped(x, 0, width, cells * cells), 0, 2, 1)
    x = graph("Add", x, graph.half("positions", positions(width, cells, cells).flatten(1).T[None]))
    for number, block in enumerate(network.blocks):
        assert isinstance(block, Block)
        x = graph.block(x, f"blocks.{number}", block, cells * cells, width)
    x = graph.linear(graph.normed(x, "norm", network.norm), "head", network.head)
    channels = network.head.out_features
    graph.shaped(graph.turned(x, 0, 2, 1), 0, channels, cells, cells)
    graph.nodes[-1].output[0] = "features"
    sides = {"pictures": ("batch", 3, side, side)}
    return graph.model(type(network).__name__, sides, {"features": ("batch", channels, cells, cells)})


class _Graph(OnnxGraph):
    """The operations that transformers are made of."""

    def __call__(self, operation: str, *inputs: str, **attributes: Any) -> str:
        return self.add(operation, inputs, **attributes)

    def half(self, name: str, value: Tensor) -> str:
        """In fp16."""
        return self("Cast", self.constant(name, half(value)), to=TensorProto.FLOAT)

    def number(self, value: float, kind: type = np.float32) -> str:
        return self.constant(f"number.{len(self.constants)}", np.array(value, kind))

    def shaped(self, x: str, *sizes: int) -> str:
        return self("Reshape", x, self.constant(f"shape.{len(self.nodes)}", np.array(sizes, np.int64)))

    def picked(self, x: str, place: int) -> str:
        return self("Gather", x, self.number(place, np.int64), axis=0)

    def turned(self, x: str, *order: int) -> str:
        return self("Transpose", x, perm=order)

    def convolution(self, x: str, name: str, layer: nn.Conv2d) -> str:
        assert layer.bias is not None
        pads = [int(side) for side in layer.padding] * 2
        weight, bias = self.half(f"{name}.weight", layer.weight), self.half(f"{name}.bias", layer.bias)
        return self("Conv", x, weight, bias, kernel_shape=layer.kernel_size, strides=layer.stride, pads=pads)

    def gelu(self, x: str) -> str:
        error = self("Erf", self("Mul", x, self.number(0.5**0.5)))
        return self("Mul", self("Mul", x, self.number(0.5)), self("Add", error, self.number(1)))

    def normed(self, x: str, name: str, layer: nn.LayerNorm) -> str:
        parts = self.half(f"{name}.weight", layer.weight), self.half(f"{name}.bias", layer.bias)
        return self("LayerNormalization", x, *parts, axis=-1, epsilon=layer.eps)

    def linear(self, x: str, name: str, layer: nn.Linear) -> str:
        product = self("MatMul", x, self.half(f"{name}.weight", layer.weight.T))
        return self("Add", product, self.half(f"{name}.bias", layer.bias))

    def block(self, x: str, name: str, block: Block, tokens: int, width: int) -> str:
        qkv = self.linear(self.normed(x, f"{name}.norm1", block.norm1), f"{name}.qkv", block.qkv)
        split = self.turned(self.shaped(qkv, 0, tokens, 3, block.heads, width // block.heads), 2, 0, 3, 1, 4)
        q, k, v = (self.picked(split, place) for place in range(3))
        scale = self.number((width // block.heads) ** -0.5)
        logits = self("Mul", self("MatMul", q, self.turned(k, 0, 1, 3, 2)), scale)
        seen = self.turned(self("MatMul", self("Softmax", logits, axis=3), v), 0, 2, 1, 3)
        x = self("Add", x, self.linear(self.shaped(seen, 0, tokens, width), f"{name}.proj", block.proj))
        first, last = block.mlp[0], block.mlp[2]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        hidden = self.gelu(self.linear(self.normed(x, f"{name}.norm2", block.norm2), f"{name}.mlp.0", first))
        return self("Add", x, self.linear(hidden, f"{name}.mlp.2", last))
