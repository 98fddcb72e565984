"""Checkpoints of others: read without running anything, described, kept apart, and usable."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fourfold.catalog import load
from fourfold.cli.main import main
from fourfold.convert.importing import import_checkpoint
from fourfold.core.errors import ModelError, UsageError
from fourfold.engines import pytorch, weights
from fourfold.networks.mssnet import MSSNet


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The person's data folder."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    return tmp_path / "data" / "models"


@pytest.fixture
def network():
    torch.manual_seed(6)
    made = MSSNet(2, 1, 1).eval()
    with torch.no_grad():
        made.tail3_3.weight.mul_(0.1)
    return made


@pytest.fixture
def checkpoint(network, tmp_path):
    """As the authors' training saves it."""
    optimiser = torch.optim.Adam(network.parameters())
    state = {
        "model_state_dict": network.state_dict(),
        "optimizer_state_dict": optimiser.state_dict(),
        "epoch": 3000,
        "all_step": 396_000,
    }
    torch.save(state, tmp_path / "model_03000E.pt")
    return tmp_path / "model_03000E.pt"


def test_a_checkpoint_becomes_a_model(checkpoint, network, data):
    card = import_checkpoint(checkpoint)
    assert card.id == "imported-model-03000e"
    assert card.network.arguments == network.arguments
    assert card.licence.startswith("unknown")
    assert "model_03000E.pt (sha256 " in card.provenance
    assert sorted(path.name for path in data.iterdir()) == sorted(
        [f"{card.id}.toml", *(stored.file for stored in card.weights)]
    )
    assert card in load.imported()
    assert card not in load.all_cards()
    assert load.card(card.id) == card
    kept = pytorch.build(card.network)
    pytorch.fill(kept, {name: torch.from_numpy(value) for name, value in weights.state(card).items()}, card.id)
    for name, tensor in network.state_dict().items():
        if not name.startswith(network.training_only):
            assert torch.equal(kept.state_dict()[name], tensor), name


def test_other_forms_of_a_checkpoint(network, tmp_path, data):
    state = network.state_dict()
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "parallel.pth")
    torch.save({"state_dict": state}, tmp_path / "nested.pt")
    torch.save({"params": {}, "params_ema": state}, tmp_path / "averaged.pth")
    save_file({name: tensor.clone() for name, tensor in state.items()}, tmp_path / "plain.safetensors")
    digests = {
        import_checkpoint(tmp_path / name).stored("onnx").sha256
        for name in ("parallel.pth", "nested.pt", "averaged.pth", "plain.safetensors")
    }
    assert len(digests) == 1


def test_an_id_is_taken_once(checkpoint, data):
    import_checkpoint(checkpoint, "mine")
    before = {path: path.read_bytes() for path in data.iterdir()}
    with pytest.raises(UsageError, match="there is a model mine already"):
        import_checkpoint(checkpoint, "mine")
    with pytest.raises(UsageError, match="there is a model featsharp already"):
        import_checkpoint(checkpoint, "featsharp")
    with pytest.raises(UsageError, match="expected an id of lower-case letters"):
        import_checkpoint(checkpoint, "../mine")
    assert {path: path.read_bytes() for path in data.iterdir()} == before


def test_what_is_no_such_network_changes_nothing(tmp_path, data):
    torch.save(torch.nn.Conv2d(3, 3, 3).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ModelError, match=r"other\.pt: expected the weights of an MSSNet"):
        import_checkpoint(tmp_path / "other.pt")
    assert not data.exists()


def test_names_that_toml_would_trip_over(network, tmp_path, data):
    odd = tmp_path / 'über "a"\x07.pt'
    torch.save(network.state_dict(), odd)
    assert 'über "a".pt' in import_checkpoint(odd, "odd").provenance


def test_a_shipped_models_id_cannot_be_taken_by_a_file(data):
    data.mkdir(parents=True)
    shipped = load.all_cards()[0]
    text = (Path(load.__file__).parent / "cards" / f"{shipped.id}.toml").read_text("utf-8")
    (data / f"{shipped.id}.toml").write_text(text, "utf-8")
    with pytest.raises(ModelError, match="with an id of its own; remove it"):
        load.imported()
    assert load.card(shipped.id) == shipped


def test_the_command_shows_licence_and_provenance(checkpoint, data, capsys):
    assert main(["models", "import", str(checkpoint), "--id", "mine"]) == 0
    shown = capsys.readouterr().out
    assert "licence: unknown" in shown
    assert "provenance: Imported from model_03000E.pt" in shown
    assert main(["models", "list"]) == 0
    assert "mine                       imported" in capsys.readouterr().out
    assert main(["models", "verify", "--json"]) == 0
    assert {"mine.onnx"} <= {entry["file"] for entry in json.loads(capsys.readouterr().out)}
