"""Workflows with the real network: every preset, many photos, a program killed in the middle, and replay."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import fourfold
from fourfold.api.replay import replay
from fourfold.catalog import load
from fourfold.core.errors import PictureError, QualityGate, UsageError
from fourfold.core.image import Metadata
from fourfold.engines import choose, weights
from fourfold.imaging.metadata import with_recipe
from fourfold.workflow.presets import presets
from fourfold.workflow.schema import WorkflowProblems, find

FAST = {"restored.runtime": "onnxruntime", "restored.threads": 1}


def save(path: Path, size=(40, 30), seed=0) -> Path:
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    levels = (np.dstack([x, y, 0.5 + 0.5 * np.sin((9 + seed) * x * y)]) * 255).astype(np.uint8)
    Image.fromarray(levels).save(path)
    return path


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return save(tmp_path / "photo.png")


def classifier(path: Path, favourite: int, strength: float) -> Path:
    """A network whose answer is always the same class, as surely as ``strength`` says."""
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    bias = np.eye(3, dtype=np.float32)[favourite] * strength
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["in", "weights", "bias"], ["mapped"]),
        make("GlobalAveragePool", ["mapped"], ["pooled"]),
        make("Flatten", ["pooled"], ["out"]),
    ]
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("in", [1, 3, 8, 8]), ("out", [1, 3]))
    ]
    stored = [onnx.numpy_helper.from_array(kernel, "weights"), onnx.numpy_helper.from_array(bias, "bias")]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:], stored)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("name", presets())
def test_every_preset_runs(name, photo):
    inputs = {"photo": photo} | {key: value for key, value in FAST.items() if "restored" in find(name).steps}
    if "big" in find(name).inputs:
        pair = classifier(Path("little.onnx"), 1, 0.5), classifier(Path("big.onnx"), 2, 9)
        inputs |= {"little": pair[0], "big": pair[1]}
    made = fourfold.run_workflow(name, inputs, "out")
    assert made.failed == ()
    (run,) = made.manifest["runs"]
    assert set(run["steps"]) == set(find(name).steps)
    assert [path.name for path in made.files] == run["saved"]
    for path in made.files:
        with Image.open(path) as picture:
            assert picture.size == ((40, 30) if name == "deblur" else (160, 120))
    assert json.loads(made.path.read_text()) == made.manifest


def test_little_big_in_a_workflow_asks_the_big_one_only_when_unsure(photo):
    inputs = {"photo": photo, "little": classifier(Path("l.onnx"), 1, 0.5), "big": classifier(Path("b.onnx"), 2, 9)}
    Path("names.txt").write_text("cat\ndog\nowl\n")
    for threshold, label, network in ((0.9, "owl", "b"), (0.2, "dog", "l")):
        given = {**inputs, "threshold": threshold, "class.names": "names.txt"}
        outputs = fourfold.run_workflow("classify", given, "out").manifest["runs"][0]["steps"]["class"]["outputs"]
        assert outputs["label"] == label
        assert outputs["report"]["network"] == network
        assert outputs["report"]["took_big"] == (network == "b")
        assert outputs["score"] == outputs["report"]["confidence"]
    assert outputs["score"] == pytest.approx(np.exp(0.5) / (np.exp(0.5) + 2), abs=1e-4)


def test_a_feature_map_is_a_picture_that_goes_on(photo):
    Path("look.yaml").write_text(
        "title: Look\nabout: Features.\ninputs:\n  photo:\nsteps:\n  small: {node: load, file: $photo}\n"
        "  seen: {node: features, image: small, view: tiles}\n  large: {node: resize, image: seen.image, like: small}\n"
        "  map: {node: save, image: large}\n"
    )
    made = fourfold.run_workflow("look.yaml", {"photo": photo}, "out")
    assert made.failed == ()
    report = made.manifest["runs"][0]["steps"]["seen"]["outputs"]["report"]
    assert (report["low_size"], report["sharp_size"]) == ([16, 12], [32, 24])
    assert len(made.manifest["models"]) == 2
    with Image.open(made.files[0]) as picture:
        assert picture.size == (40, 30)
        assert np.asarray(picture).std() > 10


def test_the_workflow_gives_what_upscaling_gives(photo):
    fourfold.upscale(photo, runtime="onnxruntime", threads=1)
    made = fourfold.run_workflow("upscale", {"photo": photo, **FAST, "large.recipe": "leave-out"}, "out")
    assert made.files[0].read_bytes() == Path("photo_x4.png").read_bytes()


def test_one_bad_photo_never_stops_the_rest(photo):
    Path("bad.png").write_text("no picture")
    made = fourfold.run_workflow("upscale", {"photo": ["bad.png", photo, "gone.png"], **FAST}, "out")
    assert [failure.input for failure in made.failed] == ["bad.png", "gone.png"]
    assert all(isinstance(failure.error, PictureError) for failure in made.failed)
    assert [path.name for path in made.files] == ["photo_large.png"]
    assert len(made.manifest["failed"]) == 2


def test_two_photos_of_one_name_do_not_share_a_result(tmp_path, photo):
    (tmp_path / "more").mkdir()
    twin = save(tmp_path / "more" / "photo.png", seed=1)
    made = fourfold.run_workflow("upscale", {"photo": [photo, twin], **FAST}, "out", overwrite=True)
    assert len(made.files) == 1
    assert "what was just made of another" in str(made.failed[0].error)


def test_a_folder_of_photos(tmp_path, photo):
    (tmp_path / "in").mkdir()
    for name in ("b.png", "a.jpg"):
        save(tmp_path / "in" / name)
    made = fourfold.run_workflow("upscale", {"photo": "in", **FAST}, "out")
    assert [path.name for path in made.files] == ["a_large.jpg", "b_large.png"]
    with pytest.raises(UsageError, match="several values for one input"):
        fourfold.run_workflow("upscale", {"photo": "in", "scale": [2, 3]}, "out")


def test_nothing_is_made_of_what_cannot_run(photo):
    with pytest.raises(WorkflowProblems, match="scale lies between"):
        fourfold.run_workflow("upscale", {"photo": photo, "scale": 9}, "out")
    assert not Path("out").exists()


KILLED = """
import os, signal
import fourfold

