"""Evaluate Little-Big on held-out samples: the threshold is chosen on one part and measured on another.

The paper reports its figures on the samples that the threshold was chosen on; that figure is shown too, and labelled
so. The baselines to beat are each network alone, random routing, and a single network of equal cost.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.api.cascade.logits import Judged, Samples
from fourfold.methods.cascade import apply_threshold, fit_threshold
from fourfold.methods.gate import Fit, mean_cost
from fourfold.pages.report import text_table

SPLITS = 100
"""Random halvings whose mean and spread are reported."""

RESAMPLES = 2000
"""Draws of the bootstrap; intervals are its 2.5th and 97.5th percentiles."""

EQUAL_COST = 0.25
"""A single network counts as of equal cost up to this relative difference."""


@dataclass(frozen=True)
class Interval:
    """A 95 % bootstrap interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A threshold, measured on samples that it was not chosen on.

    Attributes:
        fit: the operating point there. samples: how many.
        change: accuracy less the big network's on the same samples.
        accuracy, change_interval, forwarded, reduction: intervals for these samples drawn anew, the threshold fixed.
    """

    fit: Fit
    samples: int
    change: float
    change_interval: Interval
    accuracy: Interval
    forwarded: Interval
    reduction: Interval


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over random halvings."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Halvings:
    """Threshold chosen on one random half, measured on the other, ``count`` times; accuracy as change from big's."""

    count: int
    threshold: Spread
    forwarded: Spread
    change: Spread
    reduction: Spread


@dataclass(frozen=True)
class Baseline:
    """Something a cascade has to beat, on the same samples.

    Attributes:
        name: what it is. accuracy, macs: as in ``Fit``. interval: of the accuracy.
    """

    name: str
    accuracy: float
    macs: float
    interval: Interval


@dataclass(frozen=True)
class CascadeReport:
    """A pair of networks as a cascade.

    Attributes:
        little, big: names. samples: how many in all. max_loss: of accuracy, a fraction.
        in_sample: threshold chosen and measured on all samples, as the paper does; None if the threshold was given.
        held_out: chosen on one half, measured on the other; a given threshold is measured on all. None for one sample.
        halvings: the same for many random halves; None for a given threshold or one sample.
        baselines: on the samples of ``held_out``, or on all. notes: sentences for the reader.
    """

    little: str
    big: str
    samples: int
    max_loss: float
    in_sample: Fit | None
    held_out: Measured | None
    halvings: Halvings | None
    baselines: tuple[Baseline, ...]
    notes: tuple[str, ...]


def report(
    pair: Samples,
    *,
    max_loss: float = 0.0,
    threshold: float | None = None,
    others: Sequence[Judged] = (),
    seed: int = 0,
) -> CascadeReport:
    """Fit and measure a cascade; everything random comes from ``seed``.

    Args:
        pair: the networks on all samples.
        max_loss: of accuracy against the big network, as a fraction.
        threshold: chosen elsewhere; then nothing is fitted and all samples are for measuring.
        others: networks on the same samples, among which one of equal cost is looked for.

    Raises:
        InvalidInput: as ``fit_threshold`` says.
    """
    draw = np.random.default_rng(seed)
    if threshold is not None:
        shown = np.arange(len(pair))
        held_out, in_sample, halvings = measured(threshold, pair, draw), None, None
    elif len(pair) < 2:
        shown, held_out, in_sample, halvings = np.arange(1), None, chosen(pair, max_loss), None
    else:
        in_sample = chosen(pair, max_loss)
        calibration, shown = halves(len(pair), draw)
        best = chosen(pair.part(calibration), max_loss).threshold
        held_out = measured(best, pair.part(shown), draw)
        halvings = repeated(pair, max_loss, draw)
    point = held_out.fit if held_out else in_sample
    assert point is not None
    rows, notes = _baselines(pair.part(shown), [one.part(shown) for one in others], point, draw)
    if held_out is None:
        notes.append("One sample cannot be split: nothing here was measured on samples the threshold had not seen.")
    if point.reduction < 0:
        notes.append("The cascade costs more than the big network alone: every sample pays the little one, too.")
    return CascadeReport(
        pair.little.name, pair.big.name, len(pair), max_loss, in_sample, held_out, halvings, tuple(rows), tuple(notes)
    )


def chosen(pair: Samples, max_loss: float) -> Fit:
    """The threshold chosen, and measured, on these samples."""
    little, big = pair.little, pair.big
    return fit_threshold(pair.confidence, little.correct, big.correct, little.macs, big.macs, max_loss)


