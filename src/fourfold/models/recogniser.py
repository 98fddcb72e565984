"""The recogniser of photo conditions: the card's own, or the one adapted to this person's photos.

The adapted one lies in the person's data folder: ``adapted/condition.json`` states what it is, and names a file of
weights beside it by its SHA-256. It is used only if that file is exactly the one stated, and was made from the very
recogniser that is installed; otherwise the card's own is, and a note says why. Removing the folder is the way back.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from fourfold.catalog import load as catalog
from fourfold.core.atomic import replacing, write_text
from fourfold.engines import function, weights


@dataclass(frozen=True)
class Adapted:
    """What an adapted recogniser is.

    Attributes:
        sha256: of its weights; base: of those that it was adapted from.
        photos: how many it was adapted to; date: when, as in 2026-11-24.
        before, after: fractions of the conditions among these photos, as found by each.
    """

    sha256: str
    base: str
    photos: int
    date: str
    before: tuple[float, ...]
    after: tuple[float, ...]


class Recogniser:
    """Names the condition of a photo. Calls may come from several threads.

    Args:
        model: content of the ONNX file; name: what it is, for reports; notes: what the person should know of it.

    Attributes:
        sha256: of the file.
    """

    def __init__(self, model: bytes, name: str, notes: tuple[str, ...] = ()) -> None:
        self.name, self.notes, self.sha256 = name, notes, hashlib.sha256(model).hexdigest()
        self._run = function(model)

    def __call__(self, traces: NDArray[np.float32]) -> NDArray[np.float32]:
        """``N×74``, see ``imaging.traces``, of one photo → probabilities of the conditions."""
        return np.asarray(self._run(traces)[0], np.float32)


def adapted_in() -> Path:
    """The folder of the adapted recogniser."""
    return Path(platformdirs.user_data_dir("fourfold", appauthor=False)) / "adapted"


def load() -> Recogniser:
    """The recogniser to use: the adapted one if there is one that can be trusted, else the card's.

    Raises:
        ModelError: the card's weights are missing or damaged. RuntimeFailure: the engine cannot run it.
    """
    card = catalog.recogniser()
    notes: tuple[str, ...] = ()
    if (adapted_in() / "condition.json").exists():
        try:
            stated, content = read()
        except ValueError as error:
            notes = (f"the adapted recogniser is not used: {error}; fourfold adapt --reset removes it",)
        else:
            return Recogniser(content, f"{card.id}, adapted to {stated.photos} photos on {stated.date}")
    return Recogniser(weights.read(card, "onnx"), card.id, notes)


def read() -> tuple[Adapted, bytes]:
    """What the adapted recogniser is, and its weights, verified.

    Raises:
        ValueError: there is none, it is damaged, or it belongs to another recogniser; the message says which.
    """
    folder = adapted_in()
    try:
        values = json.loads((folder / "condition.json").read_text("utf-8"))
        stated = Adapted(**{**values, "before": tuple(values["before"]), "after": tuple(values["after"])})
        content = (folder / f"{stated.sha256}.onnx").read_bytes()
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{folder} cannot be read ({error})") from error
    if hashlib.sha256(content).hexdigest() != stated.sha256:
        raise ValueError(f"{folder / stated.sha256}.onnx is not the file that was written")
    if stated.base != catalog.recogniser().stored("onnx").sha256:
        raise ValueError("it was adapted from the recogniser of another version of fourfold; adapt again")
    return stated, content


def write(content: bytes, photos: int, before: Sequence[float], after: Sequence[float]) -> Adapted:
    """Keep an adapted recogniser in place of the one before, if any; arguments as of ``Adapted``.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = adapted_in()
    base = catalog.recogniser().stored("onnx").sha256
    made = hashlib.sha256(content).hexdigest()
    stated = Adapted(made, base, photos, date.today().isoformat(), tuple(before), tuple(after))
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"{stated.sha256}.onnx") as stream:
        stream.write(content)
    write_text(folder / "condition.json", json.dumps(asdict(stated), indent=1))
    for old in folder.glob("*.onnx"):
        if old.stem != stated.sha256:
            old.unlink()
    return stated


def reset() -> bool:
    """Remove the adapted recogniser; returns whether there was one.

    Raises:
        OSError: a file cannot be removed.
    """
    found = [*adapted_in().glob("condition.json"), *adapted_in().glob("*.onnx")]
    for path in found:
        path.unlink()
    return bool(found)
