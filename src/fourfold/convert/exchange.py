"""Export our networks to the formats of other programs; each export is compared with ours before it is written.

- ``onnx``: the file fourfold runs itself; any tile size, RGB in 0..1.
- ``safetensors``: the layout that spandrel (ComfyUI, chaiNNer) calls RealESRGAN Compact: 3×3 convolutions and PReLUs
  in one chain, to which the repeated picture is added. Our skip from the first layer to the last does not exist there;
  it is carried along in as many extra channels, which gives the same output at about four times the operations.
- ``ncnn``: the two files that Upscayl and realesrgan-ncnn-vulkan load as a custom model, made by pnnx, in fp16.
"""

import importlib.util
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.catalog.card import Card
from fourfold.core.atomic import replacing
from fourfold.core.errors import MissingExtra, ModelError, UsageError
from fourfold.engines import weights
from fourfold.engines.ncnn import NcnnRunner

try:
    import safetensors.numpy
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn

    from fourfold.convert.export import TOLERANCE
    from fourfold.engines.pytorch import build, fill
    from fourfold.networks.upscaler import LEAKY_SLOPE, Upscaler
except ImportError as missing:
    raise MissingExtra("exporting networks", "torch") from missing

Kind = Literal["onnx", "safetensors", "ncnn"]
_TILE = (40, 56)
_LEVEL = 1 / 255
_BLOBS = {"in0": "data", "out0": "output"}
"""What pnnx calls picture and result, and what the programs that load them expect."""


def exported(card: Card, kind: Kind, folder: Path) -> tuple[Path, ...]:
    """Write a network for other programs.

    Args:
        card: one of fourfold's own upscalers; folder: for files named after its id; made if need be.

    Returns:
        The files.

    Raises:
        ModelError: the weights are missing or damaged, the network has not the shape, or an answer differs from ours.
        MissingExtra: what writes or checks such files is not installed. UsageError: the files cannot be written.
    """
    contents = {"onnx": _onnx, "safetensors": _safetensors, "ncnn": _ncnn}[kind](card)
    paths = tuple(folder / f"{card.id}{suffix}" for suffix in contents)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, contents.values(), strict=True):
            with replacing(path) as file:
                file.write(content)
    except OSError as error:
        raise UsageError(f"{folder}: expected to write the network here: {error.strerror}") from error
    return paths


def _onnx(card: Card) -> dict[str, bytes]:
    return {".onnx": weights.read(card, "onnx")}


def _safetensors(card: Card) -> dict[str, bytes]:
    network = _upscaler(card)
    if any(conv.dilation != (1, 1) or conv.kernel_size != (3, 3) for conv in (network.convs[0], *network.body)):
        raise ModelError(
            f"{card.id}: the compact layout has no dilated layers and no large kernels; take --format onnx or ncnn"
        )
    state = compact(network)
    tile = _tile()
    difference = float(np.abs(run_compact(state, network.scale, tile) - _answer(network, tile)).max())
    if not difference <= TOLERANCE:
        raise ModelError(f"{card.id}: the compact layout differs from the network by {difference:.2g}; not written")
    arrays = {key: np.ascontiguousarray(tensor.numpy()) for key, tensor in state.items()}
    properties = {"title": card.title, "licence": card.licence, "provenance": card.provenance}
    return {".safetensors": bytes(safetensors.numpy.save(arrays, properties))}


def _ncnn(card: Card) -> dict[str, bytes]:
    network = _upscaler(card)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        param, binary = _converted(weights.read(card, "onnx"), folder)
        runner = NcnnRunner(param, binary, network.scale, _TILE, threads=1)
        difference = float(np.abs(runner(_tile()) - _answer(network, _tile())).max())
        if not difference <= _LEVEL:
            raise ModelError(f"{card.id}: ncnn differs from the network by {difference * 255:.1f} levels; not written")
        return {".param": param.encode(), ".bin": binary.read_bytes()}


