"""Batches from and to object stores, and what is left behind of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from batches import OPTIONS, Here, done, save

from fourfold.api.batch import run as module
from fourfold.api.batch.run import Batch


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(module, "Pool", Here)


def test_objects_in_a_store_are_read_and_written(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(type(memory), "store", {})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    save(tmp_path / "a.png")
    for name in ("a.png", "deep/b.png"):
        memory.put_file(str(tmp_path / "a.png"), f"/bucket/in/{name}")
    memory.pipe_file("/bucket/in/bad.png", b"no picture")
    batch = Batch("memory://bucket/in", "memory://bucket/out", OPTIONS)
    failed = [one for one in done(batch).values() if one.error]
    assert sorted(memory.find("/bucket/out")) == ["/bucket/out/a_x4.png", "/bucket/out/deep/b_x4.png"]
    assert memory.cat_file("/bucket/out/a_x4.png").startswith(b"\x89PNG")
    assert failed[0].error.startswith("memory://bucket/in/bad.png: expected a picture")
    assert batch.journal.path.is_relative_to(tmp_path / "state")
    (left,) = Batch("memory://bucket/in", "memory://bucket/out", OPTIONS).plan().jobs
    assert left.source == "bad.png"


def test_nothing_in_the_making_is_left_behind(tmp_path, monkeypatch):
    """Workers that are killed cannot clean up after themselves, and a store has no folder for what is in the making."""
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "store", {})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = []

    def stopped(inputs, *_given, **_more):
        photo = Path(inputs[0])
        seen.append(photo)
        shutil.copytree(photo.parent, photo.parent.with_name("killed"))
        raise KeyboardInterrupt

    monkeypatch.setattr("fourfold.api.batch.worker.restore_files", stopped)
    fsspec.filesystem("memory").pipe_file("/bucket/in/a.png", b"whatever")
    batch = Batch("memory://bucket/in", "memory://bucket/out", OPTIONS, journal=tmp_path / "journal.jsonl")
    with pytest.raises(KeyboardInterrupt):
        done(batch)
    assert seen[0].is_relative_to(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


@pytest.mark.skipif(os.name == "nt", reason="there nobody can know whether a folder is in use")
def test_what_a_killed_batch_to_a_store_left_is_swept_by_the_next(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "store", {})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    program = (
        "from fourfold.core.atomic import scratch\nwith scratch() as one:\n    print(one, flush=True)\n    input()"
    )
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(temporary)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    killed, alive = (Path(process.stdout.readline().strip()) for process in begun)
    (killed / "half.png").write_bytes(b"half of a result")
    begun[0].kill()
    begun[0].communicate()
    save(tmp_path / "a.png")
    fsspec.filesystem("memory").put_file(str(tmp_path / "a.png"), "/bucket/in/a.png")
    outcomes = done(Batch("memory://bucket/in", "memory://bucket/out", OPTIONS, journal=tmp_path / "journal.jsonl"))
    assert not outcomes["a.png"].error
    assert [*temporary.iterdir()] == [alive]
    begun[1].communicate("\n")
    assert not [*temporary.iterdir()]
