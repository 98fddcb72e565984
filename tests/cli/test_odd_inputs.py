"""Every command that takes a photo: pipes, camera raws, names that are too long, and what folders pass over."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourfold.cli.main import main
from fourfold.core.errors import PictureError, UsageError
from fourfold.core.options import UpscaleOptions
from fourfold.core.params import parameters
from fourfold.imaging import files
from fourfold.serve import forms
from fourfold.serve.limits import ServeOptions
from fourfold.serve.problems import Problem

LITTLE = ["-m", "fourfold-little-x4", "-j", "1"]
BRIEF = """A user has asked the following question:
"How can I make this photo four times as large?"

### Recommended AI Models:
Model: SR-EDSR-DIV2K
"""
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "upscale": lambda photo: ["upscale", photo, "-o", "out/", *LITTLE],
    "deblur": lambda photo: ["deblur", photo, "-o", "out/", "-j", "1"],
    "measure": lambda photo: ["measure", "large.png", "--input", photo],
    "features": lambda photo: ["features", photo, "-o", "out.npz"],
    "run": lambda photo: ["run", "upscale", "--set", f"photo={photo}", "-o", "out"],
    "ask": lambda photo: ["ask", "brief.txt", "--photo", photo, "-o", "out"],
}


@pytest.fixture(autouse=True)
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo, a large one and a brief, in the current folder."""
    monkeypatch.chdir(tmp_path)
    levels = np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8)
    Image.fromarray(levels).save("photo.png")
    Image.fromarray(levels.repeat(4, 0).repeat(4, 1)).save("large.png")
    Path("brief.txt").write_text(BRIEF)
    return Path("photo.png")


