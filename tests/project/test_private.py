"""Nothing leaves this computer: the whole program with the network denied and an empty home folder."""

import numpy as np
from PIL import Image

CODE = """
import sys, time
from fourfold.cli.main import main
for words in (['upscale', {photo!r}, '--json'], ['doctor'], ['models', 'verify']):
    assert main(words) == 0, words
time.sleep(10)
"""


def test_upscaling_works_with_the_network_denied_and_tries_nothing(sealed, tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(photo)
    result = sealed(CODE.format(photo=str(photo)))
    assert result.code == 0, result.output
    assert result.attempts == ""
    assert set(result.files) <= {".cache/fourfold/runtimes.json", "Library/Caches/fourfold/runtimes.json"}
    with Image.open(tmp_path / "photo_x4.jpg") as large:
        assert large.size == (200, 160)
