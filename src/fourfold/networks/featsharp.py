"""FeatSharp: feature maps of a frozen image encoder, two to four times as fine.

Paper: FeatSharp: Your Vision Model Features, Sharper (Ranzinger et al., ICML 2025, arXiv 2502.16025): the encoder sees
the whole picture and, in the same call, parts of it enlarged ("tiles"). Joint bilateral upsampling of the first and the
mosaic of the others are fused by one transformer block with local attention. Names of parameters are the original
implementation's, so that its weights load; unlike it, any batch follows any other.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from fourfold.core.errors import InvalidInput, ModelError
from fourfold.networks.jbu import JBUStack, local_attention, prime_factors
from fourfold.networks.phis import PhiS

__all__ = ["BiasBuffer", "Encoder", "FeatSharp", "JBUStack", "PhiS", "Upsampled", "Upsampler", "spectral"]

Encoder = Callable[[Tensor], Tensor]
"""Pictures ``B×3×R×R`` → features ``B×C×n×n``."""

HEADS = 16


class LocalAttention(nn.Module):
    """Attention of 16 heads in a square window, with linear biases of distance (ALiBi) along rows or columns.

    Queries, keys and values are made as wide as the next power of two; logits are scaled by the real width, and only
    that many channels of the values are kept.
    """

    def __init__(self, dim: int, window: int) -> None:
        super().__init__()
        self.width, self.radius = dim // HEADS, window // 2
        self.padded = 1 << (self.width - 1).bit_length()
        self.qkv = nn.Linear(dim, 3 * HEADS * self.padded, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``B×H×W×dim`` → the same."""
        q, k, v = self.qkv(x).view(*x.shape[:3], 3, HEADS, self.padded).permute(3, 0, 4, 1, 2, 5).unbind(0)
        margin = (self.radius,) * 4
        k, v = (F.pad(one, (0, 0, *margin)) for one in (k, v[..., : self.width]))
        real = F.pad(torch.ones(x.shape[1:3], dtype=torch.bool, device=x.device), margin)
        seen = local_attention(q * self.width**-0.5, k, v, alibi(self.radius).to(x), real)
        return self.proj(seen.permute(0, 2, 3, 1, 4).flatten(3))  # type: ignore[no-any-return]


