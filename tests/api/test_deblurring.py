"""Deblurring of files and pictures in memory, with a small network that was imported as a person would."""

import io
import json

import numpy as np
import pytest
import skimage.data
from PIL import Image

import fourfold
from fourfold.api.arrays import taken
from fourfold.api.deblurring import DeblurRestorer
from fourfold.api.restore import restore_files
from fourfold.api.session import Session
from fourfold.api.targets import Failure
from fourfold.core.errors import ModelError, PictureError, UsageError
from fourfold.core.options import DeblurOptions
from fourfold.imaging import files

MOVED = {"when": "always", "runtime": "onnxruntime", "threads": 1}


@pytest.fixture
def options(brought) -> DeblurOptions:
    return DeblurOptions(model=brought.id, **MOVED)


def checks(height=96, width=128):
    """Sharp squares of random colours."""
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def scene(name="astronaut"):
    """A part of a photo."""
    return getattr(skimage.data, name)()[60:156, 100:228]


def moved(levels):
    """By 15 pixels along the rows."""
    wide = np.pad(levels.astype(float), ((0, 0), (7, 7), (0, 0)), mode="edge")
    width = levels.shape[1]
    return np.rint(sum(wide[:, k : k + width] for k in range(15)) / 15).astype(np.uint8)


def test_a_sharp_picture_comes_back_as_it_is(brought):
    for image in (checks(), checks()[..., 0], Image.fromarray(checks()), checks().astype(np.float32) / 255):
        result = Session().restore(image, DeblurOptions(model=brought.id))
        assert result.image is image
        assert not result.report.changed
        assert result.report.blur.kind == "sharp"
        assert result.report.model == ""
        assert result.report.warnings == ("the picture looks sharp: it was left as it is",)


def test_what_may_be_blurred_is_left_alone_and_the_way_to_change_it_is_named(brought):
    result = Session().restore(scene("coffee"), DeblurOptions(model=brought.id))
    assert not result.report.changed
    told = "the picture may be blurred: it was left as it is; --when always deblurs it all the same"
    assert result.report.warnings == (told,)


def test_a_moved_picture_is_changed(options):
    levels = moved(scene())
    result = Session().restore(levels, DeblurOptions(model=options.model, runtime="onnxruntime"))
    assert result.report.changed
    assert result.report.blur.kind == "motion"
    assert result.image.shape == levels.shape
    assert result.image.dtype == np.uint8
    assert not np.array_equal(result.image, levels)
    assert result.report.model == options.model
    assert result.report.gmacs > 0


def test_a_moved_cut_out_is_seen_to_be_moved(options):
    levels = moved(skimage.data.chelsea())
    rows, columns = np.mgrid[-1:1:300j, -1:1:451j]
    shown = rows**2 + columns**2 < 0.7
    for alpha in (shown, ~shown):
        cut = np.dstack([levels * alpha[..., None], alpha * 255]).astype(np.uint8)
        assert DeblurRestorer(options, Session().networks).prepare(taken(cut).image).blur.kind == "motion"


@pytest.mark.parametrize("kind", ["RGB", "L", "float", "uint16", "RGBA"])
def test_the_same_kind_of_picture_comes_back(kind, options):
    levels = checks(33, 41)[:33, :41]
    image = {
        "RGB": Image.fromarray(levels),
        "L": levels[..., 0],
        "float": levels.astype(np.float32) / 255,
        "uint16": levels.astype(np.uint16) * 257,
        "RGBA": np.dstack([levels, levels[..., :1]]),
    }[kind]
    result = fourfold.deblur(image, model=options.model, **MOVED)
    assert type(result) is type(image)
    if isinstance(image, np.ndarray):
        assert (result.shape, result.dtype) == (image.shape, image.dtype)
    if kind == "RGBA":
        np.testing.assert_array_equal(result[..., 3], image[..., 3])


def test_no_strength_changes_nothing(options):
    image = moved(scene())
    result = Session().restore(image, options.changed(strength=0))
    assert result.image is image
    assert result.report.warnings == ("a strength of 0 changes nothing",)


def test_half_a_strength_goes_half_way(options):
    image = moved(scene()).astype(np.float32) / 255
    half, whole = (Session().restore(image, options.changed(strength=s)).image for s in (0.5, 1))
    inside = (whole > 0) & (whole < 1)
    np.testing.assert_allclose(half[inside], (image + (whole - image) / 2)[inside], atol=2e-5)


def test_a_sharp_file_is_copied_byte_for_byte(tmp_path, brought):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(checks()).save(photo, quality=95)
    (report,) = restore_files([str(photo)], options=DeblurOptions(model=brought.id))
    assert (tmp_path / "photo_deblurred.jpg").read_bytes() == photo.read_bytes()
    assert report.output == str(tmp_path / "photo_deblurred.jpg")
    assert not report.changed


