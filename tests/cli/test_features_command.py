"""The features command and its Python call, with the networks of the catalog."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

import fourfold
from fourfold.cli.main import main
from fourfold.core.errors import ModelError


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "cat.png"
    Image.fromarray(data.chelsea()[:200, :300]).save(path)
    return path


def test_maps_and_their_picture_are_written(photo, tmp_path, capsys):
    maps, picture = tmp_path / "f.npz", tmp_path / "pca.png"
    assert main(["features", str(photo), "-o", str(maps), "--picture", str(picture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["shapes"]["sharp"] == [64, 22, 32]
    with np.load(maps) as stored:
        assert {"low", "bilinear", "jbu", "tiles", "sharp", "factor", "encoder"} == set(stored)
        assert stored["low"].shape == (64, 11, 16)
        assert stored["sharp"].dtype == np.float32
        again = fourfold.features(data.chelsea()[:200, :300], factor=2)
        np.testing.assert_allclose(again.sharp, stored["sharp"], atol=1e-4)
        assert np.abs(stored["sharp"] - stored["bilinear"]).max() > 0.1
    with Image.open(picture) as drawn:
        assert drawn.size[0] > 3 * 300


def test_the_default_name_is_beside_the_photo_and_is_not_replaced(photo, capsys):
    assert main(["features", str(photo), "--factor", "3"]) == 0
    made = photo.with_name("cat_features_x3.npz")
    assert "16×11 → 48×33 features of 64 channels" in capsys.readouterr().out
    before = made.read_bytes()
    assert main(["features", str(photo), "--factor", "3"]) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert made.read_bytes() == before


@pytest.mark.parametrize(("flag", "name"), [("-o", "f.txt"), ("--picture", "f.jpg")])
def test_other_names_are_refused_before_any_work(photo, tmp_path, capsys, flag, name):
    assert main(["features", str(photo), flag, str(tmp_path / name)]) == 2
    assert "expected a name ending in" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_grey_and_transparent_photos_work_and_other_factors_do_not():
    rng = np.random.default_rng(1)
    for shape in ((40, 50), (40, 50, 4)):
        assert fourfold.features(rng.integers(0, 256, shape, np.uint8)).sharp.shape == (64, 26, 32)
    with pytest.raises(ModelError, match="expected a factor among 2, 3, 4, got 5"):
        fourfold.features(rng.random((8, 8, 3)), factor=5)


def test_without_pytorch_the_extra_is_named(photo, sealed):
    found = sealed(
        "import sys\nsys.modules['torch'] = None\n"
        f"from fourfold.cli.main import main\nsys.exit(main(['features', {str(photo)!r}, '-o', 'f.npz']))"
    )
    assert found.code == 5
    assert "pip install 'fourfold[torch]'" in found.output
