"""Stored logits in any form, honest figures, baselines, the plot, and the figures on real networks' logits."""

import json
import zipfile
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from fourfold.api.cascade import plot, report
from fourfold.api.cascade.logits import Judged, Samples, StoredLogits
from fourfold.bench import cascade
from fourfold.core.errors import UsageError
from fourfold.methods.cascade import answers


def arrays(samples=200, classes=7, kind=np.float32):
    draw = np.random.default_rng(4)
    labels = draw.integers(0, classes, samples)
    found = {"labels": labels.astype(np.uint8)}
    for name, skill, macs in (("small", 2, 10), ("middle", 3, 40), ("large", 4, 100)):
        logits = draw.normal(size=(samples, classes))
        logits[np.arange(samples), labels] += skill * draw.random(samples)
        found |= {f"{name}.logits": np.round(logits, 1).astype(kind), f"{name}.macs": np.array(macs)}
    return found


def as_compressed(path, members):
    np.savez_compressed(path / "all.npz", **members)
    return path / "all.npz"


def as_stored(path, members):
    np.savez(path / "all.npz", **members)
    return path / "all.npz"


def as_folder(path, members):
    for name, array in members.items():
        np.save(path / f"{name}.npy", array)
    return path


def by_columns(path, members):
    return as_stored(path, {name: np.asfortranarray(array) for name, array in members.items()})


@pytest.mark.parametrize("form", [as_compressed, as_stored, as_folder, by_columns])
@pytest.mark.parametrize("samples", [1, 200])
def test_logits_are_read_in_blocks_from_any_form(tmp_path, monkeypatch, form, samples):
    monkeypatch.setattr("fourfold.api.cascade.logits._BLOCK_BYTES", 7 * 4 * 30)
    members = arrays(samples)
    stored = StoredLogits(form(tmp_path, members))
    pair = stored.pair("small", "large")
    assert stored.names == ["large", "middle", "small"]
    said = answers(members["small.logits"])
    assert pair.confidence.tolist() == said.confidence.tolist()
    assert pair.little.correct.tolist() == (said.labels == members["labels"]).tolist()
    assert pair.big.correct.tolist() == (members["large.logits"].argmax(axis=1) == members["labels"]).tolist()
    assert (pair.little.macs, pair.big.macs, pair.big.name) == (10, 100, "large")


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32, ">f4"])
def test_any_real_numbers_are_logits(tmp_path, kind):
    members = arrays(kind=kind)
    pair = StoredLogits(as_stored(tmp_path, members)).pair("small", "large")
    assert pair.confidence.tolist() == answers(members["small.logits"].astype(float)).confidence.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"small.macs": None}, "expected small.macs"),
        ({"small.macs": np.array(0)}, "one number above 0"),
        ({"small.macs": np.array([1, 2])}, "one number above 0"),
        ({"labels": None}, "expected labels"),
        ({"labels": np.ones(200)}, "one integer a sample"),
        ({"labels": np.ones(199, int)}, "expected 199 samples as labels, got 200"),
        ({"small.logits": np.full((200, 3), np.nan)}, "small.logits: the logits of sample 0"),
        ({"small.logits": np.ones(200)}, "N×C real logits"),
        ({"small.logits": np.empty((0, 5))}, "expected 200 samples as labels, got 0"),
        ({"small.logits": np.array(["a"] * 200, dtype=object)}, "not numbers"),
        ({"small.logits": None}, "expected one of large, middle; got 'small'.$"),
    ],
)
def test_files_that_hold_something_else_are_refused_by_name(tmp_path, change, message):
    members = {name: array for name, array in (arrays() | change).items() if array is not None}
    path = as_stored(tmp_path, members)
    with pytest.raises(UsageError, match=message) as caught:
        StoredLogits(path).pair("small", "large")
    assert str(path) in str(caught.value)


def test_near_misses_are_suggested(tmp_path):
    with pytest.raises(UsageError, match="Did you mean small"):
        StoredLogits(as_stored(tmp_path, arrays())).pair("smal", "large")


def test_files_that_are_no_archive_or_cut_short_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"missing\.npz"):
        StoredLogits(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(UsageError, match=r"expected a \.npz file"):
        StoredLogits(tmp_path / "text.npz")
    whole = as_folder(tmp_path, arrays()) / "small.logits.npy"
    whole.write_bytes(whole.read_bytes()[:-9])
    with pytest.raises(UsageError, match=r"expected small\.logits as an array"):
        StoredLogits(tmp_path).pair("small", "large")
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("labels.npy", b"not an array")
        archive.writestr("a.logits.npy", b"")
    with pytest.raises(UsageError, match="labels cannot be read"):
        StoredLogits(tmp_path / "odd.npz")


@pytest.fixture
def pair(tmp_path):
    return StoredLogits(as_stored(tmp_path, arrays())).pair("small", "large")


def test_the_held_out_half_had_no_say(pair):
    seen = []
    found = report.report(pair)
    draw = np.random.default_rng(0)
    calibration, rest = report.halves(len(pair), draw)
    assert sorted([*calibration, *rest]) == list(range(200))
    best = report.chosen(pair.part(calibration), 0.0)
    seen.append(best.threshold)
    assert found.held_out.fit == report.applied(best.threshold, pair.part(rest))
    assert found.held_out.samples == 100
    assert found.in_sample == report.chosen(pair, 0.0)


def test_the_same_seed_gives_the_same_report(pair):
    assert report.report(pair, seed=3) == report.report(pair, seed=3)
    assert report.report(pair, seed=3) != report.report(pair, seed=4)


def test_the_bootstrap_is_that_of_drawing_samples(pair):
    threshold = 0.6
    found = report.measured(threshold, pair, np.random.default_rng(0))
    draw = np.random.default_rng(1)
    drawn = [report.applied(threshold, pair.part(draw.integers(0, 200, 200))) for _ in range(1500)]
    for got, values in (
        (found.accuracy, [one.accuracy for one in drawn]),
        (found.forwarded, [one.forwarded for one in drawn]),
        (found.reduction, [one.reduction for one in drawn]),
    ):
        assert [got.low, got.high] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.015)
    assert found.change_interval.low <= found.change <= found.change_interval.high


