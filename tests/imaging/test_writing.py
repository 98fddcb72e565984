import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import picture_charts as charts
import pytest
from PIL import Image as Pillow

from fourfold.core.errors import InvalidInput, NotEnough, PictureError, UsageError
from fourfold.core.image import Image
from fourfold.imaging import files

WRITABLE = [row.name for row in files.FORMATS.values() if row.writable]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (16, 300)])
def test_extreme_shapes(name: str, height: int, width: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{files.FORMATS[name].suffixes[0]}"
    files.write(charts.image_of(height, width), path)
    back = files.read(path)
    assert back.size == (height, width)
    assert np.abs(charts.levels_of(back) - charts.levels_of(charts.image_of(height, width))).mean() < 3


def test_a_png_is_the_same_picture_where_isal_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = charts.gradient(500, 30, 3)
    for hidden in (False, True):
        if hidden:
            monkeypatch.setitem(sys.modules, "isal", None)
        target = io.BytesIO()
        with files.open_writer(target, files.Spec("PNG", 500, 30, 3)) as writer:
            writer.write(levels)
        with Pillow.open(target) as picture:
            np.testing.assert_array_equal(np.asarray(picture), levels)


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("rows", [1, 7, 300, 500])
def test_bands_of_any_height_make_the_same_file(name: str, rows: int) -> None:
    levels = charts.gradient(500, 30, 3)
    results = []
    for step in (rows, 500):
        target = io.BytesIO()
        with files.open_writer(target, files.Spec(name, 500, 30, 3)) as writer:
            for top in range(0, 500, step):
                writer.write(levels[top : top + step])
        results.append(charts.levels_of(files.read(target.getvalue())))
    assert np.array_equal(*results)


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_streaming_formats_take_rows_of_many_strips(name: str) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (700, 900, 4)).astype(np.uint16)
    target = io.BytesIO()
    with files.open_writer(target, files.Spec(name, 700, 900, 4, depth=16)) as writer:
        for top in range(0, 700, 130):
            writer.write(levels[top : top + 130])
    assert np.array_equal(charts.levels_of(files.read(target.getvalue())), levels)


