"""A restorer that nothing knows of but a table: command, batch, service, workflow and Python take it as it is."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fourfold
from fourfold.core.options import TASKS

PLUGIN = """
from dataclasses import dataclass
import numpy as np
from fourfold.api.session import RESTORERS
from fourfold.core.options import TASKS, RestoreOptions
from fourfold.methods.restorer import Prepared, Restorer

@dataclass(frozen=True)
class InvertOptions(RestoreOptions):
    task, about, done = "invert", "make dark what is bright.", "inverted"

class Inverted(Prepared):
    def __init__(self, image):
        self.image, self.target = image, image.size
    def run(self, write, progress):
        write(np.iinfo(self.image.levels().dtype).max - self.image.levels())
        progress(1, 1)

class Inverter(Restorer):
    def __init__(self, options, networks):
        self.options = options
    def prepare(self, image, **_more):
        return Inverted(image)

TASKS["invert"] = InvertOptions
RESTORERS[InvertOptions] = Inverter
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
def plugin(tmp_path, monkeypatch) -> Path:
    """A folder from which every process that is started learns of the restorer."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return folder


@pytest.fixture
def known():
    """The restorer, known to this process for the time of a test."""
    from fourfold.api.session import RESTORERS

    before = dict(TASKS), dict(RESTORERS)
    names: dict = {}
    exec(PLUGIN, names)
    yield names["InvertOptions"]
    for table, kept in zip((TASKS, RESTORERS), before, strict=True):
        table.clear()
        table.update(kept)


def saved(path: Path) -> Path:
    Image.fromarray(LEVELS).save(path)
    return path


def is_inverted(path: Path | io.BytesIO) -> bool:
    with Image.open(path) as picture:
        return np.array_equal(np.asarray(picture), 255 - LEVELS)


def test_python_takes_it(known, tmp_path):
    np.testing.assert_array_equal(fourfold.Session().restore(LEVELS, known()).image, 255 - LEVELS)
    (report,) = fourfold.restore_files([str(saved(tmp_path / "photo.png"))], options=known())
    assert report.output == str(tmp_path / "photo_inverted.png")
    assert is_inverted(tmp_path / "photo_inverted.png")


def test_the_command_takes_it(known, tmp_path, capsys):
    from fourfold.cli.main import main

    assert main(["invert", str(saved(tmp_path / "photo.png")), "--json", "--report", str(tmp_path / "r.html")]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["files"]
    assert is_inverted(Path(entry["output"]))
    assert "photo_inverted.png" in (tmp_path / "r.html").read_text().replace("<wbr>", "")


def test_a_workflow_takes_it(known, tmp_path):
    (tmp_path / "invert.yaml").write_text(WORKFLOW)
    made = fourfold.run_workflow(tmp_path / "invert.yaml", {"photo": saved(tmp_path / "photo.png")}, tmp_path / "out")
    assert is_inverted(made.files[0])


def test_a_batch_takes_it(plugin, tmp_path):
    (tmp_path / "in").mkdir()
    saved(tmp_path / "in" / "photo.png")
    words = [sys.executable, "-m", "fourfold", "batch", tmp_path / "in", tmp_path / "out", "--task", "invert"]
    subprocess.run(words, check=True, capture_output=True)
    assert is_inverted(tmp_path / "out" / "photo_inverted.png")


def test_the_service_takes_it(plugin, start, tmp_path):
    server = start()
    job = server.create(saved(tmp_path / "photo.png").read_bytes(), task="invert").json()
    assert server.over(job["id"])["state"] == "succeeded"
    assert is_inverted(io.BytesIO(server.ask("GET", f"/v1/jobs/{job['id']}/result").content))
