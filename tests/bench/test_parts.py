import numpy as np
import pytest
from PIL import Image
from skimage import data

from fourfold.api.session import Session
from fourfold.bench import parts
from fourfold.bench.parts import STEPS, PartsReport, PhotoParts, table
from fourfold.bench.speed import Spread
from fourfold.core.options import UpscaleOptions


def test_the_steps_are_the_whole_run_and_make_the_same_file(tmp_path):
    photo, out = tmp_path / "photo.jpg", tmp_path / "out.jpg"
    Image.fromarray(data.astronaut()[:48, :64]).save(photo)
    session = Session(UpscaleOptions(route="little", style="faithful"))
    work, seconds, total = parts._stepwise(photo, out, session)
    assert list(seconds) == list(STEPS)
    assert all(value >= 0 for value in seconds.values())
    assert sum(seconds.values()) == pytest.approx(total)
    assert seconds["network"] + seconds["halo"] == pytest.approx(work.seconds_model)
    found = parts._measured(photo, session, rounds=1)
    assert (found.size, found.windows) == ((64, 48), 1)
    with Image.open(out) as stepwise, Image.open(tmp_path / "photo_x4.jpg") as run:
        np.testing.assert_array_equal(np.array(stepwise), np.array(run))


def test_the_table_has_a_photo_a_column():
    spread = Spread(0.2, 0.2, 0.2, 0.2, 0.2)
    photo = PhotoParts((1000, 500), "openvino int8", 3, dict.fromkeys(STEPS, 0.02), spread, spread, spread)
    lines = table(PartsReport(2, True, (photo, photo))).splitlines()
    assert lines[1].split() == ["0.50", "MP", "0.50", "MP"]
    assert lines[5].split() == ["network", "20", "ms,", "10%", "20", "ms,", "10%"]
    assert lines[-1].startswith("busy machine")
