import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import platformdirs
import pytest
from numpy.typing import NDArray

from fourfold import engines
from fourfold.catalog import load
from fourfold.catalog.card import Card
from fourfold.core.contract import Floats
from fourfold.core.errors import ModelError, RuntimeFailure
from fourfold.engines import choose
from fourfold.engines.fake import FakeRunner

CARD = next(card for card in load.all_cards() if card.offers("onnx-int8"))
PLAIN = replace(CARD, weights=tuple(w for w in CARD.weights if w.format != "onnx-int8"))


class Timed(FakeRunner):
    """Takes at least the given seconds; with None it fails."""

    def __init__(self, name: str, seconds: float | None, tile: tuple[int, int] = (8, 8)) -> None:
        super().__init__(4, tile)
        self.runtime = name
        self.seconds = seconds
        self.calls = 0

    def levels(self, tiles: Floats) -> NDArray[np.uint8]:
        if self.seconds is None:
            raise RuntimeFailure("broken")
        self.calls += 1
        time.sleep(self.seconds)
        return super().levels(tiles)


@pytest.fixture(autouse=True)
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "installed", lambda: choose.ENGINES)


def fastest(memory: Path, openvino: float | None, onnxruntime: float | None, threads: int = 1) -> Timed:
    seconds = {"openvino": openvino, "onnxruntime": onnxruntime}
    options = {"tile": (8, 8), "threads": threads, "precision": "auto", "memory": memory}
    runner = choose.fastest(PLAIN, lambda e, tile, _precision: Timed(e, seconds[e], tile), **options)
    assert isinstance(runner, Timed)
    return runner


def test_the_faster_engine_is_taken_and_remembered(tmp_path: Path) -> None:
    memory = tmp_path / "new" / "runtimes.json"
    assert fastest(memory, 0.03, 0.001).runtime == "onnxruntime"
    again = fastest(memory, 0.001, 0.03)
    assert (again.runtime, again.calls) == ("onnxruntime", 0)
    assert [path.name for path in memory.parent.iterdir()] == ["runtimes.json"]


def test_another_thread_count_is_measured_anew(tmp_path: Path) -> None:
    memory = tmp_path / "runtimes.json"
    assert fastest(memory, 0.001, 0.03).runtime == "openvino"
    assert fastest(memory, 0.03, 0.001, threads=2).runtime == "onnxruntime"
    assert sorted(json.loads(memory.read_text()).values()) == [["onnxruntime", "auto"], ["openvino", "auto"]]


def test_one_measurement_serves_every_tile(tmp_path: Path) -> None:
    built: list[tuple[int, int]] = []

    def build(engine: choose.Engine, tile: tuple[int, int], _precision: str) -> FakeRunner:
        built.append(tile)
        return Timed(engine, 0, tile)

    for side in (8, 16, 24):
        options = {"tile": (side, side), "threads": 1, "precision": "auto", "memory": tmp_path / "a.json"}
        assert choose.fastest(PLAIN, build, **options).tile == (side, side)
    assert built == [(8, 8), (8, 8), (16, 16), (24, 24)]


def test_int8_is_tried_where_the_card_has_it_and_taken_where_it_is_faster(tmp_path: Path) -> None:
    def faster(seconds: dict[str, float], name: str) -> str:
        asked: set[tuple[str, str]] = set()

        def build(engine: choose.Engine, tile: tuple[int, int], precision: str) -> FakeRunner:
            asked.add((engine, precision))
            runner = Timed(engine, seconds[precision], tile)
            runner.precision = precision
            return runner

        options = {"tile": (8, 8), "threads": 1, "precision": "auto", "memory": tmp_path / name}
        chosen = choose.fastest(CARD, build, **options)
        assert asked == {(engine, precision) for engine in choose.ENGINES for precision in ("auto", "int8")}
        return chosen.precision

    assert faster({"auto": 0.03, "int8": 0.001}, "a.json") == "int8"
    assert faster({"auto": 0.001, "int8": 0.03}, "b.json") == "auto"


