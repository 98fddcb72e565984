"""The training loop of deblurring networks, top to bottom. It resumes from its own saves and runs on any device."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fourfold.core.errors import InvalidInput
from fourfold.imaging.metrics import psnr_y
from fourfold.networks.mssnet import MSSNet
from fourfold.training import deblur_data, losses, start
from fourfold.training.recipe import DeblurRecipe


def train(recipe: DeblurRecipe, photos: Path, folder: Path) -> Path:
    """Train, or go on training, and return the file of the final weights.

    Args:
        recipe: what to train; photos: a folder of what ``recipe.data`` says, see ``deblur_data``.
        folder: receives ``state.pt`` (to go on from), ``log.jsonl`` (one line a validation) and ``final.pt``.

    Raises:
        ArithmeticError: the loss is no longer finite; the last save is kept.
        InvalidInput: the folder holds no such data.
    """
    run = Run(recipe, folder)
    pairs = _pairs(recipe, photos)
    held = pairs.held_out()

    def batch(step: int) -> tuple[deblur_data.Picture, deblur_data.Picture]:
        return deblur_data.batch(pairs, recipe.batch, recipe.patch, np.random.default_rng([recipe.seed, step]))

    if run.step == 0 and recipe.scaled:
        run.prepare(batch(recipe.steps)[0])
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(batch, run.step)
        while run.step < recipe.steps:
            started = time.perf_counter()
            blurry, sharp = coming.result()
            coming = worker.submit(batch, run.step + 1)
            loss = run.update(blurry, sharp)
            run.seconds += time.perf_counter() - started
            last = run.step == recipe.steps
            if run.step % recipe.check_every == 0 or last:
                run.log({"step": run.step, "loss": loss, **validate(run.averaged(), held, recipe, run.step),
                         "seconds": round(run.seconds), "device": str(run.device)})  # fmt: skip
            if run.step % recipe.save_every == 0 or last:
                run.save()
    torch.save(run.averaged().state_dict(), folder / "final.pt")
    return folder / "final.pt"


class Run:
    """A network on its way: weights, their running mean, optimiser and clock; resumed if the folder holds a save.

    Attributes:
        step: steps done; seconds: spent in them; device: the arithmetic's.
    """

    def __init__(self, recipe: DeblurRecipe, folder: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.step, self.seconds = 0, 0.0
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._recipe, self._folder, self._saved = recipe, folder, folder / "state.pt"
        self._network = MSSNet(recipe.wf, recipe.scale, recipe.vscale).to(self.device)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=recipe.lr)
        self._mean = [p.detach().clone() for p in self._network.parameters()]
        folder.mkdir(parents=True, exist_ok=True)
        if self._saved.exists():
            state = torch.load(self._saved, map_location=self.device, weights_only=True)
            self._network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._mean, self.step, self.seconds = state["mean"], state["step"], state["seconds"]

    def prepare(self, blurry: deblur_data.Picture) -> None:
        """Scale the starting weights to ``B×3×H×W`` levels, see ``start``."""
        start.prepare(self._network, _values(blurry, self.device))
        self._mean = [p.detach().clone() for p in self._network.parameters()]

    def update(self, blurry: deblur_data.Picture, sharp: deblur_data.Picture) -> float:
        """One step of Adam on ``B×3×H×W`` levels; returns the loss.

        Raises:
            ArithmeticError: it is not finite.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self._recipe, self.step)
        asked, wanted = (_values(levels, self.device) for levels in (blurry, sharp))
        with autocast(self.device, self._recipe.precision):
            network = self._network.train()
            outputs = network.coarse(asked) if self.step < self._recipe.coarse else network(asked)
        loss = losses.multi_scale([output.float() for output in outputs], wanted)
        if not math.isfinite(loss.item()):
            raise ArithmeticError(
                f"the loss became {loss.item()} at step {self.step}; lower lr and go on from the save"
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._recipe.clip:
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip)
        self._optimiser.step()
        self.step += 1
        decay = min(self._recipe.ema, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self._mean, self._network.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        return loss.item()

    def averaged(self) -> MSSNet:
        """The network with the running mean of its weights, ready to use."""
        network = MSSNet(self._recipe.wf, self._recipe.scale, self._recipe.vscale)
        with torch.no_grad():
            for parameter, mean in zip(network.parameters(), self._mean, strict=True):
                parameter.copy_(mean)
        return network.eval()

    def log(self, entry: dict[str, object]) -> None:
        """Add a line to the log and show it."""
        line = json.dumps(entry)
        with (self._folder / "log.jsonl").open("a") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def save(self) -> None:
        """Save everything that ``__init__`` takes up again; an interruption leaves the save before."""
        state = {"network": self._network.state_dict(), "optimiser": self._optimiser.state_dict(), "mean": self._mean,
                 "step": self.step, "seconds": self.seconds, "recipe": asdict(self._recipe)}  # fmt: skip
        torch.save(state, self._saved.with_suffix(".part"))
        self._saved.with_suffix(".part").replace(self._saved)


def learning_rate(recipe: DeblurRecipe, step: int) -> float:
    """Linear warm-up over ``warmup`` epochs, then cosine to ``lr_end``; it changes between epochs only (MSSNet)."""
    epoch, epochs = step // recipe.epoch, -(-recipe.steps // recipe.epoch)
    if epoch < recipe.warmup:
        return recipe.lr * (epoch + 1) / recipe.warmup
    done = (epoch - recipe.warmup) / max(1, epochs - recipe.warmup)
    return recipe.lr_end + (recipe.lr - recipe.lr_end) * 0.5 * (1 + math.cos(math.pi * done))


def validate(network: MSSNet, held: list[deblur_data.Pair], recipe: DeblurRecipe, step: int) -> dict[str, float]:
    """How the network does on held-out pairs, in dB (mean PSNR-Y of 8-bit pictures).

    Returns:
        ``blurry``: of the blurry pictures; ``gain``: by how much the deblurred ones are better; ``sharp``: of sharp
        pictures that went through the network though there was nothing to do.
    """
    blurry, deblurred, spared = [], [], []
    run = partial(_run, network, recipe.precision, step <= recipe.coarse)
    for before, sharp in held:
        blurry.append(psnr_y(before, sharp, border=0))
        deblurred.append(psnr_y(run(before), sharp, border=0))
        spared.append(psnr_y(run(sharp), sharp, border=0))
    return {
        "blurry": round(float(np.mean(blurry)), 3),
        "gain": round(float(np.mean(deblurred) - np.mean(blurry)), 3),
        "sharp": round(float(np.mean(spared)), 2),
    }


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The arithmetic of a forward pass."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def _pairs(recipe: DeblurRecipe, folder: Path) -> deblur_data.Pairs:
    if recipe.data == "photos":
        return deblur_data.ShakenPhotos(folder, recipe.still, recipe.photos)
    if recipe.data == "pairs":
        return deblur_data.PairFolders(folder)
    raise InvalidInput(f"expected data as photos or pairs, got {recipe.data!r}")


def _values(levels: deblur_data.Picture, device: torch.device) -> Tensor:
    return torch.from_numpy(levels).to(device, memory_format=torch.channels_last).float().div_(255)


def _run(network: MSSNet, precision: str, coarse: bool, picture: deblur_data.Picture) -> deblur_data.Picture:
    asked = _values(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]), torch.device("cpu"))
    with torch.inference_mode(), autocast(asked.device, precision):
        answer: Tensor = (network.coarse(asked)[-1] if coarse else network(asked))[0]
    return (answer.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
