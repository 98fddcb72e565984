"""The page of whatever was done: pictures of every kind, and whatever map of tiles a report holds."""

import re

import numpy as np
import pytest
import skimage.data
from PIL import Image as Pillow

from fourfold.api.doing import Doer, Done
from fourfold.core.image import Image
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.imaging.resize import bicubic
from fourfold.scientist.answer import answer
from fourfold.scientist.brief import parse
from fourfold.scientist.run import Proposal, Run
from fourfold.workflow.ports import ImageType, Picture

BRIEF = parse(
    '"How can I make my photo four times as large?"\n\n### Related Papers:\nModel: X\nSummary: We enlarge photos.\n'
)


def picture(size, depth=8, alpha=False, grey=False):
    pixels = np.random.default_rng(0).random((*size, 1 if grey else 3), np.float32)
    return Picture.of(Image(pixels, pixels[..., 0] if alpha else None, depth), ImageType())


def page(small, large, **figures):
    report = {"model": "net", "output_size": [large.type.size[1], large.type.size[0]], **figures}
    steps = {
        "small": {"node": "load", "inputs": {}, "outputs": {}},
        "big": {"node": "restore", "inputs": {"image": "small.image"}, "outputs": {"report": report}},
    }
    run = Run(Proposal("image-to-image/super-resolution", None, "", ()), {"steps": steps})
    return Done(run, (small, large)).page(BRIEF, answer(BRIEF, run))


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (30, 40), (700, 20)])
@pytest.mark.parametrize("scale", [1, 2.5, 4])
def test_pictures_of_every_size(size, scale):
    large = tuple(max(1, round(side * scale)) for side in size)
    assert page(picture(size), picture(large)).count("data:image/jpeg") == 4


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_pictures_of_every_kind(depth, alpha, grey):
    small, large = (picture(size, depth, alpha, grey) for size in ((30, 40), (120, 160)))
    assert page(small, large).count("data:image/jpeg") == 4


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"tile_map": [["little", "big"], ["big", "big"]]}, ["little", "big", "big", "big"]),
        ({"routing": {"big": [[True, False]], "expected": [[1.0, None]]}}, ["big", "little"]),
        ({"routing": None}, []),
        ({"odd": [[1, 2]], "more": [["a"], "b"]}, []),
    ],
)
def test_any_map_of_tiles_is_drawn(figures, expected):
    made = page(picture((30, 40)), picture((120, 160)), **figures)
    assert re.findall(r'<rect class="(\w+)"', made) == expected


def test_figures_that_nobody_has_named_yet_are_on_the_page():
    made = page(picture((30, 40)), picture((120, 160)), phone_psnr=41.23, newest_idea=7)
    assert "<dt>Phone view, to plain</dt><dd>41.2 dB</dd>" in made  # among the large ones
    assert "Newest idea<code>big.report.newest_idea</code></dt><dd>7</dd>" in made


def test_a_photo_enlarged_before_gets_the_workflow_that_suits_it(tmp_path):
    small = np.ascontiguousarray(skimage.data.astronaut()[:192, 100:292])
    enlarged = bicubic(bicubic(small, (48, 48)), (192, 192))
    nodes = {}
    for name, levels in (("small", small), ("enlarged", enlarged)):
        Pillow.fromarray(levels).save(tmp_path / f"{name}.png")
        done = Doer(tmp_path / f"{name}.png", tmp_path / name).carry_out(BRIEF)
        record = done.run.record
        nodes[name] = [step["node"] for step in record["steps"].values()]
        assert record["steps"]["large"]["outputs"]["report"]["output_size"] == [768, 768]
        told = answer(BRIEF, done.run)
        found = record["steps"]["restored"]["outputs"]["report"]["condition"]
        assert f"it was taken for {found['name']}, with a share of {found['certainty']:.3g}." in told.markdown
    assert "resize" in nodes["enlarged"]
    assert "resize" not in nodes["small"]


@pytest.mark.parametrize(
    ("extent", "task", "carried_out"),
    [
        (0, UpscaleOptions.catalog_task, UpscaleOptions.catalog_task),
        (14, UpscaleOptions.catalog_task, DeblurOptions.catalog_task),
        (0, DeblurOptions.catalog_task, DeblurOptions.catalog_task),
    ],
)
def test_a_moved_photo_is_deblurred_before_it_is_enlarged(extent, task, carried_out, tmp_path):
    levels = skimage.data.coffee()
    wide = np.pad(levels.astype(np.float32), ((0, 0), (0, extent), (0, 0)), mode="edge")
    moved = sum(wide[:, shift : shift + levels.shape[1]] for shift in range(extent + 1)) / (extent + 1)
    Pillow.fromarray(np.rint(moved).astype(np.uint8)).save(tmp_path / "photo.png")
    assert Doer(tmp_path / "photo.png", tmp_path).needed(task) == carried_out
