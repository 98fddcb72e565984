"""What holds for the card of the recogniser: its facts are true, and both forms of its weights give one answer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import fourfold
from fourfold.catalog import load
from fourfold.engines import weights
from fourfold.imaging.traces import COUNT
from fourfold.methods.condition import KINDS, PROMPTS
from fourfold.models.recogniser import Recogniser
from fourfold.training import conditions, recogniser

CARD = load.recogniser()


def test_parameters_and_weights_are_as_stated():
    assert sum(p.numel() for p in recogniser.loaded().parameters()) == CARD.parameters
    assert {stored.format for stored in CARD.weights} == {"onnx", "safetensors"}
    for stored in CARD.weights:
        assert weights.locate(CARD, stored.format) == Path(fourfold.__file__).parent / "weights" / stored.file
        assert len(weights.read(CARD, stored.format)) == stored.bytes < 1_000_000


def test_the_onnx_file_is_the_network_asked_with_the_products_prompts():
    network = recogniser.loaded()
    traces = network.image.mean + network.image.deviation * torch.randn(5, 16, COUNT)
    with torch.no_grad():
        logits = network(traces, [*PROMPTS.values()])
    runner = Recogniser(weights.read(CARD, "onnx"), CARD.id)
    for photo, expected in zip(traces, logits.softmax(1), strict=True):
        np.testing.assert_allclose(runner(photo.numpy()), expected.numpy(), atol=2e-3)


def test_every_phrase_of_a_condition_means_that_condition():
    network = recogniser.loaded()
    with torch.no_grad():
        asked, spoken = (
            normalize(network.encode_text(network.embed(texts)), dim=1)
            for texts in ([*PROMPTS.values()], [phrase for some in conditions.PHRASES.values() for phrase in some])
        )
    nearest = (spoken @ asked.T).argmax(1).tolist()
    assert nearest == [KINDS.index(kind) for kind, some in conditions.PHRASES.items() for _ in some]


def test_the_card_is_found_and_no_upscaler():
    assert load.entry(CARD.id) == CARD
    assert CARD in load.shipped()
    assert CARD not in load.all_cards()
    with pytest.raises(fourfold.core.errors.ModelError, match="of the kind recogniser"):
        load.card(CARD.id)


def test_its_score_is_reproduced(shared):
    (score,) = CARD.scores
    assert recogniser.accuracy(shared / "data" / "photos") == pytest.approx(score.percent, abs=0.25)
    assert score.percent >= 90
