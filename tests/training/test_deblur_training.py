"""Training of deblurring: the paper's losses, schedule and augmentation, and where the pairs come from."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from fourfold.core.errors import InvalidInput
from fourfold.imaging.metrics import psnr, psnr_y
from fourfold.networks.mssnet import MSSNet
from fourfold.training import deblur_data, deblurring, losses, start
from fourfold.training.recipe import DeblurRecipe
from fourfold.training.recipes import mssnet_gopro, mssnet_light


def test_losses_have_their_fixed_values():
    torch.manual_seed(0)
    a, b = (torch.rand(2, 3, 32, 48, dtype=torch.float64) for _ in range(2))
    assert (a - b).abs().mean().item() == pytest.approx(0.3354178421650046, rel=1e-12)
    assert losses.frequency(a, b).item() == pytest.approx(9.09882010897475, rel=1e-12)
    one = losses.multi_scale([a], b)
    assert one.item() == pytest.approx(0.3354178421650046 + 0.1 * 9.09882010897475, rel=1e-12)


def test_the_loss_is_that_of_the_original(shared):
    reference = load_file(shared / "reference" / "mssnet_wf8.safetensors")
    outputs = [reference[name] for name in sorted(reference) if name.startswith("output.")]
    plain = losses.multi_scale(outputs, reference["target"], frequency_weight=0).item()
    whole = losses.multi_scale(outputs, reference["target"]).item()
    assert plain == pytest.approx(reference["loss_l1"].item(), rel=1e-4)
    assert whole == pytest.approx(reference["loss_total"].item(), rel=1e-4)
    frequency = sum(
        losses.frequency(output, target).item()
        for output, target in zip(outputs, [_half(reference["target"]), *[reference["target"]] * 5], strict=True)
    )
    assert 0.1 * frequency == pytest.approx(whole - plain, rel=1e-4)
    assert reference["loss_frequency"].item() in (
        pytest.approx(frequency, rel=1e-4),
        pytest.approx(0.1 * frequency, rel=1e-4),
    )


def _half(x):
    return nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True)


def test_the_frequency_loss_has_its_gradient():
    torch.manual_seed(2)
    a, b = (torch.rand(1, 2, 5, 6, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x: losses.frequency(x, b), a.requires_grad_())


def test_the_half_size_estimate_is_compared_with_aligned_corners():
    sharp = torch.rand(1, 3, 32, 48)
    assert losses.multi_scale([_half(sharp), sharp], sharp).item() == pytest.approx(0, abs=1e-6)
    shrunk = nn.functional.interpolate(sharp, scale_factor=0.5, mode="bilinear", align_corners=False)
    assert losses.multi_scale([shrunk], sharp).item() > 0.1


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(1, 2e-4 / 3), (2, 4e-4 / 3), (3, 2e-4), (4, 2e-4), (5, 2e-4), (100, 1.99497e-4), (600, 1.81205e-4),
     (1500, 1.00761e-4), (2400, 2.0101e-5), (3000, 1.00005e-6)],
)  # fmt: skip
def test_the_schedule_is_the_papers(epoch, rate):
    (stage,) = mssnet_gopro.recipe.stages
    for step in ((epoch - 1) * stage.epoch, epoch * stage.epoch - 1):
        assert stage.rate(step) * stage.lr == pytest.approx(rate, rel=5e-6)


def test_augmentation_turns_both_alike_nine_ways():
    rng = np.random.default_rng(4)
    grey = np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)
    ways: Counter[tuple[object, bytes]] = Counter()
    for _ in range(9000):
        blurry, sharp = deblur_data.augmented((grey, grey.copy()), rng)
        np.testing.assert_array_equal(blurry, sharp)
        ways[(blurry.shape, blurry.tobytes())] += 1
    assert len(ways) == 8
    assert 1800 < ways.pop((grey.shape, grey.tobytes())) < 2200  # two of the nine leave it as it is
    assert all(850 < count < 1150 for count in ways.values())


def test_one_time_in_three_the_saturation_changes():
    rng = np.random.default_rng(4)
    colours = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    changed = 0
    for _ in range(3000):
        blurry, sharp = deblur_data.augmented((colours, colours.copy()), rng)
        np.testing.assert_array_equal(blurry, sharp)
        changed += not np.array_equal(blurry, colours)
        assert 184 < blurry[0, 0, 0] < 216  # by at most a fifth of its distance from grey, 124.2
    assert 900 < changed < 1050


def test_saturation_keeps_grey_and_moves_colour_from_it():
    levels = np.array([[[100, 100, 100], [200, 100, 50]]], np.uint8)
    more = deblur_data.saturated(levels, np.float32(1.2))
    np.testing.assert_array_equal(more[0, 0], [100, 100, 100])
    np.testing.assert_array_equal(more[0, 1], [215, 95, 35])  # grey 124.2


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(25):
        levels = rng.integers(0, 256, (12, 14, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(levels).save(tmp_path / f"{number:02}.png")
    return tmp_path


def test_shaken_photos_are_seeded_and_of_the_asked_size(photos):
    pairs = deblur_data.SimulatedShake([photos], still=0)
    first, again = (deblur_data.batch(pairs, 3, 32, np.random.default_rng(9)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.shape == (3, 3, 32, 32)
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, other)
    assert all(psnr(b.transpose(1, 2, 0), s.transpose(1, 2, 0)) < 30 for b, s in zip(*first, strict=True))


def test_photos_smaller_than_the_crop_are_continued(photos):
    blurry, _ = deblur_data.SimulatedShake([photos], still=0).crop(160, np.random.default_rng(9))
    assert blurry.shape == (160, 160, 3)


def test_still_photos_are_almost_what_they_were(photos):
    blurry, sharp = deblur_data.SimulatedShake([photos], still=1).crop(64, np.random.default_rng(1))
    assert psnr_y(blurry, sharp) > 30


def test_held_out_photos_are_the_same_each_time_and_never_cropped(photos):
    pairs = deblur_data.SimulatedShake([photos], still=0.5)
    ((blurry, sharp),) = pairs.held_out()
    np.testing.assert_array_equal(pairs.held_out()[0][0], blurry)
    assert blurry.shape == sharp.shape == (96, 112, 3)
    with Image.open(photos / "23.png") as held:
        np.testing.assert_array_equal(sharp, np.asarray(held))


def folders(root, scenes, size=(20, 24)):
    for number, (scene, kind) in enumerate(product(scenes, ("blur", "sharp"))):
        folder = root / scene / kind
        folder.mkdir(parents=True)
        Image.fromarray(np.full((*size, 3), 10 * number, np.uint8)).save(folder / "1.png")


def test_pair_folders_hold_out_the_test_scenes(tmp_path):
    folders(tmp_path, ["train/a", "test/b"])
    pairs = deblur_data.PairFolders([tmp_path])
    blurry, sharp = pairs.crop(16, np.random.default_rng(1))
    assert (blurry[0, 0, 0], sharp[0, 0, 0]) == (0, 10)
    ((blurry, sharp),) = pairs.held_out()
    assert (blurry[0, 0, 0], sharp[0, 0, 0]) == (20, 30)
    assert blurry.shape == (16, 16, 3)


def test_pictures_smaller_than_a_crop_are_mirrored(tmp_path):
    folders(tmp_path, ["train/a", "test/b"])
    blurry, sharp = deblur_data.PairFolders([tmp_path]).crop(48, np.random.default_rng(1))
    assert blurry.shape == sharp.shape == (48, 48, 3)


def test_pair_folders_say_what_they_expect(tmp_path):
    with pytest.raises(InvalidInput, match="pictures of one name in folders blur and sharp"):
        deblur_data.PairFolders([tmp_path])
    with pytest.raises(InvalidInput, match="expected data as photos or pairs, got 'videos'"):
        deblurring.train(mssnet_light.tiny().override("data=videos"), [tmp_path], tmp_path / "run")


def test_a_crop_can_be_learnt_by_heart():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (6, 6, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    blurry = np.rint(sum(np.roll(sharp, k, axis=1).astype(float) for k in range(-3, 4)) / 7).astype(np.uint8)
    torch.manual_seed(0)
    network = MSSNet(8, 4, 4)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    x, y = (torch.from_numpy(p.transpose(2, 0, 1)[None] / np.float32(255)) for p in (blurry, sharp))
    for _ in range(120):
        loss = losses.multi_scale(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        restored = network.eval()(x)[0].permute(1, 2, 0).numpy()
    assert psnr(restored, sharp / np.float32(255)) > psnr(blurry, sharp) + 3


def test_settings_convert_to_their_types():
    recipe: DeblurRecipe = mssnet_light.recipe.override("lr=0.5", "steps=7", "precision=fp32", "clip=0")
    assert recipe.precision == "fp32"
    assert [(stage.lr, stage.steps, stage.clip) for stage in recipe.stages] == [(0.5, 7, 0.0)] * 2


def test_a_truth_value_is_read_as_one():
    assert mssnet_light.recipe.override("scaled=false").scaled is False
    assert mssnet_light.recipe.override("scaled=True").scaled is True
    with pytest.raises(InvalidInput, match="expected scaled as bool, got 'no idea'"):
        mssnet_light.recipe.override("scaled=no idea")


def test_scaled_starting_weights_answer_to_contrast_with_set_deviations():
    torch.manual_seed(0)
    network = MSSNet(8, 2, 2)
    pictures = torch.rand(4, 3, 16, 16).repeat_interleave(4, 2).repeat_interleave(4, 3)
    start.prepare(network, pictures)
    with torch.no_grad():
        estimates = network(pictures)
        flat = network.shallow_feat3[0](torch.full((1, 3, 8, 8), 0.7))[0, :, 1:-1, 1:-1]
    for estimate in estimates[1:]:
        assert (estimate - pictures).std().item() == pytest.approx(0.01, rel=0.01)
    assert flat.abs().amax((1, 2)).gt(1e-4).tolist() == [True, False, False, False] * 2


def test_crops_are_taken_where_there_is_detail(tmp_path):
    picture = np.full((200, 400, 3), 90, np.uint8)
    picture[:, 300:] = np.random.default_rng(1).integers(0, 256, (200, 100, 3), np.uint8)
    for number in range(24):
        Image.fromarray(picture).save(tmp_path / f"{number:02}.png")
    photos = deblur_data.SimulatedShake([tmp_path], still=1)
    rng = np.random.default_rng(2)
    rough = sum(photos.crop(64, rng)[1].std() > 10 for _ in range(20))
    assert rough >= 14  # of single windows drawn at random, three in ten hold any: 6 of 20
