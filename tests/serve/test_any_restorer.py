"""A restorer of ten lines: Python, the command, workflows, batches and the service take it without a line elsewhere."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fourfold
from fourfold.api.names import listing
from fourfold.cli.main import main
from fourfold.core.options import TASKS
from fourfold.methods.restorer import RESTORERS

IMPORTS = """
from fourfold.core.options import RestoreOptions
from fourfold.methods.restorer import Prepared, Restorer
"""
RESTORER = """
class InvertOptions(RestoreOptions):
    task, about, done = "invert", "make dark what is bright.", "inverted"
class Inverted(Prepared):
    def __init__(self, image):
        self.image, self.target = image, image.size
    def run(self, write, progress):
        write(255 - self.image.levels())
class Inverter(Restorer, of=InvertOptions):
    def prepare(self, image, **_more):
        return Inverted(image)
"""
WORKFLOW = """
title: Invert
about: A photo with dark and bright exchanged.
inputs:
  photo:
steps:
  seen: {node: load, file: $photo}
  dark: {node: restore, task: invert, image: seen}
  out: {node: save, image: dark}
"""
LEVELS = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)


@pytest.fixture
def options(tmp_path, monkeypatch):
    """The options of the restorer, which this process knows for the time of a test, as all do that it starts."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(IMPORTS + RESTORER)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    names: dict = {}
    exec(IMPORTS + RESTORER, names)
    yield names["InvertOptions"]()
    del TASKS["invert"], RESTORERS[names["InvertOptions"]]


def python(photo: Path, options, _start) -> Path:
    np.testing.assert_array_equal(fourfold.Session().restore(LEVELS, options).image, 255 - LEVELS)
    (report,) = fourfold.restore_files([str(photo)], options=options)
    return Path(report.output)


def command(photo: Path, _options, _start) -> Path:
    page = photo.with_name("report.html")
    assert main(["invert", str(photo), "--quiet", "--report", str(page)]) == 0
    assert "photo_inverted.png" in page.read_text().replace("<wbr>", "")
    return photo.with_name("photo_inverted.png")


def workflow(photo: Path, _options, _start) -> Path:
    photo.with_name("invert.yaml").write_text(WORKFLOW)
    (made,) = fourfold.run_workflow(photo.with_name("invert.yaml"), {"photo": photo}, photo.parent / "out").files
    return made


def batch(photo: Path, _options, _start) -> Path:
    words = [sys.executable, "-m", "fourfold", "batch", photo.parent, photo.parent / "out", "--task", "invert"]
    subprocess.run(words, check=True, capture_output=True)
    return photo.parent / "out" / "photo_inverted.png"


def service(photo: Path, _options, start) -> io.BytesIO:
    server = start()
    job = server.create(photo.read_bytes(), task="invert").json()
    assert server.over(job["id"])["state"] == "succeeded"
    return io.BytesIO(server.ask("GET", f"/v1/jobs/{job['id']}/result").content)


@pytest.mark.parametrize("way", [python, command, workflow, batch, service], ids=lambda way: way.__name__)
def test_ten_lines_are_a_restorer_everywhere(way, options, start, tmp_path):
    assert len(RESTORER.strip().splitlines()) == 10
    photo = tmp_path / "photos" / "photo.png"
    photo.parent.mkdir()
    Image.fromarray(LEVELS).save(photo)
    with Image.open(way(photo, options, start)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), 255 - LEVELS)


def test_results_are_told_from_photos(options):
    assert listing(["photo.png", "photo_inverted.png", "photo_x4.png"]).photos == ("photo.png",)
