"""``fourfold cascade``: stored logits, and two real networks over a folder of photos."""

import json
import math

import numpy as np
import pytest

from fourfold.api.cascade.fit import NetworkPair, classify
from fourfold.api.cascade.labelled import levels, read_labelled
from fourfold.cli.main import main
from fourfold.methods.cascade import answers
from fourfold.models.classifier import Classifier


@pytest.fixture
def stored(tmp_path):
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 5, 300)
    members = {"labels": labels}
    for name, skill, macs in (("small", 1.5, 20), ("large", 5, 100)):
        logits = draw.normal(size=(300, 5))
        logits[np.arange(300), labels] += skill * draw.random(300)
        members |= {f"{name}.logits": logits.astype(np.float32), f"{name}.macs": macs}
    np.savez_compressed(tmp_path / "logits.npz", **members)
    return ["--logits", str(tmp_path / "logits.npz"), "--little", "small", "--big", "large"]


def typed(capsys, *words):
    try:
        code = main(["cascade", *words])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_fit_shows_the_threshold_and_what_it_is_worth(stored, capsys, tmp_path):
    code, out, err = typed(capsys, "fit", *stored, "--plot", str(tmp_path / "plot.png"))
    assert (code, err) == (0, "")
    for words in ("small alone", "random routing", "cascade, held out", "cascade, in sample (as the paper)"):
        assert words in out
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_fitted_threshold_is_evaluated_elsewhere(stored, capsys):
    code, out, _ = typed(capsys, "fit", *stored, "--json")
    fit = json.loads(out)
    assert code == 0
    assert fit["threshold"] == fit["in_sample"]["threshold"]
    assert fit["macs"] == pytest.approx(20 + fit["forwarded"] * 100)
    assert fit["reduction"] == pytest.approx(1 - fit["macs"] / 100)
    code, out, _ = typed(capsys, "evaluate", *stored, "--threshold", repr(fit["threshold"]), "--json")
    given = json.loads(out)
    assert (code, given["in_sample"]) == (0, None)
    assert [given[key] for key in fit["in_sample"]] == list(fit["in_sample"].values())
    code, out, _ = typed(capsys, "evaluate", *stored, "--json")
    honest = json.loads(out)
    assert honest["threshold"] == honest["held_out"]["fit"]["threshold"]
    assert honest["held_out"]["samples"] == 150


def test_more_loss_costs_less(stored, capsys):
    costs = [json.loads(typed(capsys, "fit", *stored, "--max-loss", x, "--json")[1])["macs"] for x in ("0", ".1", "1")]
    assert costs[0] > costs[1] > costs[2] == 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "--little", "a", "--big", "b"], "expected --logits FILE.npz, or --images FOLDER and --labels CSV"),
        (["fit", "--little", "a", "--big", "b", "--logits", "x", "--images", "y"], "not both"),
        (["fit", "--little", "a", "--big", "b", "--logits", "x.npz"], "x.npz"),
        (["fit", "--little", "a", "--big", "b", "--logits", "x", "--max-loss", "5"], "0.01 for one point"),
        (["fit", "--little", "a", "--big", "b", "--logits", "x", "--batch", "0"], "--batch"),
        (["evaluate", "--little", "a", "--big", "b", "--images", "x", "--labels", "y.csv"], "y.csv"),
    ],
)
def test_wrong_usage_is_one_sentence(words, message, capsys):
    code, out, err = typed(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na,1\n", "columns file and label"),
        ("file,label\n", "at least one picture"),
        ("file,label\nmissing.jpg,1\n", "missing.jpg"),
        ("file,label\nhere.jpg,cat\n", "got 'cat'"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(text, message, tmp_path, capsys):
    (tmp_path / "here.jpg").touch()
    (tmp_path / "labels.csv").write_text(text)
    words = ["--images", str(tmp_path), "--labels", str(tmp_path / "labels.csv")]
    code, _, err = typed(capsys, "fit", "--little", "a.onnx", "--big", "b.onnx", *words)
    assert code == 2
    assert message in err


@pytest.fixture(scope="module")
def photos(shared):
    folder = shared / "data/cascade"
    files = [folder / f"networks/mobilenet_{name}_quant.tflite" for name in ("v1_0.5_160", "v2_1.0_224")]
    return files, folder / "images", folder / "images.csv"


def test_two_mobilenets_run_as_a_cascade_with_one_command(photos, capsys, tmp_path):
    (little, big), images, table = photos
    code, out, err = typed(
        capsys, "fit", "--little", str(little), "--big", str(big), "--images", str(images), "--labels", str(table),
        "--batch", "8", "--plot", str(tmp_path / "plot.png"), "--json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    found = json.loads(out)
    run = found["run"]
    assert found["samples"] == 110
    assert found["baselines"][0]["accuracy"] < found["baselines"][1]["accuracy"] > 0.8
    assert run["big_pictures"] == round(110 * found["forwarded"])
    assert run["big_calls"] == math.ceil(run["big_pictures"] / 8)
    assert 0 < run["cascade"]["seconds_network"] < run["cascade"]["seconds"]


def test_the_cascade_on_photos_is_the_loop_over_photos(photos):
    files, images, table = photos
    few = read_labelled(images, table).pictures[:24]
    found = classify(few, NetworkPair(*files), 0.4, batch_size=5)
    assert 0 < found.took_big.sum() < 24
    little, big = (Classifier(path) for path in files)
    for path, label, sure, took_big in zip(few, *found, strict=True):
        expected = answers(little(little.prepare(levels(path))[None]))
        assert took_big == (expected.confidence[0] < 0.4)
        if took_big:
            expected = answers(big(big.prepare(levels(path))[None]))
        assert (label, sure) == (expected.labels[0], expected.confidence[0])