def test_what_is_plainly_slower_is_given_up_before_the_next_engine_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, calls = [0.0], list[str]()
    seconds = {"openvino auto": 5.0, "openvino int8": 1.0, "onnxruntime auto": 2.0, "onnxruntime int8": 4.0}
    monkeypatch.setattr(choose, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(choose, "_BUDGET", 100)

    class Clocked(FakeRunner):
        def levels(self, tiles: Floats) -> NDArray[np.uint8]:
            calls.append(self.precision)
            now[0] += seconds[self.precision]
            return super().levels(tiles)

    def build(engine: choose.Engine, tile: tuple[int, int], precision: str) -> FakeRunner:
        runner = Clocked(4, tile)
        runner.precision = f"{engine} {precision}"
        return runner

    best = choose.fastest(CARD, build, tile=(8, 8), threads=1, precision="auto", memory=tmp_path / "a.json")
    assert best.precision == "openvino int8"
    assert calls == [*seconds, *["openvino int8", "onnxruntime auto"] * 3]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"other": 3}'])
def test_a_damaged_memory_is_replaced(tmp_path: Path, content: bytes) -> None:
    memory = tmp_path / "runtimes.json"
    memory.write_bytes(content)
    assert fastest(memory, 0.001, 0.03).runtime == "openvino"
    assert ["openvino", "auto"] in json.loads(memory.read_text()).values()


def test_a_remembered_engine_that_is_unknown_is_ignored(tmp_path: Path) -> None:
    memory = tmp_path / "runtimes.json"
    fastest(memory, 0.001, 0.03)
    memory.write_text(json.dumps(dict.fromkeys(json.loads(memory.read_text()), "gone")))
    assert fastest(memory, 0.03, 0.001).runtime == "onnxruntime"


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert fastest(tmp_path / "file" / "runtimes.json", 0.001, 0.03).runtime == "openvino"


def test_an_engine_that_fails_is_passed_over(tmp_path: Path) -> None:
    assert fastest(tmp_path / "a.json", None, 0.01).runtime == "onnxruntime"
    with pytest.raises(RuntimeFailure, match="none of the engines openvino, onnxruntime"):
        fastest(tmp_path / "b.json", None, None)


def test_an_engine_that_does_not_load_is_passed_over(tmp_path: Path) -> None:
    def build(engine: choose.Engine, tile: tuple[int, int], _precision: str) -> FakeRunner:
        if engine == "openvino":
            raise RuntimeFailure("no library")
        return Timed(engine, 0, tile)

    options = {"tile": (8, 8), "threads": 1, "precision": "auto", "memory": tmp_path / "a.json"}
    assert choose.fastest(PLAIN, build, **options).runtime == "onnxruntime"


def test_a_single_engine_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "installed", lambda: ("onnxruntime",))
    runner = fastest(tmp_path / "a.json", 0, 0)
    assert (runner.runtime, runner.calls) == ("onnxruntime", 0)
    assert not (tmp_path / "a.json").exists()


def test_no_engine_at_all_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "installed", lambda: ())
    with pytest.raises(ModelError, match="pip install onnxruntime"):
        fastest(tmp_path / "a.json", 0, 0)


def test_auto_loads_a_real_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path))
    runner = engines.load(CARD, tile=(16, 16), threads=1)
    assert runner.runtime in choose.installed()
    assert (tmp_path / "runtimes.json").exists() == (len(choose.installed()) > 1)


def test_an_engine_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "installed", lambda: ("onnxruntime",))
    with pytest.raises(ModelError, match=r"openvino is not installed \(installed: onnxruntime\); pip install openvino"):
        engines.load(CARD, runtime="openvino", tile=(8, 8))


def test_the_fallback_is_another_engine_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def module(name: str) -> SimpleNamespace:
        def load(_: Card, *, precision: str, **_same: object) -> FakeRunner:
            asked.append((name.rpartition(".")[2], precision))
            return Timed(asked[-1][0], None if len(asked) == 1 else 0)

        return SimpleNamespace(load=load)

    monkeypatch.setattr(engines, "import_module", module)
    runner = engines.load(CARD, runtime="openvino", tile=(8, 8), threads=1, precision="bf16")
    assert runner.levels(np.zeros((1, 3, 8, 8), np.float32)).shape == (1, 32, 32, 3)
    assert asked == [("openvino", "bf16"), ("onnxruntime", "fp32")]
    assert runner.reruns == 1
