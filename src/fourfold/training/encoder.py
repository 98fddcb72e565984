"""Train the small vision transformer without labels: features of one place in two views must be the most similar.

The loss is InfoNCE (van den Oord et al., 2018) between places, as in dense contrastive learning (Pinheiro et al.,
NeurIPS 2020): each place of a view is to be found among all places of the batch, seen in another view.
"""

import json
import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fourfold.networks.vit import VisionTransformer
from fourfold.training import data, engine, views
from fourfold.training.recipe import EncoderRecipe


def train(recipe: EncoderRecipe, photos: Sequence[Path], folder: Path) -> Path:
    """Train, or go on training, and return the file of the weights.

    Args:
        recipe: what to train; photos: folders of photos, see ``data.split``.
        folder: receives ``state.pt`` (to go on from), ``log.jsonl`` (one line a validation) and ``final.pt``.

    Raises:
        ArithmeticError: the loss is no longer finite; the last save is kept.
    """
    torch.manual_seed(recipe.seed)
    training, held = data.split_all(photos)
    pictures = views.read_sizes(training[: recipe.photos or None], 2 * recipe.side)
    tests = _tests(recipe, held)
    network = VisionTransformer(recipe.width, recipe.depth, recipe.heads, recipe.features)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=recipe.decay)
    folder.mkdir(parents=True, exist_ok=True)
    saved, step, seconds = folder / "state.pt", 0, 0.0
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        step, seconds = state["step"], state["seconds"]

    def batch(step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([recipe.seed, step])
        return two_views(views.crops(pictures, recipe.batch, 2 * recipe.side, rng), recipe.side, recipe.points, rng)

    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(batch, step)
        while step < recipe.steps:
            started = time.perf_counter()
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate(step)
            here, coming = coming.result(), worker.submit(batch, step + 1)
            loss = contrast(*_matched(network, *here), recipe.temperature)
            if not math.isfinite(loss.item()):
                raise ArithmeticError(f"the loss became {loss.item()} at step {step}; lower lr and go on from the save")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            step += 1
            seconds += time.perf_counter() - started
            if step % recipe.check_every == 0 or step == recipe.steps:
                entry = {"step": step, "loss": round(loss.item(), 4), "found": round(validate(network, tests), 4),
                         "seconds": round(seconds)}  # fmt: skip
                with (folder / "log.jsonl").open("a") as log:
                    log.write(json.dumps(entry) + "\n")
                print(json.dumps(entry), flush=True)
                engine.save(saved, network=network.state_dict(), optimiser=optimiser.state_dict(), step=step,
                            seconds=seconds, recipe=asdict(recipe))  # fmt: skip
    centre(network, [batch(recipe.steps + number)[0] for number in range(20)])
    print(f"centred, {validate(network, tests):.4f} of the places are found")
    torch.save(network.state_dict(), folder / "final.pt")
    return folder / "final.pt"


def centre(network: VisionTransformer, pictures: Iterable[Tensor]) -> None:
    """Shift the features so that their mean over pictures is 0: only then do cosines between them discriminate."""
    with torch.inference_mode():
        mean = torch.stack([network(some).mean((0, 2, 3)) for some in pictures]).mean(0)
    network.head.bias.data -= mean


def two_views(
    source: Tensor, side: int, points: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two views of pictures ``B×3×S×S`` with colours, noise and sharpness of their own, and places both show.

    Returns:
        Two times ``B×3×side×side``, and two times ``B×1×points×2`` coordinates of the same places in each.
    """
    seen, maps = [], []
    for _ in range(2):
        share = float(rng.uniform(0.5, 0.9))
        homography = views.homographies(len(source), share, rng)
        seen.append(_recolour(views.look(source, homography, side, share), rng))
        maps.append(homography)
    across = torch.linalg.inv(maps[1]) @ maps[0]
    cells = side // VisionTransformer.patch
    first = views.places(torch.eye(3)[None], cells, cells).flatten(1, 2).expand(len(source), -1, -1)
    second = views.through(across, torch.cat([first, torch.ones_like(first[..., :1])], -1))
    order = torch.from_numpy(rng.random(second.shape[:2])) + 2.0 * ~views.inside(second)
    chosen = order.argsort(1)[:, :points, None].expand(-1, -1, 2)
    return seen[0], seen[1], first.gather(1, chosen)[:, None], second.gather(1, chosen)[:, None]


def contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE both ways between ``N×C`` unit vectors of the same N places."""
    logits = first @ second.T / temperature
    wanted = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2


def validate(network: VisionTransformer, tests: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> float:
    """The fraction of places that are most similar to themselves in the other view, over batches of ``two_views``."""
    right = []
    with torch.inference_mode():
        for test in tests:
            first, second = _matched(network, *test)
            right.append((first @ second.T).argmax(1) == torch.arange(len(first)))
    return float(torch.cat(right).float().mean())


def _matched(network: VisionTransformer, a: Tensor, b: Tensor, at_a: Tensor, at_b: Tensor) -> tuple[Tensor, Tensor]:
    bf16 = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        maps = network(torch.cat([a, b]))
    features = (views.sample(m.float(), at) for m, at in zip(maps.chunk(2), (at_a, at_b), strict=True))
    first, second = (F.normalize(f.squeeze(2).transpose(1, 2).flatten(0, 1), dim=1) for f in features)
    shown = views.inside(at_b).flatten()
    return first[shown], second[shown]


def _recolour(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Contrast, brightness, tint and saturation, softness and noise as between two photos of one thing."""
    count = len(picture)

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, channels, 1, 1))).float()

    grey = picture.mean(1, keepdim=True)
    changed = grey + (picture - grey) * draw(0.4, 1.4)
    middle = changed.mean((1, 2, 3), keepdim=True)
    changed = middle + (changed - middle) * draw(0.6, 1.4)
    changed = changed * draw(0.85, 1.15, 3) + draw(-0.15, 0.15)
    changed = changed.lerp(F.avg_pool2d(changed, 3, 1, 1, count_include_pad=False), draw(0, 1))
    noise = torch.from_numpy(rng.standard_normal(changed.shape, np.float32))
    return (changed + noise * draw(0, 0.05)).clamp(0, 1)


def _tests(recipe: EncoderRecipe, held: list[Path]) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    pictures = views.read_sizes(held, 2 * recipe.side)
    made = []
    for number in range(8):
        rng = np.random.default_rng([2, number])
        made.append(two_views(views.crops(pictures, 32, 2 * recipe.side, rng), recipe.side, 16, rng))
    return made
