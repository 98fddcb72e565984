"""Little-Big: a little network answers everything, and only what it is unsure of goes to the big one.

Source: Liu, Thopalli, Thiagarajan, "Little-Big", arXiv 2406.17117: the gate (confidence is the maximum softmax
probability), the two dense passes, the accounting and the rule for the threshold, the last two in ``methods.gate``.
Ours: chains of more than two networks.

Nothing here knows an engine or a picture: networks are functions, samples are whatever they take.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fourfold.core.errors import InvalidInput
from fourfold.methods import gate
from fourfold.methods.gate import Fit

Network = Callable[[Any], NDArray[Any]]
"""Takes samples, prepares them its own way, and answers with their logits, ``N×C``."""

LITTLE_ONLY = 0.0
"""The threshold at which every confidence suffices."""

BIG_ONLY = 2.0
"""The threshold that no confidence reaches, also where a confidence of 1 was rounded up."""

ENDS = (LITTLE_ONLY, BIG_ONLY)
"""The thresholds that keep everything and that forward everything."""

_BLOCK = 1 << 18  # logits worked on at once: a few megabytes, which stay in the processor's cache


class Answered(NamedTuple):
    """Labels ``N``, and how sure the network that gave each one is: its maximum softmax probability, ``N`` in 0..1."""

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]


def answers(logits: ArrayLike) -> Answered:
    """The label (the first of equals) and the maximum softmax probability of each row of logits.

    A row's answer does not depend on the rows beside it, to the last bit. Memory beyond the logits is a few megabytes
    and 16 bytes a row.

    Args:
        logits: ``N×C`` real numbers; minus infinity rules a class out.

    Raises:
        InvalidInput: another shape, no classes, or a row with NaN, plus infinity or nothing but minus infinity.
    """
    rows = _logits(logits)
    labels = np.empty(len(rows), np.int64)
    confidence = np.empty(len(rows), np.float64)
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        block = np.array(rows[start : start + step], np.float64, order="C")
        label = labels[start : start + step] = block.argmax(axis=1)
        with np.errstate(invalid="ignore", under="ignore"):
            block -= np.take_along_axis(block, label[:, None], axis=1)
            total = np.exp(block, out=block).sum(axis=1)
        confidence[start : start + step] = 1 / total
    _refuse(np.isnan(confidence))
    return Answered(labels, confidence)


def best_labels(logits: ArrayLike) -> NDArray[np.int64]:
    """The labels of ``answers`` alone, several times faster: what is asked of the last network; errors the same."""
    rows = _logits(logits)
    labels: NDArray[np.int64] = rows.argmax(axis=1)
    _refuse(~np.isfinite(np.take_along_axis(rows, labels[:, None], axis=1)[:, 0]))
    return labels


def fit_threshold(
    little_confidence: ArrayLike,
    little_correct: ArrayLike,
    big_correct: ArrayLike,
    little_macs: float,
    big_macs: float,
    max_loss: float = 0.0,
) -> Fit:
    """The cheapest operating point whose accuracy is at least the big network's less ``max_loss``.

    Right answers are counted, not averaged, so no rounding decides. The little network alone is threshold 0, the big
    one alone (after the little one ran in vain) is a threshold above 1; that end is also the answer when nothing else
    loses little enough, and its reduction is negative. Between the ends the threshold is the lowest confidence kept.

    Args:
        little_confidence: ``N`` maximum softmax probabilities, 0..1.
        little_correct, big_correct: ``N`` truth values, or 0 and 1.
        little_macs, big_macs: of one sample, in any one unit; the big one above zero.
        max_loss: of accuracy, as a fraction: 0.01 is one percentage point. Negative asks for a gain over the big
            network; where no threshold brings it, the answer is the big network alone.

    Raises:
        InvalidInput: no samples, lengths that differ, or values out of range.
    """
    confidence = _confidence(little_confidence)
    little, big = _correct(little_correct, len(confidence)), _correct(big_correct, len(confidence))
    points = gate.sweep(confidence, big - little, ENDS)
    best = points.cheapest(gate.losses_allowed(max_loss, len(confidence)))
    return gate.point(points, best, int(big.sum()), (little_macs, big_macs))


def apply_threshold(
    threshold: float,
    little_confidence: ArrayLike,
    little_correct: ArrayLike,
    big_correct: ArrayLike,
    little_macs: float,
    big_macs: float,
) -> Fit:
    """The operating point of a threshold that was chosen elsewhere; arguments and errors as ``fit_threshold``."""
    confidence = _confidence(little_confidence)
    little, big = _correct(little_correct, len(confidence)), _correct(big_correct, len(confidence))
    hard = confidence < gate.finite("threshold", threshold)
    right = int(np.where(hard, big, little).sum())
    return gate.account(threshold, int(hard.sum()), right, len(confidence), (little_macs, big_macs))


@dataclass(frozen=True)
class ChainFit:
    """One operating point of a chain of networks.

    Attributes:
        thresholds: one for each network but the last.
        reached: fraction of the samples that each network sees; the first sees all.
        accuracy, macs, reduction: as in ``Fit``, the last network being the big one.
    """

    thresholds: tuple[float, ...]
    reached: tuple[float, ...]
    accuracy: float
    macs: float
    reduction: float


def fit_chain(
    confidences: Sequence[ArrayLike], correct: Sequence[ArrayLike], macs: Sequence[float], max_loss: float = 0.0
) -> ChainFit:
    """Thresholds for a chain, smallest network first, that loses at most ``max_loss`` against the last network.

    From "everything goes to the last one", one threshold after another gets its cheapest value by a full scan, the
    others held, until nothing changes; once from the front and once from the back, and the cheaper result counts. For
    two networks this is exactly ``fit_threshold``; for more it is a local optimum.

    Args:
        confidences: ``N`` maximum softmax probabilities of each network; the last network's may be left out.
        correct: ``N`` truth values of each of the K networks; macs: of one sample, K.
        max_loss: as ``fit_threshold`` says.

    Raises:
        InvalidInput: fewer than two networks, or values as ``fit_threshold`` refuses them.
    """
    count = len(correct)
    if count < 2 or len(macs) != count or len(confidences) not in (count - 1, count):
        raise InvalidInput(
            f"expected confidences, correctness and MACs of two or more networks, got {len(confidences)}, {count} "
            f"and {len(macs)}"
        )
    sure = [_confidence(one) for one in confidences[: count - 1]]
    right = [_correct(one, len(one_sure)) for one, one_sure in zip(correct, [*sure, sure[0]], strict=True)]
    if len({len(one) for one in right}) != 1:
        raise InvalidInput(f"expected as many samples of every network, got {[len(one) for one in right]}")
    allowed = gate.losses_allowed(max_loss, len(sure[0]))
    forwards = range(count - 1)
    found = [_descended(sure, right, allowed, order) for order in (forwards, forwards[::-1])]
    return min((_chain_point(sure, right, macs, thresholds) for thresholds in found), key=lambda point: point.macs)


def _descended(
    sure: list[NDArray[np.float64]], right: list[NDArray[np.int64]], allowed: int, order: Sequence[int]
) -> list[float]:
    thresholds = [BIG_ONLY] * len(sure)
    while True:
        before = list(thresholds)
        for stage in order:
            taken = _stages(sure, thresholds)
            reaching = taken >= stage
            if not reaching.any():
                continue
            further = np.choose(_stages(sure, [*[BIG_ONLY] * (stage + 1), *thresholds[stage + 1 :]]), right)
            passed = np.where(reaching, further, np.choose(taken, right))
            spent = int((right[-1] - passed).sum())
            points = gate.sweep(sure[stage][reaching], (further - right[stage])[reaching], ENDS)
            thresholds[stage] = float(points.thresholds[points.cheapest(allowed - spent)])
        if thresholds == before:
            return thresholds


def _stages(sure: list[NDArray[np.float64]], thresholds: Sequence[float]) -> NDArray[np.int64]:
    """Which network answers each sample."""
    going_on = np.array([one < limit for one, limit in zip(sure, thresholds, strict=True)])
    stages: NDArray[np.int64] = np.cumprod(going_on, axis=0, dtype=np.int64).sum(axis=0)
    return stages


def _chain_point(
    sure: list[NDArray[np.float64]], right: list[NDArray[np.int64]], macs: Sequence[float], thresholds: list[float]
) -> ChainFit:
    stages = _stages(sure, thresholds)
    reached = tuple(float((stages >= stage).mean()) for stage in range(len(right)))
    accuracy = int(np.choose(stages, right).sum()) / len(stages)
    mean = math.fsum(float(cost) * part for cost, part in zip(macs, reached, strict=True))
    return ChainFit(tuple(thresholds), reached, accuracy, mean, 1 - mean / float(macs[-1]))


class CascadeAnswers(NamedTuple):
    """What a cascade says of ``N`` samples, in their order.

    Attributes:
        labels, confidence: of the network that answered each sample, as in ``Answered``.
        took_big: whether that was the big one.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    took_big: NDArray[np.bool_]