def test_random_routing_forwards_as_much_and_knows_nothing(pair):
    found = report.report(pair, threshold=0.6)
    random = next(one for one in found.baselines if one.name == "random routing")
    draw = np.random.default_rng(1)
    hard = draw.random((4000, 200)) < found.held_out.fit.forwarded
    accuracy = np.where(hard, pair.big.correct, pair.little.correct).mean()
    assert random.accuracy == pytest.approx(accuracy, abs=0.003)
    assert random.macs == found.held_out.fit.macs


def test_a_single_network_of_like_cost_is_found_or_missed_aloud(pair):
    macs = report.report(pair, threshold=0.6).held_out.fit.macs
    like, unlike = Judged("like", macs * 1.2, pair.big.correct), Judged("unlike", macs * 1.3, pair.big.correct)
    found = report.report(pair, threshold=0.6, others=[unlike, like])
    assert found.baselines[-1].name == "like alone, of like cost"
    assert not any("baseline is missing" in note for note in found.notes)
    lacking = report.report(pair, threshold=0.6, others=[unlike])
    assert len(lacking.baselines) == 3
    assert any("baseline is missing" in note for note in lacking.notes)


def test_one_sample_is_fitted_but_called_unproven():
    one = Samples(Judged("a", 1, np.array([True])), Judged("b", 5, np.array([True])), np.array([0.5]))
    found = report.report(one)
    assert found.held_out is found.halvings is None
    assert found.in_sample.threshold == 0
    assert any("cannot be split" in note for note in found.notes)
    assert "cascade, in sample" in report.table(found)


def test_a_cascade_that_costs_more_says_so():
    wrong, right = np.zeros(50, bool), np.ones(50, bool)
    found = report.report(Samples(Judged("a", 3, wrong), Judged("b", 10, right), np.full(50, 0.9)))
    assert found.in_sample.reduction == pytest.approx(-0.3)
    assert any("costs more than the big network" in note for note in found.notes)
    assert "-30.00 %" in report.table(found)


def test_the_document_is_json_with_the_point_on_top(pair):
    found = report.report(pair)
    document = json.loads(json.dumps(report.document(found, found.in_sample), allow_nan=False))
    assert {name: document[name] for name in asdict(found.in_sample)} == asdict(found.in_sample)
    assert document["held_out"]["fit"]["threshold"] == found.held_out.fit.threshold


def test_the_plot_shows_the_curve_and_the_chosen_point(pair, tmp_path):
    plot.plot(tmp_path / "a.png", pair, report.report(pair))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1200, 760)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert {(0x1F, 0x6F, 0xB2), (0xD9, 0x73, 0x0D)} <= colours
    macs, accuracy = plot.curve(pair)
    assert (macs[0], macs[-1]) == (10, 110)
    assert (accuracy[0], accuracy[-1]) == (pair.little.correct.mean(), pair.big.correct.mean())


@pytest.mark.parametrize("right", [0, 1])
def test_the_plot_of_networks_that_never_differ(right, tmp_path):
    same = Judged("a", 1, np.full(9, bool(right)))
    one = Samples(same, same, np.full(9, 0.5))
    plot.plot(tmp_path / "a.png", one, report.report(one))
    with pytest.raises(UsageError, match=r"ending in \.png"):
        plot.plot(tmp_path / "a.gif", one, report.report(one))
    with pytest.raises(UsageError, match="cannot be written"):
        plot.plot(tmp_path / "nowhere" / "a.png", one, report.report(one))


def test_the_bench_measures_a_small_size(tmp_path):
    found = cascade.measure(tmp_path, sizes=((300, 12),))
    (one,) = found.fits
    assert one.seconds_fit < one.seconds_file
    assert one.peak_mib > 10
    assert "300 × 12" in cascade.table(found)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def cifar(shared):
    return StoredLogits(shared / "data/cascade/cifar10_logits.npz")


@pytest.mark.parametrize(
    ("little", "threshold", "forwarded", "reduction"),
    [("resnet20", 0.775, 0.121, 0.556), ("resnet8", 0.941, 0.493, 0.408)],
)
def test_the_known_figures_on_cifar_10(cifar, little, threshold, forwarded, reduction):
    pair = cifar.pair(little, "resnet56")
    fit = report.chosen(pair, 0.0)
    assert fit.threshold == pytest.approx(threshold, abs=5e-4)
    assert fit.forwarded == pytest.approx(forwarded, abs=5e-4)
    assert fit.reduction == pytest.approx(reduction, abs=5e-4)
    assert fit.accuracy >= pair.big.correct.mean() == 0.8320


def test_the_known_held_out_figures_on_cifar_10(cifar):
    over = report.report(cifar.pair("resnet20", "resnet56")).halvings
    assert over.count == 100
    assert over.reduction.mean == pytest.approx(0.556, abs=0.03 * 0.556)
    assert over.reduction.deviation == pytest.approx(0.029, abs=0.01)
    assert abs(over.change.mean) < 0.003
