"""POUF: prompted models adapted to a person's own unlabelled data.

Source: Tanwisuth, Zhang, Zheng, He and Zhou, "POUF: Prompt-oriented unsupervised fine-tuning for large pre-trained
models", ICML 2023 (arXiv 2305.00350), written from its description. Class prompts give prototypes and unlabelled data
gives features; what is minimised is the cost of transporting each to the other and back, less the mutual information
of data and predicted classes. Gradients flow through plans, costs and temperature alike.

The ``prior`` of every loss is ours: the paper takes classes to be equally frequent, which a folder of photos is not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourfold.core.errors import InvalidInput

_EPSILON_CONDITIONAL, _EPSILON_MARGINAL = 1e-5, 1e-6  # the paper's two, inside the logarithms

MODEL_RATE, PROMPT_RATE = 5e-7, 1e-3
"""First learning rates of the paper for CLIP: of the whole model, and of prompts on Office-31.

These are the effective ones. Its published settings read 5e-5 and 0.1; a factor of 0.01 is applied to both again.
"""


# ---- losses


def transport_loss(similarity: Tensor, logits: Tensor, prior: Tensor | None = None) -> Tensor:
    """Cost of transporting features to prototypes and prototypes to features.

    Args:
        similarity: ``B×K`` cosines, whose distance from 1 is the cost.
        logits: ``B×K``, the similarity over the temperature, whose softmax over either dimension is a plan.
        prior: ``K`` class probabilities, by default equal ones.

    Raises:
        InvalidInput: not two matrices of one shape, or not a prior of K positive numbers with the sum 1.
    """
    if similarity.ndim != 2 or similarity.shape != logits.shape or 0 in logits.shape:
        raise InvalidInput(f"expected similarity and logits B×K, got {[*similarity.shape]} and {[*logits.shape]}")
    cost = 1 - similarity
    forward = (cost * logits.softmax(1)).sum(1).mean()
    return forward + ((cost * logits.softmax(0)).sum(0) * _class_prior(logits, prior)).sum()


def mutual_information_loss(logits: Tensor, prior: Tensor | None = None) -> Tensor:
    """Entropy of each prediction on average, less that of the average prediction; −log K at best.

    With a prior the average prediction is drawn to it instead of to equal probabilities.

    Args:
        logits: ``B×K``; prior: as of ``transport_loss``.

    Raises:
        InvalidInput: not a matrix, or no such prior.
    """
    if logits.ndim != 2 or 0 in logits.shape:
        raise InvalidInput(f"expected logits B×K, got {[*logits.shape]}")
    each = logits.softmax(1)
    conditional = -(each * (each + _EPSILON_CONDITIONAL).log()).sum(1).mean()
    mean = each.mean(0)
    relative = (mean + _EPSILON_MARGINAL).log()
    if prior is not None:
        relative = relative - (logits.shape[1] * _class_prior(logits, prior)).log()
    return conditional + (mean * relative).sum()


def pouf_loss(
    similarity: Tensor,
    logit_scale: Tensor | float,
    transport: float = 1.0,
    mutual_information: float = 0.3,
    prior: Tensor | None = None,
) -> Tensor:
    """The loss for images: both of the above, weighted.

    Args:
        similarity: ``B×K`` cosines of image features and prompt features.
        logit_scale: what they are multiplied by, about 100 in CLIP (there the exponential of its parameter).
        transport, mutual_information: weights; prior: as of ``transport_loss``.
    """
    logits = logit_scale * similarity
    return transport * transport_loss(similarity, logits, prior) + mutual_information * mutual_information_loss(
        logits, prior
    )


def language_transport_loss(
    features: Tensor, prototypes: Tensor, temperature: float = 10.0, prior: Tensor | None = None
) -> Tensor:
    """The transport cost for masked language models.

    Args:
        features: ``B×D`` at the mask, just before the decoder; prototypes: ``K×D`` rows of the decoder.
        temperature: what their cosines are multiplied by in the plans; prior: as of ``transport_loss``.
    """
    similarity = F.normalize(features, dim=-1) @ F.normalize(prototypes, dim=-1).T
    return transport_loss(similarity, temperature * similarity, prior)


def language_loss(
    features: Tensor,
    prototypes: Tensor,
    logits: Tensor,
    transport: float = 1.0,
    mutual_information: float = 0.6,
    prior: Tensor | None = None,
) -> Tensor:
    """The loss for masked language models; ``logits`` are the label words' own, ``B×K``, bias and all."""
    moved = language_transport_loss(features, prototypes, prior=prior)
    return transport * moved + mutual_information * mutual_information_loss(logits, prior)


