"""A small vision transformer whose output is a feature map.

Sources: the transformer of images from ViT (Dosovitskiy et al., ICLR 2021), its first layers as overlapping
convolutions from Xiao et al. (NeurIPS 2021), fixed sine positions in two dimensions as in MoCo v3 (Chen et al., ICCV
2021).
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """A pre-norm transformer block over tokens ``B×N×width``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        b, n, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = F.softmax(q @ k.transpose(2, 3) * (width // self.heads) ** -0.5, dim=3)
        seen = weights @ v
        x = x + self.proj(seen.transpose(1, 2).reshape(b, n, width))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """RGB in 0..1, ``B×3×H×W`` with H and W multiples of 8 → features ``B×C×H/8×W/8``.

    Args:
        width: of a token, a multiple of ``4·heads``; depth: blocks; heads: of attention; features: C.
    """

    patch = 8

    def __init__(self, width: int = 96, depth: int = 6, heads: int = 3, features: int = 64) -> None:
        super().__init__()
        widths = 3, width // 4, width // 2, width
        self.stem = nn.Sequential()
        for before, after in pairwise(widths):
            self.stem.extend([nn.Conv2d(before, after, 3, 2, 1), nn.GELU()])
        self.stem.append(nn.Conv2d(width, width, 1))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, features)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.stem(2 * x - 1)
        rows, columns = x.shape[2:]
        x = (x + positions(x.shape[1], rows, columns).to(x)).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).transpose(1, 2).unflatten(2, (rows, columns))  # type: ignore[no-any-return]


def positions(width: int, rows: int, columns: int) -> Tensor:
    """Sines and cosines of the row in one half of the channels and of the column in the other, ``width×rows×columns``.

    The wavelengths run geometrically from 2π to 200π tokens.
    """
    frequencies = 100 ** -torch.linspace(0, 1, width // 4)
    waves = [torch.outer(frequencies, torch.arange(float(count))) for count in (rows, columns)]
    y, x = (torch.cat([wave.sin(), wave.cos()]) for wave in waves)
    return torch.cat([y[:, :, None].expand(-1, -1, columns), x[:, None].expand(-1, rows, -1)])
