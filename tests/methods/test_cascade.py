"""The cascade against brute force: thresholds, accounting, two dense passes, chains."""

import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourfold.core.errors import InvalidInput
from fourfold.methods.cascade import (
    BIG_ONLY,
    LITTLE_ONLY,
    Cascade,
    Chain,
    answers,
    apply_threshold,
    best_labels,
    fit_chain,
    fit_threshold,
)
from fourfold.methods.gate import fit_gate

LITTLE_MACS, BIG_MACS = 3.0, 10.0

# Few distinct confidences, so that most samples tie with others.
samples = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.999, 1.0]), st.booleans(), st.booleans()),
    min_size=1,
    max_size=40,
)
losses = st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.29, 0.3, 0.5, 1.0])


def oracle(rows, max_loss):
    """Every threshold there could be, sample by sample, in exact arithmetic: forwarded and right of the cheapest."""
    big_right = sum(big for _, _, big in rows)
    allowed = Fraction(str(max_loss)) * len(rows)
    found = []
    for threshold in [0.0, *sorted({sure for sure, _, _ in rows}), 2.0]:
        answered = [little if sure >= threshold else big for sure, little, big in rows]
        forwarded = sum(sure < threshold for sure, _, _ in rows)
        if big_right - sum(answered) <= allowed:
            found.append((forwarded, sum(answered)))
    return min(found)


@given(samples, losses, st.sampled_from([np.float64, np.float32]))
def test_the_threshold_is_that_of_brute_force(rows, max_loss, kind):
    sure, little, big = (np.array(column) for column in zip(*rows, strict=True))
    sure = sure.astype(kind)
    rows = [(float(s), bool(a), bool(b)) for s, a, b in zip(sure, little, big, strict=True)]
    fit = fit_threshold(sure, little, big, LITTLE_MACS, BIG_MACS, max_loss)
    forwarded, right = oracle(rows, max_loss)
    assert round(fit.forwarded * len(rows)) == forwarded
    assert fit.accuracy == right / len(rows)
    # the stated threshold gives what is stated, sample by sample
    answered = [a if s >= fit.threshold else b for s, a, b in rows]
    assert (sum(answered), sum(s < fit.threshold for s, _, _ in rows)) == (right, forwarded)
    assert fit == apply_threshold(fit.threshold, sure, little, big, LITTLE_MACS, BIG_MACS)


@given(samples, losses)
def test_the_accounting_charges_little_for_every_sample(rows, max_loss):
    sure, little, big = zip(*rows, strict=True)
    fit = fit_threshold(sure, little, big, LITTLE_MACS, BIG_MACS, max_loss)
    assert fit.macs == pytest.approx(LITTLE_MACS + fit.forwarded * BIG_MACS)
    assert fit.reduction == pytest.approx(1 - fit.forwarded - LITTLE_MACS / BIG_MACS)


@given(samples)
def test_the_ends_are_the_networks_alone_and_forwarding_grows_between(rows):
    sure, little, big = zip(*rows, strict=True)
    steps = [0.0, *sorted(set(sure)), 1.5]
    points = [apply_threshold(step, sure, little, big, LITTLE_MACS, BIG_MACS) for step in steps]
    assert (points[0].forwarded, points[0].accuracy) == (0, np.mean(little))
    assert (points[-1].forwarded, points[-1].accuracy) == (1, np.mean(big))
    assert all(a.forwarded <= b.forwarded for a, b in pairwise(points))


def test_accuracy_is_not_monotone_and_a_bisection_would_miss_the_cheapest():
    # Forwarding the first sample gains, the second loses, the third and fourth gain again.
    fit = fit_threshold([0.1, 0.2, 0.3, 0.4, 0.9], [0, 1, 0, 0, 1], [1, 0, 0, 1, 1], 1, 10)
    assert (fit.threshold, fit.forwarded, fit.accuracy) == (0.2, 0.2, 0.6)


def test_a_little_network_as_good_as_big_replaces_it():
    fit = fit_threshold([0.2, 0.9], [True, False], [False, True], LITTLE_MACS, BIG_MACS)
    assert fit == (fit.__class__)(LITTLE_ONLY, 0.0, 0.5, LITTLE_MACS, 1 - LITTLE_MACS / BIG_MACS)


def test_where_nothing_else_qualifies_the_saving_is_negative():
    fit = fit_threshold([1.0, 1.0, 0.5], [0, 0, 0], [1, 1, 1], LITTLE_MACS, BIG_MACS)
    assert (fit.threshold, fit.forwarded, fit.accuracy) == (BIG_ONLY, 1, 1)
    assert fit.reduction == pytest.approx(-0.3)
    assert fit_threshold([0.5], [0], [0], 1, 10, max_loss=-0.5).threshold == BIG_ONLY  # a gain nobody can bring


def test_the_allowed_loss_is_read_as_a_decimal():
    little, big = np.arange(100) >= 29, np.ones(100, bool)
    sure = np.full(100, 0.5)
    assert 0.29 * 100 < 29  # what a float makes of it
    assert fit_threshold(sure, little, big, 1, 10, max_loss=0.29).threshold == LITTLE_ONLY
    assert fit_threshold(sure, little, big, 1, 10, max_loss=0.28).threshold == BIG_ONLY