def _upscaler(card: Card) -> Upscaler:
    network = build(card.network)
    if not isinstance(network, Upscaler):
        raise ModelError(
            f"{card.id}: other programs know no shape like that of {type(network).__name__}; only ONNX can hold it"
        )
    fill(network, {name: torch.from_numpy(tensor) for name, tensor in weights.state(card).items()}, card.id)
    return network


def _tile() -> NDArray[np.float32]:
    return np.random.default_rng(0).random((1, 3, *_TILE), dtype=np.float32)


def _answer(network: nn.Module, tile: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        answer: NDArray[np.float32] = network(torch.from_numpy(tile)).numpy()
    return answer


def compact(network: Upscaler) -> dict[str, Tensor]:
    """A folded network as one chain of ``body.N`` convolutions and PReLUs, of twice the channels.

    The second half of the channels holds what the first layer gave: convolutions with a single 1 in the middle and
    slopes of 1 pass it on unchanged, whatever its sign, and the last layer reads the sum of both halves.
    """
    channels, state = network.channels, dict(network.state_dict())
    last = network.depth + 1
    passed_on = F.pad(torch.eye(channels)[:, :, None, None], (1, 1, 1, 1))
    made = {}
    for place in range(last + 1):
        kernel, bias = (state[f"convs.{place}.{part}"] for part in ("weight", "bias"))
        if place == 0:
            kernel, bias = torch.cat([kernel, kernel]), torch.cat([bias, bias])
        elif place == last:
            kernel = torch.cat([kernel, kernel], 1)
        else:
            nothing = torch.zeros_like(kernel)
            kernel = torch.cat([torch.cat([kernel, nothing], 1), torch.cat([nothing, passed_on], 1)])
            bias = torch.cat([bias, torch.zeros(channels)])
        made[f"body.{2 * place}.weight"], made[f"body.{2 * place}.bias"] = kernel, bias
        if place < last:
            slopes = state.get(f"acts.{place}.weight", torch.full((channels,), LEAKY_SLOPE))
            made[f"body.{2 * place + 1}.weight"] = torch.cat([slopes, slopes if place == 0 else torch.ones(channels)])
    return made


def run_compact(state: dict[str, Tensor], scale: int, tile: NDArray[np.float32]) -> NDArray[np.float32]:
    """What such a chain makes of ``B×3×H×W``: its last layer's pixels and the picture repeated, added."""
    picture = torch.from_numpy(tile)
    last = max(int(key.split(".")[1]) for key in state)
    features = picture
    with torch.inference_mode():
        for place in range(0, last + 1, 2):
            features = F.conv2d(features, state[f"body.{place}.weight"], state[f"body.{place}.bias"], padding=1)
            if place < last:
                features = F.prelu(features, state[f"body.{place + 1}.weight"])
        large = F.pixel_shuffle(features, scale) + F.interpolate(picture, scale_factor=scale, mode="nearest")
    answer: NDArray[np.float32] = large.numpy()
    return answer


def _converted(model: bytes, folder: Path) -> tuple[str, Path]:
    """An ONNX file in ncnn's two: the text of the ``.param``, with the names that are expected, and the ``.bin``."""
    found = importlib.util.find_spec("pnnx")
    if found is None or found.origin is None:
        raise MissingExtra("writing ncnn's files", "ncnn")
    program = Path(found.origin).with_name("pnnx")
    (folder / "network.onnx").write_bytes(model)
    shapes = [f"[1,3,{height},{width}]" for height, width in (_TILE, (64, 48))]  # what differs between them is free
    done = subprocess.run(  # noqa: S603 - the program of an installed package
        [program, "network.onnx", f"inputshape={shapes[0]}", f"inputshape2={shapes[1]}"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    param, binary = folder / "network.ncnn.param", folder / "network.ncnn.bin"
    if done.returncode or not param.is_file() or not binary.is_file():
        raise ModelError(f"pnnx could not convert the network: {done.stderr[-500:] or done.stdout[-500:]}")
    words = [[_BLOBS.get(word, word) for word in line.split(" ")] for line in param.read_text().split("\n")]
    return "\n".join(" ".join(line) for line in words), binary
