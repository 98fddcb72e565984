import numpy as np
import pytest
from PIL import Image as Pillow

from fourfold.bench.datasets import DEGRADED, SETS, benchmark_sets, data_folder
from fourfold.core.errors import PictureError, UsageError
from fourfold.imaging.resize import bicubic


@pytest.fixture
def folder(tmp_path):
    """A tiny data folder: two pictures a set, one of them grey."""
    random = np.random.default_rng(5)
    for inside in SETS.values():
        for kind in ("HR", "LRx4"):
            (tmp_path / "benchmark" / inside / kind).mkdir(parents=True)
        for name, shape in (("b", (24, 32, 3)), ("a", (32, 20))):
            high = random.integers(0, 256, shape).astype(np.uint8)
            low = bicubic(high, (shape[0] // 4, shape[1] // 4))
            Pillow.fromarray(high).save(tmp_path / "benchmark" / inside / "HR" / f"{name}.png")
            Pillow.fromarray(low).save(tmp_path / "benchmark" / inside / "LRx4" / f"{name}.webp", lossless=True)
    return tmp_path


def test_sets_come_in_order_with_pairs_sorted_by_name_and_grey_as_rgb(folder):
    sets = benchmark_sets(folder)
    assert [one.name for one in sets] == ["Set5", "Set14", "BSD20", "Set14 degraded", "Set14 hard"]
    assert [pair.name for pair in sets[2].pairs] == ["a", "b"]
    low, high = sets[0].pairs[0].load()
    assert (low.shape, high.shape) == ((8, 5, 3), (32, 20, 3))
    assert low.dtype == high.dtype == np.uint8
    assert (high[..., 0] == high[..., 2]).all()


@pytest.mark.parametrize("name", DEGRADED)
def test_a_degraded_set_is_the_same_each_time_and_of_the_same_truth(name, folder):
    sets = {one.name: one for one in benchmark_sets(folder)}
    clean, degraded = sets["Set14"], sets[name]
    for before, after in zip(clean.pairs, degraded.pairs, strict=True):
        low, high = after.load()
        again, _ = after.load()
        np.testing.assert_array_equal(low, again)
        np.testing.assert_array_equal(high, before.load()[1])
        assert low.shape == before.load()[0].shape
        assert np.abs(low.astype(int) - before.load()[0]).mean() > 3


def test_the_folder_is_the_given_one_else_the_environments_else_the_one_beside(folder, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FOURFOLD_DATA", str(folder))
    assert data_folder() == folder
    other = tmp_path_factory.mktemp("other")
    (other / "shared" / "data" / "benchmark").mkdir(parents=True)
    assert data_folder(other / "shared" / "data") == other / "shared" / "data"
    monkeypatch.delenv("FOURFOLD_DATA")
    (other / "checkout").mkdir()
    monkeypatch.chdir(other / "checkout")
    assert data_folder() == other / "shared" / "data"


def test_a_missing_folder_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURFOLD_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"expected a data folder with benchmark/.*FOURFOLD_DATA"):
        data_folder()


def test_a_picture_without_its_partner_is_named(folder):
    (folder / "benchmark/Set14/LRx4/b.webp").unlink()
    with pytest.raises(UsageError, match=r"Set14.*unpaired: b"):
        benchmark_sets(folder)


def test_a_missing_set_is_named(tmp_path):
    with pytest.raises(UsageError, match="Set5"):
        benchmark_sets(tmp_path)


def test_wrong_sizes_and_damaged_files_are_named(folder):
    pair = benchmark_sets(folder)[0].pairs[0]
    Pillow.new("RGB", (20, 31)).save(pair.high)
    with pytest.raises(PictureError, match=r"a\.png: expected 4 times the 5×8 .* got 20×31"):
        pair.load()
    pair.low.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"a\.webp"):
        pair.load()


def test_the_shared_sets_are_whole(shared):
    sets = benchmark_sets(shared / "data")
    assert [len(one.pairs) for one in sets] == [5, 14, 20, 14, 14]
