import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from fourfold.catalog import load
from fourfold.catalog.card import Card
from fourfold.core.errors import ModelError
from fourfold.engines import weights


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """A card whose weights are nowhere yet; the person's data folder and two more are empty folders."""
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    monkeypatch.setenv("FOURFOLD_MODEL_PATH", os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "two")]))
    for folder in ("data/models", "one", "two"):
        (tmp_path / folder).mkdir(parents=True)
    card = load.all_cards()[0]
    return replace(card, weights=tuple(replace(w, file=f"other.{w.format}") for w in card.weights))


def test_missing_weights_name_every_folder(absent: Card, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"other\.onnx of model .* are missing") as caught:
        weights.read(absent, "onnx")
    for folder in load.folders():
        assert str(folder) in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("folder", ["data/models", "one", "two"])
def test_weights_are_found_in_each_folder(absent: Card, tmp_path: Path, folder: str) -> None:
    good = weights.read(load.all_cards()[0], "onnx")
    (tmp_path / folder / "other.onnx").write_bytes(good)
    assert weights.locate(absent, "onnx") == tmp_path / folder / "other.onnx"
    assert weights.read(absent, "onnx") == good


def test_one_changed_bit_is_refused(absent: Card, tmp_path: Path) -> None:
    content = bytearray(weights.read(load.all_cards()[0], "onnx"))
    content[-1] ^= 1
    damaged = tmp_path / "one" / "other.onnx"
    damaged.write_bytes(content)
    stated = absent.stored("onnx")
    with pytest.raises(ModelError, match=f"expected sha256 {stated.sha256} .* got [0-9a-f]{{64}}") as caught:
        weights.state(absent)
    assert str(damaged) in str(caught.value)
    with pytest.raises(ModelError, match="not the file its card states"):
        weights.read(replace(absent, weights=(stated,)), stated.format)


def test_the_state_is_float32_of_stored_fp16() -> None:
    card = load.all_cards()[0]
    state = weights.state(card)
    assert sum(tensor.size for tensor in state.values()) == card.parameters
    for tensor in state.values():
        assert tensor.dtype == np.float32
        assert np.array_equal(tensor, tensor.astype(np.float16))
