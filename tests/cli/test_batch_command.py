"""The fault matrix, with real processes.

Whatever happens to a batch, nothing finished is lost or half-written, the rest completes, and the next run does only
what is left and gives the same bytes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FAST = ["--runtime", "onnxruntime", "--route", "little", "--style", "faithful", "-j", "2"]
PHOTOS = 8


def command(*words, **environment) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "fourfold", *map(str, words)], env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(*words, code=0, **environment) -> dict:
    process = command(*words, "--json", **environment)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return json.loads(out) if out else {"error": err}


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    smooth = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    Image.fromarray(smooth).resize((96, 72), Image.Resampling.BICUBIC).save(path)


def results(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "batch.jsonl"
    }


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for index in range(PHOTOS):
        save(folder / f"{'deep/' if index % 2 else ''}{index}.png", index)
    (folder / "bad.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos, tmp_path_factory) -> dict[str, bytes]:
    """What a batch gives that nothing happens to; what it says is looked at, too."""
    target = tmp_path_factory.mktemp("undisturbed") / "large"
    summary = finished("batch", photos, target, *FAST, code=3)
    assert (summary["done"], summary["failed_count"], summary["left"], summary["skipped"]) == (PHOTOS, 1, 0, 0)
    assert {entry["output"] for entry in summary["files"]} == set(results(target))
    assert summary["failed"][0]["input"] == "bad.jpg"
    assert summary["estimate"]["photos"] == PHOTOS + 1
    return results(target)


def wait_for(lines: int, journal: Path, process: subprocess.Popen) -> None:
    for _ in range(6000):
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the batch did not get so far")


def children(process: subprocess.Popen) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in found.stdout.split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_killed_again_and_again_it_ends_with_the_same_bytes(photos, undisturbed, tmp_path):
    target = tmp_path / "large"
    for lines in (1, 4):
        process = command("batch", photos, target, *FAST)
        wait_for(lines + (lines > 1), target / ".fourfold/batch.jsonl", process)
        workers = children(process)
        process.kill()
        process.communicate()
        for _ in range(500):
            if all(map(gone, workers)):
                break
            time.sleep(0.01)
        assert all(map(gone, workers)), "workers outlive the batch"
        made = {name: content for name, content in results(target).items() if not name.startswith(".fourfold")}
        assert made.items() <= undisturbed.items()
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.png") if ".fourfold" not in path.parts}
    assert before
    summary = finished("batch", photos, target, "--resume", code=3)
    assert (summary["skipped"], summary["done"]) == (len(before), PHOTOS - len(before))
    assert results(target) == undisturbed
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_worker_that_is_killed_loses_nothing(photos, undisturbed, tmp_path):
    target = tmp_path / "large"
    process = command("batch", photos, target, *FAST)
    wait_for(2, target / ".fourfold/batch.jsonl", process)
    os.kill(children(process)[0], signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode == 3
    assert results(target) == undisturbed


def test_interrupted_it_says_how_to_go_on(photos, tmp_path):
    target = tmp_path / "large"
    process = command("batch", photos, target, *FAST)
    wait_for(2, target / ".fourfold/batch.jsonl", process)
    workers = children(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"{PHOTOS + 1} photos to do, 0 done already" in err
    assert f"as 2 of {PHOTOS + 1} photos suggest" in err
    assert "--resume" in err
    assert all(map(gone, workers))


def test_a_full_disk_stops_it_and_room_lets_it_go_on(photos, undisturbed, tmp_path):
    """On a small disk of its own, made larger afterwards; the estimate is told that there is more."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare, which mounts a small disk without being root")
    size = sum(map(len, undisturbed.values()))
    target, kept = tmp_path / "disk/large", tmp_path / "kept"
    target.parent.mkdir()
    batch = f"{sys.executable} -m fourfold batch {photos} {target} --quiet"
    script = f"""
        mount -t tmpfs -o size={size * 6 // 10} none {target.parent} || exit 77
        {sys.executable} -c "
import collections, shutil
from fourfold.cli.main import main
Usage = collections.namedtuple('Usage', 'total used free')
shutil.disk_usage = lambda path: Usage(1 << 40, 0, 1 << 40)
raise SystemExit(main('batch {photos} {target} {" ".join(FAST)}'.split()))"
        echo first $?
        ls {target} {target}/deep
        mount -o remount,size={size * 4} {target.parent}
        {batch} --resume
        echo second $?
        cp -r {target} {kept}
    """
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip(f"needs to mount a small disk in a namespace: {done.stderr}")
    assert "first 6" in done.stdout, done.stderr
    assert "second 3" in done.stdout, done.stderr
    assert "the disk is full; make room" in done.stderr
    assert 0 < done.stdout.partition("second")[0].count(".png") < PHOTOS
    assert results(kept) == undisturbed


def test_what_does_not_fit_is_refused_before_any_work(photos, tmp_path):
    if not shutil.which("unshare"):
        pytest.skip("needs unshare, which mounts a small disk without being root")
    script = f"""
        mount -t tmpfs -o size=64k none {tmp_path} || exit 77
        {sys.executable} -m fourfold batch {photos} {tmp_path}/large {" ".join(FAST)}
    """
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip(f"needs to mount a small disk in a namespace: {done.stderr}")
    assert done.returncode == 6, done.stderr
    assert "are free; make room" in done.stderr


