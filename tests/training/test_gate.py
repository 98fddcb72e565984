import numpy as np
import pytest
from PIL import Image

from fourfold.catalog import load
from fourfold.catalog.card import Gate, parse
from fourfold.core.errors import InvalidInput
from fourfold.training import gate, publish

LITTLE, BIG = (load.find("image-to-image/super-resolution", 4, tier, "faithful") for tier in ("little", "big"))


def tiles(count=400, seed=1):
    """Tiles whose nearness follows from their features, where the nearest are those that big gains least on."""
    rng = np.random.default_rng(seed)
    features = np.concatenate([np.ones((count, 1)), rng.normal(-3, 1, (count, 4))], axis=1)
    apart = features @ np.array([20.0, -5.0, -2.0, -1.0, 0.5])
    big = 10 * np.exp(-apart / 10)
    return gate.Tiles(features, apart, big * rng.uniform(1.0, 1.3, count), big)


def test_the_coefficients_are_found_and_more_loss_sends_fewer_on():
    found = [gate.fit(tiles(), LITTLE, BIG, loss) for loss in (0.0, 0.005, 0.01)]
    np.testing.assert_allclose(found[0].coefficients, [20, -5, -2, -1, 0.5], atol=1e-3)
    assert found[0].threshold > found[1].threshold > found[2].threshold
    assert (found[0].little, found[0].tiles) == (LITTLE.id, 400)


def test_what_is_lost_at_the_threshold_is_what_was_allowed():
    seen = tiles()
    found = gate.fit(seen, LITTLE, BIG, 0.01)
    stay = seen.features @ np.array(found.coefficients) >= found.threshold
    assert 0.009 < np.where(stay, seen.little - seen.big, 0).mean() <= 0.0101


def test_both_networks_are_run_over_photos(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(3):
        coarse = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
        coarse.resize((4 * gate.SIDE + 8, 4 * gate.SIDE)).save(tmp_path / f"{number}.png")
    found = gate.look(LITTLE, BIG, [tmp_path])
    assert len(found.features) == len(found.apart) == len(found.little) == len(found.big) > 3
    assert np.isfinite(found.features).all()
    assert found.big.mean() == pytest.approx(10 / np.log(10), rel=0.2)


def test_photos_that_are_too_small_are_said(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(InvalidInput, match="704 pixels a side"):
        gate.look(LITTLE, BIG, [tmp_path])


def test_in_the_natural_style_what_differs_from_the_big_network_counts(tmp_path):
    """Whose pictures are meant to be crisp: nearer to the truth than big is no reason to stay little."""
    coarse = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 40, 3), np.uint8))
    coarse.resize((4 * gate.SIDE, 4 * gate.SIDE)).save(tmp_path / "a.png")
    natural = (load.find(LITTLE.task, 4, tier, "natural") for tier in ("little", "big"))
    found = gate.look(*natural, [tmp_path])
    assert (found.little >= found.big).all()
    gained = found.little - found.big
    assert np.corrcoef(np.log(gained + 1e-9), -found.apart)[0, 1] > 0.99


def test_calibration_tiles_are_of_one_size_whatever_the_photos_are(tmp_path):
    for number, size in enumerate([(512, 520), (300, 900), (900, 300), (640, 512)]):
        Image.effect_noise(size, 40).convert("RGB").save(tmp_path / f"{number}.png")
    tiles = publish._calibration([tmp_path], BIG)
    assert [tile.shape for tile in tiles] == [(3, 128, 128)] * 2


def test_a_gate_is_written_onto_its_card_and_replaced(tmp_path):
    from importlib.resources import files

    path = tmp_path / f"{BIG.id}.toml"
    path.write_text((files("fourfold.catalog") / "cards" / path.name).read_text("utf-8"), "utf-8")
    for threshold in (41.5, 43.25):
        made = Gate(LITTLE.id, (1.0, -2.5), threshold, 0.03, 7)
        publish.write_gate(path, made)
        assert parse(path.read_text("utf-8"), path.name).gate == made
    assert path.read_text("utf-8").count("[gate]") == 1
