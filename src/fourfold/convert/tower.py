"""Export the recogniser to ONNX: its image tower with the prompts' features built in, so no text tower is needed."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fourfold.core.errors import MissingExtra, ModelError
from fourfold.models.recogniser import Recogniser

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn

    from fourfold.convert.export import rounded, to_safetensors
    from fourfold.convert.graph import OnnxGraph, half
    from fourfold.engines.pytorch import build, fill, read_state
    from fourfold.networks.two_tower import TraceTower, TwoTower
except ImportError as missing:
    raise MissingExtra("exporting the recogniser", "torch") from missing

TOLERANCE = 2e-3
"""Largest difference of a probability between a network and its export, whose weights are rounded to fp16."""


def to_onnx(network: TwoTower, prototypes: Tensor) -> bytes:
    """``N×count`` traces in windows of one photo → ``1×K`` probabilities of the prompts.

    Args:
        network: one of ``networks.two_tower.of_traces``; prototypes: ``K×D`` features of the prompts, normalised.

    Raises:
        ModelError: the export gives other probabilities than the network.
    """
    graph, tower = OnnxGraph(), network.image
    assert isinstance(tower, TraceTower)
    graph.add("Sub", ["traces", graph.constant("mean", tower.mean.numpy())], "centred")
    graph.add("Div", ["centred", graph.constant("deviation", tower.deviation.numpy())], "layer0")
    for number, layer in enumerate(tower.layers):
        _linear(graph, f"layer{number}", f"sum{number}", layer)
        graph.add("Relu", [f"sum{number}"], f"layer{number + 1}")
    _linear(graph, f"layer{len(tower.layers)}", "features", tower.out)
    graph.add("ReduceMean", ["features"], "photo", axes=[0], keepdims=1)
    graph.add("ReduceL2", ["photo"], "length", axes=[1], keepdims=1)
    graph.add("Div", ["photo", "length"], "direction")
    weights = (network.logit_scale.exp() * prototypes.T).detach().numpy()
    graph.add("MatMul", ["direction", graph.constant("prompts", weights)], "logits")
    graph.add("Softmax", ["logits"], "shares", axis=1)
    model = graph.model("TwoTower", {"traces": ("windows", len(tower.mean))}, {"shares": (1, len(prototypes))})
    _check(model, network, prototypes)
    return model


def publish(state: Path, card_path: Path, folder: Path, prompts: Sequence[str]) -> None:
    """Write a trained recogniser's weights into ``folder`` and state them on its card.

    Args:
        state: what training leaves as ``final.pt``; prompts: what is asked.

    Raises:
        ModelError: the state does not fit the card's network, or the export differs.
    """
    from fourfold.catalog.card import RecogniserCard, parse

    text = card_path.read_text("utf-8")
    card = parse(text, card_path.name)
    assert isinstance(card, RecogniserCard)
    network = build(card.network)
    assert isinstance(network, TwoTower)
    fill(network, rounded(read_state(state), str(state)), str(state))
    with torch.no_grad():
        prototypes = F.normalize(network.encode_text(network.embed(prompts)), dim=-1)
    blobs = {"onnx": to_onnx(network, prototypes), "safetensors": to_safetensors(network)}
    for stored in card.weights:
        content = blobs[stored.format]
        (folder / stored.file).write_bytes(content)
        text = re.sub(
            rf'(file = "{re.escape(stored.file)}"\n(?:.*\n)*?)sha256 = ".*"\nbytes = .*',
            rf'\g<1>sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}',
            text,
        )
    card_path.write_text(text, "utf-8")


def _check(model: bytes, network: TwoTower, prototypes: Tensor) -> None:
    runner = Recogniser(model, "exported")
    tower = network.image
    assert isinstance(tower, TraceTower)
    for seed in range(8):
        spread = torch.randn(5, len(tower.mean), generator=torch.Generator().manual_seed(seed))
        traces = tower.mean + tower.deviation * spread
        with torch.no_grad():
            feature = F.normalize(network.encode_images(traces[None]), dim=-1)
            expected = (network.logit_scale.exp() * feature @ prototypes.T).softmax(1)[0].numpy()
        difference = float(np.abs(runner(traces.numpy()) - expected).max())
        if not difference <= TOLERANCE:
            raise ModelError(
                f"a probability of the export differs by {difference:.2g}, expected at most {TOLERANCE:.0e}"
            )


def _linear(graph: OnnxGraph, source: str, output: str, layer: nn.Module) -> None:
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    names = [graph.weight(f"{output}.weight", half(weight)), graph.weight(f"{output}.bias", half(bias))]
    graph.add("Gemm", [source, *names], output, transB=1)
