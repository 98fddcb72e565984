"""Camera raws: known by their content, developed where rawpy is installed, refused as such where it is not."""

import struct
from pathlib import Path
from typing import Any

import metadata_charts as made
import numpy as np
import pytest

from fourfold.api.restore import restore_files
from fourfold.api.targets import Failure
from fourfold.core.errors import PictureError
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.imaging import files
from fourfold.imaging.codecs import ifd

HEIGHT, WIDTH = 60, 90


def signed_fractions(*values: float) -> ifd.Entry:
    data = b"".join(struct.pack("<ii", round(value * 10000), 10000) for value in values)
    return ifd.Entry(10, len(values), data)


def dng(orientation: int = 1, **more: Any) -> bytes:
    """A red left half, a blue right half, as a sensor with red, green and blue filters sees them; one strip."""
    scene = np.full((HEIGHT, WIDTH, 3), (30000, 9000, 4000), np.uint16)
    scene[:, WIDTH // 2 :] = (4000, 9000, 30000)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    samples = np.take_along_axis(scene, (y % 2 + x % 2)[..., None], 2)[..., 0]
    to_camera = (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)  # from XYZ to sRGB's light
    fields = {
        254: ifd.long(0), 256: ifd.long(WIDTH), 257: ifd.long(HEIGHT), 258: ifd.short(16), 259: ifd.short(1),
        262: ifd.short(32803), 271: made.ascii_entry("Maker"), 272: made.ascii_entry("Camera"), 273: ifd.long(0),
        274: ifd.short(orientation), 277: ifd.short(1), 278: ifd.long(HEIGHT), 279: ifd.long(samples.nbytes),
        33421: ifd.short(2, 2), 33422: ifd.Entry(1, 4, bytes([0, 1, 1, 2])),
        50706: ifd.Entry(1, 4, bytes([1, 4, 0, 0])), 50708: made.ascii_entry("Maker Camera"),
        50717: ifd.long(65535), 50721: signed_fractions(*to_camera), 50728: made.fractions((1, 1), (1, 1), (1, 1)),
        50778: ifd.short(21), **{int(name[1:]): value for name, value in more.items()},
    }  # fmt: skip
    page = ifd.Directory(fields)
    fields[273] = ifd.long(8 + len(ifd.encode(page, 8)))
    return b"II*\0\x08\0\0\0" + ifd.encode(page, 8) + samples.astype("<u2").tobytes()


def test_a_camera_raw_is_developed_and_that_is_said() -> None:
    pytest.importorskip("rawpy", reason="develops camera raws; pip install 'fourfold[raw]'")
    header, picture = files.probe(dng()), files.read(dng())
    assert (header.height, header.width, header.format, header.raw) == (HEIGHT, WIDTH, "TIFF", True)
    assert (picture.size, picture.depth, picture.profile) == ((HEIGHT, WIDTH), 16, None)
    left, right = (picture.pixels[10:-10, part].mean(axis=(0, 1)) for part in (slice(10, 35), slice(55, 80)))
    assert left[0] > 2 * left[2]
    assert right[2] > 2 * right[0]
    (note,) = picture.notes
    assert "developed by LibRaw" in note
    assert "as the camera balanced it" in note
    assert b"Maker" in picture.metadata.exif


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_camera_raw_comes_out_upright(orientation: int) -> None:
    pytest.importorskip("rawpy", reason="develops camera raws; pip install 'fourfold[raw]'")
    header, picture = files.probe(dng(orientation)), files.read(dng(orientation))
    turned = {3: 2, 6: 3, 8: 1}[orientation]
    assert (header.height, header.width) == picture.size
    back = np.rot90(picture.pixels, -turned)
    assert back.shape[:2] == (HEIGHT, WIDTH)
    assert back[30, 20, 0] > 2 * back[30, 20, 2]


@pytest.mark.parametrize("share", [0.9, 0.3, 0.02])
def test_a_camera_raw_that_is_cut_short_is_refused(share: float) -> None:
    pytest.importorskip("rawpy", reason="develops camera raws; pip install 'fourfold[raw]'")
    data = dng()
    with pytest.raises(PictureError, match="expected a"):
        files.read(data[: int(len(data) * share)])


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    for data in (dng(), b"FUJIFILMCCD-RAW 0201".ljust(200, b"\0")):
        for function in (files.probe, files.read):
            with pytest.raises(
                PictureError, match=r"got a camera raw.*Develop it first.*pip install 'fourfold\[raw\]'"
            ):
                function(data)


@pytest.mark.parametrize("task", [UpscaleOptions(model="fourfold-little-x4", threads=1), DeblurOptions(threads=1)])
def test_the_result_of_a_camera_raw_is_a_tiff_and_never_the_raw_itself(tmp_path: Path, task: UpscaleOptions) -> None:
    pytest.importorskip("rawpy", reason="develops camera raws; pip install 'fourfold[raw]'")
    (tmp_path / "shot.dng").write_bytes(dng())
    (outcome,) = restore_files([str(tmp_path / "shot.dng")], options=task)
    assert not isinstance(outcome, Failure)
    (made_one,) = tmp_path.glob("shot_*")
    assert made_one.suffix == ".tif"
    header = files.probe(made_one)
    assert (header.raw, header.depth, header.channels) == (False, 16, 3)
    assert header.width == WIDTH * (4 if isinstance(task, UpscaleOptions) else 1)


def test_the_thumbnail_is_not_taken_for_a_camera_raw_that_is_lost() -> None:
    """As where a NEF or ARW is cut short: its first directory is a thumbnail's, the sensor's cannot be read."""
    fields, levels = {254: ifd.long(1), 330: ifd.long(1 << 20)}, np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(PictureError, match="only a thumbnail can be found"):
        files.read(made.tiff(fields, levels=levels))
