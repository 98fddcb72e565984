"""Publish a finished run in the catalog: checked weights in every format, and the gate of a big network."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

import fourfold
from fourfold import engines
from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card, FeatureCard, Gate, parse
from fourfold.convert import export, export_vit
from fourfold.core.atomic import write_text
from fourfold.core.errors import ModelError
from fourfold.engines.pytorch import build, fill, read_state
from fourfold.imaging.metrics import psnr_y
from fourfold.networks.featsharp import FeatSharp, Upsampler
from fourfold.networks.vit import VisionTransformer
from fourfold.training import data, degradations
from fourfold.training import gate as gates

MAX_LOSS_INT8 = 0.05
"""Decibels on the held-out photos that 8-bit arithmetic may cost; with more it is not used."""

MAX_LOSS_ROUTED = 0.08
"""Decibels on the training photos that routing may cost against the big network alone."""

_CALIBRATED_ON, _SIDE = 24, 128


def publish(state: Path, card_id: str, photos: Sequence[Path]) -> None:
    """Write a trained network's weights and facts onto its card, see ``convert.export.publish``.

    Args:
        state: the network's state, which training leaves as ``final.pt``; card_id: its card, written before;
        photos: the folders it was trained on.

    Raises:
        ModelError: an export differs from the network, or 8-bit arithmetic loses more than ``MAX_LOSS_INT8``.
    """
    asked = catalog.card(card_id)
    card = export.publish(state, card_id, tiles=_calibration(photos, asked) if asked.offers("onnx-int8") else ())
    if card.offers("onnx-int8"):
        loss = quantisation_loss(card, photos)
        print(f"{card.id}: 8-bit arithmetic costs {loss:.3f} dB on the held-out photos")
        if loss > MAX_LOSS_INT8:
            raise ModelError(f"{card.id}: expected at most {MAX_LOSS_INT8} dB; take onnx-int8 off its card")
    if card.tier == "big":
        little = catalog.find(card.task, card.scale, "little", card.style)
        path = Path(fourfold.__file__).parent / "catalog" / "cards" / f"{card.id}.toml"
        write_gate(path, gates.fit(gates.look(little, card, photos), little, card, MAX_LOSS_ROUTED))
        catalog.all_entries.cache_clear()


def publish_features(state: Path, card_id: str) -> None:
    """Write a trained encoder's or sharpener's weights onto its card, as ONNX or safetensors.

    Args:
        state: which training leaves as ``final.pt``; card_id: its card, written before.

    Raises:
        ModelError: the state does not fit the card's network, or cannot be stored as fp16.
    """
    path = Path(fourfold.__file__).parent / "catalog" / "cards" / f"{card_id}.toml"
    text = path.read_text("utf-8")
    card = parse(text, path.name)
    assert isinstance(card, FeatureCard)
    network: nn.Module = build(card.network)
    if isinstance(network, VisionTransformer):
        fill(network, export.rounded(read_state(state), str(state)), str(state))
        export.store(path, text, card, {"onnx": export_vit.to_onnx(network, card.resolution)})
    else:
        assert isinstance(network, FeatSharp)
        fill(whole := Upsampler(network), export.rounded(read_state(state), str(state)), str(state))
        export.store(path, text, card, {"safetensors": export.to_safetensors(whole)})


def quantisation_loss(card: Card, photos: Sequence[Path]) -> float:
    """Mean PSNR-Y in dB that the 8-bit weights are behind fp32 on the middles of the held-out photos."""
    losses = []
    for number, pair in enumerate(data.read_pairs(data.split_all(photos)[1])):
        side = min(_SIDE, *pair.low.shape[:2])
        y, x = ((length - side) // 2 for length in pair.low.shape[:2])
        high = pair.high[4 * y : 4 * (y + side), 4 * x : 4 * (x + side)]
        low = _low(card, high, pair.low[y : y + side, x : x + side], number)
        scores = [
            psnr_y(engines.load(card, tile=(side, side), precision=precision).levels(_planes(low))[0], high)
            for precision in ("fp32", "int8")
        ]
        losses.append(scores[0] - scores[1])
    return float(np.mean(losses))


def write_gate(path: Path, gate: Gate) -> None:
    """State a gate on the card in a file, in place of the one it has."""
    kept = re.sub(r"(?ms)^\[gate\]\n.*?(?=^\[|\Z)", "", path.read_text("utf-8")).rstrip()
    table = (
        f'[gate]\nlittle = "{gate.little}"\ncoefficients = {list(gate.coefficients)}\nthreshold = {gate.threshold}\n'
        f"max_loss = {gate.max_loss}\ntiles = {gate.tiles}\n"
    )
    write_text(path, f"{kept}\n\n{table}")


def _calibration(photos: Sequence[Path], card: Card) -> list[NDArray[np.float32]]:
    """Tiles of one size: photos that are smaller are passed over."""
    paths = data.split_all(photos)[0]
    rng = np.random.default_rng(5)
    tiles: list[NDArray[np.float32]] = []
    for number, index in enumerate(rng.permutation(len(paths))):
        (pair,) = data.read_pairs([paths[index]])
        if min(pair.low.shape[:2]) < _SIDE:
            continue
        y, x = (int(rng.integers(length - _SIDE + 1)) for length in pair.low.shape[:2])
        high = pair.high[4 * y : 4 * (y + _SIDE), 4 * x : 4 * (x + _SIDE)]
        tiles.append(_planes(_low(card, high, pair.low[y : y + _SIDE, x : x + _SIDE], number))[0])
        if len(tiles) == _CALIBRATED_ON:
            break
    return tiles


def _low(card: Card, high: data.Picture, clean: data.Picture, number: int) -> data.Picture:
    return clean if card.style == "faithful" else degradations.degraded(high, np.random.default_rng([7, number]))


def _planes(low: data.Picture) -> NDArray[np.float32]:
    return np.ascontiguousarray(low.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