@contextmanager
def piped(content: bytes) -> Iterator[str]:
    """A named pipe into which the content is written once."""
    os.mkfifo("fifo")
    writer = threading.Thread(target=Path("fifo").write_bytes, args=(content,), daemon=True)
    writer.start()
    yield "fifo"
    writer.join(10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_pipe(photo: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with piped(photo.read_bytes()) as pipe:
        assert main(COMMANDS[name](pipe)) == 0, capsys.readouterr().err
    made = {path.name for path in Path("out").glob("*")} if name in ("upscale", "deblur", "run") else {"out.npz"}
    assert made >= {
        "upscale": {"stdin_x4.png"}, "deblur": {"stdin_deblurred.png"}, "run": {"stdin_large.png"},
    }.get(name, set())  # fmt: skip


RAW = b"FUJIFILMCCD-RAW 0201".ljust(200, b"\0")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_a_camera_raw_by_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("shot.raf").write_bytes(RAW)
    assert main(COMMANDS[name]("shot.raf")) == 3
    said = capsys.readouterr().err
    assert "shot.raf: expected a finished picture, got a camera raw" in said
    assert "Develop it first" in said


def test_the_service_refuses_a_camera_raw_as_one() -> None:
    Path("upload").write_bytes(RAW)
    with pytest.raises(Problem, match=r"the photo: expected a finished picture, got a camera raw") as refused:
        forms._suffix(Path("upload"), ServeOptions())
    assert refused.value.status == 415
    assert isinstance(refused.value.__cause__, PictureError)


PASSED = "passed over 1 results of earlier runs and 1 camera raws, which have to be developed first"


@pytest.mark.parametrize("name", ["upscale", "deblur", "run", "batch"])
def test_what_a_folder_passes_over_is_said(photo: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    for to in ("a.png", "a_x4.png", "._a.png"):
        Path("in", to).write_bytes(photo.read_bytes())
    Path("in", "shot.raf").write_bytes(RAW)
    words = ["batch", "in", "out", "--dry-run", *LITTLE] if name == "batch" else COMMANDS[name]("in")
    assert main(words) == 0
    assert PASSED in capsys.readouterr().err


@pytest.mark.parametrize("name", ["upscale", "deblur", "run", "batch"])
def test_a_shortened_name_is_said(photo: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("in", "가" * 83 + ".png").write_bytes(photo.read_bytes())
    words = ["batch", "in", "out", "--workers", "1", "--json", *LITTLE] if name == "batch" else COMMANDS[name]("in")
    assert main(words) == 0
    captured = capsys.readouterr()
    said = captured.err
    if name == "batch":
        (figures,) = json.loads(captured.out)["files"]
        said = " ".join(figures["warnings"])
    (made,) = Path("out").glob("*.png")
    assert f"The name of the result, {made.name}, holds only a part of the photo's" in said


# --- files of several pictures -----------------------------------------------------------------------------------


@pytest.fixture
def scans() -> Path:
    """A folder with a TIFF of three pages, of 8, 9 and 10 pixels, a photo, and a file that cannot be read."""
    Path("scans").mkdir()
    pages = [Image.fromarray(np.full((6, 8 + n), 40 * n, np.uint8)) for n in range(3)]
    pages[0].save("scans/three.tif", save_all=True, append_images=pages[1:])
    pages[0].save("scans/one.tif")
    Path("scans/bad.tif").write_bytes(b"II*\0")
    return Path("scans")


def widths(folder: str) -> dict[str, int]:
    return {path.name: files.probe(path).width for path in sorted(Path(folder).glob("*.*")) if path.is_file()}


def test_a_batch_makes_a_file_of_each_page(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["batch", "scans", "large", "--workers", "1", *LITTLE]
    assert main([*words, "--pages", "all"]) == 3
    assert "bad.tif" in capsys.readouterr().err
    wanted = {"one_x4.tif": 32, "three_p1_x4.tif": 32, "three_p2_x4.tif": 36, "three_p3_x4.tif": 40}
    assert widths("large") == wanted
    Path("large/three_p2_x4.tif").unlink()
    assert main(["batch", "scans", "large", "--workers", "1", "--resume", "-j", "1"]) == 3
    assert "1 done, 3 done before, 1 failed" in capsys.readouterr().err
    assert widths("large") == wanted
    assert main([*words[:2], "second", *words[3:], "--pages", "2"]) == 3
    assert "expected a page from 1 to 1" in capsys.readouterr().err
    assert widths("second") == {"three_p2_x4.tif": 36}


def test_pages_of_an_object_store_are_asked_for_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "memory://scans", "large", "--pages", "all"]) == 2
    assert "give a number" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("all", "all"), ("3", 3), ("auto", None)])
def test_pages_are_a_number_or_a_word(text: str, value: object) -> None:
    pages = parameters(UpscaleOptions)["pages"]
    assert pages.parse(text) == value
    for wrong in ("0", "-1", "every", "1.5", ""):
        with pytest.raises(UsageError, match="pages"):
            pages.parse(wrong)
    with pytest.raises(UsageError, match="or all"):
        UpscaleOptions(pages="every")  # type: ignore[arg-type]
    assert {"const": "all"} in pages.schema()["anyOf"]


def test_a_form_asks_for_a_page() -> None:
    _, options = forms.Form({"pages": "2"}, (), None).options("upscale")
    assert options == {"pages": 2}
    with pytest.raises(UsageError, match="pages is a whole number between 1 and 65535; got 'all'"):
        forms.Form({"pages": "all"}, (), None).options("upscale")


# --- damaged files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["upscale", "deblur"])
def test_a_file_that_ends_early_is_restored_when_asked_and_said(
    photo: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    photo.write_bytes(photo.read_bytes()[:-100])
    words = [task, "photo.png", "-o", "out/", "-j", "1"]
    assert main(words) == 3
    said = capsys.readouterr().err
    assert "photo.png: expected a whole PNG file, but about" in said
    assert "--damaged accept" in said
    assert main([*words, "--damaged", "accept", "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)["files"]
    assert any("The file is damaged" in note for note in figures["warnings"])
