"""Third-party vision networks (timm, transformers) as encoders for FeatSharp, from a folder or the local cache.

Neither library is needed by fourfold; nothing is ever downloaded.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from fourfold.core.errors import InvalidInput, MissingExtra, ModelError

try:
    import torch
    from torch import Tensor, nn
except ImportError as missing:
    raise MissingExtra("vision networks of others", "torch") from missing


@dataclass(frozen=True)
class Backbone:
    """A frozen vision transformer as a ``networks.featsharp.Encoder``: ``B×3×R×R`` in 0..1 → ``B×C×n×n``.

    Attributes:
        network: with the calls of its library, timm or transformers; it answers with tokens, places last.
        mean, spread: of red, green and blue as it wants them; resolution: R; patch: R / n; channels: C.
    """

    network: nn.Module
    library: str
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    resolution: int
    patch: int
    channels: int

    def __call__(self, pictures: Tensor) -> Tensor:
        """See the class.

        Raises:
            ModelError: the network has fewer tokens than places.
        """
        mean, spread = (pictures.new_tensor(numbers).view(1, 3, 1, 1) for numbers in (self.mean, self.spread))
        with torch.no_grad():
            if self.library == "timm":
                tokens = self.network.forward_features((pictures - mean) / spread)  # type: ignore[operator]
            else:
                tokens = self.network(pixel_values=(pictures - mean) / spread).last_hidden_state
        cells = self.resolution // self.patch
        if tokens.ndim != 3 or tokens.shape[1] < cells * cells:
            raise ModelError(
                f"expected at least {cells * cells} tokens of a vision transformer, got {tuple(tokens.shape)}"
            )
        places = tokens[:, tokens.shape[1] - cells * cells :]  # class and register tokens come first
        return places.transpose(1, 2).reshape(len(pictures), self.channels, cells, cells)  # type: ignore[no-any-return]


def load(name: str) -> Backbone:
    """A network by ``timm:NAME`` or ``transformers:NAME``: NAME is a folder, or of the hub and in the local cache.

    Raises:
        InvalidInput: another form of name. ModelError: the library is not installed, there are no such weights here, or
            it is no plain vision transformer.
    """
    library, colon, model = name.partition(":")
    if not colon or library not in _LOADERS:
        raise InvalidInput(f"expected timm:NAME or transformers:NAME, got {name!r}")
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # before the library is imported
    try:
        module = import_module(library)
    except ImportError as error:
        raise ModelError(f"{name} needs a library that is not installed: pip install {library}") from error
    try:
        return _LOADERS[library](module, model)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{name}: neither a folder nor in the local cache, and fourfold downloads nothing; fetch it yourself, for "
            f"example with: hf download {model} ({error})"
        ) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ModelError(f"{name}: expected a plain vision transformer: {error!r}") from error


def _timm(timm: Any, name: str) -> Backbone:
    network = timm.create_model(f"local-dir:{name}" if Path(name).is_dir() else name, pretrained=True).eval()
    wanted, size = network.pretrained_cfg, network.patch_embed.img_size
    return Backbone(network, "timm", tuple(wanted["mean"]), tuple(wanted["std"]), int(size[0]),
                    int(network.patch_embed.patch_size[0]), int(network.embed_dim))  # fmt: skip


def _transformers(transformers: Any, name: str) -> Backbone:
    network = transformers.AutoModel.from_pretrained(name, local_files_only=True)
    network = getattr(network, "vision_model", network).eval()  # the half of a two-tower network
    config = network.config
    try:
        wanted, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name, local_files_only=True)
    except OSError:
        wanted = {}
    mean, spread = (tuple(wanted.get(key) or (0.5, 0.5, 0.5)) for key in ("image_mean", "image_std"))
    return Backbone(network, "transformers", mean, spread, int(config.image_size), int(config.patch_size),
                    int(config.hidden_size))  # fmt: skip


_LOADERS = {"timm": _timm, "transformers": _transformers}
