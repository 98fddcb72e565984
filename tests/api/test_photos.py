import io
import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fourfold
from fourfold.api.targets import Failure
from fourfold.core.errors import ModelError, NotEnough, PictureError, QualityGate, UsageError
from fourfold.core.options import UpscaleOptions

OPTIONS = UpscaleOptions(runtime="onnxruntime", threads=1)


@pytest.fixture
def photo(tmp_path) -> Path:
    return save(tmp_path / "photo.png")


def opened(source):
    with Image.open(source) as picture:
        picture.load()
        return picture


def save(path: Path, size=(24, 18), **options) -> Path:
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    levels = (np.dstack([x, y, 0.5 + 0.5 * np.sin(9 * x * y)]) * 255).astype(np.uint8)
    Image.fromarray(levels).save(path, **options)
    return path


def run(*inputs, output=None, options=OPTIONS, **keywords):
    return list(fourfold.restore_files([str(i) for i in inputs], output and str(output), options, **keywords))


def test_the_result_stands_beside_the_input_in_its_own_format(tmp_path):
    for name in ("a.jpeg", "b.PNG", "c.webp", "d.tif", "e.avif"):
        source = save(tmp_path / name)
        before = source.read_bytes()
        (report,) = run(source)
        result = tmp_path / f"{source.stem}_x4{source.suffix}"
        assert report.output == str(result)
        assert opened(result).size == (96, 72) == report.output_size
        assert opened(result).format == opened(source).format
        assert source.read_bytes() == before


def test_names_say_the_scale(photo, tmp_path):
    (report,) = run(photo, options=OPTIONS.changed(scale=2.5))
    assert report.output == str(tmp_path / "photo_x2.5.png")
    assert report.output_size == (60, 45)


def test_one_bad_file_never_stops_the_rest(photo, tmp_path):
    bad, gone, other = tmp_path / "bad.jpg", tmp_path / "gone.png", save(tmp_path / "other.png")
    bad.write_text("not a picture")
    outcomes = run(photo, bad, gone, other)
    assert [type(o).__name__ for o in outcomes] == ["UpscaleReport", "Failure", "Failure", "UpscaleReport"]
    assert all(isinstance(o.error, PictureError) and o.input in str(o.error) for o in outcomes[1:3])
    assert sorted(p.name for p in tmp_path.iterdir() if "_x4" in p.name) == ["other_x4.png", "photo_x4.png"]


def test_an_existing_result_is_kept_unless_told(photo, tmp_path):
    result = tmp_path / "photo_x4.png"
    result.write_text("mine")
    (failure,) = run(photo)
    assert "--overwrite" in str(failure.error)
    assert result.read_text() == "mine"
    run(photo, overwrite=True)
    assert opened(result).size == (96, 72)


def test_an_input_is_never_replaced(photo):
    before = photo.read_bytes()
    (failure,) = run(photo, output=photo, overwrite=True)
    assert "its own input" in str(failure.error)
    assert photo.read_bytes() == before


def test_two_inputs_of_one_name_do_not_share_a_result(photo, tmp_path):
    (tmp_path / "more").mkdir()
    twin = save(tmp_path / "more" / "photo.png")
    first, second = run(photo, twin, output=tmp_path / "out", overwrite=True)
    assert not isinstance(first, Failure)
    assert "other names" in str(second.error)


def test_a_folder_of_pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    save(folder / "b.png")
    save(folder / "a.jpg")
    (folder / "notes.txt").write_text("hello")
    reports = run(folder, output=tmp_path / "out")
    assert [Path(r.output).name for r in reports] == ["a_x4.jpg", "b_x4.png"]
    (tmp_path / "empty").mkdir()
    failure, report = run(tmp_path / "empty", folder / "b.png", output=tmp_path / "more")
    assert isinstance(failure.error, PictureError)
    assert Path(report.output).name == "b_x4.png"


def test_the_format_follows_the_output_name_or_the_option(photo, tmp_path):
    (report,) = run(photo, output=tmp_path / "x.jpg")
    assert opened(report.output).format == "JPEG"
    (report,) = run(photo, output=tmp_path / "sub" / "y.webp")
    assert opened(report.output).format == "WEBP"
    (report,) = run(photo, options=OPTIONS.changed(format="avif"))
    assert report.output.endswith("photo_x4.avif")
    (failure,) = run(photo, output=tmp_path / "z.png", options=OPTIONS.changed(format="jpeg"))
    assert "ending in .jpg" in str(failure.error)
    (failure,) = run(photo, output=tmp_path / "z.xyz")
    assert isinstance(failure.error, UsageError)


def test_formats_that_cannot_be_written_become_near_ones(tmp_path):
    source = save(tmp_path / "old.bmp")
    (report,) = run(source)
    assert report.output.endswith("old_x4.png")


def test_transparency_into_jpeg_is_laid_on_white_and_said(tmp_path):
    Image.new("RGBA", (16, 16), (255, 0, 0, 0)).save(tmp_path / "t.png")
    (report,) = run(tmp_path / "t.png", output=tmp_path / "t.jpg")
    assert "white" in report.warnings[0]
    assert np.asarray(opened(report.output)).min() > 250


