"""The exported vision transformer is the network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fourfold.catalog import load
from fourfold.convert import export_vit
from fourfold.core.errors import InvalidInput
from fourfold.engines import weights
from fourfold.models.encoder import EncoderRunner
from fourfold.networks.vit import VisionTransformer, positions

CARD = next(card for card in load.feature_cards() if card.kind == "encoder")


@pytest.fixture
def network() -> VisionTransformer:
    torch.manual_seed(8)
    network = VisionTransformer(24, 2, 3, 16).eval()
    for parameter in network.parameters():
        parameter.data = (parameter + 0.1 * torch.randn_like(parameter)).half().float()
    return network


@pytest.mark.parametrize("side", [32, 64])
def test_onnx_gives_what_pytorch_gives_for_any_batch(network, side, monkeypatch):
    content = export_vit.to_onnx(network, side)
    monkeypatch.setattr(weights, "read", lambda _card, _kind: content)
    runner = EncoderRunner(replace(CARD, resolution=side), threads=1)
    for batch in (1, 3):
        pictures = np.random.default_rng(batch).random((batch, 3, side, side), np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(pictures)).numpy()
        found = runner(pictures)
        assert found.shape == (batch, 16, side // 8, side // 8)
        assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()  # positions are stored in fp16


def test_pictures_of_another_size_are_refused():
    side = CARD.resolution
    with pytest.raises(InvalidInput, match=f"B×3×{side}×{side}"):
        EncoderRunner(CARD, threads=1)(np.zeros((1, 3, side, side + 8), np.float32))


def test_positions_differ_from_place_to_place():
    tokens = positions(96, 5, 7).flatten(1).T
    assert tokens.shape == (35, 96)
    apart = torch.cdist(tokens, tokens) + 10 * torch.eye(35)
    assert apart.min() > 0.5
    assert torch.equal(positions(96, 5, 7)[:48, :, 0], positions(96, 5, 7)[:48, :, 6])


def test_a_picture_may_have_any_sides_that_are_multiples_of_eight(network):
    with torch.inference_mode():
        assert network(torch.rand(2, 3, 16, 40)).shape == (2, 16, 2, 5)
