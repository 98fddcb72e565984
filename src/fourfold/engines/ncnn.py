"""ncnn, the engine of many upscaling programs: runs models in ncnn's own file format."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.core.errors import MissingExtra, ModelError, RuntimeFailure
from fourfold.engines import tensors, weights

_MAGIC = "7767517"


class NcnnRunner(tensors.TileRunner):
    """A network in ncnn's files. One call at a time.

    Args:
        param: content of the ``.param`` file; binary: the ``.bin`` file, which ncnn reads itself, as it does not notice
            when bytes in memory are too few.
        scale: output pixels a side for each input pixel; tile: height and width; threads: to use.

    Raises:
        MissingExtra: ncnn is not installed. ModelError: it is no such network, or not one from one picture to another.
    """

    runtime = "ncnn"

    def __init__(self, param: str, binary: Path, scale: int, tile: tuple[int, int], threads: int) -> None:
        self.tile = tile
        self._scale = scale
        self._net = network(param, binary, threads)
        self._input, self._output = ends(param)

    def answer(self, tiles: Floats) -> Floats:
        """See ``TileRunner``."""
        return np.stack([self._one(tile) for tile in tiles])

    def _one(self, tile: Floats) -> Floats:
        answer = extract(self._net, self._input, tile, self._output)
        expected = (3, self._scale * self.tile[0], self._scale * self.tile[1])
        if answer.shape != expected:
            raise RuntimeFailure(f"ncnn answered {answer.shape} to a tile of {tile.shape}, expected {expected}")
        return answer


def engine() -> Any:
    """The ``ncnn`` module.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import ncnn
    except ImportError as error:
        raise MissingExtra("networks in ncnn's files", "ncnn") from error
    return ncnn


def network(param: str, binary: Path, threads: int) -> Any:
    """A loaded network that keeps every layer's answer for as long as it is asked.

    Raises:
        MissingExtra: ncnn is not installed. ModelError: it cannot load them.
    """
    net = engine().Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_arithmetic = net.opt.use_fp16_storage = net.opt.use_fp16_packed = False  # where a processor has it
    if net.load_param_mem(param) or net.load_model(str(binary)):
        raise ModelError(f"expected a network that ncnn {engine().__version__} loads, which this is not")
    return net


def extract(net: Any, source: str, tile: Floats, blob: str) -> Floats:
    """What comes out of a blob for a ``C×H×W`` tile that goes into ``source``.

    Raises:
        RuntimeFailure: the engine failed.
    """
    planes = np.ascontiguousarray(tile, np.float32)  # must outlive the extraction: ncnn's matrix is a view of it
    with net.create_extractor() as extractor:
        failed = extractor.input(source, engine().Mat(planes))
        if not failed:
            failed, output = extractor.extract(blob)
        if failed:
            raise RuntimeFailure(f"ncnn {engine().__version__} failed on a tile of {tile.shape}: code {failed}")
        return np.array(output, np.float32)


def layers(param: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...], dict[str, str]]]:
    """Each layer's kind, the blobs it reads and makes, and its parameters by number.

    Raises:
        ModelError: not the text of a ``.param`` file.
    """
    first, _, rest = param.partition("\n")
    if first.strip() != _MAGIC:
        raise ModelError(f"expected the text of ncnn's .param, which begins with {_MAGIC}; got {first[:20]!r}")
    found = []
    for line in rest.splitlines()[1:]:
        words = re.split(r"\s+", line.strip())
        if len(words) < 4:
            continue
        inputs, outputs = int(words[2]), int(words[3])
        blobs = words[4 : 4 + inputs + outputs]
        values = dict(word.split("=", 1) for word in words[4 + inputs + outputs :])
        found.append((words[0], tuple(blobs[:inputs]), tuple(blobs[inputs:]), values))
    return found


def ends(param: str) -> tuple[str, str]:
    """The blobs that a picture goes into and comes out of.

    Raises:
        ModelError: there is not one of each.
    """
    found = layers(param)
    inputs = [blob for kind, _, made, _ in found if kind == "Input" for blob in made]
    read = {blob for _, used, _, _ in found for blob in used}
    outputs = [blob for _, _, made, _ in found for blob in made if blob not in read]
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(f"expected a network from one picture to one, got inputs {inputs} and outputs {outputs}")
    return inputs[0], outputs[0]


def load(card: Card, *, tile: tuple[int, int], threads: int, precision: str) -> NcnnRunner:
    """A runner for the card's files.

    Raises:
        ModelError: files missing or damaged, or ncnn is not installed. InvalidInput: another precision than fp32.
    """
    tensors.require_fp32(precision, "ncnn")
    param = weights.read(card, "ncnn-param").decode()
    weights.read(card, "ncnn-bin")
    return NcnnRunner(param, weights.locate(card, "ncnn-bin"), card.scale, tile, threads)


def counted(net: Any, param: str) -> tuple[int, int]:
    """Parameters of the network's convolutions and slopes, and multiply-accumulates for each pixel of its input."""
    side = 64
    source, _ = ends(param)
    tile = np.zeros((3, side, side), np.float32)
    parameters = macs = 0
    for kind, _, made, values in layers(param):
        if kind.startswith("Convolution"):
            kernel = int(values["6"])
            parameters += kernel + (int(values["0"]) if values.get("5") == "1" else 0)
            macs += kernel * int(np.prod(extract(net, source, tile, made[0]).shape[1:]))
        elif kind == "PReLU":
            parameters += int(values["0"])
    return parameters, round(macs / side**2)
