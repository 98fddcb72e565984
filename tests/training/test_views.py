"""Views through homographies, and what FeatSharp is trained with."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fourfold.core.errors import InvalidInput
from fourfold.training import encoder, featsharp, views
from fourfold.training.recipe import FeatSharpRecipe
from fourfold.training.recipes.featsharp import tiny


def test_the_identity_shows_the_picture_itself():
    picture = torch.rand(2, 3, 12, 12)
    same = torch.eye(3).expand(2, 3, 3)
    torch.testing.assert_close(views.look(picture, same, 12, 1.0), picture, rtol=0, atol=1e-5)
    torch.testing.assert_close(views.look(picture, same, 6, 1.0), F.avg_pool2d(picture, 2), rtol=0, atol=1e-5)


def test_a_view_of_a_quarter_is_that_quarter():
    picture = torch.rand(1, 3, 16, 16)
    homography = torch.tensor([[[0.5, 0, 0.5], [0, 0.5, -0.5], [0, 0, 1]]])
    torch.testing.assert_close(views.look(picture, homography, 8, 0.5), picture[..., :8, 8:], rtol=0, atol=1e-5)


def test_photos_smaller_than_the_crop_are_left_out(tmp_path):
    paths = [tmp_path / "small.png", tmp_path / "large.png"]
    for path, width in zip(paths, (30, 70), strict=True):
        Image.new("RGB", (width, 64)).save(path)
    assert len(views.read_sizes(paths, 32)) == 1
    with pytest.raises(InvalidInput, match=r"at least 65×65 pixels, .* none of 2"):
        views.read_sizes(paths, 65)


def test_homographies_stay_near_their_picture_and_differ():
    homographies = views.homographies(64, 0.6, np.random.default_rng(1))
    points = views.places(homographies, 16, 16)
    assert 0.9 < views.inside(points).float().mean() <= 1
    assert points.abs().max() < 1.5
    assert homographies.std(0)[0, 2] > 0.1


def test_a_point_is_the_same_place_in_both_views():
    """Pictures whose colours are coordinates: what both views show of a place has the same colour."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    rng = np.random.default_rng(2)
    maps = [views.homographies(3, share, rng) for share in (0.8, 0.6)]
    source = torch.stack([x, y, x * 0]).expand(3, -1, -1, -1)
    first, second = (views.look(source, m, 64, 0.6) for m in maps)
    across = torch.linalg.inv(maps[1]) @ maps[0]
    points = views.places(torch.eye(3)[None], 8, 8).flatten(1, 2).expand(3, -1, -1)
    there = views.through(across, torch.cat([points, torch.ones_like(points[..., :1])], -1))
    shown = views.inside(there) & views.inside(views.through(maps[0], torch.cat([points, points[..., :1] * 0 + 1], -1)))
    one, two = (views.sample(v, at[:, None])[:, :, 0] for v, at in ((first, points), (second, there)))
    assert shown.float().mean() > 0.3
    assert ((one - two).abs().amax(1) * shown).max() < 0.03


def test_photos_are_read_at_all_sizes_that_suffice(tmp_path):
    paths = []
    for number, size in enumerate([(200, 100), (90, 300), (40, 40)]):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", size, (number, 0, 0)).save(paths[-1])
    found = views.read_sizes(paths, 50)
    assert [[p.shape[:2] for p in photo] for photo in found] == [[(100, 200), (50, 100)], [(300, 90)]]
    assert [p.shape[:2] for p in views.read_sizes(paths[:1], 50, largest=150)[0]] == [(50, 100)]
    batch = views.crops(found, 6, 50, np.random.default_rng(3))
    assert batch.shape == (6, 3, 50, 50)


def test_two_views_have_points_that_both_show():
    rng = np.random.default_rng(4)
    first, second, at_first, at_second = encoder.two_views(torch.rand(5, 3, 64, 64), 32, 6, rng)
    assert first.shape == second.shape == (5, 3, 32, 32)
    assert at_first.shape == at_second.shape == (5, 1, 6, 2)
    assert views.inside(at_second).float().mean() > 0.9
    assert len(at_first[0, 0].unique(dim=0)) == 6


def test_the_contrast_is_least_where_every_place_is_most_like_itself():
    eye = torch.eye(7)
    right, wrong = (encoder.contrast(eye, other, 0.1).item() for other in (eye, eye.roll(1, 0)))
    assert right == pytest.approx(np.log(1 + 6 * np.exp(-10)), abs=1e-6)
    assert wrong == pytest.approx(right + 10, abs=1e-4)


def test_seams_weigh_twice_beside_the_borders_of_tiles_only():
    line = featsharp._seams(3, 4)[0, 0, 1]
    assert line.tolist() == [1, 1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 1]
    assert featsharp._seams(1, 4).unique().tolist() == [1]


def test_the_downsampler_keeps_constants_and_places():
    torch.manual_seed(5)
    for factor, kernel in ((2, 5), (3, 7), (4, 9)):
        down = featsharp.AttentionDownsampler(6, kernel, factor)
        x = torch.ones(1, 6, 8 * factor, 8 * factor)
        down.train()
        inner = down(x)[..., 1:-1, 1:-1] if kernel < 9 else down(x)[..., 2:-2, 2:-2]
        torch.testing.assert_close(inner, torch.ones_like(inner))
        ramp = torch.arange(8.0 * factor).expand(1, 6, 8 * factor, -1)
        steps = down.eval()(ramp)[0, 0, 4].diff()[1:-2]
        assert abs(steps.mean() - factor) < 0.2 * factor


def test_fidelity_is_one_over_the_mean_squared_error():
    recipe = tiny()
    encoder = featsharp.Frozen(lambda x: torch.full((len(x), 16, 4, 4), 0.5), 32, 8, 16)

    class Silent(torch.nn.Module):
        def forward(self, low, mosaic, _image):
            return low.new_zeros(len(low), 16, *mosaic.shape[2:])

    way = featsharp.Way(Silent(), recipe, encoder).eval()
    flat = featsharp.look(torch.rand(2, 3, 64, 64), 2, 2, np.random.default_rng(6), encoder)
    assert way.fidelity([flat]) == pytest.approx(1 / 0.25, rel=1e-4)


def test_missing_weights_of_the_encoder_are_said():
    with pytest.raises(InvalidInput, match="fourfold train encoder"):
        featsharp.frozen_encoder(FeatSharpRecipe("x", encoder="nowhere.pt"))
