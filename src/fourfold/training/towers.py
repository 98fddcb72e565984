"""Train two-tower networks; a run resumes from its own saves, on any device."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import torch
import torch.nn.functional as F

from fourfold.networks.two_tower import TwoTower
from fourfold.training import engine
from fourfold.training.pictures import Pictures
from fourfold.training.recipe import TowerRecipe


def train(recipe: TowerRecipe, folders: Sequence[Path], output: Path) -> Path:
    """Train, or go on training, and return the file of the final weights.

    Args:
        recipe: what to train; folders: of what its data module reads.
        output: receives ``state.pt`` (to go on from), ``log.jsonl`` (one line a validation) and ``final.pt``.

    Raises:
        ArithmeticError: the loss is no longer finite; the last save is kept.
    """
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = import_module(f"fourfold.training.{recipe.data}")
    seen, held = data.training_set(folders, recipe), data.held_out_set(folders)
    phrases = [*data.PHRASES.values()]
    network = data.network(recipe, seen).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.lr, recipe.steps)
    output.mkdir(parents=True, exist_ok=True)
    saved, step, seconds = output / "state.pt", 0, 0.0
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        for part, name in ((network, "network"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(state[name])
        step, seconds = state["step"], state["seconds"]

    while step < recipe.steps:
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(1_000_003 * recipe.seed + step)
        chosen = torch.randint(len(seen.labels), (recipe.batch,), generator=generator)
        images = data.varied(seen.images[chosen], generator).to(device)
        spoken = [some[int(torch.randint(len(some), (), generator=generator))] for some in phrases]
        form = FORMS[int(torch.randint(len(FORMS), (), generator=generator))]
        logits = network(images, [form.format(phrase) for phrase in spoken])
        loss = F.cross_entropy(logits, seen.labels[chosen].to(device), label_smoothing=recipe.smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        step += 1
        seconds += time.perf_counter() - started
        if step % recipe.check_every == 0 or step == recipe.steps:
            if not math.isfinite(loss.item()):
                raise ArithmeticError(f"the loss became {loss.item()} at step {step}; lower lr and start again")
            accuracy = validate(network, held, phrases)
            entry = {"step": step, "loss": loss.item(), "held_out_accuracy": accuracy,
                     "seconds": round(seconds), "device": str(device)}  # fmt: skip
            with (output / "log.jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
            engine.save(saved, network=network.state_dict(), optimiser=optimiser.state_dict(),
                        schedule=schedule.state_dict(), step=step, seconds=seconds, recipe=asdict(recipe))  # fmt: skip
            print(json.dumps(entry), flush=True)
    torch.save({key: value.cpu() for key, value in network.state_dict().items()}, output / "final.pt")
    return output / "final.pt"


FORMS = ("{}", "{}.", "this is {}.", "a photo of {}", "a photo of {}.")
"""Sentences that a phrase stands in."""


def validate(network: TwoTower, held: Pictures, phrases: Sequence[Sequence[str]]) -> float:
    """Accuracy in per cent with the first phrase of each class."""
    prompts = [some[0] for some in phrases]
    with torch.inference_mode():
        device = network.logit_scale.device
        found = [network(part.to(device), prompts).argmax(1).cpu() for part in torch.split(held.images, 256)]
    return round(100 * (torch.cat(found) == held.labels).float().mean().item(), 2)
