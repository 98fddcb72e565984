import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import platformdirs
import pytest

from fourfold import engines
from fourfold.catalog import load
from fourfold.engines import compiled, openvino
from fourfold.engines.choose import installed

CARD = next(card for card in load.all_cards() if card.offers("onnx-int8"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path))
    return tmp_path / "compiled"


def test_what_is_kept_comes_back_and_another_fact_is_another_file(folder: Path) -> None:
    path = compiled.place(["1.0", (8, 8)])
    assert compiled.recall(path) is None
    compiled.keep(path, b"network")
    assert compiled.recall(path) == b"network"
    assert compiled.recall(compiled.place(["1.1", (8, 8)])) is None
    assert [one.name for one in folder.iterdir()] == [path.name]  # no remains


@pytest.mark.parametrize("damage", [lambda b: b[:0], lambda b: b[:20], lambda b: b[:-1], lambda b: b[:-1] + b"?"])
def test_a_damaged_file_is_not_used(damage) -> None:
    path = compiled.place(["1.0"])
    compiled.keep(path, b"network")
    path.write_bytes(damage(path.read_bytes()))
    assert compiled.recall(path) is None


def test_the_least_recently_used_go_when_there_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "KEPT", 300)
    paths = [compiled.place([number]) for number in range(4)]
    for age, path in enumerate(paths[:3]):
        compiled.keep(path, bytes(50))
        os.utime(path, (1000 + age, 1000 + age))
    compiled.recall(paths[0])
    compiled.keep(paths[3], bytes(50))
    assert [compiled.recall(path) is not None for path in paths] == [True, False, True, True]


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path) -> None:
    folder.write_text("a file")
    compiled.keep(compiled.place([1]), b"network")
    assert compiled.recall(compiled.place([1])) is None


@pytest.mark.skipif("openvino" not in installed(), reason="openvino is not installed")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_network_from_the_folder_answers_with_the_same_levels(folder: Path, precision: str, monkeypatch) -> None:
    tiles = np.random.default_rng(0).random((1, 3, 24, 24)).astype(np.float32)
    options = {"runtime": "openvino", "tile": (24, 24), "threads": 1, "precision": precision}
    first = engines.load(CARD, **options)
    expected = first.levels(tiles)
    kept = list(folder.iterdir())
    assert kept
    with monkeypatch.context() as patched:  # from here on nothing can be compiled
        importing = SimpleNamespace(import_model=openvino._core().import_model)
        patched.setattr(openvino, "_core", lambda: importing)
        again = engines.load(CARD, **options)
        np.testing.assert_array_equal(again.levels(tiles), expected)
        assert (again.precision, again.reruns) == (first.precision, 0)
    for path in kept:
        path.write_bytes(os.urandom(1000))
    np.testing.assert_array_equal(engines.load(CARD, **options).levels(tiles), expected)
    assert sorted(folder.iterdir()) == sorted(kept)
    assert all(path.stat().st_size > 1000 for path in kept)
