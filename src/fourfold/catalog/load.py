"""Find cards: every ``cards/<id>.toml`` in this package is a model, and there is no other list."""

from functools import cache
from importlib.resources import files

from fourfold.catalog.card import Card, Style, Task, Tier, parse
from fourfold.core.errors import ModelError, near


@cache
def all_cards() -> tuple[Card, ...]:
    """Every card of the package, sorted by id.

    Raises:
        ModelError: a card cannot be read; the message names file and key.
    """
    found = [entry for entry in (files("fourfold.catalog") / "cards").iterdir() if entry.name.endswith(".toml")]
    return tuple(parse(entry.read_text("utf-8"), entry.name) for entry in sorted(found, key=lambda entry: entry.name))


def card(identifier: str) -> Card:
    """The card with this id.

    Raises:
        ModelError: there is none; the message offers the closest.
    """
    known = {c.id: c for c in all_cards()}
    if identifier not in known:
        raise ModelError(f"there is no model {identifier!r}.{near(identifier, [*known])} Known: {', '.join(known)}")
    return known[identifier]


def find(task: Task, scale: int, tier: Tier, style: Style) -> Card:
    """The one model with these facts.

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
