import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourfold.catalog.card import Card, Network, SizeRule
from fourfold.core.image import Image
from fourfold.engines.fake import FakeRunner
from fourfold.engines.pytorch import TorchRunner
from fourfold.methods.deblur import Deblurring, memory_needed, windows
from fourfold.networks.mssnet import MULTIPLE, MSSNet

CARD = Card(
    id="tiny",
    title="",
    summary="",
    task="image-to-image/deblurring",
    tier="little",
    style="faithful",
    scale=1,
    licence="",
    provenance="",
    parameters=1,
    receptive_field=1,
    macs_per_pixel=100,
    network=Network("mssnet", "MSSNet", {}),
    size=SizeRule(MULTIPLE, MULTIPLE),
)
sides = st.integers(1, 70)


def ignore(_done, _total):
    pass


def network(silent=False):
    torch.manual_seed(2)
    made = MSSNet(3, 1, 1).eval()
    with torch.no_grad():
        made.tail3_3.weight.mul_(0 if silent else 0.5)
    return made


def picture(size, colors=3, depth=8, alpha=False):
    rng = np.random.default_rng(5)
    pixels = rng.random((*size, colors), dtype=np.float32)
    return Image(pixels, rng.random(size, dtype=np.float32) if alpha else None, depth)


def deblurred(image, net, strength=1.0, largest=None):
    plan = windows(image.size, CARD, largest)
    return Deblurring(image, TorchRunner(net, plan.shape, 1), plan, strength)


@given(st.tuples(sides, sides))
@settings(max_examples=25, deadline=None)
def test_any_size_comes_back_and_silent_tails_change_nothing(size):
    image = picture(size)
    work = deblurred(image, network(silent=True))
    np.testing.assert_array_equal(work.result(ignore).pixels, image.pixels)
    assert work.seconds_model > 0


@pytest.mark.parametrize("size", [(16, 16), (48, 80), (64, 32)])
def test_multiples_of_sixteen_are_what_the_network_alone_gives(size):
    image, net = picture(size), network()
    with torch.inference_mode():
        alone = net(torch.from_numpy(image.pixels.transpose(2, 0, 1)[None].copy()))[0].numpy().transpose(1, 2, 0)
    assert np.abs(alone - image.pixels).max() > 0.01
    np.testing.assert_array_equal(deblurred(image, net).result(ignore).pixels, alone)


def test_large_pictures_come_out_almost_as_in_one_piece():
    y, x = np.mgrid[:240, :500].astype(np.float32)
    waves = np.stack([np.sin(x / 6 + c) * np.cos(y / 8 - c) for c in range(3)], axis=2)
    image, net = Image((0.4 * waves + 0.5).astype(np.float32)), network()
    whole, parts = (deblurred(image, net, largest=largest).result(ignore).pixels for largest in (768, 384))
    assert windows(image.size, CARD, 384).count == 2
    inner = slice(0, 440)  # beyond, one ends at the picture's border and the other in its reflection
    changed, different = (np.sqrt(np.square(a - whole)[:, inner].mean()) for a in (image.pixels, parts))
    assert 0 < different < 0.05 * changed


def test_strength_goes_linearly_from_nothing_to_all():
    image, net = picture((32, 48)), network()
    all_of_it = deblurred(image, net).result(ignore).pixels
    for strength in (0.0, 0.25, 0.5):
        expected = image.pixels + strength * (all_of_it - image.pixels)
        np.testing.assert_allclose(deblurred(image, net, strength).result(ignore).pixels, expected, atol=1e-6)


def test_grey_pictures_stay_grey_and_their_depth_and_alpha_are_kept():
    image = picture((20, 30), colors=1, depth=16, alpha=True)
    result = deblurred(image, network()).result(ignore)
    assert result.pixels.shape == (20, 30, 1)
    assert result.depth == 16
    assert result.alpha is image.alpha
    assert result.levels().shape == (20, 30, 2)
    assert result.levels().dtype == np.uint16


def test_what_transparency_hides_reaches_nobody():
    pixels, alpha = np.full((32, 32, 3), 0.5, np.float32), np.ones((32, 32), np.float32)
    alpha[:, 16:] = 0
    pixels[:, 16:] = np.random.default_rng(1).random((32, 16, 3))
    visible = deblurred(Image(pixels, alpha), network()).result(ignore).pixels[:, :16]
    flat = deblurred(Image(np.full_like(pixels, 0.5)), network()).result(ignore).pixels[:, :16]
    np.testing.assert_allclose(visible, flat, atol=1e-6)


def test_progress_counts_the_windows():
    image, seen = picture((500, 450)), []
    plan = windows(image.size, CARD, 384)
    work = Deblurring(image, FakeRunner(1, plan.shape), plan)
    np.testing.assert_allclose(
        work.result(lambda done, total: seen.append((done, total))).pixels, image.pixels, atol=1e-6
    )
    assert seen == [(i + 1, 4) for i in range(4)]


def test_twelve_megapixels_are_planned_within_two_gibibytes():
    assert memory_needed((3000, 4000), 3, CARD, None) < 2 << 30