def test_too_large_for_the_format_is_said_before_any_work(tmp_path):
    save(tmp_path / "long.webp", (5000, 2))
    (failure,) = run(tmp_path / "long.webp")
    assert "16383" in str(failure.error)
    assert "--format png" in str(failure.error)


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (600, 1), (3, 2)])
def test_thin_pictures(tmp_path, size):
    save(tmp_path / "thin.png", size)
    (report,) = run(tmp_path / "thin.png")
    assert report.output_size == (4 * size[0], 4 * size[1])


def test_too_little_memory_is_refused_with_the_figures(photo, monkeypatch):
    monkeypatch.setenv("FOURFOLD_MEM_MB", "100")
    (failure,) = run(photo)
    assert isinstance(failure.error, NotEnough)
    assert "100 MiB" in str(failure.error)


def test_a_result_below_the_gate_is_not_kept(photo, tmp_path):
    (failure,) = run(photo, options=OPTIONS.changed(min_consistency=99.0))
    assert isinstance(failure.error, QualityGate)
    assert not (tmp_path / "photo_x4.png").exists()
    (report,) = run(photo, options=OPTIONS.changed(min_consistency=10.0))
    assert report.consistency_psnr > 10


def test_a_lossy_format_undoes_consistency_and_says_so(photo, tmp_path):
    options = OPTIONS.changed(consistent=True)
    (jpeg,) = run(photo, output=tmp_path / "p.jpg", options=options)
    assert "JPEG changes pixels" in " ".join(jpeg.warnings)
    for name, quality in (("p.png", None), ("p.webp", 100)):
        (kept,) = run(photo, output=tmp_path / name, options=options.changed(quality=quality))
        assert "changes pixels" not in " ".join(kept.warnings)
        assert fourfold.measure(kept.output, photo).consistency_psnr == pytest.approx(kept.consistency_psnr, abs=0.011)


def test_repairing_and_consistency_exclude_each_other_which_is_said(photo):
    session = fourfold.Session(OPTIONS.changed(consistent=True))
    notes = [session.upscale(Image.open(photo), style=style).report.warnings for style in ("natural", "faithful")]
    assert ["puts noise and JPEG damage back" in " ".join(one) for one in notes] == [True, False]


def test_stopping_in_the_middle_leaves_nothing_half(photo, tmp_path):
    def stop(name):
        def tile(done, total):
            raise KeyboardInterrupt

        return tile

    with pytest.raises(KeyboardInterrupt):
        run(photo, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["photo.png"]


def test_a_model_that_is_not_there_is_said_once_before_any_work(photo, tmp_path):
    with pytest.raises(ModelError, match="there is no model 'x'"):
        run(photo, tmp_path / "gone.png", options=OPTIONS.changed(model="x"))


def test_another_input_is_never_replaced_either(tmp_path):
    first, other = save(tmp_path / "a.png"), save(tmp_path / "a_x4.png", size=(20, 10))
    (tmp_path / "b.png").symlink_to(other)
    before = other.read_bytes()
    refused, done = run(first, other, overwrite=True)
    assert "would replace" in str(refused.error)
    assert "which is an input, too" in str(refused.error)
    assert other.read_bytes() == before
    assert opened(done.output).size == (80, 40)
    (by_link,) = run(tmp_path / "b.png", output=other, overwrite=True)
    assert "its own input" in str(by_link.error)
    assert other.read_bytes() == before


def test_what_is_in_the_way_of_a_folder_or_closed_fails_by_itself(tmp_path, photo):
    (tmp_path / "file").write_text("no folder")
    refused, also = run(photo, save(tmp_path / "b.png"), output=tmp_path / "file")
    assert isinstance(refused.error, PictureError)
    assert isinstance(also.error, PictureError)
    assert "expected a folder to write to" in str(refused.error)
    (tmp_path / "closed").mkdir()
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr("os.access", lambda path, _mode: Path(path).name != "closed")
        failed, done = run(tmp_path / "closed", photo)
    assert isinstance(failed, Failure)
    assert not isinstance(done, Failure)


def test_two_pictures_do_not_go_to_one_pipe(photo, tmp_path):
    with pytest.raises(UsageError, match="expected one input for standard output, got 2"):
        run(photo, save(tmp_path / "b.png"), output="-")


@pytest.mark.parametrize("verb", ["upscale", "deblur"])
@pytest.mark.parametrize("words", [["-"], ["a.png", "-o", "-"]])
def test_figures_and_a_picture_do_not_go_to_one_pipe(verb, words, capsys):
    from fourfold.cli.main import main

    assert main([verb, *words, "--json"]) == 2
    assert "give --output FILE for the picture" in capsys.readouterr().err


def test_pipes(photo, monkeypatch):
    class Pipe:
        buffer = io.BytesIO(photo.read_bytes())

    class Out:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdin", Pipe)
    monkeypatch.setattr(sys, "stdout", Out)
    (report,) = run("-")
    assert (report.input, report.output) == ("-", "-")
    assert opened(io.BytesIO(Out.buffer.getvalue())).size == (96, 72)


def test_the_report_says_what_measure_says(photo):
    (report,) = run(photo)
    found = fourfold.measure(report.output, photo)
    for name in (
        "consistency_psnr",
        "consistency_worst",
        "added_detail",
        "added_detail_db",
        "bicubic_psnr",
        "phone_psnr",
    ):
        assert getattr(found, name) == pytest.approx(getattr(report, name), abs=0.011), name
    assert report.tiles == {"total": 1, "little": 1, "big": 0}
    assert report.seconds >= report.seconds_model > 0
    assert report.gmacs > 0
    json.dumps(report.warnings)


def test_upscale_gives_back_the_kind_it_was_given(photo):
    options = {"runtime": "onnxruntime", "threads": 1}
    path = fourfold.upscale(photo, **options)
    assert isinstance(path, Path)
    picture = opened(photo)
    assert fourfold.upscale(picture, **options).size == (96, 72)
    levels = np.asarray(picture)
    large = fourfold.upscale(levels, **options)
    np.testing.assert_array_equal(large, np.asarray(opened(path)))
    assert fourfold.upscale(levels.astype(np.uint16) * 257, **options).dtype == np.uint16
    real = fourfold.upscale(levels.astype(np.float64) / 255, **options)
    assert real.dtype == np.float64
    assert np.abs(real - large / 255.0).max() <= 0.5 / 255 + 1e-4
    assert fourfold.upscale(levels[..., 0], **options).shape == (72, 96)
    assert fourfold.upscale(str(photo.rename(photo.with_name("q.png"))), **options).endswith("q_x4.png")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("1", "L"),
        ("L", "L"),
        ("LA", "LA"),
        ("P", "RGB"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("CMYK", "RGB"),
        ("I;16", "I;16"),
    ],
)
def test_pil_images_of_every_mode(mode, expected):
    ramp = Image.linear_gradient("L").resize((16, 12))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257)
    else:
        picture = ramp.convert("RGB").convert(mode)
    large = fourfold.upscale(picture, runtime="onnxruntime", threads=1)
    assert (large.mode, large.size) == (expected, (64, 48))
    if mode == "I;16":
        assert np.asarray(large).max() > 60000


