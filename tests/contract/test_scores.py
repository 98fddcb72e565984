"""What a card says of a network's quality is what the network scores."""

import pytest

from fourfold.bench import datasets, quality
from fourfold.bench.benchmarks import contender, deblurred_sets
from fourfold.catalog.load import all_cards
from fourfold.core.options import DeblurOptions, UpscaleOptions

CARDS = [card for card in all_cards() if card.task == "image-to-image/super-resolution"]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_scores_are_reproduced(card, shared):
    stated = {score.dataset: score for score in card.scores}
    assert stated.keys() == {*datasets.SETS, *datasets.DEGRADED}
    exact = contender(card.id, UpscaleOptions(model=card.id, runtime="onnxruntime", precision="fp32"))
    for measured in quality.score(exact, datasets.benchmark_sets(shared / "data")).sets:
        assert measured.psnr_y == pytest.approx(stated[measured.set].psnr_y, abs=0.01)
        assert measured.ssim_y == pytest.approx(stated[measured.set].ssim_y, abs=0.0005)


@pytest.mark.parametrize(
    "card", [card for card in all_cards() if card.task == "image-to-image/deblurring"], ids=lambda card: card.id
)
def test_deblurring_scores_are_reproduced(card, shared):
    stated = {score.dataset: score for score in card.scores}
    options = DeblurOptions(model=card.id, when="always", runtime="onnxruntime", precision="fp32")
    measured = deblurred_sets(shared / "data", options)
    assert stated.keys() == {one.set for one in measured}
    for one in measured:
        assert one.psnr_y_input == pytest.approx(stated[one.set].psnr_y_input, abs=0.01)
        assert one.psnr_y == pytest.approx(stated[one.set].psnr_y, abs=0.01)
        assert one.ssim_y == pytest.approx(stated[one.set].ssim_y, abs=0.0005)