def test_of_a_copy_no_conversion_is_told(tmp_path, brought):
    source = tmp_path / "inks.tif"
    Image.fromarray(checks()).convert("CMYK").save(source)
    for output, told in (("out.tif", ""), ("out.png", "CMYK")):
        (report,) = restore_files([str(source)], str(tmp_path / output), DeblurOptions(model=brought.id))
        assert report.warnings[-1].endswith("it was left as it is")
        assert len(report.warnings) == (2 if told else 1)
        assert told in report.warnings[0]


def test_a_sharp_file_in_another_format_has_the_same_pixels(tmp_path, brought):
    photo = tmp_path / "photo.png"
    Image.fromarray(checks()).save(photo)
    (report,) = restore_files([str(photo)], str(tmp_path / "out.tif"), DeblurOptions(model=brought.id))
    assert not report.changed
    np.testing.assert_array_equal(files.read(tmp_path / "out.tif").levels(), checks())


def test_a_moved_file_keeps_what_is_beside_its_pixels(tmp_path, options):
    photo = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x010E] = "a gate"
    Image.fromarray(moved(scene())).save(photo, exif=exif, quality=95)
    (report,) = restore_files([str(photo)], options=options)
    with Image.open(report.output) as result:
        assert result.getexif()[0x010E] == "a gate"
        assert result.size == (128, 96)
    (report,) = restore_files([str(photo)], options=options.changed(metadata="strip"), overwrite=True)
    with Image.open(report.output) as result:
        assert not result.getexif()


def test_a_bad_file_never_stops_the_rest(tmp_path, brought):
    (tmp_path / "a.png").write_text("no picture")
    Image.fromarray(checks()).save(tmp_path / "b.png")
    bad, good = restore_files([str(tmp_path)], str(tmp_path / "out"), DeblurOptions(model=brought.id))
    assert isinstance(bad, Failure)
    assert not isinstance(good, Failure)
    (again,) = restore_files([str(tmp_path / "b.png")], str(tmp_path / "out"), DeblurOptions(model=brought.id))
    assert isinstance(again.error, PictureError)
    assert "exists already" in str(again.error)


def test_a_path_gives_a_path(tmp_path, brought):
    photo = tmp_path / "photo.png"
    Image.fromarray(checks()).save(photo)
    assert fourfold.deblur(photo, model=brought.id) == tmp_path / "photo_deblurred.png"
    assert fourfold.deblur(str(photo), model=brought.id, overwrite=True) == str(tmp_path / "photo_deblurred.png")


def test_a_network_for_something_else_is_refused(brought):
    upscaler = fourfold.catalog.load.find("image-to-image/super-resolution", 4, "little", "faithful").id
    with pytest.raises(ModelError, match="expected a model for image-to-image/deblurring"):
        fourfold.deblur(moved(scene()), model=upscaler)
    with pytest.raises(ModelError, match="expected a model for image-to-image/super-resolution"):
        fourfold.upscale(checks(), model=brought.id)
    with pytest.raises(UsageError, match="strength lies between 0 and 1"):
        fourfold.deblur(checks(), strength=1.5)


def test_a_picture_too_large_for_memory_is_refused(options, monkeypatch):
    monkeypatch.setenv("FOURFOLD_MEM_MB", "10")
    with pytest.raises(fourfold.core.errors.NotEnough, match="deblurring 128×96 pixels needs about"):
        Session().restore(moved(scene()), options)


def test_the_command_says_what_it_did(tmp_path, brought, capsys, monkeypatch):
    from fourfold.cli.main import main

    monkeypatch.chdir(tmp_path)
    Image.fromarray(checks()).save("sharp.png")
    Image.fromarray(moved(scene())).save("moved.png")
    words = ["deblur", "sharp.png", "moved.png", "-m", brought.id, "--runtime", "onnxruntime", "-j", "1", "-o", "out/"]
    assert main(words) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("sharp.png → out/sharp_deblurred.png: 128×96, ")
    assert said[0].endswith("not changed")
    assert said[1] == "  note: the picture looks sharp: it was left as it is"
    assert f"{brought.id} on onnxruntime, the picture looks moved by about" in said[2]
    assert main([*words, "--json", "--overwrite"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [entry["changed"] for entry in printed["files"]] == [False, True]
    assert printed["files"][1]["blur"]["kind"] == "motion"
    assert printed["failed"] == []


def test_a_pipe_goes_through(brought, monkeypatch, capsysbinary):
    from fourfold.cli.main import main

    data = io.BytesIO()
    Image.fromarray(checks()).save(data, "PNG")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data.getvalue())))
    assert main(["deblur", "-", "-m", brought.id]) == 0
    assert capsysbinary.readouterr().out == data.getvalue()
