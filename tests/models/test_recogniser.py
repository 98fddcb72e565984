"""The recogniser of photo conditions, and the one adapted to a person's photos: used only if it is exactly that."""

import json

import numpy as np
import pytest

from fourfold.catalog import load
from fourfold.engines import weights
from fourfold.models import recogniser

TRACES = np.random.default_rng(1).normal(size=(16, 74)).astype(np.float32)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The person's data folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(recogniser, "adapted_in", lambda: tmp_path / "adapted")
    return tmp_path / "adapted"


@pytest.fixture
def adapted(home):
    """The card's own weights, kept as if they had been adapted."""
    return recogniser.write(weights.read(load.recogniser(), "onnx"), 120, [0.2] * 5, [0.4, 0.3, 0.1, 0.1, 0.1])


def test_the_cards_own_is_used_where_nothing_was_adapted(home):
    found = recogniser.load()
    assert (found.name, found.notes) == (load.recogniser().id, ())
    shares = found(TRACES)
    assert shares.shape == (5,)
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert not recogniser.reset()


def test_an_adapted_one_is_used_and_named_and_reset_ends_that(home, adapted):
    found = recogniser.load()
    assert found.name == f"{load.recogniser().id}, adapted to 120 photos on {adapted.date}"
    assert recogniser.read()[0] == adapted
    assert recogniser.reset()
    assert recogniser.load().name == load.recogniser().id
    assert list(home.iterdir()) == []


def test_a_new_one_takes_the_place_of_the_old(home, adapted):
    again = recogniser.write(b"other weights", 200, [0.2] * 5, [0.2] * 5)
    assert sorted(path.name for path in home.iterdir()) == sorted([f"{again.sha256}.onnx", "condition.json"])


@pytest.mark.parametrize("damage", ["weights", "missing", "statement", "fields", "base"])
def test_what_cannot_be_trusted_is_not_used_and_that_is_said(home, adapted, damage):
    statement, content = home / "condition.json", home / f"{adapted.sha256}.onnx"
    if damage == "weights":
        content.write_bytes(content.read_bytes()[:-1] + b"x")
    elif damage == "missing":
        content.unlink()
    elif damage == "statement":
        statement.write_text("{")
    elif damage == "fields":
        statement.write_text(json.dumps({"sha256": adapted.sha256, "before": [], "after": []}))
    else:
        statement.write_text(json.dumps({**json.loads(statement.read_text()), "base": "0" * 64}))
    found = recogniser.load()
    assert found.name == load.recogniser().id
    assert len(found.notes) == 1
    assert "fourfold adapt --reset" in found.notes[0]
    assert ("adapt again" in found.notes[0]) == (damage == "base")