class ChainAnswers(NamedTuple):
    """As ``CascadeAnswers``, with the number of the network that answered: 0 is the first."""

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    stage: NDArray[np.int64]


class Cascade:
    """Two dense passes: little on everything, then big on what little is less sure of than ``threshold``.

    Args:
        little, big: functions from samples to logits; each prepares the samples its own way.
        threshold: little's answer stays at a confidence of at least this; 0 is little only, above 1 big only.
        batch_size: samples a call; by default one call takes all. The big network is called exactly
            ``ceil(hard / batch_size)`` times, never for nothing.
    """

    def __init__(self, little: Network, big: Network, threshold: float, *, batch_size: int | None = None) -> None:
        self._chain = Chain([little, big], [threshold], batch_size=batch_size)

    def __call__(self, batch: Any) -> CascadeAnswers:
        """Answer ``N`` samples: an array of them along its first axis, or a sequence.

        Raises:
            InvalidInput: a network does not answer with one row of logits a sample.
        """
        labels, confidence, stage = self._chain(batch)
        return CascadeAnswers(labels, confidence, stage == 1)


class Chain:
    """As ``Cascade``, with any number of networks, smallest first, and a threshold for each but the last.

    Raises:
        InvalidInput: not one threshold fewer than networks, a threshold that is no number, or a batch size below 1.
    """

    def __init__(
        self, networks: Sequence[Network], thresholds: Sequence[float], *, batch_size: int | None = None
    ) -> None:
        if not networks or len(thresholds) != len(networks) - 1 or any(math.isnan(one) for one in thresholds):
            raise InvalidInput(f"expected a threshold for each of {len(networks)} networks but the last: {thresholds}")
        if batch_size is not None and batch_size < 1:
            raise InvalidInput(f"expected a batch size of at least 1, got {batch_size}")
        self._networks = tuple(networks)
        self._thresholds = (*(float(one) for one in thresholds), -math.inf)
        self._batch_size = batch_size

    def __call__(self, batch: Any) -> ChainAnswers:
        """Answer ``N`` samples: an array of them along its first axis, or a sequence; errors as ``Cascade``."""
        labels = np.empty(len(batch), np.int64)
        confidence = np.empty(len(batch), np.float64)
        stage = np.zeros(len(batch), np.int64)
        open_ones = np.arange(len(batch))
        for number, (network, threshold) in enumerate(zip(self._networks, self._thresholds, strict=True)):
            for part in self._parts(open_ones):
                labels[part], confidence[part] = _asked(network, _taken(batch, part), len(part))
            stage[open_ones] = number
            open_ones = open_ones[confidence[open_ones] < threshold]
        return ChainAnswers(labels, confidence, stage)

    def _parts(self, indices: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        step = self._batch_size or max(1, len(indices))
        return (indices[start : start + step] for start in range(0, len(indices), step))


def _taken(batch: Any, indices: NDArray[np.int64]) -> Any:
    if len(indices) == len(batch):
        return batch
    return [batch[i] for i in indices] if isinstance(batch, Sequence) else batch[indices]


def _asked(network: Network, samples: Any, count: int) -> Answered:
    found = answers(network(samples))
    if len(found.labels) != count:
        raise InvalidInput(f"expected one row of logits for each of {count} samples, got {len(found.labels)}")
    return found


def _logits(logits: ArrayLike) -> NDArray[Any]:
    rows = np.asarray(logits)
    if rows.ndim != 2 or rows.shape[1] == 0 or rows.dtype.kind not in "fiu":
        raise InvalidInput(f"expected N×C real logits, got shape {rows.shape} of {rows.dtype}")
    return rows


def _refuse(bad: NDArray[np.bool_]) -> None:
    if bad.any():
        raise InvalidInput(
            f"the logits of sample {int(bad.argmax())} hold NaN or infinity: a network that answers so is damaged"
        )


def _confidence(values: ArrayLike) -> NDArray[np.float64]:
    confidence = gate.numbers("confidences", values)
    if confidence.min() < 0 or confidence.max() > 1 + 1e-5:
        raise InvalidInput(
            f"confidences: expected maximum softmax probabilities in 0..1, got {confidence.min()} to {confidence.max()}"
        )
    return confidence


def _correct(values: ArrayLike, length: int) -> NDArray[np.int64]:
    correct = gate.numbers("correctness", values, length)
    if not ((correct == 0) | (correct == 1)).all():
        raise InvalidInput("correctness: expected truth values, or 0 and 1")
    return correct.astype(np.int64)
