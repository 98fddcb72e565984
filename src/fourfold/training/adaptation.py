"""Adapt a two-tower network to unlabelled pictures, pass by pass; an interrupted run resumes from its last save."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from fourfold.methods.adapt import Adaptation, Tuning, batches
from fourfold.training import engine
from fourfold.training.pictures import Pictures

LARGEST_SCALE = 100.0
"""Of the logits: what CLIP's own training limits it to (Radford et al., 2021, section 2.5). The paper starts there."""


def probabilities(adaptation: Adaptation, images: Tensor) -> Tensor:
    """``N×K`` class probabilities of ``N×W×…``, W windows of each picture."""
    return torch.cat([adaptation.logits(part) for part in torch.split(images, 256)]).softmax(1)


def adapt(
    adaptation: Adaptation,
    images: Tensor,
    tuning: Tuning,
    passes: int,
    saved: Path | None = None,
    watch: Callable[[int, int], None] = lambda _done, _all: None,
) -> None:
    """Go through the pictures ``passes`` times.

    Args:
        adaptation: changed in place; images: ``N×W×…``, W windows of each picture.
        tuning: that of the adaptation; saved: a file to go on from and to save to after every pass.
        watch: called after every pass with the number of passes done and planned; may raise to stop.

    Raises:
        ArithmeticError: the loss is no longer finite.
    """
    first = 0
    if saved is not None and saved.exists():
        state = torch.load(saved, weights_only=True)
        adaptation.restore(state["adaptation"])
        first = state["passes"]
    for done in range(first, passes):
        for part in batches(len(images), tuning, done):
            adaptation.step(images[part])
        if saved is not None:
            engine.save(saved, adaptation=adaptation.state(), passes=done + 1)
        watch(done + 1, passes)


Gained = tuple[float, float, float]
"""Accuracies in per cent: before, after the last pass, and after the pass that labels would choose."""


def gain(adaptation: Adaptation, pictures: Pictures, tuning: Tuning, passes: int) -> Gained:
    """Adapt to pictures, and only then say by their labels what that gained."""
    found = [probabilities(adaptation, pictures.images)]
    adapt(
        adaptation, pictures.images, tuning, passes,
        watch=lambda _done, _all: found.append(probabilities(adaptation, pictures.images)),
    )  # fmt: skip
    right = [100 * (one.argmax(1) == pictures.labels).float().mean().item() for one in found]
    return round(right[0], 2), round(right[-1], 2), round(max(right), 2)
