"""The page of whatever was done: pictures of every kind, and whatever map of tiles a report holds."""

import re

import numpy as np
import pytest
import skimage.data
from PIL import Image as Pillow

from fourfold.api import ask, networks
from fourfold.api.photo_answer import PhotoAnswer, PhotoRunner
from fourfold.core.image import Image
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.imaging import files
from fourfold.imaging.resize import bicubic
from fourfold.scientist.answer import answer
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard
from fourfold.scientist.measured import faults
from fourfold.scientist.plan import plan
from fourfold.scientist.run import Proposal, Run
from fourfold.workflow.ports import ImageType, Picture

ENLARGING, DEBLURRING = UpscaleOptions.catalog_task, DeblurOptions.catalog_task
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
    return PhotoAnswer(run, (small, large)).page(BRIEF, answer(BRIEF, run))


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
        done = PhotoRunner(tmp_path / f"{name}.png", tmp_path / name).run(plan(BRIEF))
        record = done.run.record
        nodes[name] = [step["node"] for step in record["steps"].values()]
        assert record["steps"]["large"]["outputs"]["report"]["output_size"] == [768, 768]
        assert ("had been enlarged before" in answer(BRIEF, done.run).markdown) == (name == "enlarged")
    assert "resize" in nodes["enlarged"]
    assert "resize" not in nodes["small"]


@pytest.mark.parametrize(
    ("extent", "task", "condition"),
    [(0, ENLARGING, "sharp"), (14, ENLARGING, "motion-blurred"), (0, DEBLURRING, "sharp"), (14, DEBLURRING, "")],
)  # fmt: skip
def test_the_condition_of_a_photo_decides_how_a_task_is_run(extent, task, condition, tmp_path):
    levels = skimage.data.coffee()
    wide = np.pad(levels.astype(np.float32), ((0, 0), (0, extent), (0, 0)), mode="edge")
    moved = sum(wide[:, shift : shift + levels.shape[1]] for shift in range(extent + 1)) / (extent + 1)
    Pillow.fromarray(np.rint(moved).astype(np.uint8)).save(tmp_path / "photo.png")
    assert PhotoRunner(tmp_path / "photo.png", tmp_path).condition(task) == condition


@pytest.mark.parametrize("extent", [0, 14])
@pytest.mark.parametrize("question", ["make my tiny photo four times as large", "remove the motion blur from my photo"])
def test_a_photo_is_decoded_recognised_and_planned_once(question, extent, tmp_path, monkeypatch):
    levels = np.pad(skimage.data.coffee()[100:244, 150:344], ((0, 0), (0, extent), (0, 0)), mode="edge")
    moved = np.mean([levels[:, at : at + 194] for at in range(extent + 1)], axis=0)
    photo, brief, calls = tmp_path / "photo.png", tmp_path / "brief.txt", []
    Pillow.fromarray(np.rint(moved).astype(np.uint8)).save(photo)
    brief.write_text(f'"How can I {question}?"\n\n### Related Papers:\nModel: X\nSummary: We study photos.\n')

    def count(module, name):
        original = getattr(module, name)

        def counted(given, *more, **options):
            pixels = getattr(given, "pixels", given)
            calls.append((name, pixels.tobytes() if isinstance(pixels, np.ndarray) else given))
            return original(given, *more, **options)

        monkeypatch.setattr(module, name, counted)

    for module, name in ((files, "read"), (networks, "condition"), (networks, "estimate"), (ask, "plan")):
        count(module, name)
    (answered,) = ask.ask_files(brief, tmp_path / "out", photo=photo)
    assert answered.answer.done or not extent
    assert calls.count(("read", photo)) == 1
    assert {"estimate", "plan"} <= {name for name, _ in calls}
    assert [call for call in calls if calls.count(call) > 1] == []


QUESTIONS = {
    "image-to-image/deblurring": "How can I remove the motion blur from my shaken photo?",
    "image-to-image/denoising": "My night photo is full of random grain and noise. How do I get the specks out?",
    ENLARGING: "How can I make my tiny photo four times as large?",
    "image-classification": "Sort each photo into one of the classes glass, paper or metal.",
    "none": "Find the shortest delivery route through sixty villages.",
}


@pytest.fixture(scope="module", params=["sharp", "moved", "noisy"])
def runner(request, tmp_path_factory):
    """A photo in one condition, and what runs tasks on it."""
    folder = tmp_path_factory.mktemp(request.param)
    levels = skimage.data.coffee()[100:244, 150:358].astype(np.float32)
    if request.param == "moved":
        levels = np.mean([levels[:, at : at + 194] for at in range(15)], axis=0)
    if request.param == "noisy":
        levels = levels + np.random.default_rng(0).normal(0, 25, levels.shape)
    Pillow.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8)).save(folder / "photo.png")
    return request.param, PhotoRunner(folder / "photo.png", folder / "out")


@pytest.mark.parametrize("task", QUESTIONS)
def test_what_ran_is_what_the_answer_says_figure_by_figure(task, runner):
    condition, runs = runner
    brief = parse(f'"{QUESTIONS[task]}"\n\n### Related Papers:\nModel: X\nSummary: We study photos.\n')
    planned = plan(brief)
    assert planned.reading.task.id == task
    run = runs.run(planned).run
    made = answer(brief, run)
    assert guard(made, brief, run.record) == []
    expected = {
        "image-to-image/deblurring": ["load", "restore", "save"] if condition == "moved" else [],
        ENLARGING: [
            "load",
            *(["restore"] if condition == "moved" else []),
            "restore",
            "measure",
            "save",
        ],
    }.get(task, [])
    steps = run.record["steps"] if run.record else {}
    assert [step["node"] for step in steps.values() if step["node"] != "measure"] == [
        node for node in expected if node != "measure"
    ]
    assert ("Nothing was run on your photo" in made.markdown) == (not expected)
    assert ("it looks sharp" in made.markdown) == (task == DEBLURRING and condition != "moved")
    assert made.done == (task if expected else "")
    for sentence in made.measured:
        assert sentence.text in made.markdown
        assert list(faults(sentence, run.record)) == []
    if expected:
        first, last = (list(steps[name]["outputs"][key][size]) for name, key, size in (
            (next(iter(steps)), "image", "size"), (list(steps)[-1], "report", "output_size")))  # fmt: skip
        factor = 1 if task == DEBLURRING else 4
        assert last == [factor * side for side in first]
        models = [step["outputs"].get("report", {}).get("model") for step in steps.values()]
        assert all(model in made.markdown for model in models if model)
        name, saved = list(steps.items())[-1]
        report = saved["outputs"]["report"] | {"output_size": [first[0] * 4 // factor, 7]}
        wrong = {"steps": steps | {name: saved | {"outputs": {"report": report}}}}
        assert "another task done" in {violation.kind for violation in guard(made, brief, wrong)}
