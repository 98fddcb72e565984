"""Golden pictures: what our own weights make of a drawn picture, on every engine, to within one level."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fourfold
from fourfold.catalog.load import all_cards
from fourfold.engines.choose import installed

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CARDS = [card.id for card in all_cards() if card.task == "image-to-image/super-resolution"]


def drawn() -> np.ndarray:
    """A 40×48 picture with what upscaling finds hard: thin lines at angles, a circle, a ramp, fine stripes."""
    y, x = np.mgrid[0:40, 0:48].astype(np.float64)
    ring = np.clip(1.5 - np.abs(np.hypot(x - 14, y - 14) - 9), 0, 1)
    line = np.clip(1.2 - np.abs(0.6 * (x - 24) - 0.8 * (y - 20)), 0, 1)
    stripes = 0.5 + 0.4 * np.sin(x * 1.1) * (y > 28)
    picture = np.dstack([0.2 + 0.6 * ring + 0.01 * y, 0.3 + 0.6 * line, stripes * (0.4 + x / 100)])
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


@pytest.mark.parametrize("runtime", ["pytorch", *installed()])
@pytest.mark.parametrize("model", CARDS)
def test_the_picture_is_the_golden_one(model, runtime):
    made = fourfold.upscale(drawn(), model=model, runtime=runtime, precision="fp32")
    path = GOLDEN / f"{model}.png"
    if os.environ.get("FOURFOLD_UPDATE_DOCS") and runtime == "pytorch":
        Image.fromarray(made).save(path, optimize=True)
    with Image.open(path) as golden:
        difference = np.abs(np.asarray(golden).astype(int) - made)
    assert difference.max() <= 1, f"at most 1 level expected, got {difference.max()}; new weights: `make docs`"
