"""Muon: momentum whose matrices are made orthogonal before each step (Jordan and others, 2024).

A convolution's kernel counts as the matrix ``outputs × (inputs·height·width)``. Five Newton–Schulz steps bring all its
singular values near one, so that each direction moves equally far.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Muon for kernels and matrices; everything else of a network needs another optimiser beside it.

    Args:
        parameters: of two dimensions or more. lr: step length; a step changes each singular value by about as much.
        momentum: of the gradients' running sum, taken with Nesterov's look ahead.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float = 0.01, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; ``closure`` is not supported."""
        assert closure is None
        for group in self.param_groups:
            for alike in _by_shape(p for p in group["params"] if p.grad is not None):
                directions = orthogonal(torch.stack([self._direction(p, group["momentum"]) for p in alike]))
                rows, columns = directions.shape[1:]
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for parameter, direction in zip(alike, directions, strict=True):
                    parameter.sub_(direction.view_as(parameter), alpha=rate)

    def _direction(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        running: Tensor = state.setdefault("momentum", torch.zeros_like(gradient))
        running.lerp_(gradient, 1 - momentum)
        return gradient.lerp(running, momentum).flatten(1)


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """``N×R×C`` matrices with their singular values brought to about one (0.7 to 1.2), by Newton–Schulz steps."""
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(steps):
        squares = x @ x.mT
        x = a * x + (b * squares + c * squares @ squares) @ x
    found: Tensor = x if wide is matrices else x.mT
    return found


def _by_shape(parameters: Iterable[Any]) -> list[list[nn.Parameter]]:
    groups: dict[torch.Size, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(parameter.shape, []).append(parameter)
    return list(groups.values())
