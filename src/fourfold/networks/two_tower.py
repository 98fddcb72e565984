"""TwoTower: pictures and prompts as vectors of one space, after CLIP (Radford et al., ICML 2021, section 2).

The text tower is CLIP's in small: words, a transformer under a causal mask, and the vector at the end of the text. The
image towers are ours: convolutions for small pictures, and for photos a few layers on the traces that damage leaves.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourfold.core.errors import InvalidInput, near

WORDS: tuple[str, ...] = (
    *("<start>", "<end>", ".", "a", "an", "the", "this", "is", "it", "of", "in", "with", "by", "very"),
    *("photo", "picture", "image", "handwritten", "digit", "number"),
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("sharp", "clean", "crisp", "clear", "motion", "blurred", "blurry", "shaken", "moved", "camera"),
    *("noisy", "grainy", "noise", "grain", "heavily", "strongly", "compressed", "jpeg", "blocks", "artefacts"),
    *("tiny", "small", "enlarged", "upscaled"),
)
"""What the text tower can read; a hyphen is a space."""

_START, _END = 0, 1
_LONGEST = 16  # tokens of a prompt


class TwoTower(nn.Module):
    """Features of pictures and of prompts, to be compared by their cosine times the exponential of ``logit_scale``.

    Args:
        image: ``B×…`` → ``B×D``; features: D.
    """

    def __init__(self, image: nn.Module, features: int) -> None:
        super().__init__()
        self.image, self.text = image, TextTower(64, 2, features)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def network(self) -> nn.Module:
        """The network itself; see ``methods.adapt.VisionLanguage``."""
        return self

    def encode_images(self, images: Tensor) -> Tensor:
        """``B×N×…``, N windows of each picture → ``B×D``, the mean of their features."""
        features = self.image(images.flatten(0, 1))
        return features.view(*images.shape[:2], -1).mean(1)  # type: ignore[no-any-return]

    def embed(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See ``methods.adapt.VisionLanguage``."""
        ids = [tokens(prompt) for prompt in prompts]
        longest = max(map(len, ids))
        padded = torch.tensor([row + [_END] * (longest - len(row)) for row in ids], device=self.logit_scale.device)
        return self.text.words(padded), torch.tensor([len(row) - 1 for row in ids], device=padded.device)

    def encode_text(self, embedded: tuple[Tensor, Tensor]) -> Tensor:
        """``K×T×E`` embeddings and where each prompt ends → ``K×D``."""
        return self.text(*embedded)  # type: ignore[no-any-return]

    def forward(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """Logits ``B×K``."""
        image, text = (
            F.normalize(features, dim=-1)
            for features in (self.encode_images(images), self.encode_text(self.embed(prompts)))
        )
        return self.logit_scale.exp() * image @ text.T


def tokens(prompt: str) -> list[int]:
    """Numbers of the words of a prompt, between start and end.

    Raises:
        InvalidInput: a word that the text tower does not know, or too many.
    """
    words = re.findall(r"\w+|\.", prompt.lower().replace("_", " "))
    for word in words:
        if word not in WORDS:
            raise InvalidInput(
                f"the text tower does not know {word!r}.{near(word, [*WORDS])} It reads: {' '.join(WORDS[2:])}"
            )
    if len(words) > _LONGEST - 2:
        raise InvalidInput(f"expected a prompt of at most {_LONGEST - 2} words, got {len(words)}: {prompt!r}")
    return [_START, *map(WORDS.index, words), _END]


def of_pictures(channels: int, width: int, features: int) -> TwoTower:
    """A network for small pictures ``B×N×C×H×W`` in 0..1."""
    return TwoTower(ImageTower(channels, width, features), features)


def of_traces(count: int, width: int, features: int) -> TwoTower:
    """A network for the traces of damage in windows of photos, ``B×N×count``, see ``imaging.traces``."""
    return TwoTower(TraceTower(count, width, features), features)


class ImageTower(nn.Module):
    """Convolutions at half, quarter and eighth size, the mean over the picture, and a projection.

    Args:
        channels: of the picture; width: of the first layer, which later ones have two and three times; features: D.
    """

    def __init__(self, channels: int, width: int, features: int) -> None:
        super().__init__()
        widths = (width, 2 * width, 3 * width)
        downs = [nn.Conv2d(channels, width, 5, stride=2, padding=2)]
        downs += [nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths)]
        bodies = [nn.Conv2d(w, w, 3, padding=1) for w in widths]
        for conv in (*downs, *bodies):
            nn.init.kaiming_normal_(conv.weight, a=0.25)
        self.downs, self.bodies = nn.ModuleList(downs), nn.ModuleList(bodies)
        self.acts = nn.ModuleList(nn.PReLU(w) for w in widths for _ in range(2))
        self.out = nn.Linear(widths[-1], features)

    def forward(self, x: Tensor) -> Tensor:
        """``B×C×H×W`` in 0..1 → ``B×D``."""
        x = 4 * (x - x.mean((2, 3), keepdim=True))
        for level, (down, body) in enumerate(zip(self.downs, self.bodies, strict=True)):
            x = self.acts[2 * level](down(x))
            x = x + self.acts[2 * level + 1](body(x))
        return self.out(x.mean((2, 3)))  # type: ignore[no-any-return]


class TraceTower(nn.Module):
    """Two layers and a projection, after each trace is brought to mean 0 and deviation 1 as in training.

    Args:
        count: of the traces; width: of the layers; features: D.
    """

    def __init__(self, count: int, width: int, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        self.layers = nn.ModuleList([nn.Linear(count, width), nn.Linear(width, width)])
        self.out = nn.Linear(width, features)

    def forward(self, x: Tensor) -> Tensor:
        """``B×count`` → ``B×D``."""
        x = (x - self.mean) / self.deviation
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.out(x)  # type: ignore[no-any-return]


class TextTower(nn.Module):
    """Words → positions → transformer → layer normalisation → the vector at the end → projection."""

    def __init__(self, width: int, layers: int, features: int) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS), width)
        self.positions = nn.Parameter(0.02 * torch.randn(_LONGEST, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, features, bias=False)

    def forward(self, embedded: Tensor, ends: Tensor) -> Tensor:
        """``K×T×E`` embeddings and where each text ends → ``K×D``."""
        x = embedded + self.positions[: embedded.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.project(self.norm(x[torch.arange(len(x)), ends]))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention of four heads to what stands before, and a layer of four times the width, each added (pre-norm)."""

    heads = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mix = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """``K×T×E`` → the same."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.ask(self.before(x)).chunk(3, dim=2)
        )
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.answer(seen.transpose(1, 2).flatten(2))
        return x + self.mix(self.after(x))  # type: ignore[no-any-return]