def _class_prior(logits: Tensor, prior: Tensor | None) -> Tensor:
    classes = logits.shape[1]
    if prior is None:
        return logits.new_full((classes,), 1 / classes)
    if prior.shape != (classes,) or not bool((prior > 0).all()) or abs(float(prior.sum()) - 1) > 1e-3:
        raise InvalidInput(f"expected a prior of {classes} positive frequencies with the sum 1, got {prior.tolist()}")
    return prior.to(logits)


def learning_rate(first: float, step: int) -> float:
    """The paper's schedule, after ``step`` steps."""
    return float(first * (1 + 2e-4 * step) ** -0.75)


# ---- what is trained


Embedded = tuple[Tensor, Tensor]
"""Prompts as a text encoder takes them: ``K×T×E`` token embeddings before positions, and where each prompt ends."""


class VisionLanguage(Protocol):
    """A model that compares images with texts."""

    logit_scale: nn.Parameter
    """The logarithm of what cosines are multiplied by."""

    @property
    def network(self) -> nn.Module:
        """Everything that model tuning trains, ``logit_scale`` included."""
        ...

    def encode_images(self, images: Tensor, /) -> Tensor:
        """``B×D`` features, not normalised."""
        ...

    def embed(self, prompts: Sequence[str], /) -> Embedded:
        """Prompts, each beginning with one start token and padded to one length."""
        ...

    def encode_text(self, embedded: Embedded, /) -> Tensor:
        """``K×D`` features, not normalised."""
        ...


class MaskedLanguage(Protocol):
    """A masked language model with a template and a label word for each class."""

    @property
    def network(self) -> nn.Module:
        """Everything that is trained."""
        ...

    def read(self, texts: Sequence[str], /) -> tuple[Tensor, Tensor]:
        """``B×D`` features at the mask and ``B×K`` logits of the label words."""
        ...

    def prototypes(self) -> Tensor:
        """``K×D``: the decoder's rows of the label words."""
        ...


Tuned = Literal["prompt", "model"]
TUNED: tuple[Tuned, ...] = get_args(Tuned)


@dataclass(frozen=True)
class Tuning:
    """How to adapt.

    Attributes:
        tuned: all parameters of the model, or only the vectors of the prompts' common context and the temperature.
        rate: first learning rate; batch: samples a step; momentum, decay: of SGD.
        transport, mutual_information: weights in the loss.
        largest_scale: that the temperature may make of the logits, ours; the paper sets no limit.
        seed: of the batches' order.
    """

    tuned: Tuned = "model"
    rate: float = MODEL_RATE
    batch: int = 96
    momentum: float = 0.9
    decay: float = 1e-3
    transport: float = 1.0
    mutual_information: float = 0.3
    largest_scale: float = math.inf
    seed: int = 1


class Prompts(nn.Module):
    """Prompts ``{context} {class}.`` with a common context that can be learnt, as vectors beside the words.

    Args:
        model: whose text encoder reads them; classes: names in words, underscores stand for spaces.
        context: the words whose embeddings the vectors start from.
    """

    def __init__(self, model: VisionLanguage, classes: Sequence[str], context: str = "a photo of a") -> None:
        super().__init__()
        with torch.no_grad():
            tokens, self.ends = model.embed([f"{context} {name.replace('_', ' ')}." for name in classes])
            length = int(model.embed([context])[1][0]) - 1
        self.start, self.rest = tokens[:, :1].clone(), tokens[:, 1 + length :].clone()
        self.context = nn.Parameter(tokens[0, 1 : 1 + length].clone())

    def embedded(self) -> Embedded:
        """The prompts with the vectors in their place."""
        shared = self.context.expand(len(self.ends), -1, -1)
        return torch.cat([self.start, shared, self.rest], dim=1), self.ends


def plain_prompts(classes: Sequence[str], context: str = "a photo of a") -> list[str]:
    """The fixed prompts of model tuning, which have no full stop."""
    return [f"{context} {name.replace('_', ' ')}" for name in classes]


