"""A JPEG written strip by strip, in one scan with restart markers."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fourfold.core.image import Metadata
from fourfold.imaging.codecs import encode

PHOTO = data.astronaut()


def written(levels, cuts=(), quality=90, profile=None):
    stream = io.BytesIO()
    encoder = encode.JpegEncoder(stream, levels.shape, quality, profile, Metadata())
    for band in np.split(levels, cuts):
        encoder.write(band)
    encoder.finish()
    return stream.getvalue()


def whole(levels, quality=90):
    stream = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(
        stream, "JPEG", quality=quality, subsampling=0
    )
    return stream.getvalue()


def decoded(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("rows", [1, 16, 100])
@pytest.mark.parametrize("size", [(1, 1), (9, 17), (203, 301), (512, 510)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_the_picture_written_whole(monkeypatch, rows, size, channels):
    monkeypatch.setattr(encode, "_STRIP", rows * size[1])
    levels = PHOTO[: size[0], : size[1], :channels]
    content = written(levels, cuts=(size[0] // 3, size[0] // 2))
    np.testing.assert_array_equal(decoded(content), decoded(whole(levels)))


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_every_quality_is_that_of_the_picture_written_whole(monkeypatch, quality):
    monkeypatch.setattr(encode, "_STRIP", 64 * 512)
    np.testing.assert_array_equal(decoded(written(PHOTO, quality=quality)), decoded(whole(PHOTO, quality)))


def test_the_widest_pictures_have_no_longer_intervals_than_the_format_can_state():
    levels = np.zeros((72, 65500, 3), np.uint8)
    content = written(levels)
    at = content.index(b"\xff\xdd\0\x04") + 4
    assert 65500 // 8 <= int.from_bytes(content[at : at + 2], "big") <= 65535
    assert decoded(content).shape == levels.shape


def test_rows_are_written_as_they_come(monkeypatch):
    monkeypatch.setattr(encode, "_STRIP", 64 * 512)
    stream = io.BytesIO()
    encoder = encode.JpegEncoder(stream, PHOTO.shape, 90, None, Metadata())
    encoder.write(PHOTO[:64])
    first = stream.tell()
    encoder.write(PHOTO[64:192])
    assert 0 < first < stream.tell()
    assert len(encoder._held) == 0
