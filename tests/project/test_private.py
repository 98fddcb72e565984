"""Nothing leaves this computer: the whole program with the network denied and an empty home folder."""

import numpy as np
from PIL import Image

CACHES = (".cache", "Library/Caches")
CODE = """
import sys, time
from fourfold.cli.main import main
for words in (
    ['upscale', {photo!r}, '--json'], ['doctor'], ['models', 'verify'],
    ['run', 'upscale-measured', '--set', 'photo=' + {photo!r}, '-o', {folder!r}],
    ['ask', {brief!r}, '--photo', {photo!r}, '-o', {folder!r}],
):
    assert main(words) == 0, words
time.sleep(10)
"""


def test_upscaling_works_with_the_network_denied_and_tries_nothing(sealed, tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(photo)
    brief = tmp_path / "brief.txt"
    brief.write_text(
        'A user has asked:\n"How can I make my small photo larger?"\n\nModel: X\nSummary: We enlarge photos.\n'
    )
    folder = tmp_path / "out"
    result = sealed(CODE.format(photo=str(photo), brief=str(brief), folder=str(folder)))
    assert result.code == 0, result.output
    assert result.attempts == ""
    ours = tuple(f"{cache}/fourfold/{name}" for cache in CACHES for name in ("runtimes.json", "compiled/"))
    assert all(name.startswith(ours) for name in result.files), result.files
    for large in (tmp_path / "photo_x4.jpg", folder / "photo_large.jpg"):
        with Image.open(large) as picture:
            assert picture.size == (200, 160)
    assert "data:image/jpeg" in (folder / "answer.html").read_text()