def halves(samples: int, draw: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A random half to choose on and the other one, by a sample more if odd, to measure on."""
    chosen_on = np.zeros(samples, np.bool_)
    chosen_on[draw.permutation(samples)[: samples // 2]] = True
    return np.flatnonzero(chosen_on), np.flatnonzero(~chosen_on)


def applied(threshold: float, pair: Samples) -> Fit:
    """A threshold on these samples."""
    little, big = pair.little, pair.big
    return apply_threshold(threshold, pair.confidence, little.correct, big.correct, little.macs, big.macs)


def measured(threshold: float, pair: Samples, draw: np.random.Generator) -> Measured:
    """A threshold on these samples, with bootstrap intervals.

    A sample is right or wrong by either network and goes on or stays: eight kinds. Drawing ``N`` samples with
    replacement is drawing the numbers of the eight kinds, so the bootstrap costs the same for any ``N``.
    """
    point, little, big = applied(threshold, pair), pair.little, pair.big
    hard = pair.confidence < threshold
    kinds = 4 * hard + 2 * little.correct + big.correct
    parts = _drawn(kinds, 8, draw)
    is_hard, little_right, big_right = ((np.arange(8) >> bit) & 1 for bit in (2, 1, 0))
    right = parts @ np.where(is_hard, big_right, little_right)
    forwarded = _interval(parts @ is_hard)
    spared = [1 - mean_cost(little.macs, big.macs, part) / big.macs for part in (forwarded.high, forwarded.low)]
    return Measured(
        fit=point,
        samples=len(pair),
        change=point.accuracy - float(big.correct.mean()),
        change_interval=_interval(right - parts @ big_right),
        accuracy=_interval(right),
        forwarded=forwarded,
        reduction=Interval(*spared),
    )


def repeated(pair: Samples, max_loss: float, draw: np.random.Generator) -> Halvings:
    """Choose on a random half and measure on the other, ``SPLITS`` times."""
    pair = pair.part(np.argsort(pair.confidence, kind="stable"))  # so that sorting each half takes linear time
    points = []
    for _ in range(SPLITS):
        calibration, rest = (pair.part(half) for half in halves(len(pair), draw))
        point = applied(chosen(calibration, max_loss).threshold, rest)
        points.append((point.threshold, point.forwarded, point.accuracy - rest.big.correct.mean(), point.reduction))
    means, deviations = np.mean(points, axis=0), np.std(points, axis=0)
    return Halvings(SPLITS, *(Spread(float(m), float(d)) for m, d in zip(means, deviations, strict=True)))


def _baselines(
    pair: Samples, others: Sequence[Judged], point: Fit, draw: np.random.Generator
) -> tuple[list[Baseline], list[str]]:
    little, big = pair.little, pair.big
    rows = [_alone(f"{little.name} alone", little, draw), _alone(f"{big.name} alone", big, draw)]
    kinds = _drawn(2 * little.correct + big.correct, 4, draw)
    mixed = (1 - point.forwarded) * np.array([0, 0, 1, 1]) + point.forwarded * np.array([0, 1, 0, 1])
    accuracy = (1 - point.forwarded) * little.correct.mean() + point.forwarded * big.correct.mean()
    rows.append(Baseline("random routing", float(accuracy), point.macs, _interval(kinds @ mixed)))
    near_enough = [one for one in others if abs(one.macs / point.macs - 1) <= EQUAL_COST]
    if near_enough:
        nearest = min(near_enough, key=lambda one: abs(one.macs - point.macs))
        rows.append(_alone(f"{nearest.name} alone, of like cost", nearest, draw))
        return rows, []
    return rows, [
        f"No single network here costs within {100 * EQUAL_COST:.0f} % of the cascade: that baseline is missing."
    ]


def _alone(name: str, one: Judged, draw: np.random.Generator) -> Baseline:
    parts = _drawn(one.correct.astype(np.int64), 2, draw)
    return Baseline(name, float(one.correct.mean()), one.macs, _interval(parts[:, 1]))


def _drawn(kinds: NDArray[Any], count: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """``RESAMPLES×count`` fractions: how often each kind comes up among as many samples drawn with replacement."""
    numbers = np.bincount(kinds, minlength=count)
    return draw.multinomial(len(kinds), numbers / len(kinds), RESAMPLES) / len(kinds)


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


def document(found: CascadeReport, headline: Fit) -> dict[str, Any]:
    """The report as plain values, the operating point ``headline`` on top."""
    return {"little": found.little, "big": found.big, **asdict(headline), **asdict(found)}


def table(found: CascadeReport) -> str:
    """The report as text for a terminal."""
    rows = [["", "threshold", "forwarded", "accuracy", "MACs", "reduction"]]
    rows += [
        [one.name, "", "", _percent(one.accuracy, one.interval), text_macs(one.macs), ""] for one in found.baselines
    ]
    if found.held_out:
        name = "cascade, threshold given" if found.in_sample is None else "cascade, held out"
        rows.append(_row(name, found.held_out.fit, found.held_out))
    if found.in_sample:
        rows.append(_row("cascade, in sample (as the paper)", found.in_sample, None))
    lines = [text_table(rows), "", *_sentences(found)]
    return "\n".join(lines)


def _row(name: str, point: Fit, around: Measured | None) -> list[str]:
    return [
        name,
        f"{point.threshold:.4g}",
        _percent(point.forwarded, around.forwarded if around else None),
        _percent(point.accuracy, around.accuracy if around else None),
        text_macs(point.macs),
        _percent(point.reduction, around.reduction if around else None),
    ]


def _sentences(found: CascadeReport) -> list[str]:
    lines = []
    if found.held_out:
        change, around = found.held_out.change, found.held_out.change_interval
        lines.append(
            f"Against {found.big} on the same {found.held_out.samples} samples: {100 * change:+.2f} points "
            f"({100 * around.low:+.2f} to {100 * around.high:+.2f}). Brackets are 95 % bootstrap intervals."
        )
    if found.halvings:
        over = found.halvings
        lines.append(
            f"Over {over.count} random halvings: threshold {over.threshold.mean:.3f} ± {over.threshold.deviation:.3f}, "
            f"forwarded {100 * over.forwarded.mean:.1f} ± {100 * over.forwarded.deviation:.1f} %, reduction "
            f"{100 * over.reduction.mean:.1f} ± {100 * over.reduction.deviation:.1f} %, accuracy "
            f"{100 * over.change.mean:+.2f} ± {100 * over.change.deviation:.2f} points."
        )
    return [*lines, *found.notes]


def _percent(value: float, around: Interval | None = None) -> str:
    text = f"{100 * value:.2f} %"
    return f"{text} [{100 * around.low:.1f}, {100 * around.high:.1f}]" if around else text


def text_macs(value: float) -> str:
    """A number of operations for a person: 40.6 M."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value:.6g}"