def alibi(radius: int) -> Tensor:
    """Minus distance times a slope a head, ``16×(2r+1)×(2r+1)``: even heads count rows, odd ones columns.

    Heads 0 and 1 have slope 1/2, 2 and 3 have 1/4, and so on.
    """
    distance = torch.arange(-radius, radius + 1.0).abs()
    pair = torch.stack([distance[:, None].expand(-1, len(distance)), distance.expand(len(distance), -1)])
    slopes = 2.0 ** -torch.arange(1, HEADS // 2 + 1)
    return -(slopes[:, None, None, None] * pair).flatten(0, 1)


class SwiGLU(nn.Module):
    """silu(a) · b, from ``inputs`` to ``outputs`` channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = (4 * inputs * 2 // 3 + 7) // 8 * 8
        self.w12, self.w3 = nn.Linear(inputs, 2 * hidden), nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``…×inputs`` → ``…×outputs``."""
        a, b = self.w12(x).chunk(2, -1)
        return self.w3(F.silu(a) * b)  # type: ignore[no-any-return]


class LayerScale(nn.Module):
    """A learned factor for each channel, first 1e-6."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """``…×dim`` → the same."""
        return x * self.gamma


class FusionBlock(nn.Module):
    """A transformer block over ``B×H×W×2C`` that gives ``B×H×W×C``: first the first half of its input."""

    def __init__(self, feat_dim: int, window: int, no_ln: bool) -> None:
        super().__init__()
        self.feat_dim, dim = feat_dim, 2 * feat_dim
        self.norm1, self.norm2 = (nn.Identity() if no_ln else nn.LayerNorm(dim) for _ in range(2))
        self.attn, self.ls1 = LocalAttention(dim, window), LayerScale(dim)
        self.mlp, self.ls2 = SwiGLU(dim, feat_dim), LayerScale(feat_dim)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x[..., : self.feat_dim] + self.ls2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class AttentionLevel(nn.Module):
    """Upsampled features fused with the mosaic of a picture's tiles.

    Args:
        feat_dim: C; factor: of this level; tiles: of the mosaic in each direction; window, no_ln: see ``FeatSharp``.
    """

    def __init__(self, feat_dim: int, factor: int, tiles: int, window: int, no_ln: bool) -> None:
        super().__init__()
        self.factor = factor
        self.tile_pos = nn.Parameter(torch.zeros(1, feat_dim, tiles, tiles))
        self.jbu = JBUStack(feat_dim, factor)
        self.block = FusionBlock(feat_dim, window, no_ln)

    def forward(self, features: Tensor, mosaic: Tensor, image: Tensor) -> Tensor:
        """Features ``B×C×h×w``, the mosaic ``B×C×fh×fw`` and the picture ``B×3×…`` → ``B×C×fh×fw``."""
        offsets = F.interpolate(self.tile_pos, size=mosaic.shape[2:], mode="nearest")
        x = torch.cat([self.upsample(features, image), mosaic + offsets], 1).permute(0, 2, 3, 1)
        return self.block(x).permute(0, 3, 1, 2)  # type: ignore[no-any-return]

    def upsample(self, features: Tensor, image: Tensor) -> Tensor:
        """Joint bilateral upsampling alone: ``B×C×h×w`` → ``B×C×fh×fw``."""
        return self.jbu(features, _resize(image, features.shape[2] * self.factor))  # type: ignore[no-any-return]


class FeatSharp(nn.Module):
    """An encoder's features of a picture, ``upsample_factor`` times as fine. It begins as joint bilateral upsampling.

    Args:
        model_resolution: R, the side of the pictures that the encoder takes; patch_size: its pixels a feature.
        feat_dim: channels C of its features, a multiple of 8; upsample_factor: f, at least 1.
        window_size: of the attention, odd; no_ln: leave out layer norms; progressive: one level for each prime factor.

    Raises:
        InvalidInput: a number does not fit.
    """

    def __init__(
        self,
        model_resolution: int,
        patch_size: int,
        feat_dim: int,
        upsample_factor: int,
        window_size: int = 7,
        no_ln: bool = False,
        progressive: bool = False,
    ) -> None:
        super().__init__()
        if model_resolution % patch_size or feat_dim % 8 or window_size % 2 == 0:
            raise InvalidInput(
                "expected a model_resolution that is a multiple of patch_size, a feat_dim that is one of 8 and an odd "
                f"window_size, got {model_resolution}, {patch_size}, {feat_dim}, {window_size}"
            )
        self.model_resolution, self.cells = model_resolution, model_resolution // patch_size
        self.feat_dim, self.upsample_factor = feat_dim, upsample_factor
        factors = list(prime_factors(upsample_factor)) if progressive else [upsample_factor]
        self.tilings = [math.prod(factors[: i + 1]) for i in range(len(factors))]
        self.ups = nn.ModuleList(
            AttentionLevel(feat_dim, factor, tiles, window_size, no_ln)
            for factor, tiles in zip(factors, self.tilings, strict=True)
        )
        self.register_load_state_dict_pre_hook(_fold)  # type: ignore[no-untyped-call]

    def forward(self, image: Tensor, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """A picture and its encoder → the encoder's features and the sharp ones.

        Args:
            image: ``B×3×fR×fR``, scaled as the encoder wants it; another size is resized to this.
            encoder: called once, with ``B·(1+f²)`` pictures.

        Returns:
            ``B×C×n×n`` and ``B×C×fn×fn`` with n = R / patch_size.

        Raises:
            ModelError: the encoder's answer has another shape.
        """
        low, mosaics = self.encode(image, encoder)
        return low, self.sharpen(low, mosaics, image)

    def encode(self, image: Tensor, encoder: Encoder) -> tuple[Tensor, list[Tensor]]:
        """The features of the whole picture, ``B×C×n×n``, and the mosaic of each level, ``B×C×tn×tn`` of t×t tiles."""
        side, batch = self.model_resolution, len(image)
        pictures = [_resize(image, side)]
        for tiles in self.tilings:
            enlarged = _resize(image, tiles * side)
            pictures.append(
                enlarged.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
            )
        features = encoder(torch.cat(pictures))
        expected = (sum(map(len, pictures)), self.feat_dim, self.cells, self.cells)
        if features.shape != expected:
            raise ModelError(f"expected features of shape {expected} from the encoder, got {tuple(features.shape)}")
        low, *parts = torch.split(features, [len(p) for p in pictures])
        mosaics = [
            part.reshape(batch, tiles, tiles, *expected[1:]).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
            for part, tiles in zip(parts, self.tilings, strict=True)
        ]
        return low, mosaics

    def sharpen(self, low: Tensor, mosaics: list[Tensor], image: Tensor) -> Tensor:
        """What ``encode`` gave, fused: ``B×C×fn×fn``."""
        for level, mosaic in zip(self.ups, mosaics, strict=True):
            low = level(low, mosaic, image)
        return low

    def jbu(self, low: Tensor, image: Tensor) -> Tensor:
        """Joint bilateral upsampling alone, with this network's weights: ``B×C×fn×fn``."""
        for level in self.ups:
            assert isinstance(level, AttentionLevel)
            low = level.upsample(low, image)
        return low


class BiasBuffer(nn.Module):
    """A learned map that is added to features ``B×C×h×w``: the opposite of what an encoder adds to every picture.

    Args:
        feat_dim: C; size: side n of the map, which is resized to other sizes.
    """

    def __init__(self, feat_dim: int, size: int) -> None:
        super().__init__()
        self.buffer = nn.Parameter(torch.zeros(1, feat_dim, size, size))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.buffer.shape[2:] == x.shape[2:]:
            return x + self.buffer
        return x + F.interpolate(self.buffer, size=x.shape[2:], mode="bilinear", align_corners=False)


class Upsampled(NamedTuple):
    """What an ``Upsampler`` gives: ``B×C×n×n`` and ``B×C×fn×fn``."""

    low_res: Tensor
    high_res: Tensor


class Upsampler(nn.Module):
    """FeatSharp behind its normaliser and bias, with the original's names: ``(picture, encoder) → Upsampled``."""

    def __init__(self, upsampler: FeatSharp) -> None:
        super().__init__()
        self.upsampler = upsampler
        self.normalizer = PhiS(upsampler.feat_dim)
        self.bias_buffer = BiasBuffer(upsampler.feat_dim, upsampler.cells)

    def forward(self, image: Tensor, encoder: Encoder, denormalize: bool = False) -> Upsampled:
        """``image`` and ``encoder`` as for ``FeatSharp``; in normalised space unless ``denormalize``."""
        found = self.upsampler(image, self.behind(encoder))
        return Upsampled(*(map(self.normalizer.denormalize, found) if denormalize else found))

    def behind(self, encoder: Encoder) -> Encoder:
        """The encoder with its features normalised and their bias taken away."""
        return lambda pictures: self.bias_buffer(self.normalizer(encoder(pictures)))

    def load_checkpoint(self, state: Mapping[str, Tensor]) -> "Upsampler":
        """Weights of a training run, as its ``model_state`` holds them: what only training needs is left out.

        Raises:
            ModelError: they are of another upsampler.
        """
        names = {key.removeprefix("module."): value for key, value in state.items()}
        kept = {key: value for key, value in names.items() if not key.startswith(("downsampler.", "scale_net."))}
        try:
            self.load_state_dict(kept)
        except RuntimeError as error:
            raise ModelError(f"expected the weights of this FeatSharp: {error}") from error
        return self


class SpectralReparam(nn.Module):
    """W = W₀ · (softplus(scale) + 0.05) / (σ(W₀) + 1e-6) with the largest singular value σ by power iteration.

    A parametrisation for training; it begins as W₀.
    """

    sn_u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        sigma = torch.linalg.matrix_norm(weight.detach(), 2)
        self.sn_scale = nn.Parameter(torch.expm1((sigma - 0.05).clamp(min=1e-3)).log())
        self.register_buffer("sn_u", torch.linalg.svd(weight.detach(), full_matrices=False).U[:, 0])
        self.register_buffer("_sn_version", torch.tensor(1))

    def forward(self, weight: Tensor) -> Tensor:
        """W₀ ``o×i`` → W."""
        with torch.no_grad():
            v = F.normalize(weight.T @ self.sn_u, dim=0)
            u = F.normalize(weight @ v, dim=0)
            if self.training:
                self.sn_u.copy_(u)
        return _reparametrised(weight, u @ weight @ v, self.sn_scale)


def spectral(module: nn.Module) -> None:
    """Reparametrise every linear layer of a module in place, for training."""
    for layer in list(module.modules()):
        if isinstance(layer, nn.Linear):
            parametrize.register_parametrization(layer, "weight", SpectralReparam(layer.weight))


def _reparametrised(weight: Tensor, sigma: Tensor, scale: Tensor) -> Tensor:
    return weight * (F.softplus(scale) + 0.05) / (sigma + 1e-6)


def _fold(module: nn.Module, state: dict[str, Tensor], prefix: str, *__: Any) -> None:
    """Before loading into plain layers, replace spectrally reparametrised weights by what they amount to."""
    mark = ".parametrizations.weight."
    if any(parametrize.is_parametrized(layer) for layer in module.modules()):
        return
    for key in [key for key in state if key.startswith(prefix) and mark in key]:
        layer, _, rest = key.partition(mark)
        if rest == "original":
            weight, scale = state[key], state[f"{layer}{mark}0.sn_scale"]
            state[f"{layer}.weight"] = _reparametrised(weight, torch.linalg.matrix_norm(weight, 2), scale)
    for key in [key for key in state if key.startswith(prefix) and mark in key]:
        del state[key]


def _resize(image: Tensor, side: int) -> Tensor:
    if image.shape[2:] == (side, side):
        return image
    return F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)
