"""Vision networks of others behind FeatSharp's protocol, through libraries that stand in for theirs."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from fourfold.core.errors import InvalidInput, ModelError
from fourfold.models import backbones
from fourfold.networks.featsharp import FeatSharp


class Tokens(nn.Module):
    """A network whose places answer with their own mean colours, behind two tokens that are no places."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(image_size=16, patch_size=4, hidden_size=8)
        self.pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)}
        self.patch_embed, self.embed_dim = SimpleNamespace(img_size=(16, 16), patch_size=(4, 4)), 8

    def forward_features(self, x):
        places = nn.functional.avg_pool2d(x, 4).flatten(2).transpose(1, 2)
        return torch.cat([torch.full((len(x), 2, 8), 99.0), nn.functional.pad(places, (0, 5))], 1)

    def forward(self, pixel_values):
        return SimpleNamespace(last_hidden_state=self.forward_features(pixel_values))


@pytest.fixture(params=["timm", "transformers"])
def name(request, monkeypatch):
    module = ModuleType(request.param)

    def processor(*_name, **_where):
        return {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2] * 3}, {}

    def made(name, **_how):
        if name != "here":
            raise OSError("no such file")
        return Tokens()

    if request.param == "timm":
        module.create_model = made
    else:
        module.AutoModel = SimpleNamespace(from_pretrained=made)
        module.ImageProcessingMixin = SimpleNamespace(get_image_processor_dict=processor)
    monkeypatch.setitem(sys.modules, request.param, module)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    return f"{request.param}:here"


def test_places_become_a_map_and_other_tokens_are_left_out(name):
    backbone = backbones.load(name)
    assert (backbone.resolution, backbone.patch, backbone.channels) == (16, 4, 8)
    pictures = torch.rand(2, 3, 16, 16)
    found = backbone(pictures)
    wanted = (nn.functional.avg_pool2d(pictures, 4) - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / 0.2
    torch.testing.assert_close(found[:, :3], wanted)
    low, high = FeatSharp(16, 4, 8, 2)(torch.rand(1, 3, 32, 32), backbone)
    assert (low.shape, high.shape) == ((1, 8, 4, 4), (1, 8, 8, 8))


def test_weights_that_are_not_here_are_never_downloaded(name):
    library = name.partition(":")[0]
    with pytest.raises(ModelError, match="fourfold downloads nothing"):
        backbones.load(f"{library}:elsewhere/model")


def test_a_missing_library_is_named(name, monkeypatch):
    library = name.partition(":")[0]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModelError, match=f"pip install {library}"):
        backbones.load(name)


def test_what_is_no_vision_transformer_is_refused(name, monkeypatch):
    monkeypatch.setattr(Tokens, "forward_features", lambda _self, x: x.flatten(1))
    with pytest.raises(ModelError, match="expected at least 16 tokens"):
        backbones.load(name)(torch.rand(1, 3, 16, 16))


def test_other_names_are_refused():
    for name in ("vit", "tensorflow:vit"):
        with pytest.raises(InvalidInput, match="timm:NAME or transformers:NAME"):
            backbones.load(name)
