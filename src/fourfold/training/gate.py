"""Fitting the gate that routes tiles between a little and a big network, on the photos both were trained on.

The rule is Little-Big's (``methods.gate``): the cheapest threshold whose loss against the big network alone is allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourfold import engines
from fourfold.catalog.card import Card, Gate
from fourfold.core.errors import InvalidInput
from fourfold.imaging import tiling
from fourfold.methods import gate as rule
from fourfold.methods import route
from fourfold.training import data, degradations

SIDE = 176
"""Pixels a side of the part of each small photo that is looked at."""

_CAP = 70.0  # dB; nearer than this the networks count as equal


@dataclass(frozen=True, eq=False)
class Tiles:
    """What both networks made of ``N`` tiles.

    Attributes:
        features: ``N×F`` of ``methods.route.features``; apart: ``N``, dB between little and big.
        little, big: ``N``, loss of each in dB of PSNR of its whole photo, which is the squared error of the tile over
            the photo's mean under the big network, times 10 / ln 10. In the natural style, which is meant to be crisp
            and not near, the little one's error is the big one's and what it differs from that.
    """

    features: NDArray[np.float64]
    apart: NDArray[np.float64]
    little: NDArray[np.float64]
    big: NDArray[np.float64]


def look(little: Card, big: Card, photos: Sequence[Path], seed: int = 1) -> Tiles:
    """Run both networks over the middle of every training photo, shrunk (and degraded, if their style is natural)."""
    coarse = tiling.plan((SIDE, SIDE), big.receptive_field)
    ((tile,),) = coarse.rows
    runners = [engines.load(card, tile=coarse.shape) for card in (little, big)]
    plan = tiling.finer(coarse, route.HALO, route.LARGEST)
    found: list[Tiles] = []
    for number, path in enumerate(data.split_all(photos)[0]):
        (pair,) = data.read_pairs([path])
        if min(pair.low.shape[:2]) < SIDE:
            continue
        y, x = ((length - SIDE) // 2 for length in pair.low.shape[:2])
        high = pair.high[4 * y : 4 * (y + SIDE), 4 * x : 4 * (x + SIDE)]
        low = pair.low[y : y + SIDE, x : x + SIDE]
        if big.style == "natural":
            low = degradations.degraded(high, np.random.default_rng([seed, number]))
        real = low.astype(np.float32) / np.float32(255)
        planes = np.ascontiguousarray(tiling.read(real, tile, coarse.shape).transpose(2, 0, 1)[None])
        ours, better = (runner.levels(planes)[0][tile.inner(big.scale)] for runner in runners)
        found.append(_tiles(real, high, ours, better, plan, near=big.style == "faithful"))
    if not found:
        raise InvalidInput(f"expected photos of at least {4 * SIDE} pixels a side, found none")
    return Tiles(*(np.concatenate([getattr(one, name) for one in found]) for name in Tiles.__annotations__))


def _tiles(
    real: NDArray[np.float32], high: data.Picture, little: data.Picture, big: data.Picture, plan: tiling.Plan,
    *, near: bool,
) -> Tiles:  # fmt: skip
    def errors(a: data.Picture, b: data.Picture) -> NDArray[np.float64]:
        squares = np.square(a.astype(np.float32) - b).mean(2)
        return np.array([squares[4 * t : 4 * b, 4 * le : 4 * r].mean() for t, b, le, r in kept], np.float64)

    kept = [tile.kept for row in plan.rows for tile in row]
    to_big, apart = errors(big, high), errors(little, big)
    to_little = errors(little, high) if near else to_big + apart
    whole = np.square(big.astype(np.float32) - high).mean()
    decibels = 10 / np.log(10) / max(float(whole), 1e-3)
    return Tiles(
        features=route.features(real, plan).reshape(len(kept), -1),
        apart=np.minimum(10 * np.log10(255**2 / np.maximum(apart, 1e-9)), _CAP),
        little=to_little * decibels,
        big=to_big * decibels,
    )


def fit(tiles: Tiles, little: Card, big: Card, max_loss: float) -> Gate:
    """Least squares for the coefficients, then the cheapest threshold that loses at most ``max_loss`` dB on average."""
    coefficients, *_ = np.linalg.lstsq(tiles.features, tiles.apart, rcond=None)
    found = rule.fit_gate(
        tiles.features @ coefficients, -tiles.little, -tiles.big, little.macs_per_pixel, big.macs_per_pixel, max_loss
    )
    rounded = tuple(round(float(value), 4) for value in coefficients)
    return Gate(little.id, rounded, round(found.threshold, 2), max_loss, len(tiles.apart))
