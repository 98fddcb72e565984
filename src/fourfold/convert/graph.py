"""The builder of all ONNX files: adds nodes and constants one by one; equal calls give equal bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.errors import MissingExtra

try:
    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper
    from torch import Tensor
except ImportError as missing:
    raise MissingExtra("exporting networks", "torch") from missing

_OPSET, _IR_VERSION = 17, 8

Shape = Sequence[str | int | None]


class OnnxGraph:
    """A graph under construction; every method that adds to it returns the name of the result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._stored: set[str] = set()

    def add(self, operation: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """An operation; without a name for its result, that is numbered."""
        output = output or f"{operation.lower()}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Values as they are."""
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: NDArray[Any]) -> str:
        """Values that are computed with in fp32 but may be stored in fp16; one that is shared is stored once."""
        if name not in self._stored:
            self._stored.add(name)
            if value.dtype == np.float16:
                self.add("Cast", [self.constant(f"{name}.fp16", value)], name, to=TensorProto.FLOAT)
            else:
                self.constant(name, value)
        return name

    def model(self, title: str, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> bytes:
        """The file, checked; inputs and outputs are fp32, sizes that are free are words or None."""
        ends = [_ports(inputs), _ports(outputs)]
        proto = helper.make_graph(self.nodes, title, ends[0], ends[1], self.constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(proto, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="fourfold")
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def _ports(shapes: Mapping[str, Shape]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def half(tensor: Tensor) -> NDArray[np.float16]:
    """In fp16, rounded."""
    return np.ascontiguousarray(tensor.detach().half().numpy())


def exact(tensor: Tensor) -> NDArray[Any]:
    """In fp16 where that loses nothing, else in fp32."""
    whole = tensor.detach().float()
    small = whole.half()
    return np.asarray((small if torch.equal(small.float(), whole) else whole).numpy())
