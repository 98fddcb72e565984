import numpy as np
import pytest
from skimage import data

from fourfold.core.image import Image
from fourfold.imaging import degrade
from fourfold.methods.condition import KINDS, PROMPTS, blocks, condition, noise


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[:384, :384]


def calling(kind, certainty=1.0):
    """A recogniser that calls every photo the same."""
    probabilities = np.full(len(KINDS), (1 - certainty) / (len(KINDS) - 1), np.float32)
    probabilities[KINDS.index(kind)] = certainty
    return lambda _traces: probabilities


def seen(levels, lossy=False, recognise=None):
    image = Image(levels.astype(np.float32) / np.float32(255), lossy=lossy)
    return condition(image, recognise or calling("sharp"))


@pytest.mark.parametrize("sigma", [4.0, 8.0, 16.0])
def test_noise_is_measured(photo, sigma):
    flat = np.full((256, 256), 120, np.float32)
    flat += np.random.default_rng(1).standard_normal(flat.shape).astype(np.float32) * sigma
    assert noise(flat) == pytest.approx(sigma, rel=0.2)
    before, after = (seen(one).noise for one in (photo, degrade.noise(photo, sigma, np.random.default_rng(2))))
    assert after > before + sigma / 3


def test_blocks_are_seen_at_any_offset_and_only_where_they_are(photo):
    found = [seen(degrade.jpeg(photo, quality)).blocks for quality in (95, 75, 40, 15)]
    assert found == sorted(found)
    assert found[0] < 0.25 < found[1]
    assert seen(degrade.jpeg(photo, 20)[3:, 5:]).blocks > 0.8
    assert blocks(np.zeros((10, 10), np.float32)) == 0


def test_clean_pictures_stay_faithful_and_damaged_ones_are_repaired(photo):
    rng = np.random.default_rng(3)
    assert seen(photo).style[0] == "faithful"
    assert seen(degrade.jpeg(photo, 50), lossy=True).style[0] == "natural"
    assert seen(degrade.jpeg(photo, 30)).style[0] == "natural"
    assert seen(degrade.noise(photo, 12, rng)).style[0] == "natural"
    _, reason = seen(degrade.jpeg(photo, 50), lossy=True).style
    assert "a lossy file with noise" in reason


def test_a_tiny_picture_is_no_error():
    found = seen(np.zeros((1, 1, 3), np.uint8))
    assert (found.noise, found.blocks, found.style[0]) == (0, 0, "faithful")


@pytest.mark.parametrize("level", [0, 97, 255])
@pytest.mark.parametrize("size", [(1, 1), (9, 200), (64, 64), (300, 200)])
def test_pictures_of_one_colour_or_of_a_few_pixels_leave_no_traces(level, size):
    found = seen(np.full((*size, 3), level), recognise=calling("enlarged"))
    assert (found.certainty, found.style[0]) == (0.2, "faithful")
    noisy = seen(np.random.default_rng(1).integers(0, 256, (12, 15, 3)), recognise=calling("noisy"))
    assert noisy.certainty == 0.2


def sprite(colours, side, cell):
    rng = np.random.default_rng([colours, side, cell])
    palette = rng.integers(0, 256, (colours, 3))
    return palette[rng.integers(0, colours, (side, side))].repeat(cell, 0).repeat(cell, 1)


@pytest.mark.parametrize(("colours", "side", "cell"), [(4, 16, 1), (16, 64, 1), (32, 32, 4), (200, 60, 4), (2, 40, 8)])
def test_clean_drawings_are_not_taken_for_damage(colours, side, cell):
    levels = sprite(colours, side, cell)
    found = seen(levels, recognise=calling("compressed"))
    assert found.drawn
    assert found.style == ("faithful", "drawn with few colours, no lossy file: nothing to repair")
    assert not seen(levels, lossy=True, recognise=calling("compressed")).drawn


def test_photos_are_no_drawings(photo):
    grey = photo.mean(axis=2, keepdims=True).round()
    rng = np.random.default_rng(3)
    for one in (photo, grey, degrade.jpeg(photo, 10), degrade.noise(photo, 12, rng), np.repeat(grey, 3, axis=2)):
        assert not seen(one).drawn


def test_the_recognisers_word_alone_asks_for_repair_where_it_is_sure(photo):
    for kind in KINDS:
        style = "natural" if kind in ("noisy", "compressed") else "faithful"
        assert seen(photo, recognise=calling(kind, 0.9)).style[0] == style
        assert seen(photo, recognise=calling(kind, 0.5)).style[0] == "faithful"
    assert seen(photo, recognise=calling("noisy", 0.9)).style[1].startswith("a noisy photo (90%), no lossy file")
    assert str(seen(photo, recognise=calling("enlarged", 0.75))) == f"{PROMPTS['enlarged']} (75%)"


def test_what_transparency_hides_is_not_looked_at(photo):
    looked_at = []

    def recognise(traces):
        looked_at.append(traces)
        return calling("enlarged")(traces)

    alpha = np.zeros(photo.shape[:2], np.float32)
    alpha[:, 100:290] = 1
    stray = np.random.default_rng(1).random(photo.shape, dtype=np.float32)
    found = []
    for under in (stray, np.zeros_like(stray), photo / np.float32(255)):
        pixels = np.where(alpha[..., None] > 0, photo / np.float32(255), under).astype(np.float32)
        found.append(condition(Image(pixels, alpha), recognise))
    assert found[0] == found[1] == found[2]
    assert (looked_at[0] == looked_at[1]).all()
    cut = seen(photo[:, 100:290])
    assert found[0].noise == pytest.approx(cut.noise, rel=0.1)
    assert found[0].blocks == pytest.approx(cut.blocks, abs=1e-6)
    assert found[0].style[0] == "faithful"


def test_where_no_window_is_free_of_what_is_hidden_nothing_is_claimed(photo):
    alpha = np.zeros(photo.shape[:2], np.float32)
    for share in (0.0, 1.0):
        alpha[::32] = share
        found = condition(Image(photo / np.float32(255), alpha), calling("noisy"))
        assert (found.kind, found.certainty, found.noise, found.style[0]) == ("sharp", 0.2, 0, "faithful")


def test_the_recogniser_sees_traces_of_windows_all_over(photo):
    asked = []

    def recognise(traces):
        asked.append(traces.shape)
        return calling("sharp")(traces)

    for picture in (photo, photo[:40, :30], photo[:16, :16]):
        seen(picture, recognise=recognise)
    assert asked == [(16, 74)] * 3
