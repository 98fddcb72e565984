"""Joint bilateral upsampling of feature maps, guided by the picture, and the local attention that it is a case of.

Papers: Joint Bilateral Upsampling (Kopf et al., SIGGRAPH 2007) with a learned range kernel, from FeatUp (Fu et al.,
ICLR 2024), in the form that FeatSharp uses. Exact, in blocks of rows, for any size and batch.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourfold.core.errors import InvalidInput

_BLOCK = 8


def local_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, real: Tensor | None = None) -> Tensor:
    """Softmax attention of each place to the places around it: of all pairs, only blocks are ever computed.

    Args:
        q: queries ``B×h×H×W×d``, already scaled.
        k, v: keys ``B×h×(H+2r)×(W+2r)×d`` and values ``…×e``: the place of a query lies r further down and right.
        bias: ``h×(2r+1)×(2r+1)``, added to the logits of the neighbours from top left to bottom right.
        real: ``(H+2r)×(W+2r)`` of bool, which keys count; all if None.

    Returns:
        ``B×h×H×W×e``.
    """
    reach, (rows, columns) = bias.shape[1] - 1, q.shape[2:4]
    margin = (0, 0, 0, -columns % _BLOCK, 0, -rows % _BLOCK)
    q, k, v = (F.pad(x, margin) for x in (q, k, v))
    near = _spread(bias, reach)
    none = torch.finfo(q.dtype).min / 4
    outside = None if real is None else F.pad(torch.where(real, 0.0, none).to(q), margin[2:], value=none)
    strips = []
    for top in range(0, q.shape[2], _BLOCK):
        queries = q[:, :, top : top + _BLOCK].unfold(3, _BLOCK, _BLOCK).permute(0, 3, 1, 2, 5, 4).flatten(3, 4)
        keys, values = (
            x[:, :, top : top + _BLOCK + reach]
            .unfold(3, _BLOCK + reach, _BLOCK)
            .permute(0, 3, 1, 2, 5, 4)
            .flatten(3, 4)
            for x in (k, v)
        )  # B×blocks×h×places×channels
        logits = queries @ keys.transpose(3, 4) + near
        if outside is not None:
            seen = outside[top : top + _BLOCK + reach].unfold(1, _BLOCK + reach, _BLOCK)
            logits = logits + seen.transpose(0, 1).flatten(1)[:, None, None]
        strip = (logits.softmax(4) @ values).reshape(*logits.shape[:3], _BLOCK, _BLOCK, -1)
        strips.append(strip.permute(0, 2, 3, 1, 4, 5).flatten(3, 4))
    return torch.cat(strips, 2)[:, :, :rows, :columns]


def _spread(bias: Tensor, reach: int) -> Tensor:
    """``h×(reach+1)²`` by neighbour → ``h×(places of a block)×(places around it)``, hugely negative beyond reach."""
    query, key = torch.arange(_BLOCK), torch.arange(_BLOCK + reach)
    step = (key - query[:, None]).to(bias.device)
    near = ((step >= 0) & (step <= reach)).to(bias.device)
    step = step.clamp(0, reach)
    table = bias[:, step[:, None, :, None], step[None, :, None, :]]
    both = near[:, None, :, None] & near[None, :, None, :]
    return table.masked_fill(~both, torch.finfo(bias.dtype).min / 4).flatten(3, 4).flatten(1, 2)


class JBULevel(nn.Module):
    """One joint bilateral upsampling: each output is a mean of its 7×7 neighbours that look like it in the guidance.

    The weight of a neighbour is softmax(temperature · ⟨its projected guidance, ours⟩) · exp(−d²/2σ²), normalised: one
    softmax of a sum. The original's factors ``range_alpha`` and ``spatial_alpha`` cancel; they are kept for its names.
    """

    radius = 3

    def __init__(self) -> None:
        super().__init__()
        self.range_temp = nn.Parameter(torch.zeros(()))
        self.range_proj = nn.Sequential(nn.Conv2d(3, 32, 1), nn.GELU(), nn.Conv2d(32, 32, 1))
        self.sigma_spatial = nn.Parameter(torch.ones(()))
        self.range_alpha = nn.Parameter(torch.zeros(()))
        self.spatial_alpha = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor, guidance: Tensor) -> Tensor:
        """Features ``B×C×h×w`` and guidance ``B×3×H×W`` → ``B×C×H×W``."""
        size = guidance.shape[2:]
        values = F.interpolate(features, size=size, mode="bilinear", align_corners=False)
        projected = self.range_proj(guidance)
        queries = projected * self.range_temp.exp().clamp(1e-4, 1e4)
        squares = torch.linspace(-1, 1, 2 * self.radius + 1).to(features).square()
        bias = -(squares[:, None] + squares) / (2 * self.sigma_spatial.square())
        q, k, v = (x.permute(0, 2, 3, 1)[:, None] for x in (queries, self._mirrored(projected), self._mirrored(values)))
        return local_attention(q, k, v, bias[None]).squeeze(1).permute(0, 3, 1, 2)

    def _mirrored(self, x: Tensor) -> Tensor:
        """``radius`` more on each side, mirrored at the edge pixels as often as it takes."""
        for axis in (2, 3):
            length = x.shape[axis]
            place = torch.arange(-self.radius, length + self.radius, device=x.device) % max(1, 2 * (length - 1))
            x = x.index_select(axis, torch.minimum(place, 2 * (length - 1) - place))
        return x


class JBUStack(nn.Module):
    """Joint bilateral upsampling by one level for each prime factor, the smallest first.

    Args:
        feat_dim: channels C, which no parameter depends on; upsample_factor: whole, at least 1.
    """

    def __init__(self, feat_dim: int, upsample_factor: int) -> None:
        super().__init__()
        self.feat_dim, self.factors = feat_dim, list(prime_factors(upsample_factor))
        self.ups = nn.ModuleList(JBULevel() for _ in self.factors)

    def forward(self, features: Tensor, guidance: Tensor) -> Tensor:
        """Features ``B×C×h×w`` and a picture ``B×3×H×W`` of any size → ``B×C×fh×fw``."""
        for level, factor in zip(self.ups, self.factors, strict=True):
            size = features.shape[2] * factor, features.shape[3] * factor
            features = level(features, F.adaptive_avg_pool2d(guidance, size))
        return features


def prime_factors(number: int) -> Iterator[int]:
    """Ascending, with repetition.

    Raises:
        InvalidInput: it is less than 1.
    """
    if number < 1:
        raise InvalidInput(f"expected a whole factor of at least 1, got {number}")
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            yield divisor
            number //= divisor
        divisor += 1
