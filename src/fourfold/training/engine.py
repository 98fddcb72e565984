"""The training engine of image networks: stages, Muon beside Adam, a running mean, and saves that resume bit for bit.

What is trained is an ``Objective``: a network, its batches, its loss, and how it is judged. Everything else is here.
"""

import json
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourfold.core import atomic
from fourfold.engines.pytorch import macs
from fourfold.training.muon import Muon
from fourfold.training.recipe import ImageRecipe, Stage

Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""What the network is given and what it should answer, ``B×3×H×W`` each."""

S = TypeVar("S", bound=Stage, contravariant=True)
_AHEAD = 2  # batches made before they are asked for
_COMPILED_FROM = 2_000  # steps of a stage; compiling and comparing costs up to half a minute


class Objective(Protocol[S]):
    """What is trained."""

    def network(self) -> nn.Module:
        """The network as training begins."""
        ...

    def hidden(self, network: nn.Module) -> list[nn.Parameter]:
        """The kernels from channels to channels, which Muon trains; Adam trains the rest."""
        ...

    def batch(self, stage: S, rng: np.random.Generator) -> Batch:
        """A random batch; ``rng`` decides everything."""
        ...

    def outputs(self, network: nn.Module, stage: S, given: Tensor) -> Sequence[Tensor]:
        """The network's answers to ``B×3×H×W`` in 0..1."""
        ...

    def loss(self, outputs: Sequence[Tensor], stage: S, wanted: Tensor) -> Tensor:
        """How far the answers are from ``B×3×H×W`` in 0..1."""
        ...

    def validate(self, network: nn.Module, stage: S) -> dict[str, float]:
        """Figures on held-out pictures."""
        ...


def train(recipe: ImageRecipe, objective: Objective[Any], folder: Path) -> Path:
    """Go through all stages, or go on where a run stopped, and return the file of the running-mean weights.

    Args:
        recipe: the stages; objective: what is trained.
        folder: receives ``state.pt`` (to go on from), ``log.jsonl`` (one line a validation) and ``final.pt``.

    Raises:
        ArithmeticError: the loss is no longer finite; the last save is kept.
    """
    run = Run(recipe, objective, folder)
    for number in range(run.number, len(recipe.stages)):
        run.begin(number)
        with _batches(recipe, objective, number, run.step) as batches:
            run.choose_arithmetic(next(batches))
            for given, wanted in batches:
                if run.step >= recipe.stages[number].steps:
                    break
                run.update(given, wanted)
    with atomic.replacing(folder / "final.pt") as stream:
        torch.save(run.averaged().state_dict(), stream)
    return folder / "final.pt"


