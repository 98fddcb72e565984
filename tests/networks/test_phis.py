"""PHI-S gives every channel the variance 1 and can be undone; its Hadamard matrices are that."""

import pytest
import torch

from fourfold.core.errors import InvalidInput
from fourfold.networks.phis import PhiS, hadamard, moments


def correlated(channels: int, count: int = 20_000) -> torch.Tensor:
    torch.manual_seed(6)
    mixing = torch.randn(channels, channels) * torch.logspace(-1, 1, channels)
    return torch.randn(count, channels) @ mixing + torch.randn(channels) * 5


@pytest.mark.parametrize("order", [1, 2, 4, 12, 20, 28, 36, 52, 64, 100, 384, 768, 1024, 1152, 1280, 1664])
def test_hadamard_matrices_are_orthogonal_signs(order):
    matrix = hadamard(order)
    assert torch.equal(matrix.abs(), torch.ones(order, order, dtype=torch.float64))
    assert torch.equal(matrix @ matrix.T, order * torch.eye(order, dtype=torch.float64))


@pytest.mark.parametrize("order", [3, 6, 92, 10])
def test_orders_without_a_construction_are_refused(order):
    with pytest.raises(InvalidInput, match=f"got {order}"):
        hadamard(order)


def test_every_channel_gets_the_same_variance():
    x = correlated(24)
    fitted = PhiS(24).fit(x.split(999))
    y = fitted(x)
    assert (y.var(0) - 1).abs().max() < 0.01
    assert y.mean(0).abs().max() < 1e-2
    torch.testing.assert_close(fitted.denormalize(y), x, rtol=0, atol=1e-4)
    torch.testing.assert_close(fitted.inv_rotation @ fitted.rotation, torch.eye(24), rtol=0, atol=1e-5)


def test_maps_are_turned_along_their_channels():
    x = correlated(8, 4 * 5 * 6)
    fitted = PhiS(8).fit([x])
    maps = x.view(4, 5, 6, 8).permute(0, 3, 1, 2)
    torch.testing.assert_close(fitted(maps).permute(0, 2, 3, 1).reshape(-1, 8), fitted(x))


def test_a_stream_has_the_moments_of_the_whole():
    x = correlated(12, 5000).double()
    mean, covariance = moments(part.view(-1, 12, 1, 1) for part in x.split([1, 17, 3000, 1982]))
    torch.testing.assert_close(mean, x.mean(0))
    torch.testing.assert_close(covariance, torch.cov(x.T))


def test_unfitted_it_changes_nothing_and_one_vector_is_too_few():
    x = torch.randn(2, 7, 3, 3)
    assert torch.equal(PhiS(7)(x), x)
    with pytest.raises(InvalidInput, match="at least two"):
        PhiS(4).fit([torch.zeros(1, 4)])
