import io
import re

import numpy as np
from PIL import Image

from fourfold.pages import report, tilemap

ROUTING = {
    "threshold": 44.0,
    "expected": [[40.0, 50.0], [48.0, 30.0]],
    "measured": [[41.0, None], [None, 31.0]],
    "big": [[True, False], [False, True]],
    "seconds_little": 0.12,
    "seconds_big": 0.34,
}


def test_every_tile_is_drawn_and_the_more_it_changed_the_darker():
    page = tilemap.html(ROUTING)
    assert len(re.findall(r"<rect", page)) == 4
    shades = [float(one) for one in re.findall(r'fill-opacity="([0-9.]+)"', page)]
    assert shades == sorted(shades)
    assert len(set(shades)) == 2
    assert "31.0 dB from the little one" in page


def test_the_sentence_says_what_it_cost_and_how_far_apart_the_networks_are():
    words = tilemap.sentence(ROUTING)
    assert words.startswith("2 of 4 tiles went on to the big network: 340 ms after the little network's 120 ms.")
    assert "33.6 dB" in words
    none = ROUTING | {"measured": [[None, None]] * 2, "big": [[False, False]] * 2}
    assert tilemap.sentence(none).startswith("None of 4 tiles")


def test_the_photo_is_tinted_where_the_big_network_changed_it():
    photo = np.random.default_rng(1).random((40, 900, 3), np.float32)
    with Image.open(io.BytesIO(tilemap.picture(ROUTING, photo, None))) as drawn:
        tinted = np.asarray(drawn.convert("RGB")).astype(int)
    assert tinted.shape == (29, 640, 3)
    orange = (tinted[..., 0] - tinted[..., 2]) > 40
    assert orange[20:, 400:].mean() > 0.9
    assert orange[:8, 400:].mean() < 0.1
    page = tilemap.html(ROUTING, tilemap.picture(ROUTING, photo, None))
    assert "tinted where the big network" in page
    assert "data:image/webp;base64," in page


def test_the_page_shows_the_map_of_a_routed_run_only():
    entry = {"input": "a.png", "output": "b.png", "routing": ROUTING}
    assert "Map of tiles" in report.html({"files": [entry], "failed": []})
    assert "Map of tiles" not in report.html({"files": [entry | {"routing": None}], "failed": []})
