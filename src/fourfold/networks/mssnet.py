"""MSSNet: a multi-scale, multi-stage network for motion deblurring.

Source: "MSSNet: Multi-Scale-Stage Network for Single Image Deblurring" (Kim, Lee and Cho, AIM workshop at ECCV 2022,
arXiv 2202.09652). Three scales of one, two and three U-Nets; features, not only pictures, go from each U-Net to the
next; coarse scales see a larger picture folded by pixel unshuffling. Names in a state dict are those of the authors'
checkpoints, where the one activation appears 87 times. Where a 1×1 convolution follows a bilinear enlargement we
compute it before, on a quarter of the pixels: the two commute, because there are no biases.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fourfold.core.errors import ModelError

MULTIPLE = 16
"""Of which the sides of a picture must be multiples."""

REACH = 687
"""How far, in pixels to each side, an output pixel looks."""


SIZES = {"small": (20, 40, 40), "base": (54, 42, 42), "large": (80, 50, 50)}
"""The arguments of ``MSSNet`` for the published sizes."""


class Maps(NamedTuple):
    """Feature maps of one half of a U-Net: c1 channels at full, c2 at half and c3 at quarter size."""

    fine: Tensor
    middle: Tensor
    coarse: Tensor


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size; the network has no biases."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


def resize(factor: float, align_corners: bool = False) -> nn.Upsample:
    """Bilinear; the corner pixels are aligned only for the picture of the coarsest scale."""
    return nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=align_corners)


class ResBlock(nn.Module):
    """x + conv(PReLU(conv(x))), ``B×C×H×W`` → the same shape; the activation is one object for the whole network."""

    def __init__(self, channels: int, act: nn.PReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(channels, channels), act, conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x + self.body(x)  # type: ignore[no-any-return]


class DownSample(nn.Module):
    """``B×C×H×W`` → ``B×C'×H/2×W/2``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Sequential(resize(0.5), conv(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.down(x)  # type: ignore[no-any-return]


class SkipUpSample(nn.Module):
    """``B×C×H×W`` and a skip ``B×C'×2H×2W`` → their sum, the first projected and enlarged."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Sequential(resize(2), conv(inputs, outputs, 1))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """See the class."""
        enlarge, project = self.up
        return enlarge(project(x)) + skip  # type: ignore[no-any-return]


class ScaleUpSample(nn.Module):
    """``B×C×H×W`` → ``B×C×2H×2W``: the last features of one scale, for the next."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scaleUp = nn.Sequential(resize(2), conv(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        enlarge, project = self.scaleUp
        return enlarge(project(x))  # type: ignore[no-any-return]


