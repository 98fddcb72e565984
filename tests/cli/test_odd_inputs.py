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
from fourfold.core.errors import PictureError
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
