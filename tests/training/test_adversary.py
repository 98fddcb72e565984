"""The adversary: what it teaches, how strongly, and that colour is none of its business."""

import torch
import torch.nn.functional as F

from fourfold.training.adversary import Adversary
from fourfold.training.losses import luma, reconstruction


def pictures(seed):
    """Sharp ones, and the same a little blurred."""
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    sharp = (F.avg_pool2d(noise, 5, 1, 2) > 0.5).float()
    return sharp, F.avg_pool2d(sharp, 3, 1, 1)


def taught(steps=60):
    adversary = Adversary(torch.device("cpu"), seed=0, warmup=3)
    for step in range(steps):
        adversary.learn(*reversed(pictures(step)))
    return adversary


def gradient(adversary, sharp, blurred, weight):
    answer = blurred.clone().requires_grad_()
    error = reconstruction(answer, sharp, 1.0)
    term = adversary.term(answer, sharp, error, weight)
    return [torch.autograd.grad(part, answer, retain_graph=True)[0] for part in (term, error)]


def test_it_asks_for_what_sharp_pictures_have():
    sharp, blurred = pictures(99)
    pull, _ = gradient(taught(), sharp, blurred, 0.5)
    assert (luma(-pull) * luma(sharp - blurred)).sum() > 0


def test_its_gradient_is_as_long_as_asked_beside_that_of_the_error():
    pull, error = gradient(taught(), *pictures(99), 0.5)
    torch.testing.assert_close(pull.norm(), 0.5 * error.norm())


def test_it_says_nothing_while_it_warms_up():
    sharp, blurred = pictures(99)
    assert not Adversary(torch.device("cpu"), seed=0, warmup=3).term(blurred, sharp, blurred.sum(), 0.5)


def test_it_does_not_see_colour():
    pull, _ = gradient(taught(4), *pictures(99), 0.5)
    weights = torch.tensor([65.481, 128.553, 24.966])
    torch.testing.assert_close(pull[:, 0] / weights[0], pull[:, 1] / weights[1])