class Adaptation:
    """A vision-language model that is being adapted to unlabelled images.

    Args:
        model: changed in place; prompt tuning changes its temperature only.
        classes, context: of the prompts, see ``Prompts``.
        tuning: how; prior: ``K`` class probabilities, None for the paper's equal ones.

    Attributes:
        steps: done so far.
    """

    def __init__(
        self,
        model: VisionLanguage,
        classes: Sequence[str],
        tuning: Tuning,
        context: str = "a photo of a",
        prior: Tensor | None = None,
    ) -> None:
        self.steps = 0
        self._model, self._tuning, self._prior = model, tuning, prior
        self._prompts = Prompts(model, classes, context) if tuning.tuned == "prompt" else None
        self._plain = plain_prompts(classes, context)
        whole = self._prompts is None
        for parameter in model.network.parameters():
            parameter.requires_grad_(whole)
        model.logit_scale.requires_grad_(True)
        trained = [*model.network.parameters()] if whole else [self._context, model.logit_scale]
        self._optimiser = _optimiser(trained, tuning)

    @property
    def _context(self) -> nn.Parameter:
        assert self._prompts is not None
        return self._prompts.context

    def prototypes(self) -> Tensor:
        """``K×D`` normalised features of the prompts, as they are now."""
        embedded = self._model.embed(self._plain) if self._prompts is None else self._prompts.embedded()
        return F.normalize(self._model.encode_text(embedded), dim=-1)

    def logits(self, images: Tensor) -> Tensor:
        """``B×K``, without gradients."""
        with torch.no_grad():
            features = F.normalize(self._model.encode_images(images), dim=-1)
            return self._model.logit_scale.exp() * features @ self.prototypes().T

    def step(self, images: Tensor) -> float:
        """One step on a batch of images; returns the loss before it."""
        features = F.normalize(self._model.encode_images(images), dim=-1)
        loss = pouf_loss(
            features @ self.prototypes().T, self._model.logit_scale.exp(),
            self._tuning.transport, self._tuning.mutual_information, self._prior,
        )  # fmt: skip
        self.steps = _descend(loss, self._optimiser, self._tuning, self.steps)
        with torch.no_grad():
            self._model.logit_scale.clamp_(max=math.log(self._tuning.largest_scale))
        return loss.item()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        context = None if self._prompts is None else self._context.detach().clone()
        return {"network": self._model.network.state_dict(), "optimiser": self._optimiser.state_dict(),
                "context": context, "steps": self.steps}  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``, with the same model and tuning."""
        self._model.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]
        if self._prompts is not None:
            self._context.data.copy_(state["context"])


class LanguageAdaptation:
    """A masked language model that is being adapted to unlabelled texts; arguments as of ``Adaptation``."""

    def __init__(self, model: MaskedLanguage, tuning: Tuning, prior: Tensor | None = None) -> None:
        self.steps = 0
        self._model, self._tuning, self._prior = model, tuning, prior
        self._optimiser = _optimiser([*model.network.parameters()], tuning)

    def step(self, texts: Sequence[str]) -> float:
        """One step on a batch of texts; returns the loss before it."""
        features, logits = self._model.read(texts)
        loss = language_loss(
            features, self._model.prototypes(), logits,
            self._tuning.transport, self._tuning.mutual_information, self._prior,
        )  # fmt: skip
        self.steps = _descend(loss, self._optimiser, self._tuning, self.steps)
        return loss.item()


def _optimiser(trained: list[nn.Parameter], tuning: Tuning) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        trained, lr=tuning.rate, momentum=tuning.momentum, weight_decay=tuning.decay, nesterov=tuning.momentum > 0
    )


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer, tuning: Tuning, steps: int) -> int:
    if not math.isfinite(loss.item()):
        raise ArithmeticError(f"the loss became {loss.item()} at step {steps}; lower the learning rate and start again")
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(tuning.rate, steps)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return steps + 1


def batches(count: int, tuning: Tuning, epoch: int) -> list[Tensor]:
    """Indices of one pass over ``count`` samples in an order of the seed's: whole batches only, or all in one."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1_000_003 * tuning.seed + epoch))
    whole = [part for part in torch.split(order, tuning.batch) if len(part) == tuning.batch]
    return whole or [order]
