"""What holds for every card: its stated facts are true, its files are there, and every engine gives its answers.

The cards are those of the package and one that ``models import`` made.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import fourfold
from fourfold import engines
from fourfold.catalog import load
from fourfold.catalog.card import Card
from fourfold.engines import choose, pytorch, weights
from fourfold.engines.onnxruntime import engine

PACKAGE = Path(fourfold.__file__).parent
MAY_NAME_CARDS = {"networks", "cards", "recipes", "presets"}


@pytest.fixture(params=[*(card.id for card in load.all_cards()), "imported"])
def card(request: pytest.FixtureRequest) -> Card:
    return request.getfixturevalue("brought") if request.param == "imported" else load.card(request.param)


@pytest.fixture
def network(card: Card) -> nn.Module:
    return pytorch.build(card.network)


def test_parameters_are_recounted(card: Card, network: nn.Module) -> None:
    assert sum(p.numel() for p in network.parameters()) == card.parameters


def test_operations_are_recounted(card: Card, network: nn.Module) -> None:
    side = card.size.padded(64)
    counted = 0

    def count(conv: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(conv, nn.Conv2d)
        counted += output[0].numel() * conv.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 3, side, side))
    assert round(counted / side**2) == card.macs_per_pixel


def test_scale_and_size_rule_hold(card: Card, network: nn.Module) -> None:
    rule = card.size
    for height, width in ((rule.padded(1), rule.padded(1)), (rule.padded(1), rule.padded(33)), (rule.padded(20),) * 2):
        with torch.inference_mode():
            assert network(torch.rand(2, 3, height, width)).shape == (2, 3, card.scale * height, card.scale * width)


def test_reach_is_how_far_one_pixel_is_seen(card: Card, network: nn.Module) -> None:
    """On strips, as wide as the network allows; from every position within its grid; nothing can cancel or be lost."""
    scale, breadth = card.scale, card.size.padded(1)
    length = card.size.padded(2 * card.receptive_field + 5 + card.size.multiple_of)
    network.double()
    farthest = 0.0
    with torch.inference_mode():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.zeros_like(parameter) if name.endswith("bias") else parameter.abs() + 0.01)
        for middle in range(length // 2, length // 2 + card.size.multiple_of):
            for axis in (2, 3):
                shape = [1, 3, breadth, breadth]
                shape[axis] = length
                low = torch.zeros(shape, dtype=torch.float64)
                low.select(axis, middle).fill_(1)
                seen = (network(low)[0] != 0).any(0).any(3 - axis).nonzero().flatten()
                farthest = max(farthest, middle - int(seen[0]) / scale, (int(seen[-1]) + 1) / scale - middle - 1)
    assert farthest == card.receptive_field


def test_weights_are_as_stated(card: Card) -> None:
    always = {"onnx"}
    routed = {"onnx-int8"} if card.task == "image-to-image/super-resolution" else set()
    assert {w.format for w in card.weights} == always | routed
    for stated in card.weights:
        content = weights.read(card, stated.format)
        assert len(content) == stated.bytes
        if card in load.all_cards():
            assert weights.locate(card, stated.format) == PACKAGE / "weights" / stated.file
            assert len(content) < 2.3 * card.parameters, "expected fp16: two bytes a parameter and a header"


@pytest.mark.parametrize("runtime", choose.installed())
def test_engines_equal_pytorch(card: Card, runtime: choose.Engine) -> None:
    rng = np.random.default_rng(7)
    for tile in ((8, 8), (21, 35), (64, 48)):
        height, width = (card.size.padded(side) for side in tile)
        tiles = rng.random((2, 3, height, width), dtype=np.float32)
        expected = engines.load(card, runtime="pytorch", tile=(height, width), threads=1)
        runner = engines.load(card, runtime=runtime, tile=(height, width), threads=1, precision="fp32")
        assert np.abs(runner(tiles) - expected(tiles)).max() < 1e-4
        different = runner.levels(tiles).astype(int) - expected.levels(tiles)
        assert np.abs(different).max() <= 1
        assert (different != 0).mean() < 0.01
        assert runner.reruns == 0


@pytest.mark.parametrize("runtime", choose.installed())
@pytest.mark.parametrize("card", [c.id for c in load.all_cards() if c.offers("onnx-int8")], indirect=True)
def test_eight_bits_are_close_to_the_network(card: Card, runtime: choose.Engine) -> None:
    side = card.size.padded(64)
    rows, columns = np.mgrid[:side, :side] / np.float32(side)
    scene = 0.5 + 0.25 * np.sin(9 * rows + 4 * columns) + 0.2 * (np.hypot(rows - 0.5, columns - 0.4) < 0.25)
    tiles = np.repeat(scene[None, None].astype(np.float32), 3, axis=1)
    exact = engines.load(card, runtime="pytorch", tile=(side, side), threads=1)(tiles)
    runner = engines.load(card, runtime=runtime, tile=(side, side), threads=1, precision="int8")
    assert runner.precision == "int8"
    assert np.sqrt(np.mean((runner(tiles) - exact) ** 2)) < 1.5 / 255
    assert runner.reruns == 0


EXACT = [
    (card.id, runtime, precision)
    for card in load.all_cards()
    if card.offers("onnx-int8")
    for runtime, precisions in (("onnxruntime", ("fp32", "int8")), ("openvino", ("fp32", "bf16", "int8")))
    if runtime in choose.installed()
    for precision in precisions
]


@pytest.mark.parametrize(("card", "runtime", "precision"), EXACT, indirect=["card"])
def test_flat_black_and_white_come_back_exactly(card: Card, runtime: choose.Engine, precision: str) -> None:
    side, border = card.size.padded(2 * card.receptive_field + 16), card.scale * card.receptive_field
    runner = engines.load(card, runtime=runtime, tile=(side, side), threads=1, precision=precision)
    for level in (0, 1):
        answer = runner.levels(np.full((1, 3, side, side), level, np.float32))
        assert (answer[:, border:-border, border:-border] == 255 * level).all()
    assert runner.reruns == 0


@pytest.mark.parametrize("runtime", choose.installed())
def test_odd_pictures_raise_no_false_alarm(card: Card, runtime: choose.Engine) -> None:
    side = card.size.padded(32)
    rows, columns = np.mgrid[:side, :side]
    patterns = [rows * 0, rows * 0 + 1, (rows + columns) % 2, rows % 2, columns % 3 == 0, columns < side // 2]
    tiles = np.array(patterns, np.float32)[:, None].repeat(3, axis=1)
    runner = engines.load(card, runtime=runtime, tile=(side, side), threads=1)
    runner(tiles)
    runner.levels(tiles)
    assert runner.reruns == 0


def test_onnx_takes_any_size_and_batch(card: Card) -> None:
    session = engine().InferenceSession(weights.read(card, "onnx"), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for batch, height, width in ((1, 1, 1), (3, 16, 40), (2, 40, 16)):
        sides = card.size.padded(height), card.size.padded(width)
        (answer,) = session.run(None, {name: np.zeros((batch, 3, *sides), np.float32)})
        assert answer.shape == (batch, 3, card.scale * sides[0], card.scale * sides[1])


@pytest.mark.parametrize("card", load.all_cards(), ids=lambda card: card.id)
def test_every_card_of_the_package_is_found_by_its_facts(card: Card) -> None:
    assert load.find(card.task, card.scale, card.tier, card.style) == card
    assert card.training is not None


def test_every_card_can_be_asked_for_and_says_where_it_is_from(card: Card) -> None:
    assert load.card(card.id) == card
    assert card.licence
    assert card.provenance


def test_a_teacher_comes_with_its_licence(card: Card) -> None:
    """Its text travels in the package, and nothing of the teacher is there to be run."""
    training = card.training
    if training is None:
        return  # of others
    assert bool(training.teacher) == (card.style == "natural")
    if training.teacher:
        text = (PACKAGE / "catalog" / "licences" / training.licence_text).read_text("utf-8")
        assert training.teacher.split()[0] in text
        assert "Copyright" in text


def test_no_code_names_a_card() -> None:
    identifiers = [card.id for card in load.all_cards()]
    for path in PACKAGE.rglob("*"):
        if path.suffix in {".py", ".js", ".html", ".css"} and not MAY_NAME_CARDS & set(path.parts):
            named = [identifier for identifier in identifiers if identifier in path.read_text("utf-8")]
            assert not named, f"{path} names {named[0]}; select it by its facts: catalog.load.find()"
