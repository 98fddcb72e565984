"""Back-projection: the least change after which an enlarged picture shrinks to exactly the picture it was made from.

With D the antialiased bicubic shrink, U the bicubic enlargement and ``low`` the input, every round adds
``U (DU)⁻¹ (low - Dx)`` to the result x. D weighs with the kernel of U, so ``U (DU)⁻¹`` is the pseudo-inverse of D: no
smaller change would do, and what D cannot see, the detail finer than the input, is left as it is. Sources: iterative
back-projection, Irani & Peleg 1991; the exact correction filter, Unser & Aldroubi 1994 ("consistent sampling").

One round would do if levels had no ends. Where the sum leaves the range of levels it is clipped, and further,
over-relaxed rounds shift the rest to the pixels around: projections onto convex sets, Youla & Webb 1982.
"""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourfold.core.contract import Floats, Levels
from fourfold.imaging.resize import Resizer

_RELAXATIONS = (1.0, 1.8, 1.8)
_ROWS = 128  # at a time, so that the real-valued copies of a large picture stay small
_THRESHOLDS = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16 + 1 / 32


class BackProjection:
    """Makes a picture that passes in bands from top to bottom shrink to ``low``.

    The result is rounded with an ordered dither (Bayer 1973) instead of to the nearest level: errors of rounding then
    differ from pixel to pixel and vanish in the mean, where equal ones would add up over smooth parts.

    Args:
        low: what the picture shall shrink to, ``h×w×C`` in 0..1.
        size: ``(height, width)`` of the passing picture, at least that of ``low``.
        peak: its highest level, 255 or 65535.
    """

    def __init__(self, low: Floats, size: tuple[int, int], peak: int) -> None:
        self._channels = low.shape[2]
        levels = low * np.float32(peak)
        self._rounds = [_Round(levels, size, peak, relaxation) for relaxation in _RELAXATIONS]
        self._thresholds = _THRESHOLDS[:, np.arange(size[1]) % 4, None]
        self._others: list[NDArray[Any]] = []
        self._done = 0

    def push(self, band: Levels) -> Levels:
        """Take the next rows, ``rows×W×C'``, and return those that are now certain; there may be none.

        Channels beyond those of ``low`` (transparency) come out as they are.
        """
        levels: NDArray[Any] = band
        slices = [self._slice(levels[top : top + _ROWS, :, : self._channels]) for top in range(0, len(band), _ROWS)]
        colors: Levels = np.concatenate([levels[:0, :, : self._channels], *slices])
        if band.shape[2] == self._channels:
            return colors
        self._others.append(levels[..., self._channels :])
        others = np.concatenate(self._others)
        self._others = [others[len(colors) :]]
        whole: Levels = np.concatenate([colors, others[: len(colors)]], axis=2)
        return whole

    def _slice(self, band: NDArray[Any]) -> NDArray[Any]:
        rows = band
        for turn in self._rounds:
            rows = turn.push(rows)
        rows += self._thresholds[np.arange(self._done, self._done + len(rows)) % 4]
        self._done += len(rows)
        return rows.astype(band.dtype)


class _Round:
    """One step towards ``low``, within 0..peak."""

    def __init__(self, low: Floats, size: tuple[int, int], peak: int, relaxation: float) -> None:
        small = (low.shape[0], low.shape[1])
        self._low, self._peak, self._relaxation = low, peak, np.float32(relaxation)
        self._shrink = Resizer(size, small, rounding=False)
        self._sharpen = Resizer(small, small, rounding=False, through=size, inverse=True)
        self._enlarge = Resizer(small, size, rounding=False)
        self._held: deque[NDArray[Any]] = deque()
        self._compared = 0

    def push(self, rows: NDArray[Any]) -> Floats:
        self._held.append(rows)
        shrunk = self._shrink.push(rows)
        missing = self._low[self._compared : self._compared + len(shrunk)] - shrunk
        self._compared += len(shrunk)
        moved: Floats = self._enlarge.push(self._sharpen.push(missing))
        moved *= self._relaxation
        done = 0
        while done < len(moved):
            piece = self._held.popleft()
            now, later = piece[: len(moved) - done], piece[len(moved) - done :]
            moved[done : done + len(now)] += now
            done += len(now)
            if len(later):
                self._held.appendleft(later)
        return np.clip(moved, 0, self._peak, out=moved)