def watch(name, event):
    if name.endswith("p3.png") and (event.kind, event.step, event.done) == MOMENT:
        os.kill(os.getpid(), signal.SIGKILL)

fourfold.run_workflow(NAME, INPUTS, "out", watch=watch)
"""


@pytest.mark.parametrize(
    ("name", "moment", "steps", "saved"),
    [
        ("upscale-measured", ("progress", "restored", 3), 1, 2),  # only its photo is loaded
        ("upscale-measured", ("finished", "restored", 0), 2, 2),  # and restored, while it is being measured
        ("upscale-measured", ("started", "large", 0), 3, 2),  # all but saved
        ("upscale-measured", ("finished", "large", 0), 4, 3),
        ("upscale", ("progress", "restored", 3), 1, 2),  # restored straight into the file
        ("upscale", ("finished", "large", 0), 2, 3),  # the file is there, what made it is not yet told
        ("upscale", ("finished", "restored", 0), 3, 3),
    ],
)
def test_killed_in_the_middle_and_run_again_gives_the_same_and_repeats_nothing(
    photo, tmp_path, name, moment, steps, saved
):
    photos = [str(save(tmp_path / f"p{number}.png", seed=number)) for number in range(1, 6)]
    inputs = {"photo": photos, **FAST, "restored.tile": 32}
    code = KILLED.replace("NAME", repr(name)).replace("MOMENT", repr(moment)).replace("INPUTS", repr(inputs))
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    finished = {path.parent.name: path.stat().st_mtime_ns for path in Path("out").glob(".fourfold/*/values.json")}
    assert len(finished) == 2 * len(find(name).steps) + steps
    assert sorted(path.name for path in Path("out").glob("*.png")) == [f"p{n}_large.png" for n in range(1, saved + 1)]

    again = fourfold.run_workflow(name, inputs, "out")
    undisturbed = fourfold.run_workflow(name, inputs, "other")
    assert len(again.files) == 5
    for mine, other in zip(again.files, undisturbed.files, strict=True):
        assert mine.read_bytes() == other.read_bytes()
    told = [step for run in again.manifest["runs"] for step in run["steps"].values()]
    assert {step["key"] for step in told if step["reused"]} == set(finished)
    for key, moment_kept in finished.items():
        assert (Path("out/.fourfold") / key / "values.json").stat().st_mtime_ns == moment_kept


def test_interrupting_keeps_what_is_done_and_says_it(photo, tmp_path):
    other = save(tmp_path / "other.png", seed=1)

    def watch(name, event):
        if name.endswith("other.png"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fourfold.run_workflow("upscale", {"photo": [photo, other], **FAST}, "out", watch=watch)
    assert len(json.loads(Path("out/manifest.json").read_text())["runs"]) == 1


def test_replay_makes_the_same_bytes(photo, tmp_path):
    made = fourfold.run_workflow("softer", {"photo": photo, "softer.format": "jpg", **FAST}, "out")
    again = replay(made.path, folder="again")
    assert again.files[0].read_bytes() == made.files[0].read_bytes()
    assert not any(step["reused"] for step in again.manifest["runs"][0]["steps"].values())
    moved = photo.rename(tmp_path / "moved.png")
    assert replay(made.path, {"photo": moved}, "third").files[0].read_bytes() == made.files[0].read_bytes()


def test_a_manifest_is_not_lost_to_a_run_of_which_nothing_came(photo):
    made = fourfold.run_workflow("upscale", {"photo": photo, **FAST}, "out")
    before = made.path.read_bytes()
    with pytest.raises(PictureError, match="exists already"):
        replay(made.path, folder="out")
    assert made.path.read_bytes() == before
    failed = fourfold.run_workflow("upscale", {"photo": "gone.png", **FAST}, "none")
    with pytest.raises(UsageError, match="expected a run to do again; this manifest holds only 1 failure"):
        replay(failed.path, folder="again")


def test_a_file_of_somebody_else_is_no_place_for_a_manifest(photo):
    Path("out").mkdir()
    Path("out/manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(PictureError, match="expected the manifest of a run or nothing here"):
        fourfold.run_workflow("upscale", {"photo": photo, **FAST}, "out")
    assert Path("out/manifest.json").read_text() == '{"name": "an app"}'
    assert not list(Path("out").glob("*.png"))


def test_a_recipe_does_not_tell_where_a_network_lies(photo, tmp_path):
    card = load.all_cards()[0]
    network = tmp_path / "very private" / "mine.onnx"
    network.parent.mkdir()
    network.write_bytes(weights.read(card, "onnx"))
    made = fourfold.run_workflow("upscale", {"photo": photo, "restored.model": str(network)}, "out")
    (picture,) = made.files
    assert b"mine.onnx" in picture.read_bytes()
    assert b"very private" not in picture.read_bytes()


def test_a_picture_alone_tells_how_to_make_it_again(photo):
    given = {"photo": photo, "softer.format": "webp", "strength": 0.25, "restored.scale": 2.5, **FAST}
    made = fourfold.run_workflow("softer", given, "out")
    (picture,) = made.files
    again = replay(picture, {"photo": photo}, "again")
    assert [path.name for path in again.files] == ["photo_s4.webp"]
    assert again.files[0].read_bytes() == picture.read_bytes()
    with pytest.raises(WorkflowProblems, match="give it with --set photo="):
        replay(picture, folder="again")
    other = save(Path("other.png"), seed=5)
    with pytest.raises(UsageError, match="this one has another content"):
        replay(picture, {"photo": other}, "again")
    with pytest.raises(UsageError, match="or a picture that holds the recipe"):
        replay(photo, {"photo": photo}, "again")
    for recipe in ({"steps": []}, {"steps": [{"node": "x"}]}, {"steps": [3]}, {"steps": [{"node": "load"}]}):
        with Image.open(photo) as image:
            image.save("odd.webp", xmp=with_recipe(Metadata(), recipe).xmp)
        with pytest.raises(UsageError, match="expected a recipe that can be read in this picture"):
            replay(Path("odd.webp"), {"photo": photo}, "again")


def test_a_number_is_no_folder(photo):
    Path("2").mkdir()
    made = fourfold.run_workflow("upscale", {"photo": photo, "scale": 2, **FAST}, "out")
    with Image.open(made.files[0]) as picture:
        assert picture.size == (80, 60)


def test_replay_says_what_is_different(photo):
    made = fourfold.run_workflow("upscale", {"photo": photo, **FAST}, "out")
    told = json.loads(made.path.read_text())
    step = told["runs"][0]["steps"]["large"]["outputs"]["report"]
    step["sha256"] = "0" * 64
    told["made_with"]["threads"] = 99
    made.path.write_text(json.dumps(told))
    with pytest.raises(QualityGate, match=r"expected the very bytes .*threads: 99 then"):
        replay(made.path, folder="again")
    save(photo, seed=3)
    with pytest.raises(UsageError, match="this one has another content"):
        replay(made.path, folder="again")
    made.path.write_text("{}")
    with pytest.raises(UsageError, match=r"expected the manifest\.json"):
        replay(made.path)


def on_a_machine_where(monkeypatch, fastest, tmp_path):
    """From now on the little network is measured to be fastest in the first of two ways, the big one in the second."""
    ways = iter(fastest)
    monkeypatch.setattr(choose, "remembered_in", lambda: tmp_path / f"{'-'.join(map(str, fastest))}.json")

    def measured(build, _ways, tile, memory, key):
        way = next(ways)
        choose._remember(memory, key, way)
        return build(way[0], tile, way[1])

    monkeypatch.setattr(choose, "_measured", measured)


def engines(run):
    return run.manifest["runs"][0]["steps"]["restored"]["outputs"]["report"]["engines"]


def test_replay_computes_as_then_where_another_way_is_faster_now(photo, tmp_path, monkeypatch):
    then = ("onnxruntime", "int8"), ("openvino", "int8")
    now = ("openvino", "int8"), ("onnxruntime", "auto")
    inputs = {"photo": photo, "restored.style": "faithful", "restored.threads": 1}
    on_a_machine_where(monkeypatch, then, tmp_path)
    made = fourfold.run_workflow("upscale", inputs, "out")
    assert engines(made) == {"fourfold-little-x4": "onnxruntime int8", "fourfold-big-x4": "openvino int8"}
    on_a_machine_where(monkeypatch, now, tmp_path)
    fresh = fourfold.run_workflow("upscale", inputs, "fresh")
    assert engines(fresh) == {"fourfold-little-x4": "openvino int8", "fourfold-big-x4": "onnxruntime fp32"}
    assert fresh.files[0].read_bytes() != made.files[0].read_bytes()
    for told in (made.path, made.files[0]):
        again = replay(told, {"photo": photo}, f"from-{told.suffix}")
        assert again.files[0].read_bytes() == made.files[0].read_bytes()


def test_replay_of_two_networks_mixed(photo, tmp_path, monkeypatch):
    """At half strength the faithful and the photo network both run, each in its own way."""
    on_a_machine_where(monkeypatch, (("onnxruntime", "int8"), ("openvino", "int8")), tmp_path)
    inputs = {"photo": photo, "restored.style": "photo", "restored.strength": 0.5, "restored.route": "little"}
    made = fourfold.run_workflow("upscale", inputs, "out")
    assert engines(made) == {"fourfold-little-photo-x4": "onnxruntime int8", "fourfold-little-x4": "openvino int8"}
    on_a_machine_where(monkeypatch, (("openvino", "int8"), ("onnxruntime", "auto")), tmp_path)
    assert replay(made.path, folder="again").files[0].read_bytes() == made.files[0].read_bytes()
