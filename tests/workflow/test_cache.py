"""Entries are whole or not there, are what was put in, and do not grow without end."""

import json
import os
import time

import numpy as np
import pytest

from fourfold.core.errors import InvalidInput, PictureError
from fourfold.core.image import Image, Metadata
from fourfold.workflow import cache
from fourfold.workflow.cache import Cache
from fourfold.workflow.ports import ImageType, Picture, StepReport


@pytest.fixture
def kept(tmp_path):
    return Cache(tmp_path / "kept")


def picture(depth=8, channels=3, seed=0):
    values = np.random.default_rng(seed).random((10, 7, channels), np.float32)
    alpha = values[..., -1] if channels in (2, 4) else None
    meta = Metadata(b"II*\0exif", b"<x/>", (72.0, 96.0))
    pixels = np.ascontiguousarray(values[..., : 1 if channels < 3 else 3])
    return Picture.of(
        Image(pixels, alpha, depth, None, meta, "TIFF", True, ("a note",)), ImageType("in", 4.0), {"four": "fake fp32"}
    )


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_kept_comes_back(kept, depth, channels):
    made = picture(depth, channels)
    assert kept.get("k") is None
    kept.keep("k").commit({"image": made, "report": StepReport({"size": (1, 2)}), "score": 0.5, "label": "owl"})
    found = kept.get("k")
    assert np.array_equal(found["image"].levels, made.levels)
    assert found["image"].levels.dtype == made.levels.dtype
    assert found["image"].carried == made.carried
    assert found["image"].type == ImageType(None, 4.0, (10, 7), channels, depth, made.type.colour)
    assert np.array_equal(found["image"].image.pixels, made.image.pixels)
    assert found["report"].figures == {"size": [1, 2]}
    assert (found["score"], found["label"]) == (0.5, "owl")


def test_rows_in_bands_are_the_picture(kept):
    made, entry = picture(), kept.keep("k")
    rows = entry.rows("image")
    for top in (0, 3, 4):
        rows.write(made.levels[top : {0: 3, 3: 4, 4: 10}[top]])
    entry.commit({"image": made})
    assert np.array_equal(kept.get("k")["image"].levels, made.levels)
    assert np.array_equal(entry.read("image", made), made.levels)


def test_nothing_is_there_before_it_is_whole(kept):
    entry = kept.keep("k")
    entry.rows("image").write(picture().levels)
    assert kept.get("k") is None
    entry.abandon()
    assert list(kept.folder.iterdir()) == []


def test_the_second_of_two_that_keep_the_same_gives_way(kept):
    first, second = kept.keep("k"), kept.keep("k")
    first.commit({"image": picture()})
    second.commit({"image": picture()})
    assert [path.name for path in kept.folder.iterdir()] == ["k"]
    assert np.array_equal(second.read("image", picture()), picture().levels)


def test_what_is_damaged_is_not_taken_for_whole(kept):
    kept.keep("k").commit({"image": picture()})
    rows = kept.folder / "k/image.raw"
    data = bytearray(rows.read_bytes())
    data[50:60] = bytes(10)
    rows.write_bytes(data)
    with pytest.raises(PictureError, match="damaged; remove the folder"):
        kept.get("k")["image"].levels  # noqa: B018
    rows.write_bytes(data[:-1])
    assert kept.get("k")["image"].gone
    (kept.folder / "k/values.json").write_text("{")
    assert kept.get("k") is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(PictureError, match="cannot be kept here"):
        Cache(tmp_path / "kept").keep("k")


def test_what_was_used_longest_ago_goes_first(kept):
    for number, name in enumerate("abc"):
        kept.keep(name).commit({"image": picture(seed=number)})
        moment = time.time() - 1000 + number
        for path in (kept.folder / name, *(kept.folder / name).iterdir()):
            os.utime(path, (moment, moment))
    kept.get("a")
    size = (kept.folder / "a/image.raw").stat().st_size
    assert kept.added == 3 * size
    kept.prune(2 * size)
    assert kept.added == 0
    assert [kept.get(name)["image"].gone for name in "abc"] == [False, True, False]
    assert kept.get("b")["image"].type.size == (10, 7)
    with pytest.raises(InvalidInput, match="gone"):
        kept.get("b")["image"].levels  # noqa: B018


def test_rows_that_are_gone_can_come_again(kept):
    kept.keep("k").commit({"image": picture()})
    kept.prune(0)
    assert kept.get("k")["image"].gone
    kept.keep("k").commit({"image": picture()})
    assert np.array_equal(kept.get("k")["image"].levels, picture().levels)
    assert [path.name for path in kept.folder.iterdir()] == ["k"]


def test_what_a_stopped_program_left_goes_after_a_while(kept):
    kept.keep("new")
    rows = kept.keep("old").rows("image")
    rows.write(picture().levels)
    rows.close()
    long_ago = time.time() - 2 * cache._STALE
    (old,) = (path for path in kept.folder.iterdir() if (path / "image.raw").exists())
    kept.keep("unused").commit({"label": "owl"})
    for path in (kept.folder / "unused", kept.folder / "unused/values.json"):
        os.utime(path, (long_ago - cache._OLD, long_ago - cache._OLD))
    picture_file = kept.folder / "photo_large.jpg"
    picture_file.touch()
    for path in (old, *old.iterdir(), picture_file):
        os.utime(path, (long_ago, long_ago))
    kept.prune()
    (new,) = kept.folder.iterdir()
    assert new != old


def test_keys_depend_on_values_and_not_on_their_order():
    assert cache.key({"a": 1, "b": [2]}) == cache.key({"b": [2], "a": 1})
    assert cache.key({"a": 1}) != cache.key({"a": 2})


def test_an_entry_is_plain_to_read(kept):
    kept.keep("k").commit({"report": StepReport({"psnr_y": None})})
    assert json.loads((kept.folder / "k/values.json").read_text()) == {"report": {"report": {"psnr_y": None}}}
