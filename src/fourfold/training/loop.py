"""The training loop of the upscaler, top to bottom. It resumes from its own saves and runs on any device."""

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fourfold.catalog import load as catalog
from fourfold.catalog.card import Card
from fourfold.engines import pytorch, weights
from fourfold.imaging.metrics import psnr_y
from fourfold.networks.upscaler import Upscaler
from fourfold.training import data, losses
from fourfold.training.recipe import Recipe


def train(recipe: Recipe, photos: Path, folder: Path) -> Path:
    """Train, or go on training, and return the file of the folded network's running-mean weights.

    Args:
        recipe: what to train; photos: a folder of photos, see ``data.split``.
        folder: receives ``state.pt`` (to go on from), ``log.jsonl`` (one line a validation) and ``final.pt``.

    Raises:
        ArithmeticError: the loss is no longer finite; the last save is kept.
        InvalidInput: there are no photos that are large enough.
    """
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_paths, held_paths = data.split(photos)
    pairs = data.read_pairs(train_paths[: recipe.photos or None], recipe.patch)
    held = data.read_pairs(held_paths)
    network = _start(recipe).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.lr, betas=(0.9, 0.99))
    folder.mkdir(parents=True, exist_ok=True)
    saved, step, seconds = folder / "state.pt", 0, 0.0
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        mean, step, seconds = state["mean"], state["step"], state["seconds"]

    batches = _batches(recipe, pairs, step)
    inner = slice(4 * recipe.margin, 4 * (recipe.patch - recipe.margin))
    bf16 = device.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    while step < recipe.steps:
        started = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        low, high = (one.to(device, torch.float32, memory_format=torch.channels_last) / 255 for one in next(batches))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            output = network(low)
        output, high = output[..., inner, inner].float(), high[..., inner, inner]
        loss = losses.reconstruction(
            output, high, recipe.luma_weight, squared=step >= recipe.steps * (1 - recipe.polish)
        )
        if recipe.texture_weight:
            loss = loss + recipe.texture_weight * losses.texture(output, high)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        decay = min(recipe.ema, step / (step + 10))
        with torch.no_grad():
            for key, value in network.state_dict().items():
                mean[key].lerp_(value, 1 - decay)
        seconds += time.perf_counter() - started
        if step % recipe.check_every == 0 or step == recipe.steps:
            if not math.isfinite(loss.item()):
                raise ArithmeticError(f"the loss became {loss.item()} at step {step}; lower lr and start again")
            network_now = _folded(recipe, mean)
            entry = {"step": step, "loss": loss.item(), "held_out_psnr_y": validate(network_now, held),
                     "seconds": round(seconds), "device": str(device)}  # fmt: skip
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "mean": mean,
                     "step": step, "seconds": seconds, "recipe": asdict(recipe)}  # fmt: skip
            torch.save(state, saved.with_suffix(".part"))
            saved.with_suffix(".part").replace(saved)
            print(json.dumps(entry), flush=True)
    torch.save(_folded(recipe, mean).state_dict(), folder / "final.pt")
    return folder / "final.pt"


def _start(recipe: Recipe) -> Upscaler:
    """A network with random weights, or one grown from a published network and computing the same as that."""
    if not recipe.start:
        return Upscaler(recipe.channels, recipe.depth, recipe.expansion)
    card = catalog.card(recipe.start)
    assert isinstance(card, Card)
    trained = pytorch.build(card.network)
    assert isinstance(trained, Upscaler)
    pytorch.fill(trained, {key: torch.from_numpy(value) for key, value in weights.state(card).items()}, card.id)
    return trained.grow(recipe.channels, recipe.depth).unfold(recipe.expansion)


def _batches(recipe: Recipe, pairs: list[data.Pair], step: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches from a step on, each made from its own seed in another thread while the one before is used."""

    def make(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([recipe.seed, step])
        low, high = data.batch(pairs, recipe.batch, recipe.patch, rng, degraded=recipe.degraded)
        return torch.from_numpy(low), torch.from_numpy(high)

    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(make, step)
        while True:
            step += 1
            here, coming = coming, pool.submit(make, step)
            yield here.result()


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then cosine from ``lr`` to ``lr_end``."""
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.lr_end + (recipe.lr - recipe.lr_end) * 0.5 * (1 + math.cos(math.pi * done))


def validate(network: Upscaler, held: list[data.Pair], side: int = 120) -> float:
    """Mean PSNR-Y in dB over the centres (at most ``side×side`` low-resolution pixels) of held-out photos."""
    scores = []
    for pair in held:
        h, w = pair.low.shape[:2]
        y, x = max(0, h - side) // 2, max(0, w - side) // 2
        low = torch.from_numpy(pair.low[y : y + side, x : x + side].copy()).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            output = network(low)[0].clamp(0, 1).permute(1, 2, 0)
        high = pair.high[4 * y : 4 * (y + side), 4 * x : 4 * (x + side)]
        scores.append(psnr_y((output.numpy() * 255).round().astype(np.uint8), high, border=16))
    return float(np.mean(scores))


def _folded(recipe: Recipe, state: dict[str, torch.Tensor]) -> Upscaler:
    network = Upscaler(recipe.channels, recipe.depth, recipe.expansion)
    network.load_state_dict({key: value.cpu() for key, value in state.items()})
    return network.collapse()
