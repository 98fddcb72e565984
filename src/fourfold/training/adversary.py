"""An adversary: a small network that learns to tell answers from what was wanted, and so teaches crispness.

Sources: generative adversarial networks (Goodfellow et al., NeurIPS 2014) in the relativistic average form of ESRGAN
(Wang et al., ECCV workshops 2018, section 3.2); its weight is balanced by the norms of gradients as in VQGAN (Esser et
al., CVPR 2021, section 3.1). It sees luma only, since one that sees colour rewards coloured fringes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourfold.training.losses import luma


class Critic(nn.Module):
    """Judges pictures ``B×3×H×W`` in 0..1 at every pixel and at every fourth: larger for what looks wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(_layer(2, 16), _layer(16, 16), nn.Conv2d(16, 1, 3, padding=1))
        self.coarse = nn.Sequential(_half(2, 32), _half(32, 64), _layer(64, 64), _layer(64, 64),
                                    nn.Conv2d(64, 1, 3, padding=1))  # fmt: skip

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The judgements, ``B×1×H×W`` (which sees patterns of the pixel shuffle) and ``B×1×H/4×W/4``."""
        grey = luma(pictures)[:, None]
        detail = grey - F.avg_pool2d(grey, 9, 1, 4, count_include_pad=False)
        planes = torch.cat([2 * grey - 1, 4 * detail], dim=1)
        return self.fine(planes), self.coarse(planes)


class Adversary:
    """A critic in training.

    Args:
        seed: of its initial weights; warmup: steps in which it only learns; lr: rate of its Adam.
        penalty: weight of the squared gradient at wanted pictures, asked for every eighth step.
    """

    def __init__(self, device: torch.device, seed: int, warmup: int, lr: float = 1e-3, penalty: float = 0.8) -> None:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self._critic = Critic().to(device)
        self._optimiser = torch.optim.Adam(self._critic.parameters(), lr, betas=(0.5, 0.99))
        self._penalty, self._warmup, self._step = penalty, warmup, 0

    def term(self, answer: Tensor, wanted: Tensor, loss: Tensor, weight: float) -> Tensor:
        """What to add to ``loss``: its gradient at the answers is ``weight`` times as long as that of the loss."""
        if self._step < self._warmup:
            return answer.new_zeros(())
        self._critic.requires_grad_(False)
        doubt = _relativistic(self._critic(answer), self._critic(wanted))
        lengths = [torch.autograd.grad(part, answer, retain_graph=True)[0].norm() for part in (loss, doubt)]
        return weight * lengths[0] / (lengths[1] + 1e-12) * doubt

    def learn(self, answer: Tensor, wanted: Tensor) -> None:
        """One step of the critic; both are ``B×3×H×W``."""
        self._critic.requires_grad_(True)
        wanted = wanted.detach().requires_grad_()
        judged = self._critic(wanted)
        loss = _relativistic(judged, self._critic(answer.detach()))
        if self._step % 8 == 0:
            slope = torch.autograd.grad(judged[0].sum() + judged[1].sum(), wanted, create_graph=True)[0]
            loss = loss + self._penalty * slope.square().mean()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._step += 1

    def state(self) -> dict[str, Any]:
        """To go on from, see ``restore``."""
        return {"critic": self._critic.state_dict(), "optimiser": self._optimiser.state_dict(), "step": self._step}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``state``."""
        self._critic.load_state_dict(state["critic"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._step = state["step"]


def _layer(given: int, made: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(given, made, 3, padding=1), nn.LeakyReLU(0.2))


def _half(given: int, made: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(given, made, 4, 2, 1), nn.LeakyReLU(0.2))


def _relativistic(better: tuple[Tensor, ...], worse: tuple[Tensor, ...]) -> Tensor:
    """How little the first judgements exceed the mean of the second, and these fall below the mean of the first."""
    parts = [
        F.softplus(low.mean() - high).mean() + F.softplus(low - high.mean()).mean()
        for high, low in zip(better, worse, strict=True)
    ]
    return torch.stack(parts).mean() / 2
