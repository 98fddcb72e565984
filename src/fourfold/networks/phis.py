"""PHI-S: features rotated and scaled so that every channel has the same variance, 1.

Paper: PHI-S: Distribution Balancing for Label-Free Multi-Teacher Distillation (Ranzinger et al., 2024).
Hadamard matrices as Sylvester (1867) and Paley (1933) build them.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fourfold.core.errors import InvalidInput


class PhiS(nn.Module):
    """y = α R (x − μ) along the channels of ``B×C×…``; the identity until it is fitted.

    R turns the eigenvectors of the covariance onto a Hadamard matrix, which spreads the variance evenly, and α makes
    it 1 on average, so it is 1 in every channel.

    Args:
        feat_dim: C, for which a Hadamard matrix must be known (see ``hadamard``) when it is fitted.
    """

    mean: Tensor
    alpha: Tensor
    rotation: Tensor
    inv_rotation: Tensor

    def __init__(self, feat_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(feat_dim))
        self.register_buffer("alpha", torch.ones(()))
        self.register_buffer("rotation", torch.eye(feat_dim))
        self.register_buffer("inv_rotation", torch.eye(feat_dim))

    def forward(self, x: Tensor) -> Tensor:
        """Features as the encoder gives them → normalised."""
        return self.alpha * _turn(self.rotation, x - _along(self.mean, x))

    def denormalize(self, y: Tensor) -> Tensor:
        """The inverse of ``forward``."""
        return _turn(self.inv_rotation, y / self.alpha) + _along(self.mean, y)

    def fit(self, batches: Iterable[Tensor]) -> "PhiS":
        """Learn μ, R and α from features ``B×C×…``, a batch at a time.

        Raises:
            InvalidInput: no Hadamard matrix of order C is known, or there are fewer than two vectors.
        """
        mean, covariance = moments(batches)
        values, vectors = torch.linalg.eigh(covariance)
        rotation = hadamard(len(mean)) / len(mean) ** 0.5 @ vectors.T
        self.mean.copy_(mean)
        self.alpha.copy_(values.mean().rsqrt())
        self.rotation.copy_(rotation)
        self.inv_rotation.copy_(rotation.T)
        return self


def moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean ``C`` and unbiased covariance ``C×C`` of ``B×C×…`` batches, in one pass (Chan, Golub and LeVeque, 1979).

    Raises:
        InvalidInput: there are fewer than two vectors.
    """
    count, mean, scatter = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for batch in batches:
        x = batch.detach().movedim(1, -1).flatten(0, -2).double()
        here = x.mean(0)
        apart, total = here - mean, count + len(x)
        scatter = scatter + (x - here).T @ (x - here) + torch.outer(apart, apart) * count * len(x) / total
        mean, count = mean + apart * len(x) / total, total
    if count < 2:
        raise InvalidInput(f"expected at least two feature vectors to measure the spread of, got {count}")
    return mean, scatter / (count - 1)


def hadamard(order: int) -> Tensor:
    """A matrix of ±1 with orthogonal rows, ``order×order``, float64: Sylvester's doubling of a Paley matrix or of 1.

    Raises:
        InvalidInput: these constructions give none of this order, with Paley's q prime or the square of a prime.
    """
    core, doublings = order, 0
    while True:
        matrix = torch.ones(1, 1, dtype=torch.float64) if core == 1 else _paley(core)
        if matrix is not None:
            break
        if core % 2:
            raise InvalidInput(
                f"expected a number of channels with a known Hadamard matrix (1, 2, most multiples of 4), got {order}"
            )
        core, doublings = core // 2, doublings + 1
    for _ in range(doublings):
        matrix = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64), matrix)
    return matrix


def _paley(order: int) -> Tensor | None:
    """Paley's first construction of order q + 1, or his second of order 2(q + 1)."""
    for q, remainder in ((order - 1, 3), (order // 2 - 1, 1)):
        characters = _quadratic_characters(q) if q % 4 == remainder and order % 4 == 0 else None
        if characters is None:
            continue
        core = torch.zeros(q + 1, q + 1, dtype=torch.float64)
        core[0, 1:], core[1:, 0], core[1:, 1:] = 1, 1, characters
        if remainder == 3:
            core[1:, 0] = -1
            return core + torch.eye(q + 1, dtype=torch.float64)
        ones = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
        turned = torch.tensor([[1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
        return torch.kron(core, ones) + torch.kron(torch.eye(q + 1, dtype=torch.float64), turned)
    return None


def _quadratic_characters(q: int) -> Tensor | None:
    """χ(i − j) in the field of q elements, ``q×q``: 1 for squares, -1 for others, 0 for 0; None unless q is p or p²."""
    p = next(d for d in range(2, q + 1) if q % d == 0)
    if q not in (p, p * p):
        return None
    squares = {a * a % p for a in range(p)}
    root = 0 if q == p else next(a for a in range(p) if a not in squares)  # a + b√root, written as the number a + p b
    elements = [(a, b) for b in range(q // p) for a in range(p)]
    square = torch.full((p, q // p), -1.0, dtype=torch.float64)
    for a, b in elements:
        square[(a * a + root * b * b) % p, 2 * a * b % p] = 1
    square[0, 0] = 0
    a, b = torch.tensor(elements).T
    return square[(a[:, None] - a) % p, (b[:, None] - b) % p]


def _turn(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("dc,bc...->bd...", matrix, x)


def _along(channels: Tensor, x: Tensor) -> Tensor:
    return channels.view(-1, *[1] * (x.ndim - 2))
