"""FeatSharp is the paper's: counts, names, the original implementation's numbers, and what single steps must do."""

import pytest
import torch
import torch.nn.functional as F
from formula import filled, numbers, waves
from safetensors.torch import load_file
from torch import Tensor, nn

from fourfold.core.errors import InvalidInput, ModelError
from fourfold.networks import featsharp
from fourfold.networks.featsharp import BiasBuffer, FeatSharp, JBUStack, Upsampler
from fourfold.networks.jbu import local_attention


def state_of(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("state."): value for name, value in reference.items() if name.startswith("state.")}


def stirred(module: nn.Module, seed: int = 3) -> nn.Module:
    """All parameters at random, so that no part is silent."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0.3 if parameter.ndim < 2 else 0, 0.2)
    return module.eval()


class Conv:
    """An encoder that keeps what it was shown."""

    def __init__(self, channels: int, patch: int) -> None:
        torch.manual_seed(1)
        self.weight, self.patch, self.shown = torch.randn(channels, 3, patch, patch), patch, []

    def __call__(self, pictures: Tensor) -> Tensor:
        self.shown.append(pictures)
        return torch.tanh(F.conv2d(pictures, self.weight, stride=self.patch))


def test_joint_bilateral_upsampling_stays_what_it_is():
    stack = filled(JBUStack(8, 4), 1.0)
    with torch.no_grad():
        found = numbers(stack(waves(1, 8, 6, 6), waves(1, 3, 24, 24, phase=2)))
    assert found == pytest.approx([0.500718, 0.020951, 0.61412, 0.488724, 0.47837, 0.425842], abs=2e-5)


@pytest.mark.parametrize(
    ("no_ln", "expected"),
    [(False, [-0.920603, 0.436615, -0.825008, -0.570159, -1.731736, -0.592229]),
     (True, [-1.060956, 0.388135, -0.722796, -0.598946, -1.293501, -1.300978])],
)  # fmt: skip
def test_sharp_features_stay_what_they_are(no_ln, expected):
    network, weight = filled(FeatSharp(32, 4, 8, 2, no_ln=no_ln), 1.0), waves(8, 3, 4, 4) - 0.5
    with torch.no_grad():
        low, high = network(waves(1, 3, 64, 64), lambda x: torch.tanh(F.conv2d(x, weight, stride=4)))
    assert numbers(low) == pytest.approx([-0.004784, 0.107208, 0.216499, -0.091636, -0.084206, 0.012137], abs=2e-5)
    assert numbers(high) == pytest.approx(expected, abs=2e-5)


def test_joint_bilateral_upsampling_is_the_original(shared):
    reference = load_file(shared / "reference" / "jbu_x4.safetensors")
    stack = JBUStack(16, 4)
    stack.load_state_dict(state_of(reference))
    with torch.no_grad():
        output = stack(reference["features"], reference["guidance"])
    torch.testing.assert_close(output, reference["output"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("no_ln", [False, True])
def test_sharp_features_are_the_original(shared, no_ln):
    reference = load_file(shared / "reference" / f"featsharp_x2{'_noln' if no_ln else ''}.safetensors")
    network = FeatSharp(32, 4, 32, 2, no_ln=no_ln)
    network.load_state_dict(state_of(reference))
    weight, bias = reference["encoder.weight"], reference["encoder.bias"]
    with torch.no_grad():
        low, high = network(reference["image"], lambda x: torch.tanh(F.conv2d(x, weight, bias, stride=4)))
    torch.testing.assert_close(low, reference["low_res"], rtol=0, atol=1e-6)
    torch.testing.assert_close(high, reference["high_res"], rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("channels", "factor", "parameters"),
    [(32, 2, 46_660), (1024, 2, 44_783_444), (1024, 4, 44_796_920), (768, 4, 27_558_728), (1152, 4, 69_058_632)],
)
def test_sizes_are_the_original(channels, factor, parameters):
    with torch.device("meta"):
        network = FeatSharp(448, 14, channels, factor)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("channels", "factor", "window", "no_ln", "progressive"),
    [(8, 1, 7, False, False), (48, 2, 7, False, False), (32, 3, 5, False, False), (16, 4, 3, True, True),
     (24, 6, 7, False, True), (40, 4, 9, False, False)],
)  # fmt: skip
def test_it_begins_as_joint_bilateral_upsampling(channels, factor, window, no_ln, progressive):
    torch.manual_seed(2)
    network = FeatSharp(20, 4, channels, factor, window, no_ln, progressive)
    image = torch.rand(2, 3, 20 * factor, 20 * factor)
    low, high = network(image, Conv(channels, 4))
    assert high.shape == (2, channels, 5 * factor, 5 * factor)
    assert (high - network.jbu(low, image)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("factor", "progressive", "calls"), [(1, False, 2), (2, False, 5), (3, False, 10), (4, True, 21)]
)
def test_one_call_sees_the_picture_and_all_its_tiles(factor, progressive, calls):
    encoder, image = Conv(8, 4), torch.rand(3, 3, 16 * factor, 16 * factor)
    network = FeatSharp(16, 4, 8, factor, progressive=progressive)
    _, mosaics = network.encode(image, encoder)
    (shown,) = encoder.shown
    assert shown.shape == (3 * calls, 3, 16, 16)
    torch.testing.assert_close(mosaics[-1], torch.tanh(F.conv2d(image, encoder.weight, stride=4)))


def test_the_mosaic_has_no_seams_of_its_own():
    network = stirred(FeatSharp(32, 4, 8, 2))
    network.ups[0].tile_pos.data.zero_()
    flat = network(torch.full((1, 3, 64, 64), 0.3), lambda x: torch.ones(len(x), 8, 8, 8))[1]
    inner = flat[..., 3:-3, 3:-3]  # nearer the edge, attention sees fewer neighbours
    assert (inner - inner[..., :1, :1]).abs().max() < 1e-5


def test_an_answer_of_another_shape_is_refused():
    with pytest.raises(
        ModelError, match=r"expected features of shape \(5, 8, 4, 4\) from the encoder, got \(5, 9, 4, 4\)"
    ):
        FeatSharp(16, 4, 8, 2)(torch.rand(1, 3, 32, 32), lambda x: torch.zeros(len(x), 9, 4, 4))


@pytest.mark.parametrize("arguments", [(30, 4, 8, 2), (32, 4, 12, 2), (32, 4, 8, 2, 4), (32, 4, 8, 0)])
def test_numbers_that_do_not_fit_are_refused(arguments):
    with pytest.raises(InvalidInput):
        FeatSharp(*arguments)


def test_any_batch_follows_any_other_and_is_no_mixture():
    network, encoder, image = stirred(FeatSharp(32, 4, 16, 2)), Conv(16, 4), torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        pair, three, one = (network(image[:count], encoder)[1] for count in (2, 3, 1))
    torch.testing.assert_close(three[:2], pair)
    torch.testing.assert_close(three[:1], one)


def test_a_changed_tile_is_felt_within_the_window():
    network, image = stirred(FeatSharp(64, 4, 8, 2)), torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        low, (mosaic,) = network.encode(image, Conv(8, 4))
        before = network.sharpen(low, [mosaic], image)
        mosaic[..., 10, 20] += 1
        felt = (network.sharpen(low, [mosaic], image) != before)[0].any(0)
    rows, columns = (felt.any(1 - axis).nonzero().flatten().tolist() for axis in (0, 1))
    assert rows == list(range(7, 14))
    assert columns == list(range(17, 24))


def test_even_heads_count_rows_and_odd_ones_columns():
    bias = featsharp.alibi(3)
    assert bias[:, 3, 3].abs().max() == 0
    for head in range(16):
        slope = 2.0 ** -(head // 2 + 1)
        distances = torch.tensor([3.0, 2, 1, 0, 1, 2, 3])
        across = distances[:, None].expand(7, 7)
        assert torch.equal(bias[head], -slope * (across if head % 2 == 0 else across.T))


def test_local_attention_is_attention_to_the_places_around():
    torch.manual_seed(4)
    q, k, v = torch.randn(2, 3, 11, 9, 4), torch.randn(2, 3, 15, 13, 4), torch.randn(2, 3, 15, 13, 5)
    bias, real = torch.randn(3, 5, 5), torch.rand(15, 13) > 0.3
    found = local_attention(q, k, v, bias, real)
    for head, y, x in ((0, 0, 0), (1, 7, 8), (2, 10, 8), (0, 8, 3)):
        near = (slice(None), head, slice(y, y + 5), slice(x, x + 5))
        logits = torch.einsum("bijd,bd->bij", k[near], q[:, head, y, x]) + bias[head]
        logits = logits.masked_fill(~real[y : y + 5, x : x + 5], -torch.inf)
        expected = torch.einsum("bn,bne->be", logits.flatten(1).softmax(1), v[near].flatten(1, 2))
        torch.testing.assert_close(found[:, head, y, x], expected)


def test_local_attention_has_the_gradients_of_its_inputs():
    torch.manual_seed(5)
    shapes = (1, 1, 3, 9, 2), (1, 1, 5, 11, 2), (1, 1, 5, 11, 2), (1, 3, 3)
    assert torch.autograd.gradcheck(
        local_attention, [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes], fast_mode=True
    )


def test_a_guidance_that_tells_all_apart_keeps_the_features_and_one_that_tells_nothing_blurs_them():
    level = featsharp.JBUStack(5, 2).ups[0]
    features, flat = torch.randn(1, 5, 6, 6), torch.zeros(1, 3, 12, 12)
    bilinear = F.interpolate(features, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        level.sigma_spatial.fill_(1e4)
        blurred = level(features, flat)
        level.sigma_spatial.fill_(1e-2)
        kept = level(features, flat)
    box = F.avg_pool2d(F.pad(bilinear, (3, 3, 3, 3), mode="reflect"), 7, 1)
    torch.testing.assert_close(blurred, box, rtol=0, atol=1e-5)
    torch.testing.assert_close(kept, bilinear, rtol=0, atol=1e-5)


def test_the_alphas_cancel_and_small_maps_work():
    level = stirred(featsharp.JBUStack(5, 2)).ups[0]
    features, guidance = torch.randn(1, 5, 1, 2), torch.rand(1, 3, 2, 4)
    with torch.no_grad():
        before = level(features, guidance)
        level.range_alpha += 2
        level.spatial_alpha -= 1
        assert torch.equal(level(features, guidance), before)
    assert before.isfinite().all()


def test_spectral_layers_begin_as_they_were_and_fold_into_what_they_are():
    network, encoder, image = stirred(FeatSharp(32, 4, 16, 2)), Conv(16, 4), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network(image, encoder)[1]
        featsharp.spectral(network)
        torch.testing.assert_close(network(image, encoder)[1], before, rtol=0, atol=1e-5)
        for name, parameter in network.named_parameters():
            if name.endswith("sn_scale"):
                parameter += 0.5
        trained = network(image, encoder)[1]
        assert (trained - before).abs().max() > 1e-3
        state = network.state_dict()
        assert any(key.endswith("_sn_version") for key in state)
        plain = FeatSharp(32, 4, 16, 2)
        plain.load_state_dict(state)
        torch.testing.assert_close(plain(image, encoder)[1], trained, rtol=0, atol=1e-5)
    featsharp.spectral(again := FeatSharp(32, 4, 16, 2))
    again.load_state_dict(state)


def test_a_training_checkpoint_loads_without_what_only_training_needs():
    upsampler = stirred(Upsampler(FeatSharp(32, 4, 16, 2)))
    featsharp.spectral(trained := stirred(Upsampler(FeatSharp(32, 4, 16, 2)), seed=9))
    state = {f"module.{key}": value for key, value in trained.state_dict().items()}
    state |= {"module.downsampler.logit_bias": torch.zeros(1), "module.scale_net.0.bias": torch.zeros(1)}
    image, encoder = torch.rand(1, 3, 64, 64), Conv(16, 4)
    with torch.no_grad():
        found, wanted = upsampler.load_checkpoint(state)(image, encoder), trained(image, encoder)
    torch.testing.assert_close(found.high_res, wanted.high_res, rtol=1e-4, atol=1e-4)
    del state["module.bias_buffer.buffer"]
    with pytest.raises(ModelError, match=r"bias_buffer\.buffer"):
        upsampler.load_checkpoint(state)


def test_the_bias_is_taken_from_the_picture_and_from_every_tile():
    upsampler = Upsampler(FeatSharp(32, 4, 8, 2))
    upsampler.bias_buffer.buffer.data += 1
    seen = []
    upsampler.behind(lambda x: seen.append(x) or torch.zeros(len(x), 8, 8, 8))(torch.zeros(5, 3, 32, 32))
    found = upsampler(torch.rand(1, 3, 64, 64), lambda x: torch.zeros(len(x), 8, 8, 8))
    torch.testing.assert_close(found.low_res, torch.ones(1, 8, 8, 8))
    torch.testing.assert_close(found.high_res, torch.ones(1, 8, 16, 16), rtol=0, atol=1e-4)
    assert BiasBuffer(8, 4)(torch.zeros(2, 8, 6, 6)).shape == (2, 8, 6, 6)


def test_denormalised_features_are_the_encoders():
    upsampler, image, encoder = Upsampler(FeatSharp(32, 4, 8, 2)), torch.rand(2, 3, 64, 64), Conv(8, 4)
    upsampler.normalizer.fit([torch.randn(4, 8, 5, 5) * 3 + 1])
    normal, own = upsampler(image, encoder), upsampler(image, encoder, denormalize=True)
    torch.testing.assert_close(own.low_res, encoder.shown[0][:2].new_tensor(encoder(encoder.shown[0][:2]).numpy()))
    torch.testing.assert_close(upsampler.normalizer(own.high_res), normal.high_res, rtol=0, atol=1e-5)
