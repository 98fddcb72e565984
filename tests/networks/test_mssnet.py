"""MSSNet is the paper's: counts, names, the original implementation's numbers, and what single steps must do."""

import pytest
import torch
from formula import filled, numbers, waves
from safetensors.torch import load_file
from torch import Tensor, nn

from fourfold.core.errors import ModelError
from fourfold.networks.mssnet import MULTIPLE, MSSNet, ResBlock


@pytest.fixture
def network() -> MSSNet:
    torch.manual_seed(5)
    return MSSNet(4, 2, 3).eval()


@pytest.fixture
def reference(shared) -> dict[str, Tensor]:
    return load_file(shared / "reference" / "mssnet_wf8.safetensors")


def state_of(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("state."): value for name, value in reference.items() if name.startswith("state.")}


@pytest.mark.parametrize(
    ("widths", "parameters"), [((20, 40, 40), 6_756_161), ((54, 42, 42), 15_614_497), ((80, 50, 50), 28_182_041)]
)
def test_the_published_sizes_have_their_parameters(widths, parameters):
    with torch.device("meta"):
        network = MSSNet(*widths)
    assert sum(p.numel() for p in network.parameters()) == parameters
    state = network.state_dict(keep_vars=True)
    assert len(state) == 328
    assert len({id(tensor) for tensor in state.values()}) == 242


def test_the_default_size_is_base():
    with torch.device("meta"):
        assert MSSNet().arguments == {"wf": 54, "scale": 42, "vscale": 42}


def test_all_blocks_share_one_activation_of_one_number(network):
    acts = {module for module in network.modules() if isinstance(module, nn.PReLU)}
    assert [act.weight.numel() for act in acts] == [1]
    assert sum(isinstance(module, ResBlock) for module in network.modules()) == 87


def test_outputs_stay_what_they_are():
    network, picture = filled(MSSNet(4, 2, 3), 1.2), waves(1, 3, 32, 32)
    with torch.no_grad():
        found = numbers(network(picture))
    assert found == pytest.approx([0.498974, 0.702589, 0.828243, 0.377337, 0.770811, -0.148436], abs=2e-5)


def test_outputs_are_those_of_the_original(reference):
    network = MSSNet.from_state_dict(state_of(reference))
    assert network.arguments == {"wf": 8, "scale": 4, "vscale": 4}
    expected = [reference[name] for name in sorted(reference) if name.startswith("output.")]
    with torch.no_grad():
        last, outputs = network(reference["input"]), network.train()(reference["input"])
    assert len(outputs) == len(expected) == 6
    for output, wanted in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, wanted, rtol=0, atol=1e-5)
    assert torch.equal(last, outputs[-1])


def test_another_slope_reaches_every_block(network):
    state = {name: value.clone() for name, value in network.state_dict().items()}
    for name in state:
        if name.endswith("body.1.weight"):
            state[name].fill_(0.4)
    changed = MSSNet.from_state_dict(state)
    seen = []
    for block in (module for module in changed.modules() if isinstance(module, ResBlock)):
        x = torch.randn(1, block.body[0].in_channels, 4, 4)
        seen.append(torch.equal(block(x), x + block.body[2](nn.functional.leaky_relu(block.body[0](x), 0.4))))
    assert seen == [True] * 87


def test_weights_with_several_slopes_are_refused(network):
    state = {name: value.clone() for name, value in network.state_dict().items()}
    state["E3_2.encoder_level1.0.body.1.weight"].fill_(0.3)
    with pytest.raises(ModelError, match="one activation slope under all its names"):
        MSSNet.from_state_dict(state)


@pytest.mark.parametrize("widths", [(1, 0, 0), (3, 5, 1), (12, -4, 6)])
def test_the_size_is_read_from_the_weights(widths):
    network = MSSNet(*widths).eval()
    same = MSSNet.from_state_dict(network.state_dict())
    assert tuple(same.arguments.values()) == widths
    x = torch.rand(1, 3, 32, 16)
    with torch.no_grad():
        assert torch.equal(same(x), network(x))


def test_other_weights_are_refused():
    with pytest.raises(ModelError, match=r"expected the weights of an MSSNet: .*shallow_feat3\.0\.weight"):
        MSSNet.from_state_dict(nn.Conv2d(3, 3, 3).state_dict())
    state = MSSNet(2, 1, 1).state_dict()
    del state["tail3_3.weight"]
    with pytest.raises(ModelError, match="tail3_3"):
        MSSNet.from_state_dict(state)


def test_unshuffling_takes_columns_first(network):
    x = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    folded = network.unshuffle(x)
    for c in range(2):
        for y in range(2):
            for x_ in range(2):
                torch.testing.assert_close(folded[:, 4 * c + x_ + 2 * y], x[:, c, y::2, x_::2], rtol=0, atol=0)


def test_with_silent_tails_every_estimate_is_the_input(network):
    for name, parameter in network.named_parameters():
        if name.startswith("tail"):
            nn.init.zeros_(parameter)
    x = torch.rand(2, 3, 48, 32)
    half = nn.functional.interpolate(x, size=(24, 16), mode="bilinear", align_corners=True)
    with torch.no_grad():
        first, *others = network.train()(x)
    assert torch.equal(first, half)
    assert all(torch.equal(other, x) for other in others)
    assert torch.equal(network.eval()(x), x)


@pytest.mark.parametrize("size", [(16, 16), (16, 80), (48, 32)])
def test_multiples_of_sixteen_work(network, size):
    with torch.no_grad():
        assert network(torch.rand(1, 3, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize("side", range(MULTIPLE + 1, 2 * MULTIPLE))
def test_no_other_size_works(network, side):
    with pytest.raises(RuntimeError), torch.no_grad():
        network(torch.rand(1, 3, 16, side))


@pytest.mark.parametrize("training", [True, False])
def test_the_first_scales_alone_give_the_first_three_estimates(training):
    torch.manual_seed(3)
    network = MSSNet(4, 2, 2).train(training)
    picture = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        first, every = network.coarse(picture), network.train()(picture)
    assert len(first) == 3
    for one, other in zip(first, every, strict=False):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
