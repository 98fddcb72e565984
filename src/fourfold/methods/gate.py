"""The gate of a cascade: a score per sample, a threshold, and the resulting quality and cost.

A gate keeps a cheap answer where its score is high enough, and asks an expensive network elsewhere. Little-Big's gate
(``methods.cascade``) decides so for samples, that of ``methods.route`` for tiles of a photo; here the threshold is
chosen and the cost is counted, for both.

Source of the rule and of the accounting: Liu, Thopalli, Thiagarajan, "Little-Big", arXiv 2406.17117. Ours: scores and
qualities other than confidence and correctness.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fourfold.core.errors import InvalidInput


@dataclass(frozen=True)
class Fit:
    """One operating point of a cascade.

    Attributes:
        threshold: the little network's answer stays where its confidence is at least this.
        forwarded: fraction of the samples that went to the big network.
        accuracy: fraction answered right; for a gate on other qualities their mean.
        macs: mean multiply-accumulate operations a sample; every sample pays the little network.
        reduction: ``1 − macs / big macs``; negative where the cascade costs more than the big network alone.
    """

    threshold: float
    forwarded: float
    accuracy: float
    macs: float
    reduction: float


@dataclass(frozen=True, eq=False)
class Sweep:
    """Every distinct operating point of a gate, from the one that forwards nothing to the one that forwards all.

    Attributes:
        thresholds: ascending ``P``; between the ends each is the lowest score that is kept.
        forwarded: number of samples below each threshold, strictly ascending ``P``.
        lost: quality summed over the samples that the big network alone would have more, ``P``; 0 at the end.
    """

    thresholds: NDArray[np.float64]
    forwarded: NDArray[np.int64]
    lost: NDArray[Any]

    def cheapest(self, allowed: float) -> int:
        """Index of the first point that loses no more than ``allowed``; the last point if none does.

        Every point is looked at: the loss is not monotone in the threshold. The points differ in what they forward,
        so no two cost the same; all thresholds between two neighbouring scores are one point.
        """
        fits = self.lost <= allowed
        return int(fits.argmax()) if fits.any() else len(fits) - 1


def sweep(score: NDArray[np.float64], change: NDArray[Any], ends: tuple[float, float]) -> Sweep:
    """All operating points; samples of equal score stay together.

    Args:
        score: ``N``, at least one, none NaN; samples below the threshold are forwarded.
        change: ``N``, what the big network's answer is better by; integers are summed exactly.
        ends: thresholds to state for keeping everything and for forwarding everything.
    """
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    most_sure_first = np.concatenate([[0], np.cumsum(change[order[::-1]])])
    forwarded = np.append(starts, len(score)).astype(np.int64)
    thresholds = np.concatenate([[ends[0]], ranked[starts[1:]], [ends[1]]])
    return Sweep(thresholds, forwarded, most_sure_first[len(score) - forwarded])


def mean_cost(little: float, big: float, forwarded: float) -> float:
    """What a sample costs on average when a fraction ``forwarded`` goes on: the little network is charged for all."""
    return little + forwarded * big


def fit_gate(
    score: ArrayLike,
    little_quality: ArrayLike,
    big_quality: ArrayLike,
    little_cost: float,
    big_cost: float,
    max_loss: float = 0.0,
) -> Fit:
    """The cheapest point within ``max_loss`` of the big network's mean quality, for any score and any quality.

    For example tiles of a photo, a score that says how easy each one is, and decibels. Means are compared with room
    for the rounding of a sum of ``N`` numbers. Thresholds at the ends are minus and plus infinity.

    Args:
        score: ``N`` real numbers; samples below the threshold are forwarded.
        little_quality, big_quality: ``N`` finite numbers, more is better.
        little_cost, big_cost: of one sample, in any one unit; the big one above zero.
        max_loss: of mean quality, in its unit.

    Raises:
        InvalidInput: no samples, lengths that differ, or values that are not finite.
    """
    scores = numbers("scores", score)
    little = numbers("qualities of the little network", little_quality, len(scores))
    big = numbers("qualities of the big network", big_quality, len(scores))
    change = big - little
    points = sweep(scores, change, (-math.inf, math.inf))
    rounding = len(change) * np.finfo(np.float64).eps * float(np.abs(change).sum())
    allowed = finite("max_loss", max_loss) * len(change) + rounding
    return point(points, points.cheapest(allowed), float(big.sum()), (little_cost, big_cost))


def losses_allowed(max_loss: float, samples: int) -> int:
    """How many right answers ``max_loss`` permits to lose; the fraction is taken as written in decimals.

    Raises:
        InvalidInput: not a finite number.
    """
    return math.floor(Fraction(repr(finite("max_loss", max_loss))) * samples)


def point(sweep: Sweep, index: int, big_total: float, costs: tuple[float, float]) -> Fit:
    """One point of a sweep with its accounting.

    Args:
        index: which one; big_total: the big network's quality summed over all samples.
        costs: of one sample, little and big.
    """
    forwarded = int(sweep.forwarded[index])
    return account(
        float(sweep.thresholds[index]), forwarded, big_total - sweep.lost[index], int(sweep.forwarded[-1]), costs
    )


def account(threshold: float, forwarded: int, quality: float, samples: int, costs: tuple[float, float]) -> Fit:
    """The accounting of ``samples`` of which ``forwarded`` went on, with ``quality`` summed over all.

    Raises:
        InvalidInput: a cost that is not finite, little below zero, or big not above zero.
    """
    little, big = (finite("cost", cost) for cost in costs)
    if little < 0 or big <= 0:
        raise InvalidInput(f"expected costs of at least 0 for little and above 0 for big, got {little} and {big}")
    macs = mean_cost(little, big, forwarded / samples)
    return Fit(float(threshold), forwarded / samples, float(quality / samples), macs, 1 - macs / big)


def numbers(what: str, values: ArrayLike, length: int | None = None) -> NDArray[np.float64]:
    """One finite number a sample, at least one sample, ``length`` of them where that is given.

    Raises:
        InvalidInput: otherwise; the message begins with ``what``.
    """
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0 or array.dtype.kind not in "bfiu":
        raise InvalidInput(f"{what}: expected one number a sample and at least one sample, got shape {array.shape}")
    if length is not None and len(array) != length:
        raise InvalidInput(f"{what}: expected {length} samples as of the others, got {len(array)}")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise InvalidInput(f"{what}: expected finite numbers; sample {int((~np.isfinite(numbers)).argmax())} is not")
    return numbers


def finite(what: str, value: float) -> float:
    """The number, unless it is NaN or infinite: that is an ``InvalidInput`` which names ``what``."""
    if not math.isfinite(value):
        raise InvalidInput(f"expected a finite {what}, got {value}")
    return float(value)
