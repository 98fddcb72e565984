"""Each step once; whatever stops a run, finished steps are not repeated."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow
from workflow_tools import save

from fourfold.core.errors import PictureError
from fourfold.core.image import Image
from fourfold.imaging import files
from fourfold.imaging.formats import FORMATS, fitting
from fourfold.imaging.metadata import LONGEST_RECIPE, recipe_of
from fourfold.workflow import engine
from fourfold.workflow.cache import Cache
from fourfold.workflow.engine import Place
from fourfold.workflow.graph import check
from fourfold.workflow.nodes import NODES
from fourfold.workflow.schema import WorkflowProblems, find, parse


@pytest.fixture
def run(tmp_path, tools):
    """Runs a preset or a text on a photo; what happened, and the records."""
    (tmp_path / "out").mkdir()

    def done(workflow, photo, watch=lambda _event: None, **changes):
        events = []

        def seen(event):
            events.append((event.kind, event.step))
            watch(event)

        opened = parse(workflow, "x") if "steps:" in workflow else find(workflow)
        graph = check(opened, NODES, tools, {"photo": str(photo), **changes.pop("given", {})})
        place = Place(tmp_path / "out", photo.stem, Cache(tmp_path / "out/.kept"))
        records = engine.run(graph, tools, replace(place, **changes), seen)
        return [event for event in events if event[0] != "progress"], records

    return done


def test_the_saved_picture_is_what_the_steps_make(run, photo, tmp_path):
    events, records = run("upscale", photo)
    with Pillow.open(tmp_path / "out/photo_large.png") as large, Pillow.open(photo) as small:
        assert np.array_equal(np.asarray(large), np.asarray(small).repeat(4, 0).repeat(4, 1))
    assert records["restored"].outputs["report"].figures["output_size"] == [96, 72]
    assert sorted(events) == sorted((kind, step) for step in records for kind in ("started", "finished"))


def test_a_restored_picture_is_saved_while_it_is_made(run, photo):
    events, _ = run("upscale", photo)
    assert events.index(("started", "large")) < events.index(("finished", "restored"))


def test_a_picture_nobody_takes_is_made_all_the_same(run, photo):
    text = "inputs: {photo: }\nsteps:\n  in: {node: load, file: $photo}\n  big: {node: restore, image: in}\n"
    events, records = run(text, photo)
    assert events[-1] == ("finished", "big")
    assert records["big"].outputs["image"].levels.shape == (72, 96, 3)


def test_figures_that_another_step_takes_are_waited_for(run, photo, tools):
    """The report of a restored picture is there before a step that takes the report begins."""
    _, records = run("upscale-measured", photo)
    assert records["figures"].outputs["report"].figures == {"ratio": 4.0}
    assert records["restored"].outputs["report"].figures["consistency_psnr"] > 20


def test_nothing_is_repeated(run, photo, tools):
    _, first = run("upscale-measured", photo)
    events, again = run("upscale-measured", photo)
    assert {kind for kind, _ in events} == {"reused"}
    assert tools.calls == 1
    assert np.array_equal(first["restored"].outputs["image"].levels, again["restored"].outputs["image"].levels)
    was, now = ({name: one.plain() for name, one in records.items()} for records in (first, again))
    for name, step in was.items():
        assert now[name]["outputs"] == step["outputs"]


def test_only_what_follows_a_change_is_done_again(run, photo, tools, tmp_path):
    run("upscale-measured", photo)
    events, _ = run("upscale-measured", photo, given={"large.format": "jpg"})
    assert [kind for kind, _ in events] == ["reused", "reused", "reused", "started", "finished"]
    assert tools.calls == 1
    assert files.probe(tmp_path / "out/photo_large.jpg").format == "JPEG"


def test_another_photo_other_weights_and_fresh_are_done_anew(run, photo, tools, tmp_path):
    run("upscale", photo)
    other = save(tmp_path / "photo.png", seed=1)
    events, _ = run("upscale", other, overwrite=True)
    assert {kind for kind, _ in events} == {"started", "finished"}
    tools.sha256 = "1" * 64
    events, _ = run("upscale", other, overwrite=True)
    assert ("reused", "small") in events
    assert ("finished", "restored") in events
    events, _ = run("upscale", other, overwrite=True, fresh=True)
    assert {kind for kind, _ in events} == {"started", "finished"}


def test_a_file_that_was_removed_or_changed_is_written_again(run, photo, tmp_path, tools):
    run("upscale-measured", photo)
    result = tmp_path / "out/photo_large.png"
    before = result.read_bytes()
    result.unlink()
    events, _ = run("upscale-measured", photo)
    assert ("finished", "large") in events
    assert result.read_bytes() == before
    result.write_text("mine")
    with pytest.raises(PictureError, match="exists already; give --overwrite"):
        run("upscale-measured", photo)
    run("upscale-measured", photo, overwrite=True)
    assert result.read_bytes() == before
    assert tools.calls == 1


def rows_kept(tmp_path):
    return len(list((tmp_path / "out/.kept").glob("*/*.raw")))


def test_rows_that_only_go_into_a_file_are_not_kept_besides(run, photo, tools, tmp_path):
    events, _ = run("upscale", photo)
    assert rows_kept(tmp_path) == 1  # the photo's own
    assert events[-2:] == [("finished", "large"), ("finished", "restored")]
    events, records = run("upscale", photo)
    assert {kind for kind, _ in events} == {"reused"}
    assert records["restored"].outputs["report"].figures["output_size"] == [96, 72]
    events, _ = run("upscale", photo, given={"large.format": "jpg"})
    assert [step for kind, step in events if kind == "reused"] == ["small"]
    assert tools.calls == 2


def test_rows_that_two_steps_take_are_kept(run, photo, tools, tmp_path):
    text = "inputs: {photo: }\nsteps:\n  in: {node: load, file: $photo}\n  big: {node: restore, image: in}\n"
    text += "  a: {node: save, image: big}\n  b: {node: save, image: big, format: jpg}\n"
    run(text, photo)
    assert rows_kept(tmp_path) == 2
    assert sorted(path.name for path in (tmp_path / "out").glob("*.*g")) == ["photo_a.png", "photo_b.jpg"]
    assert tools.calls == 1


def test_where_rows_are_gone_only_what_needs_them_is_done_again(run, photo, tools, tmp_path):
    run("upscale-measured", photo)
    Cache(tmp_path / "out/.kept").prune(0)
    events, _ = run("upscale-measured", photo)
    assert {kind for kind, _ in events} == {"reused"}
    events, _ = run("upscale-measured", photo, given={"large.format": "jpg"})
    assert [step for kind, step in events if kind == "reused"] == ["figures"]
    assert [step for kind, step in events if kind == "finished"] == ["small", "restored", "large"]
    assert rows_kept(tmp_path) == 2


@pytest.mark.parametrize(("mode", "depth"), [("LA", 8), ("RGBA", 8), ("RGB", 16), ("L", 16)])
def test_what_the_format_cannot_hold_goes_band_by_band_and_is_said(run, tmp_path, mode, depth):
    levels = np.random.default_rng(0).integers(0, 256, (18, 24, len(mode)), np.uint8).squeeze()
    path = tmp_path / "photo.tif"
    if depth == 8:
        levels[..., -1] = 128
        Pillow.fromarray(levels).save(path)
        expected = "JPEG cannot hold transparency: it was laid on white"
    else:
        pixels = np.atleast_3d(levels).astype(np.float32) / 255
        files.write(Image(pixels, depth=16), path)
        expected = "JPEG holds 8 bits a channel: the input has more"
    _, records = run("upscale", path, given={"large.format": "jpg", "large.quality": "100"})
    assert records["large"].outputs["report"].figures["warnings"] == [expected]
    whole = fitting(files.read(path), FORMATS["JPEG"]).pixels.repeat(4, 0).repeat(4, 1)
    assert np.abs(files.read(tmp_path / "out/photo_large.jpg").pixels - whole).mean() < 0.02


def test_an_original_is_never_written(run, photo, tmp_path):
    mine = save(tmp_path / "out/photo_large.png", seed=2)
    before = mine.read_bytes()
    with pytest.raises(PictureError, match="would replace one of the photos"):
        run("upscale", photo, overwrite=True, originals=frozenset({mine.resolve()}))
    assert mine.read_bytes() == before


def test_stopping_between_two_tiles_leaves_nothing_half(run, photo, tmp_path):
    def stop(event):
        if event.kind == "progress" and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("upscale", photo, stop)
    assert not list((tmp_path / "out").glob("*.png"))
    assert not list((tmp_path / "out/.kept").glob("part-*"))
    events, _ = run("upscale", photo)
    assert ("reused", "small") in events
    assert ("finished", "restored") in events


def test_types_are_checked_again_once_the_photos_are_known(run, tmp_path, tools):
    text = (
        "inputs: {photo: }\nsteps:\n  a: {node: load, file: $photo}\n  b: {node: load, file: OTHER}\n"
        "  big: {node: restore, image: a}\n  big-b: {node: restore, image: b}\n"
        "  mixed: {node: blend, image: big, other: big-b}\n"
    )
    first, other = save(tmp_path / "a.png"), save(tmp_path / "b.png", size=(20, 18))
    with pytest.raises(WorkflowProblems, match="line 7: step mixed: expected two images of one size, got 96×72 pixels"):
        run(text.replace("OTHER", str(other)), first)
    assert tools.calls == 0
    Pillow.fromarray(np.zeros((18, 24), np.uint8)).save(other)
    with pytest.raises(WorkflowProblems, match="one channels, got RGB and grey"):
        run(text.replace("OTHER", str(other)), first)


def test_two_photos_of_one_size_by_different_ways_can_be_mixed(run, tmp_path):
    text = (
        "inputs: {photo: }\nsteps:\n  a: {node: load, file: $photo}\n  b: {node: load, file: OTHER}\n"
        "  big: {node: restore, image: a}\n  mixed: {node: blend, image: big, other: b}\n"
    )
    first, other = save(tmp_path / "a.png"), save(tmp_path / "b.png", size=(96, 72))
    _, records = run(text.replace("OTHER", str(other)), first)
    assert records["mixed"].outputs["image"].type.size == (72, 96)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
def test_the_recipe_is_in_the_file_and_small_and_names_nobody(run, photo, tmp_path, suffix):
    run("upscale", photo, given={"large.format": suffix})
    image = files.read(tmp_path / f"out/photo_large.{suffix}")
    recipe = recipe_of(image.metadata)
    assert recipe["models"] == {"four": "0" * 64}
    assert recipe["engines"] == {"four": "fake fp32"}
    assert [step["node"] for step in recipe["steps"]] == ["load", "restore", "save"]
    assert recipe["steps"][0]["file"] == files.digest(photo)
    told = image.metadata.xmp.decode()
    assert len(told) < 2048
    for name in ("photo", "small", "large", "restored", str(tmp_path)):
        assert name not in told


@pytest.mark.parametrize("given", [{"large.recipe": "leave-out"}, {"large.metadata": "strip"}])
def test_the_recipe_can_be_left_out(run, photo, tmp_path, given):
    run("upscale", photo, given=given)
    assert files.read(tmp_path / "out/photo_large.png").metadata.xmp == b""


def test_the_recipe_of_a_long_workflow_is_cut_to_its_fingerprint(run, photo, tmp_path):
    steps = "".join(f"  s{n}: {{node: resize, image: s{n - 1}, width: 9, height: {50 - n}}}\n" for n in range(1, 20))
    text = "inputs: {photo: }\nsteps:\n  s0: {node: load, file: $photo}\n" + steps
    run(text + "  out: {node: save, image: s19}\n", photo)
    recipe = recipe_of(files.read(tmp_path / "out/photo_out.png").metadata)
    assert len(str(recipe)) < LONGEST_RECIPE
    assert len(recipe["steps"]) == 64
