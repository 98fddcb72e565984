"""Find cards: every ``cards/<id>.toml`` in this package is a model, and there is no other list.

Models that a person imported have their cards beside their weights, in one of the ``folders``. They run when asked
for by id, and are never chosen automatically.
"""

import os
from functools import cache
from pathlib import Path

from fourfold.catalog.card import Card, Entry, FeatureCard, RecogniserCard, Reference, Shipped, Style, Tier, parse
from fourfold.core.errors import ModelError, near


def folders() -> tuple[Path, ...]:
    """Where weights are looked for, in this order: the package, the person's data folder, FOURFOLD_MODEL_PATH.

    The variable holds folders separated as in PATH.
    """
    import platformdirs  # not needed by who only asks for help

    extra = [Path(part) for part in os.environ.get("FOURFOLD_MODEL_PATH", "").split(os.pathsep) if part]
    package = Path(__file__).parents[1] / "weights"
    return package, Path(platformdirs.user_data_dir("fourfold", appauthor=False)) / "models", *extra


def all_cards() -> tuple[Card, ...]:
    """Every upscaler of the package, sorted by id; raises as ``all_entries``."""
    return tuple(entry for entry in all_entries() if isinstance(entry, Card))


def shipped(identifier: str | None = None) -> tuple[Shipped, ...]:
    """Every model that can be run, also those that were imported, or the one with this id; raises as ``card``."""
    found = (*all_entries(), *imported()) if identifier is None else (entry(identifier),)
    return tuple(one for one in found if isinstance(one, Shipped)) or (card(str(identifier)),)


def feature_cards() -> tuple[FeatureCard, ...]:
    """Every encoder of pictures and sharpener of its maps, sorted by id; raises as ``all_entries``."""
    return tuple(entry for entry in all_entries() if isinstance(entry, FeatureCard))


def sharpener(factor: int) -> FeatureCard:
    """The one sharpener of this factor.

    Raises:
        ModelError: there is none; the message lists the factors there are.
    """
    known = {card.factor: card for card in feature_cards() if card.kind == "sharpener"}
    if factor not in known:
        raise ModelError(f"expected a factor among {', '.join(map(str, sorted(known)))}, got {factor}")
    return known[factor]


def encoder(identifier: str) -> FeatureCard:
    """The encoder with this id.

    Raises:
        ModelError: there is none.
    """
    found = entry(identifier)
    if not isinstance(found, FeatureCard) or found.kind != "encoder":
        raise ModelError(f"expected the id of an encoder, got {identifier!r}")
    return found


def imported() -> tuple[Card, ...]:
    """Every network that the person imported, sorted by id.

    Raises:
        ModelError: a card cannot be read, or is that of a model of the package.
    """
    found: dict[str, Card] = {}
    for path in (path for folder in folders() for path in sorted(folder.glob("*.toml"))):
        card = parse(path.read_text("utf-8"), str(path))
        if not isinstance(card, Card) or card.id in {entry.id for entry in all_entries()}:
            raise ModelError(f"{path}: expected the card of an imported network, with an id of its own; remove it")
        found.setdefault(card.id, card)
    return tuple(found[identifier] for identifier in sorted(found))


def recogniser() -> RecogniserCard:
    """The network that names the condition of a photo."""
    return next(entry for entry in all_entries() if isinstance(entry, RecogniserCard))


@cache
def all_entries() -> tuple[Entry, ...]:
    """Every card of the package, networks and references, sorted by id.

    Raises:
        ModelError: a card cannot be read; the message names file and key.
    """
    found = [entry for entry in (Path(__file__).parent / "cards").iterdir() if entry.name.endswith(".toml")]
    return tuple(parse(entry.read_text("utf-8"), entry.name) for entry in sorted(found, key=lambda entry: entry.name))


def entry(identifier: str) -> Entry:
    """The network or reference with this id.

    Raises:
        ModelError: there is none; the message offers the closest.
    """
    known = {c.id: c for c in all_entries()}
    if identifier not in known:
        known |= {c.id: c for c in imported()}
    if identifier not in known:
        raise ModelError(f"there is no model {identifier!r}.{near(identifier, [*known])} Known: {', '.join(known)}")
    return known[identifier]


def card(identifier: str, task: str | None = None) -> Card:
    """The network with this id, which can be run.

    Raises:
        ModelError: there is none; the message offers the closest, or says that it is only known, not shipped. Or it is
            for another task.
    """
    found = entry(identifier)
    if isinstance(found, Card):
        if task not in (None, found.task):
            raise ModelError(f"expected a model for {task}, got {identifier}, which is for {found.task}")
        return found
    runnable = ", ".join(c.id for c in all_cards())
    what = (
        f"known here but not shipped ({found.licence})" if isinstance(found, Reference) else f"of the kind {found.kind}"
    )
    raise ModelError(f"{identifier} is {what}; expected one of {runnable}")


def find(task: str, scale: int, tier: Tier, style: Style) -> Card:
    """The one model of the package with these facts.

    Raises:
        ModelError: there is none, or more than one; the message lists those for the task.
    """
    found = [c for c in all_cards() if (c.task, c.scale, c.tier, c.style) == (task, scale, tier, style)]
    if len(found) != 1:
        listed = "; ".join(f"{c.id}: x{c.scale} {c.tier} {c.style}" for c in all_cards() if c.task == task)
        raise ModelError(
            f"expected one model for {task} x{scale} {tier} {style}, found {len(found)} (there is {listed})"
        )
    return found[0]