def test_a_name_in_another_encoding(tmp_path):
    folder, name = tmp_path / "photos", os.fsdecode(b"M\xfcller.png")
    try:
        save(folder / name, 1)
    except OSError:
        pytest.skip("the disk takes only names in UTF-8")
    first = finished("batch", folder, tmp_path / "large", *FAST)
    assert [entry["input"] for entry in first["files"]] == [name]
    assert (tmp_path / "large" / first["files"][0]["output"]).name == os.fsdecode(b"M\xfcller_x4.png")
    (folder / name).write_text("no picture")
    second = finished("batch", folder, tmp_path / "large", "--resume", code=3)
    assert second["failed"][0]["input"] == name
    save(folder / name, 2)
    assert finished("batch", folder, tmp_path / "large", "--resume")["done"] == 1
    (tmp_path / "large/.fourfold/batch.jsonl").read_text("utf-8")
    report = tmp_path / "report.json"
    one = finished("upscale", folder / name, "-o", tmp_path / "one.png", "--report", report, *FAST)
    assert one["files"][0]["input"] == str(folder / name)
    assert json.loads(report.read_text("utf-8")) == one


def test_the_exit_code_of_the_gate(tmp_path):
    save(tmp_path / "photos/a.png", 1)
    words = ("batch", tmp_path / "photos", tmp_path / "large", *FAST, "--min-consistency", 90)
    finished(*words, code=4)
    (tmp_path / "photos/bad.png").write_text("no picture")
    finished(*words, code=3)


def on_s3(environment: dict[str, str], code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import s3fs\ns3 = s3fs.S3FileSystem()\n{code}"], env={**os.environ, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_s3_to_s3(photos, undisturbed, s3):
    on_s3(s3, f"s3.mkdir('album')\ns3.put({str(photos)!r} + '/', 'album/in/', recursive=True)")
    words = ("batch", "s3://album/in", "s3://album/out", *FAST)
    first = finished(*words, code=3, **s3)
    assert (first["done"], first["failed_count"]) == (PHOTOS, 1)
    assert "s3://album/in/bad.jpg: expected a picture" in first["failed"][0]["error"]
    fetched = on_s3(s3, "print({p.removeprefix('album/out/'): s3.cat_file(p) for p in s3.find('album/out')})")
    assert eval(fetched) == undisturbed


def test_a_bucket_that_is_not_there_is_told(s3, tmp_path):
    done = finished("batch", "s3://nowhere/in", tmp_path / "large", code=3, **s3)
    assert "s3://nowhere/in: the place cannot be listed" in done["error"]


def test_dry_run_tells_and_makes_nothing(photos, tmp_path):
    summary = finished("batch", photos, tmp_path / "large", "--dry-run", *FAST)
    assert (summary["left"], summary["done"], summary["files"]) == (PHOTOS + 1, 0, [])
    assert summary["estimate"]["bytes_out"] > 0
    assert not (tmp_path / "large").exists()


TWO_NODES = """
import json, os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.cluster_utils import Cluster
from fourfold.api.batch.run import Batch
from fourfold.core.options import UpscaleOptions

source, target, told = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=1)
os.environ["RAY_ADDRESS"] = cluster.address
options = UpscaleOptions(runtime="onnxruntime", route="little", style="faithful", threads=1)
batch = Batch(source, target, options, engine="ray")
for number, outcome in enumerate(batch.run(batch.plan()), 1):
    if number == 2:
        cluster.remove_node(other, allow_graceful=False)
open(told, "w").write(json.dumps([batch.done, batch.failed, len(batch.plan().jobs)]))
ray.shutdown()
cluster.shutdown()
"""


def on_ray(program, photos, target):
    """What a program tells that has a Ray cluster of its own."""
    pytest.importorskip("ray", reason="needs the extra cluster")
    told = target.with_suffix(".json")
    words = [sys.executable, "-c", program, photos, target, told]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(told.read_text())


def test_two_ray_nodes_of_which_one_is_lost(photos, undisturbed, tmp_path):
    target = tmp_path / "large"
    assert on_ray(TWO_NODES, photos, target) == [PHOTOS, 1, 1]
    assert results(target) == undisturbed


ONE_KILLS = """
import json, os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from fourfold.api.batch import remote
from fourfold.api.batch.run import Batch
from fourfold.core.options import UpscaleOptions

class Killed(remote._Actor):
    def __call__(self, line):
        if json.loads(line)["source"] == "deep/3.png":
            os._exit(9)
        return super().__call__(line)

remote._Actor = Killed
source, target, told = sys.argv[1:]
options = UpscaleOptions(runtime="onnxruntime", route="little", style="faithful", threads=1)
batch = Batch(source, target, options, engine="ray", workers=1)
open(told, "w").write(json.dumps({one.source: one.error for one in batch.run(batch.plan()) if one.error}))
"""


def test_a_photo_that_kills_every_ray_worker_is_told(photos, undisturbed, tmp_path):
    target = tmp_path / "large"
    failed = on_ray(ONE_KILLS, photos, target)
    assert set(failed) == {"bad.jpg", "deep/3.png"}
    assert "died over this photo" in failed["deep/3.png"]
    assert results(target) == {name: made for name, made in undisturbed.items() if name != "deep/3_x4.png"}