def test_the_papers_arithmetic():
    # EfficientNet-B4 and B7, about 4.5 and 38.3 GMACs: 7.2 % forwarded is a reduction of 81 %.
    sure = np.repeat([0.1, 0.9], [72, 928])
    fit = fit_threshold(sure, sure > 0.5, np.ones(1000), 4.5e9, 38.3e9)
    assert fit.forwarded == 0.072
    assert round(fit.reduction, 2) == 0.81


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], [], 1, 2), "at least one sample"),
        (([0.5], [1, 0], [1], 1, 2), "expected 1 samples"),
        (([0.5, np.nan], [1, 0], [1, 0], 1, 2), "sample 1 is not"),
        (([1.5], [1], [1], 1, 2), r"in 0\.\.1"),
        (([0.5], [0.3], [1], 1, 2), "truth values"),
        (([0.5], [1], [1], 1, 0), "above 0 for big"),
        (([0.5], [1], [1], math.nan, 1), "finite cost"),
        (([0.5], [1], [1], 1, 2, math.inf), "finite max_loss"),
        (([[0.5]], [1], [1], 1, 2), "shape"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        fit_threshold(*arguments)


@given(st.lists(st.tuples(st.integers(-3, 3), *[st.floats(0, 50)] * 2), min_size=1, max_size=20), st.floats(0, 5))
def test_a_gate_on_any_quality_is_that_of_brute_force(rows, max_loss):
    score, little, big = (np.array(column, float) for column in zip(*rows, strict=True))
    fit = fit_gate(score, little, big, LITTLE_MACS, BIG_MACS, max_loss)
    for threshold in [-math.inf, *sorted(set(score)), math.inf]:
        quality = np.where(score >= threshold, little, big).mean()
        cost = LITTLE_MACS + (score < threshold).mean() * BIG_MACS
        if quality >= big.mean() - max_loss + 1e-9:
            assert fit.macs <= cost + 1e-9
    assert fit.accuracy >= big.mean() - max_loss - 1e-9
    assert fit.accuracy == pytest.approx(np.where(score >= fit.threshold, little, big).mean())


def test_equal_real_qualities_go_to_little_in_spite_of_rounding():
    quality = np.full(1000, 0.1) + np.arange(1000) * 1e-3
    assert fit_gate(np.arange(1000), quality, quality, 1, 10).threshold == -math.inf


logits = st.integers(1, 6).flatmap(
    lambda classes: st.lists(
        st.lists(st.sampled_from([-900.0, -1.5, 0.0, 0.1, 2.0, 700.0]), min_size=classes, max_size=classes),
        min_size=1,
        max_size=12,
    )
)


@given(logits, st.sampled_from([np.float64, np.float32, np.float16]))
def test_answers_are_softmax_maxima_and_independent_of_the_batch(rows, kind):
    rows = np.array(rows, kind)
    labels, sure = answers(rows)
    for row, label, confidence in zip(rows.astype(float), labels, sure, strict=True):
        shares = np.exp(row - row.max())
        assert label == row.argmax()
        assert confidence == pytest.approx(1 / shares.sum(), rel=1e-12)
    alone = [answers(row[None]) for row in rows]
    assert sure.tolist() == [one.confidence[0] for one in alone]
    assert answers(np.asfortranarray(rows)).confidence.tolist() == sure.tolist()
    assert best_labels(rows).tolist() == labels.tolist()


def test_many_rows_answer_as_one_by_one_to_the_last_bit():
    rows = np.random.default_rng(0).normal(0, 4, (700, 1001)).astype(np.float32)
    assert answers(rows).confidence.tolist() == [answers(row[None]).confidence[0] for row in rows]


@pytest.mark.parametrize("bad", [[0, np.nan], [np.inf, 0], [-np.inf, -np.inf]])
def test_a_damaged_networks_logits_are_refused(bad):
    for function in (answers, best_labels):
        with pytest.raises(InvalidInput, match="sample 1 "):
            function(np.array([[0, 1], bad]))


def test_a_class_may_be_ruled_out():
    assert answers(np.array([[-np.inf, 0.0, 0.0]])).confidence == [0.5]


class Recorder:
    """A linear network with a preparation of its own, which writes down what it was asked."""

    def __init__(self, weights, prepare=lambda x: x):
        self.weights, self.prepare, self.asked = weights, prepare, []

    def __call__(self, batch):
        self.asked.append(len(batch))
        return np.stack([self.prepare(np.asarray(one)) @ self.weights for one in batch])


@pytest.fixture
def networks():
    draw = np.random.default_rng(1)
    halved = lambda x: x[::2]  # noqa: E731 – the little network sees a smaller sample
    return Recorder(draw.normal(size=(4, 5)), halved), Recorder(draw.normal(size=(8, 5)) * 2)


@pytest.mark.parametrize("batch_size", [None, 1, 7, 32, 100])
@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.6, 1.0, 1.1])
@pytest.mark.parametrize("form", [np.asarray, list])
def test_two_dense_passes_are_the_loop_over_samples(networks, threshold, batch_size, form):
    little, big = networks
    batch = form(np.random.default_rng(2).normal(size=(60, 8)))
    expected, hard = [], 0
    for one in batch:
        label, sure = (part[0] for part in answers(little([one])))
        took_big = sure < threshold
        if took_big:
            hard += 1
            label, sure = (part[0] for part in answers(big([one])))
        expected.append((label, sure, took_big))
    little.asked.clear()
    big.asked.clear()
    labels, confidence, took_big = Cascade(little, big, threshold, batch_size=batch_size)(batch)
    assert list(zip(labels, confidence, took_big, strict=True)) == expected
    size = batch_size or len(batch)
    assert len(big.asked) == math.ceil(hard / size)
    assert all(asked == size for asked in big.asked[:-1])
    assert sum(big.asked) == hard
    assert sum(little.asked) == 60