class ShuffleTail(nn.Module):
    """Features ``B×C×H×W`` → a picture ``B×3×2H×2W``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.tail = conv(channels, 12)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.shuffle(self.tail(x))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """The descending half of a U-Net; with ``fusing``, maps of the U-Net before can be added after each level."""

    def __init__(self, widths: tuple[int, int, int], act: nn.PReLU, fusing: bool = True) -> None:
        super().__init__()
        c1, c2, c3 = widths
        self.encoder_level1 = nn.Sequential(ResBlock(c1, act), ResBlock(c1, act))
        self.encoder_level2 = nn.Sequential(ResBlock(c2, act), ResBlock(c2, act))
        self.encoder_level3 = nn.Sequential(ResBlock(c3, act), ResBlock(c3, act))
        self.down12 = DownSample(c1, c2)
        self.down23 = DownSample(c2, c3)
        if fusing:
            self.csff_enc1, self.csff_dec1 = conv(c1, c1, 1), conv(c1, c1, 1)
            self.csff_enc2, self.csff_dec2 = conv(c2, c2, 1), conv(c2, c2, 1)
            self.csff_enc3, self.csff_dec3 = conv(c3, c3, 1), conv(c3, c3, 1)

    def forward(self, x: Tensor, fused: Maps | None = None) -> Maps:
        """Features ``B×c1×H×W``, and what ``fuse`` made of the U-Net before, of these sizes."""
        fine = self.encoder_level1(x)
        fine = fine if fused is None else fine + fused.fine
        middle = self.encoder_level2(self.down12(fine))
        middle = middle if fused is None else middle + fused.middle
        coarse = self.encoder_level3(self.down23(middle))
        coarse = coarse if fused is None else coarse + fused.coarse
        return Maps(fine, middle, coarse)

    def fuse(self, encoded: Maps, decoded: Maps) -> Maps:
        """Both halves of the U-Net before, projected and added, in their own sizes."""
        return Maps(
            self.csff_enc1(encoded.fine) + self.csff_dec1(decoded.fine),
            self.csff_enc2(encoded.middle) + self.csff_dec2(decoded.middle),
            self.csff_enc3(encoded.coarse) + self.csff_dec3(decoded.coarse),
        )


class Decoder(nn.Module):
    """The ascending half of a U-Net; the encoder's maps come in through a ResBlock and a sum."""

    def __init__(self, widths: tuple[int, int, int], act: nn.PReLU) -> None:
        super().__init__()
        c1, c2, c3 = widths
        self.decoder_level1 = nn.Sequential(ResBlock(c1, act), ResBlock(c1, act))
        self.decoder_level2 = nn.Sequential(ResBlock(c2, act), ResBlock(c2, act))
        self.decoder_level3 = nn.Sequential(ResBlock(c3, act), ResBlock(c3, act))
        self.skip_attn1 = ResBlock(c1, act)
        self.skip_attn2 = ResBlock(c2, act)
        self.up21 = SkipUpSample(c2, c1)
        self.up32 = SkipUpSample(c3, c2)

    def forward(self, encoded: Maps) -> Maps:
        """Three maps → three maps of the same shapes."""
        coarse = self.decoder_level3(encoded.coarse)
        middle = self.decoder_level2(self.up32(coarse, self.skip_attn2(encoded.middle)))
        fine = self.decoder_level1(self.up21(middle, self.skip_attn1(encoded.fine)))
        return Maps(fine, middle, coarse)