class Run:
    """A network in training; it goes on from the folder's save if there is one.

    Attributes:
        number: of the stage, from 0; step: of the stage, from 0; seconds: spent in steps of all stages.
    """

    def __init__(self, recipe: ImageRecipe, objective: Objective[Any], folder: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.number, self.step, self.seconds = 0, 0, 0.0
        self._recipe, self._objective, self._folder = recipe, objective, folder
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = objective.network().to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._compiled: bool | None = None
        self._forward: Any = self._network
        self._mean = [p.detach().clone() for p in self._network.parameters()]
        self._bf16 = uses_bf16(recipe, self._device)
        self._ceiling = matrix_ceiling(self._device, self._bf16)
        self._since = (0, 0.0)
        folder.mkdir(parents=True, exist_ok=True)
        self._saved = folder / "state.pt"
        self._state = torch.load(self._saved, self._device, weights_only=True) if self._saved.exists() else None
        if self._state is not None:
            self.number, self.seconds = self._state["stage"], self._state["seconds"]

    @property
    def _stage(self) -> Stage:
        return self._recipe.stages[self.number]

    def begin(self, number: int) -> None:
        """Begin a stage from the mean of the one before, with fresh optimisers, or take up a saved one."""
        self.number, self.step, self._compiled = number, 0, None
        if number and self._state is None:
            self._fill(self._network)
        kernels = self._objective.hidden(self._network) if self._stage.muon else []
        known = {id(p) for p in kernels}
        others = [p for p in self._network.parameters() if id(p) not in known]
        self._optimisers: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.Adam(others, self._stage.lr, betas=(0.9, self._stage.beta2)), self._stage.lr)
        ]
        if kernels:
            self._optimisers.append((Muon(kernels, self._stage.muon), self._stage.muon))
        if self._state is not None:
            self._resume(self._state)
        self._since = (self.step, self.seconds)

    def _resume(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        for (optimiser, _), saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self._mean, self.step, self._compiled = state["mean"], state["step"], state["compiled"]
        self._state = None

    def choose_arithmetic(self, batch: Batch) -> None:
        """Compile the network if that is possible and, in a long stage, measured to be faster."""
        if self._compiled is None:
            long = self._stage.steps >= _COMPILED_FROM and shutil.which("g++") is not None
            self._compiled = long and self._faster_compiled(batch)
        self._forward = torch.compile(self._network) if self._compiled else self._network

    def _faster_compiled(self, batch: Batch) -> bool:
        self._forward = self._network
        plain = self._seconds(batch)
        self._forward = torch.compile(self._network)
        return self._seconds(batch) < 0.97 * plain

    def _seconds(self, batch: Batch) -> float:
        """The fastest of five passes forward and back; the first one compiles."""
        times = []
        for _ in range(5):
            started = time.perf_counter()
            self._loss(*batch).backward()  # type: ignore[no-untyped-call]
            times.append(time.perf_counter() - started)
        self._network.zero_grad(set_to_none=True)
        return min(times)

    def update(self, given: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> None:
        """One step; validates, logs and saves where the recipe says so."""
        started = time.perf_counter()
        stage = self._stage
        for optimiser, peak in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = stage.rate(self.step) * peak
        loss = self._loss(given, wanted)
        if not math.isfinite(loss.item()):
            raise ArithmeticError(
                f"the loss became {loss.item()} at step {self.step}; lower lr and go on from the save"
            )
        for optimiser, _ in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if stage.clip:
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), stage.clip)
        for optimiser, _ in self._optimisers:
            optimiser.step()
        self.step += 1
        decay = min(stage.ema, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self._mean, list(self._network.parameters()), 1 - decay)
        self.seconds += time.perf_counter() - started
        last = self.step == stage.steps
        if self.step % self._recipe.check_every == 0 or last:
            self._log(loss.item())
        if self.step % self._recipe.save_every == 0 or last:
            self._save()

    def _loss(self, given: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> Tensor:
        low, high = (_values(levels, self._device) for levels in (given, wanted))
        with arithmetic(self._recipe, self._device):
            outputs = self._objective.outputs(self._forward, self._stage, low)
        return self._objective.loss([output.float() for output in outputs], self._stage, high)

    def _macs(self) -> float:
        """Multiply-accumulates of one forward pass of a batch, in convolutions."""
        network, stage = self.averaged(), self._stage
        a_pixel = macs(network, stage.patch, lambda given: self._objective.outputs(network, stage, given))
        return a_pixel * stage.batch * stage.patch**2

    def averaged(self) -> nn.Module:
        """The network with the running mean of its weights, in evaluation mode on the processor."""
        network = self._objective.network().cpu()
        self._fill(network)
        return network.eval()

    @torch.no_grad()
    def _fill(self, network: nn.Module) -> None:
        for parameter, mean in zip(network.parameters(), self._mean, strict=True):
            parameter.copy_(mean)

    def _log(self, loss: float) -> None:
        steps, seconds = self.step - self._since[0], max(1e-9, self.seconds - self._since[1])
        stage, pace = self._stage, steps / seconds
        entry = {
            "stage": self.number, "step": self.step, "loss": loss,
            **self._objective.validate(self.averaged(), stage),
            "seconds": round(self.seconds), "steps_per_second": round(pace, 2),
            "pixels_per_second": round(pace * stage.batch * stage.patch**2),
            "of_ceiling": round(6 * self._macs() * pace / self._ceiling, 2),
            "device": f"{self._device} {'bf16' if self._bf16 else 'fp32'}{' compiled' if self._compiled else ''}",
        }  # fmt: skip
        self._since = (self.step, self.seconds)
        line = json.dumps(entry)
        with (self._folder / "log.jsonl").open("a") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def _save(self) -> None:
        save(self._saved, network=self._network.state_dict(), mean=self._mean, stage=self.number, step=self.step,
             optimisers=[optimiser.state_dict() for optimiser, _ in self._optimisers], seconds=self.seconds,
             compiled=self._compiled, recipe=asdict(self._recipe))  # fmt: skip


def save(path: Path, **state: Any) -> None:
    """Write the state of a training, whole or not at all; an interruption leaves the save before."""
    with atomic.replacing(path) as stream:
        torch.save(state, stream)


def arithmetic(recipe: ImageRecipe, device: torch.device) -> torch.autocast:
    """The arithmetic of a forward pass: bf16 where the recipe or, with ``auto``, the device says so, else fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(recipe, device))


def uses_bf16(recipe: ImageRecipe, device: torch.device) -> bool:
    """Whether a recipe's forward passes run in bf16; ``auto`` asks if the device multiplies such matrices faster."""
    found = torch.cpu.get_capabilities()
    fast = device.type == "cuda" or bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return recipe.precision == "bf16" or (recipe.precision == "auto" and fast)


def matrix_ceiling(device: torch.device, bf16: bool, side: int = 1024) -> float:
    """Floating-point operations a second of a large matrix product, the most of five tries."""
    factors = torch.ones(side, side, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        (factors @ factors)[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return float(2 * side**3 / best)


@contextmanager
def _batches(recipe: ImageRecipe, objective: Objective[Any], number: int, step: int) -> Iterator[Iterator[Batch]]:
    """The batches of a stage from a step on, the first one twice, each from its own seed, made before it is needed."""

    def make(step: int) -> Batch:
        return objective.batch(recipe.stages[number], np.random.default_rng([recipe.seed, number, step]))

    def ahead(submit: Callable[..., Any]) -> Iterator[Batch]:
        coming = deque(submit(make, step + more) for more in range(_AHEAD))
        yield coming[0].result()
        for later in range(step + _AHEAD, 1 << 62):
            coming.append(submit(make, later))
            yield coming.popleft().result()

    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            yield ahead(pool.submit)
        finally:
            pool.shutdown(cancel_futures=True)


def _values(levels: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(levels).to(device, torch.float32).contiguous(memory_format=torch.channels_last) / 255
