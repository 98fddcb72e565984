"""The guides are true: every command and every Python block in them runs, in the order of the page."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourfold.catalog import load
from fourfold.engines import weights

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs/guide"


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"```(sh|python)\n(.*?)```", page.read_text(), re.DOTALL)


def photo(path: Path, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rough = np.random.default_rng(len(path.name)).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    for name in ("photos/beach.jpg", "photos/2024/hill.png", "inbox/new.jpg"):
        photo(tmp_path / name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(page: Path, given: str = "") -> None:
    found = blocks(page)
    assert len(found) >= 4
    for language, code in found:
        if "--watch" in code:
            watch(code)
            continue
        words = ["bash", "-e", "-c", code] if language == "sh" else [sys.executable, "-c", f"{given}\n{code}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def watch(code: str) -> None:
    """Until the first photo is done, then Ctrl-C."""
    words = code.split()
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    source, target = Path(words[2]), Path(words[3])
    while not list(target.glob(f"{next(source.iterdir()).stem}_x4*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_photographers(workplace):
    run(GUIDES / "photographers.md")
    for made in ("large/2024/hill_x4.png", "web/2024/hill-large.jpg", "large/beach.html"):
        assert (workplace / made).stat().st_size > 100


def test_engineers(workplace, s3, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra cluster")
    pytest.importorskip("pnnx", reason="needs the extra ncnn")
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    upload = (
        "import s3fs; s3 = s3fs.S3FileSystem(); s3.mkdir('album'); s3.put('photos/', 'album/photos/', recursive=True)"
    )
    subprocess.run([sys.executable, "-c", upload], check=True)
    (workplace / "theirs-4x.onnx").write_bytes(weights.read(load.card("fourfold-little-x4"), "onnx"))
    run(GUIDES / "engineers.md", "import numpy; array = numpy.zeros((20, 24, 3), 'uint8')")
    for made in ("here/2024/hill_x4.png", "many/beach_x4.jpg", "theirs/beach_x4.jpg", "exported/fourfold-big-x4.bin"):
        assert (workplace / made).stat().st_size > 100


def test_researchers(workplace):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    small, large = (np.eye(5)[labels] * sure + rng.normal(size=(200, 5)) for sure in (2, 6))
    members = {"small.logits": small, "large.logits": large, "small.macs": np.array(40), "large.macs": np.array(130)}
    np.savez("logits.npz", labels=labels, **members)
    for index in range(12):
        photo(workplace / f"photos/{index}.png", (288, 288))
    for name in ("Set5", "Set14", "BSD100"):
        photo(workplace / f"data/benchmark/{name}/HR/one.png", (96, 64))
        photo(workplace / f"data/benchmark/{name}/LRx4/one.png", (24, 16))
    run(
        GUIDES / "researchers.md",
        "import numpy; low, high = numpy.zeros((9, 9, 3), 'float32'), numpy.zeros((36, 36, 3), 'float32')\n"
        "little_confidence = numpy.linspace(0, 1, 9); little_correct = little_confidence > .3\n"
        "big_correct = numpy.ones(9, bool)",
    )


def test_the_scaling_models_figures_are_those_of_its_code():
    page = (ROOT / "docs/architecture/01-scaling.md").read_text()
    code, told = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL).groups()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == told
