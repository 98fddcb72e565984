"""What holds for every card of an encoder or sharpener: its stated facts are true, and its files are there."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fourfold
from fourfold.catalog import load
from fourfold.catalog.card import FeatureCard
from fourfold.engines import pytorch, weights
from fourfold.models.encoder import EncoderRunner
from fourfold.models.sharpener import SharpenerRunner

PACKAGE = Path(fourfold.__file__).parent


@pytest.fixture(params=load.feature_cards(), ids=lambda card: card.id)
def card(request: pytest.FixtureRequest) -> FeatureCard:
    return request.param


def test_parameters_are_recounted(card: FeatureCard) -> None:
    assert sum(p.numel() for p in pytorch.build(card.network).parameters()) == card.parameters


def test_weights_are_as_stated(card: FeatureCard) -> None:
    (stated,) = card.weights
    assert stated.format == ("onnx" if card.kind == "encoder" else "safetensors")
    assert weights.locate(card, stated.format) == PACKAGE / "weights" / stated.file
    assert len(weights.read(card, stated.format)) == stated.bytes


def test_shapes_are_as_stated(card: FeatureCard) -> None:
    cells = card.resolution // card.patch
    if card.kind == "encoder":
        picture = np.random.default_rng(1).random((2, 3, card.resolution, card.resolution), np.float32)
        assert EncoderRunner(card, threads=1)(picture).shape == (2, card.channels, cells, cells)
        return
    picture = np.random.default_rng(1).random((3, *[card.factor * card.resolution] * 2), np.float32)
    found = SharpenerRunner(card, threads=1)(picture)
    assert found.pop("low").shape == (card.channels, cells, cells)
    assert {maps.shape for maps in found.values()} == {(card.channels, card.factor * cells, card.factor * cells)}


def test_normalised_features_have_the_same_spread_in_every_channel(card: FeatureCard) -> None:
    if card.kind == "sharpener":
        state = weights.state(card)
        rotation = torch.from_numpy(state["normalizer.rotation"])
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(card.channels), rtol=0, atol=5e-3)


def test_each_sharpener_is_for_an_encoder_and_beats_the_simpler_ways(card: FeatureCard) -> None:
    if card.kind == "sharpener":
        assert load.sharpener(card.factor) == card
        assert load.encoder(card.encoder).channels == card.channels
        means = {one.way: one.mean for one in card.fidelity}
        assert max(means, key=means.__getitem__) == "featsharp"