def test_a_pil_image_that_lies_on_its_side_comes_back_upright(tmp_path):
    lying = Image.linear_gradient("L").resize((16, 12))
    exif = lying.getexif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    lying.save(tmp_path / "lying.png", exif=exif)
    large = fourfold.upscale(opened(tmp_path / "lying.png"), runtime="onnxruntime", threads=1)
    assert large.size == (48, 64)
    assert (np.asarray(large)[:, 0] > np.asarray(large)[:, -1]).all()
    lying.info["exif"] = b"Exif\0\0damaged"
    assert fourfold.upscale(lying, runtime="onnxruntime", threads=1).size == (64, 48)


def test_in_memory_the_result_is_held_once_and_counted_by_the_guard(monkeypatch):
    picture = np.random.default_rng(1).random((512, 64, 3))
    session = fourfold.Session(OPTIONS)
    session.upscale(picture[:128], tile=48)
    tracemalloc.start()
    large = session.upscale(picture, tile=48).image
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert large.nbytes < peak < 1.5 * large.nbytes
    wide = np.zeros((3000, 1000, 3))
    monkeypatch.setenv("FOURFOLD_MEM_MB", str(16 * wide.nbytes >> 20))
    with pytest.raises(NotEnough, match="12000 pixels needs about"):
        session.upscale(wide)


def test_pil_images_of_unknown_range_are_refused():
    with pytest.raises(fourfold.core.errors.InvalidInput, match="mode F"):
        fourfold.upscale(Image.new("F", (4, 4)))


@pytest.mark.parametrize("value", [np.zeros((2, 2, 5)), np.zeros((0, 3)), np.full((2, 2), 2.0), np.zeros((2, 2), int)])
def test_refuses_arrays_that_are_no_pictures(value):
    with pytest.raises(fourfold.core.errors.InvalidInput, match="expected"):
        fourfold.upscale(value)


def test_a_session_keeps_a_few_networks():
    session = fourfold.Session(OPTIONS, keeps=2)
    for side in (20, 60, 120, 60):
        session.upscale(np.zeros((side, side, 3), np.uint8))
    assert len(session.networks._runners) == 2


@pytest.mark.parametrize("times", ["now", "keep"])
@pytest.mark.parametrize("work", ["upscale", "deblur"])
def test_a_result_is_dated_now_or_as_its_input(photo, work, times):
    os.utime(photo, ns=(10**18, 10**18 + 5))
    result = getattr(fourfold, work)(photo, times=times, threads=1, **({"scale": 1} if work == "upscale" else {}))
    assert (result.stat().st_mtime_ns == 10**18 + 5) == (times == "keep")


def test_a_date_that_cannot_be_kept_is_said(photo, monkeypatch):
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.utime", refuses)
    (done,) = run(photo, options=OPTIONS.changed(times="keep"))
    assert any("not permitted" in note for note in done.warnings)