def test_a_confidence_equal_to_the_threshold_keeps_little(networks):
    little, big = networks
    batch = np.random.default_rng(2).normal(size=(10, 8))
    sure = answers(little(batch)).confidence
    took_big = Cascade(little, big, sure[4])(batch).took_big
    assert not took_big[4]
    assert took_big.tolist() == (sure < sure[4]).tolist()


def test_no_samples_ask_no_network(networks):
    little, big = networks
    labels, confidence, took_big = Cascade(little, big, 0.5)(np.empty((0, 8)))
    assert (len(labels), len(confidence), len(took_big)) == (0, 0, 0)
    assert little.asked == big.asked == []


def test_a_network_that_swallows_samples_is_refused(networks):
    with pytest.raises(InvalidInput, match="for each of 3 samples, got 2"):
        Cascade(lambda batch: networks[0](batch)[1:], networks[1], 0.5)(np.ones((3, 8)))


@pytest.mark.parametrize(("thresholds", "batch_size"), [([], None), ([math.nan], None), ([0.5], 0)])
def test_a_chain_that_makes_no_sense_is_refused(networks, thresholds, batch_size):
    with pytest.raises(InvalidInput):
        Chain(networks, thresholds, batch_size=batch_size)


def test_a_chain_of_three_answers_as_nested_cascades(networks):
    little, big = networks
    middle = Recorder(np.random.default_rng(5).normal(size=(8, 5)))
    batch = np.random.default_rng(2).normal(size=(50, 8))
    labels, confidence, stage = Chain([little, middle, big], [0.5, 0.6], batch_size=8)(batch)
    first, second, third = (answers(network(batch)) for network in (little, middle, big))
    expected = np.where(first.confidence >= 0.5, 0, np.where(second.confidence >= 0.6, 1, 2))
    assert set(expected) == {0, 1, 2}
    assert stage.tolist() == expected.tolist()
    assert labels.tolist() == np.choose(expected, [first.labels, second.labels, third.labels]).tolist()
    assert confidence.tolist() == np.choose(expected, [first.confidence, second.confidence, third.confidence]).tolist()


@given(samples, losses)
def test_a_chain_of_two_is_the_cascade(rows, max_loss):
    sure, little, big = zip(*rows, strict=True)
    fit = fit_threshold(sure, little, big, LITTLE_MACS, BIG_MACS, max_loss)
    chain = fit_chain([sure], [little, big], [LITTLE_MACS, BIG_MACS], max_loss)
    assert (chain.thresholds, chain.accuracy) == ((fit.threshold,), fit.accuracy)
    assert chain.macs == pytest.approx(fit.macs)
    assert chain.reached == (1, fit.forwarded)


def test_a_fitted_chain_keeps_its_promise_and_is_near_the_best_of_all():
    draw = np.random.default_rng(3)
    macs = [1.0, 4.0, 20.0]
    for _ in range(20):
        ease = draw.random(30)
        right = [draw.random(30) < 0.5 * ease + base for base in (0.2, 0.35, 0.5)]
        sure = [np.round(np.clip(ease + draw.normal(0, 0.2, 30), 0, 1), 1) for _ in range(2)]
        fit = fit_chain(sure, right, macs)
        assert fit.accuracy >= right[2].mean()
        costs = []
        for first, second in product(np.append(np.unique(sure[0]), 2), np.append(np.unique(sure[1]), 2)):
            stage = np.where(sure[0] >= first, 0, np.where(sure[1] >= second, 1, 2))
            if np.choose(stage, right).mean() >= right[2].mean():
                costs.append(1 + 4 * (stage > 0).mean() + 20 * (stage > 1).mean())
        assert min(costs) - 1e-9 <= fit.macs <= 1.5 * min(costs)


def test_a_chain_needs_figures_of_every_network():
    with pytest.raises(InvalidInput, match="two or more networks"):
        fit_chain([], [[1]], [1])
    with pytest.raises(InvalidInput, match="as many samples"):
        fit_chain([[0.1, 0.2], [0.1]], [[1, 1], [1], [1, 0]], [1, 2, 3])
