"""Third-party CLIP models (open_clip, transformers) as ``methods.adapt.VisionLanguage``.

Neither library is needed for anything else here, and none is installed with fourfold. Models come from a folder, or
from what these libraries have stored before; nothing is downloaded unless it is asked for.
"""

import os
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from fourfold.core.errors import MissingExtra, ModelError

try:
    import torch
    from torch import Tensor, nn
except ImportError as missing:
    raise MissingExtra("adapting CLIP", "torch") from missing


class _Clip:
    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self.logit_scale: nn.Parameter = model.logit_scale

    @property
    def network(self) -> nn.Module:
        """See ``methods.adapt.VisionLanguage``, as for the rest."""
        return self._model  # type: ignore[no-any-return]


class TransformersClip(_Clip):
    """A ``CLIPModel`` of transformers with its tokenizer.

    Args:
        model: the model; tokenizer: as of ``CLIPTokenizer``, called with texts.
    """

    def encode_images(self, images: Tensor) -> Tensor:
        """``B×3×S×S``, normalised as the model's own preprocessing does."""
        seen = self._model.vision_model(pixel_values=images).pooler_output
        return self._model.visual_projection(seen)  # type: ignore[no-any-return]

    def embed(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See ``methods.adapt.VisionLanguage``."""
        ids = self._tokenizer(list(prompts), padding=True, return_tensors="pt")
        ends = ids["attention_mask"].sum(1) - 1
        device = self.logit_scale.device
        return self._model.text_model.embeddings.token_embedding(ids["input_ids"].to(device)), ends.to(device)

    def encode_text(self, embedded: tuple[Tensor, Tensor]) -> Tensor:
        """See ``methods.adapt.VisionLanguage``; a causal mask hides what stands behind a prompt's end."""
        tokens, ends = embedded
        text = self._model.text_model
        length = tokens.shape[1]
        hidden = tokens + text.embeddings.position_embedding.weight[:length]
        mask = torch.full((length, length), -torch.inf, device=tokens.device, dtype=tokens.dtype).triu(1)
        for layer in text.encoder.layers:
            found = layer(hidden, attention_mask=mask[None, None].expand(len(tokens), 1, -1, -1))
            hidden = found[0] if isinstance(found, tuple) else found
        hidden = text.final_layer_norm(hidden)
        return self._model.text_projection(hidden[torch.arange(len(hidden)), ends])  # type: ignore[no-any-return]


class OpenClip(_Clip):
    """A ``CLIP`` model of open_clip with its tokenizer.

    Args:
        model: the model; tokenizer: as of ``open_clip.get_tokenizer``, called with texts.
    """

    def encode_images(self, images: Tensor) -> Tensor:
        """``B×3×S×S``, as the model's own preprocessing gives them."""
        return self._model.encode_image(images)  # type: ignore[no-any-return]

    def embed(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See ``methods.adapt.VisionLanguage``; the end has the largest number of all tokens."""
        ids = self._tokenizer(list(prompts)).to(self.logit_scale.device)
        return self._model.token_embedding(ids), ids.argmax(1)

    def encode_text(self, embedded: tuple[Tensor, Tensor]) -> Tensor:
        """See ``methods.adapt.VisionLanguage``."""
        tokens, ends = embedded
        model, length = self._model, tokens.shape[1]
        hidden = model.transformer(
            tokens + model.positional_embedding[:length], attn_mask=model.attn_mask[:length, :length]
        )
        return model.ln_final(hidden)[torch.arange(len(hidden)), ends] @ model.text_projection  # type: ignore[no-any-return]


def transformers_clip(name: str | Path, *, download: bool = False) -> TransformersClip:
    """A CLIP model of transformers.

    Args:
        name: a folder, or a name on the hub; download: whether it may be fetched if it is not stored here yet.

    Raises:
        ModelError: transformers is not installed, or the model is not here.
    """
    return TransformersClip(*pretrained(("CLIPModel", "CLIPTokenizer"), name, download=download))


def open_clip(architecture: str, weights: str | Path, *, download: bool = False) -> OpenClip:
    """A CLIP model of open_clip.

    Args:
        architecture: for example ``ViT-B-16``; weights: a file, or the name of pretrained weights.
        download: whether these may be fetched if they are not stored here yet.

    Raises:
        ModelError: open_clip is not installed, or the model is not here.
    """
    library = needed("open_clip", "open_clip_torch")
    if not download and not Path(weights).is_file():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    model = fetched(lambda: library.create_model(architecture, pretrained=str(weights)), weights)
    return OpenClip(model, library.get_tokenizer(architecture))


def pretrained(kinds: Iterable[str], name: str | Path, *, download: bool) -> list[Any]:
    """What classes of transformers, by their names, load by a name; arguments and errors as ``transformers_clip``."""
    library = needed("transformers")
    return [
        fetched(partial(getattr(library, kind).from_pretrained, str(name), local_files_only=not download), name)
        for kind in kinds
    ]


def needed(module: str, distribution: str = "") -> Any:
    """A library that is not installed with fourfold.

    Raises:
        ModelError: it is not there; the message says how to get it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ModelError(f"{module} is not installed: pip install {distribution or module}") from error


def fetched(load: Any, name: str | Path) -> Any:
    """What ``load`` gives.

    Raises:
        ModelError: the model is not here and may not be fetched, or its files cannot be read.
    """
    try:
        return load()
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{name}: expected a folder that holds the model, or one that was stored here before: {error} "
            "Download it elsewhere and give its folder, or allow the download with download=True"
        ) from error