class Pipe(io.RawIOBase):
    """Takes bytes and nothing else, as the standard output does in a pipe."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("name", WRITABLE)
def test_pipes(name: str) -> None:
    pipe = Pipe()
    levels = np.random.default_rng(0).integers(0, 256, (600, 800, 3)).astype(np.uint8)
    with files.open_writer(pipe, files.Spec(name, 600, 800, 3)) as writer:  # type: ignore[arg-type]
        writer.write(levels[:400])
        early = len(pipe.data)
        writer.write(levels[400:])
    assert (early > 0) == (name == "PNG")
    assert files.read(pipe.data).size == (600, 800)
    assert not pipe.closed


@pytest.mark.parametrize("name", WRITABLE)
def test_a_pipe_gets_nothing_of_a_failed_picture(name: str) -> None:
    pipe = Pipe()
    with pytest.raises(RuntimeError), files.open_writer(pipe, files.Spec(name, 20, 20, 3)):  # type: ignore[arg-type]
        raise RuntimeError
    assert name == "PNG" or not pipe.data


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_whatever_interrupts_leaves_the_old_file_and_nothing_else(
    name: str, problem: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with files.open_writer(path, files.Spec(name, 20, 20, 3)) as writer:
            writer.write(np.zeros((10, 20, 3), np.uint8))
            raise problem

    with pytest.raises(problem):
        interrupted()
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["old"]


@pytest.mark.parametrize("name", WRITABLE)
def test_wrong_bands_are_refused_and_leave_nothing(name: str, tmp_path: Path) -> None:
    def written(*bands: np.ndarray) -> None:
        with files.open_writer(tmp_path / "x", files.Spec(name, 20, 20, 3)) as writer:
            for band in bands:
                writer.write(band)

    whole = np.zeros((20, 20, 3), np.uint8)
    for bands in (
        [whole[:, :19]],
        [whole[..., 0]],
        [whole.astype(np.uint16)],
        [whole.astype(np.float32)],
        [whole, whole[:1]],
        [whole[:19]],
        [],
    ):
        with pytest.raises(InvalidInput, match="expected"):
            written(*bands)
    assert names_in(tmp_path) == []


def test_nothing_appears_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with files.open_writer(path, files.Spec("PNG", 2, 2, 1)) as writer:
        writer.write(np.zeros((2, 2, 1), np.uint8))
        assert not path.exists()
    assert names_in(tmp_path) == ["a.png"]


@pytest.mark.skipif(os.name == "nt", reason="permissions and links of POSIX")
def test_permissions_are_those_of_a_new_file_and_links_are_replaced(tmp_path: Path) -> None:
    original, link = tmp_path / "original.png", tmp_path / "link.png"
    original.write_bytes(b"original")
    link.symlink_to(original)
    before = os.umask(0o027)
    try:
        files.write(charts.image_of(), link)
    finally:
        os.umask(before)
    assert original.read_bytes() == b"original"
    assert not link.is_symlink()
    assert link.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("name", WRITABLE)
def test_a_full_disk_is_told_with_a_figure(name: str) -> None:
    with pytest.raises(NotEnough, match="MB"):
        files.write(charts.image_of(300, 400), Path("/dev/full"), name)
    assert Path("/dev/full").is_char_device()
    with Path("/dev/full").open("wb", buffering=0) as stream, pytest.raises(NotEnough, match="MB"):
        files.write(charts.image_of(300, 400), stream, name)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path / "gone" / "a.png", tmp_path):
        with pytest.raises(PictureError, match="cannot be written"):
            files.write(charts.image_of(), path, "PNG")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (("JPEG", 9, 9, 4), "transparency.*--format png"),
        (("JPEG", 9, 9, 3, 16), "16.*--format png"),
        (("JPEG", 65501, 9, 3), "65500 pixels.*--format png"),
        (("WEBP", 9, 16384, 3), "16383 pixels.*--format png"),
        (("AVIF", 9, 32769, 3), "32768 pixels.*--format png"),
        (("AVIF", 32000, 9000, 3), "268 megapixels.*--format png"),
        (("HEIF", 9, 9, 3), "not written"),
        (("JPG", 9, 9, 3), "Did you mean JPEG"),
        (("JPEG", 9, 9, 3, 8, None), "quality from 1 to 100"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_before_any_work(fields: tuple[Any, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        files.Spec(*fields, quality=101 if len(fields) == 6 else None)


def test_profiles_must_fit_the_pixels() -> None:
    with pytest.raises(InvalidInput, match="GRAY"):
        files.Spec("PNG", 9, 9, 3, profile=charts.icc_grey(2.2))


def test_the_longest_sides_of_the_table_are_real() -> None:
    for name in ("JPEG", "WEBP", "AVIF"):
        side = files.FORMATS[name].longest
        target = io.BytesIO()
        files.write(Image(np.full((1, side, 3), 0.5, np.float32)), target, name)
        assert files.probe(target.getvalue()).width == side


def test_qualities() -> None:
    picture = charts.image_of(64, 64)
    sizes = {}
    for quality in (None, 95, 30):
        target = io.BytesIO()
        files.write(picture, target, "JPEG", quality)
        sizes[quality] = len(target.getvalue())
        assert [component[1:3] for component in Pillow.open(target).layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
    assert sizes[None] == sizes[95] > sizes[30]


def test_a_lossless_webp_stays_lossless_and_keeps_hidden_colours() -> None:
    levels = charts.gradient(24, 40, 4)
    levels[:, :10, 3] = 0
    source = files.read(charts.file_of("WEBP", levels, lossless=True, exact=True))
    target = io.BytesIO()
    files.write(source, target)
    assert np.array_equal(charts.levels_of(files.read(target.getvalue())), levels)
    for name, lossy in (("WEBP", True), ("PNG", False)):
        image = replace(source, format=name, lossy=lossy)
        assert files.Spec.of(image, files.FORMATS["WEBP"], image.size, image.metadata, None).quality == 95


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from fourfold.imaging import files
band = np.random.default_rng(0).integers(0, 256, (250, 6000, 3), dtype=np.uint8)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path = Path(sys.argv[1])
files.write(files.Image(np.zeros((8, 8, 3), np.float32)), path)
before = peak()
with files.open_writer(path, files.Spec(files.format_of(path).name, 4000, 6000, 3)) as writer:
    for _ in range(16):
        writer.write(band)
print((peak() - before) * 1024 / 24e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory as Linux counts it")
@pytest.mark.parametrize(("suffix", "limit"), [("jpg", 4.6), ("png", 1.0), ("tif", 1.0)])
def test_memory_beyond_the_bands_in_bytes_a_pixel(suffix: str, limit: float, tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(tmp_path / f"a.{suffix}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < limit
