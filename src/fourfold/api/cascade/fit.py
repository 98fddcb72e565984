"""Little-Big on stored logits and on photos: ``fit_stored``, ``fit_photos`` and ``classify``."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.api.cascade.labelled import CascadeRun, Duration, Timed, read_labelled
from fourfold.api.cascade.logits import Judged, Samples, StoredLogits
from fourfold.api.cascade.plot import plot
from fourfold.api.cascade.report import CascadeReport, report
from fourfold.core.errors import UsageError
from fourfold.methods.cascade import Cascade, CascadeAnswers, Chain, ChainAnswers
from fourfold.methods.gate import Fit
from fourfold.models.classifier import Classifier, Encoding

BATCH = 32
"""Pictures in memory at once, by default."""


@dataclass(frozen=True)
class NetworkPair:
    """Two classifier files.

    Attributes:
        little, big: ``.onnx`` or ``.tflite``. little_encoding, big_encoding: of their inputs.
    """

    little: Path
    big: Path
    little_encoding: Encoding = "auto"
    big_encoding: Encoding = "auto"


Choice = Literal["in-sample", "held-out"]
"""Which threshold: chosen on all samples, or on a half of them so that the other half can judge it."""


def headline(found: CascadeReport, choice: Choice) -> Fit:
    """The point a report is read for; where there is only the other, that one."""
    honest = found.held_out.fit if found.held_out else None
    point = (honest or found.in_sample) if choice == "held-out" else (found.in_sample or honest)
    assert point is not None
    return point


def fit_stored(
    path: Path,
    little: str,
    big: str,
    *,
    max_loss: float = 0.0,
    threshold: float | None = None,
    picture: Path | None = None,
) -> CascadeReport:
    """Fit and measure a cascade of two networks whose logits are stored, as ``api.cascade.logits`` says.

    Args:
        little, big: names of the networks in the file.
        max_loss: of accuracy, a fraction; threshold: to measure instead of fitting one.
        picture: PNG file for the plot.

    Raises:
        UsageError: the file does not hold what is asked for.
    """
    stored = StoredLogits(path)
    pair = stored.pair(little, big)
    others = [stored.judged(name) for name in stored.names if name not in (little, big)]
    found = report(pair, max_loss=max_loss, threshold=threshold, others=others)
    if picture:
        plot(picture, pair, found)
    return found


def fit_photos(
    pair: NetworkPair,
    images: Path,
    table: Path,
    *,
    max_loss: float = 0.0,
    threshold: float | None = None,
    choice: Choice = "in-sample",
    batch_size: int = BATCH,
    picture: Path | None = None,
) -> tuple[CascadeReport, CascadeRun]:
    """Fit and measure a cascade of two real networks on labelled pictures, then run it and time it.

    Args:
        images: folder of the pictures; table: CSV file with the columns ``file`` and ``label``, a class number.
        choice: of the threshold for the timed run, if none is given.
        batch_size: pictures a call; others as ``fit_stored``.

    Raises:
        UsageError: as ``read_labelled``, or a label that a network does not know. PictureError: an unreadable picture.
        ModelError: a file that is no classifier. RuntimeFailure: the engine failed.
    """
    labelled = read_labelled(images, table)
    networks = _loaded(pair)
    for network in networks:
        if labelled.labels.max() >= network.classes:
            raise UsageError(
                f"{table}: label {labelled.labels.max()} is unknown to {network.name}, which has {network.classes} "
                "classes; expected labels that are numbered as the networks number them"
            )
    alone = [_alone(network, labelled.pictures, batch_size) for network in networks]
    judged = [
        Judged(network.name, network.macs, said.labels == labelled.labels)
        for network, (said, _) in zip(networks, alone, strict=True)
    ]
    samples = Samples(judged[0], judged[1], alone[0][0].confidence)
    found = report(samples, max_loss=max_loss, threshold=threshold)
    used = headline(found, choice).threshold
    if picture:
        plot(picture, samples, found)
    return found, _run(networks, labelled.pictures, used, batch_size, (alone[0][1], alone[1][1]))


def classify(
    pictures: Sequence[str | Path], pair: NetworkPair, threshold: float, *, batch_size: int = BATCH
) -> CascadeAnswers:
    """Class numbers of pictures, the little network's where it is sure enough.

    Raises:
        PictureError: an unreadable picture. ModelError: a file that is no classifier.
        RuntimeFailure: the engine failed.
    """
    little, big = (Timed(network.prepare, network) for network in _loaded(pair))
    return Cascade(little, big, threshold, batch_size=batch_size)([Path(one) for one in pictures])


def _loaded(pair: NetworkPair) -> tuple[Classifier, Classifier]:
    return Classifier(pair.little, pair.little_encoding), Classifier(pair.big, pair.big_encoding)


def _alone(network: Classifier, pictures: Sequence[Path], batch_size: int) -> tuple[ChainAnswers, Duration]:
    _warm(network)
    timed = Timed(network.prepare, network)
    before = time.perf_counter()
    said = Chain([timed], [], batch_size=batch_size)(pictures)
    return said, Duration(time.perf_counter() - before, timed.seconds_network)


def _warm(network: Classifier) -> None:
    blank: NDArray[np.uint8] = np.zeros((*network.size, 3), np.uint8)
    network(network.prepare(blank)[None])


def _run(
    networks: tuple[Classifier, Classifier],
    pictures: Sequence[Path],
    threshold: float,
    batch_size: int,
    alone: tuple[Duration, Duration],
) -> CascadeRun:
    little, big = (Timed(network.prepare, network) for network in networks)
    before = time.perf_counter()
    Cascade(little, big, threshold, batch_size=batch_size)(pictures)
    seconds = time.perf_counter() - before
    return CascadeRun(
        threshold=threshold,
        batch_size=batch_size,
        big_pictures=big.pictures,
        big_calls=big.calls,
        little=alone[0],
        big=alone[1],
        cascade=Duration(seconds, little.seconds_network + big.seconds_network),
    )