class MSSNet(nn.Module):
    """Deblurring of RGB in 0..1, ``B×3×H×W`` with H and W multiples of ``MULTIPLE``, unclamped.

    In evaluation it gives the final picture. In training it gives the six estimates of its six U-Nets in the order of
    computation: R1 at half size, R2 to R6 at full size; the last is what evaluation gives. Each estimate is the blurry
    picture plus what the network adds, so with silent tails it is the blurry picture.

    Args:
        wf: channels c1 of every U-Net's fine level; scale: how many more c2 has; vscale: how many more c3 has. See
            ``SIZES`` for the published ones.

    Attributes:
        arguments: of the constructor, by name; training_only: what evaluation does not use.
    """

    training_only = ("tail1_1", "tail2_1", "tail2_2", "tail3_1", "tail3_2")

    def __init__(self, wf: int = 54, scale: int = 42, vscale: int = 42) -> None:
        super().__init__()
        self.arguments = {"wf": wf, "scale": scale, "vscale": vscale}
        widths = wf, wf + scale, wf + scale + vscale
        act = nn.PReLU()
        self.shallow_feat1 = nn.Sequential(conv(12, wf), ResBlock(wf, act))
        self.shallow_feat2 = nn.Sequential(conv(12, wf), ResBlock(wf, act))
        self.shallow_feat3 = nn.Sequential(conv(3, wf), ResBlock(wf, act))
        self.E1_1, self.D1_1 = Encoder(widths, act, fusing=False), Decoder(widths, act)
        self.E2_1, self.D2_1 = Encoder(widths, act), Decoder(widths, act)
        self.E2_2, self.D2_2 = Encoder(widths, act), Decoder(widths, act)
        self.E3_1, self.D3_1 = Encoder(widths, act), Decoder(widths, act)
        self.E3_2, self.D3_2 = Encoder(widths, act), Decoder(widths, act)
        self.E3_3, self.D3_3 = Encoder(widths, act), Decoder(widths, act)
        self.up_scale1_feat, self.fusion12 = ScaleUpSample(wf), conv(2 * wf, wf)
        self.up_scale2_feat, self.fusion23 = ScaleUpSample(wf), conv(2 * wf, wf)
        self.tail1_1, self.tail2_1, self.tail2_2 = ShuffleTail(wf), ShuffleTail(wf), ShuffleTail(wf)
        self.tail3_1, self.tail3_2, self.tail3_3 = conv(wf, 3), conv(wf, 3), conv(wf, 3)
        self.unshuffle = nn.PixelUnshuffle(2)
        self.enlarge = resize(2)
        self.halve = resize(0.5, align_corners=True)

    def forward(self, blurry: Tensor) -> Tensor | list[Tensor]:
        """``B×3×H×W`` → in evaluation ``B×3×H×W``, in training six of these, the first half as large."""
        e22, d22, coarse = self._first_scales(blurry)

        features = self.shallow_feat3(blurry), self.up_scale2_feat(d22.fine)
        e31 = self.E3_1(self.fusion23(torch.cat(features, 1)), self._enlarged(self.E3_1.fuse(e22, d22)))
        d31 = self.D3_1(e31)
        e32 = self.E3_2(d31.fine, self.E3_2.fuse(e31, d31))
        d32 = self.D3_2(e32)
        e33 = self.E3_3(d32.fine, self.E3_3.fuse(e32, d32))
        d33 = self.D3_3(e33)

        last: Tensor = self.tail3_3(d33.fine) + blurry
        if not self.training:
            return last
        return [*coarse, self.tail3_1(d31.fine) + blurry, self.tail3_2(d32.fine) + blurry, last]

    def coarse(self, blurry: Tensor) -> list[Tensor]:
        """The first three of the six, at a sixth of the cost."""
        return self._first_scales(blurry, wanted=True)[2]

    def _first_scales(self, blurry: Tensor, wanted: bool = False) -> tuple[Maps, Maps, list[Tensor]]:
        """The maps of the second scale's last U-Net, and in training the estimates up to there."""
        half = self.halve(blurry)
        e11 = self.E1_1(self.shallow_feat1(self.unshuffle(half)))
        d11 = self.D1_1(e11)

        features = self.shallow_feat2(self.unshuffle(blurry)), self.up_scale1_feat(d11.fine)
        e21 = self.E2_1(self.fusion12(torch.cat(features, 1)), self._enlarged(self.E2_1.fuse(e11, d11)))
        d21 = self.D2_1(e21)
        e22 = self.E2_2(d21.fine, self.E2_2.fuse(e21, d21))
        d22 = self.D2_2(e22)

        if not (self.training or wanted):
            return e22, d22, []
        estimates = [self.tail1_1(d11.fine) + half, self.tail2_1(d21.fine) + blurry, self.tail2_2(d22.fine) + blurry]
        return e22, d22, estimates

    def _enlarged(self, maps: Maps) -> Maps:
        return Maps(*(self.enlarge(x) for x in maps))

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> "MSSNet":
        """The network a state dict was saved from, of whatever size, with its weights, in evaluation mode.

        Raises:
            ModelError: it is not that of an MSSNet, or its activations differ, which one shared activation cannot do.
        """
        try:
            wf, c2, c3 = (
                state[f"{name}.weight"].shape[0]
                for name in ("shallow_feat3.0", "E1_1.down12.down.1", "E1_1.down23.down.1")
            )
            network = cls(wf, c2 - wf, c3 - c2)
            network.load_state_dict(dict(state))
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"expected the weights of an MSSNet: {error}") from error
        slopes = [value for name, value in state.items() if name.endswith("body.1.weight")]
        if any(not torch.equal(slope, slopes[0]) for slope in slopes):
            raise ModelError("expected one activation slope under all its names: these weights are of another network")
        return network.eval()
