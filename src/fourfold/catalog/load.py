"""Find cards: every ``cards/<id>.toml`` in this package is a model, and there is no other list."""

from functools import cache
from importlib.resources import files

from fourfold.catalog.card import Card, Entry, RecogniserCard, Reference, Shipped, Style, Task, Tier, parse
from fourfold.core.errors import ModelError, near


def all_cards() -> tuple[Card, ...]:
    """Every upscaler of the package, sorted by id; raises as ``all_entries``."""
    return tuple(entry for entry in all_entries() if isinstance(entry, Card))


def shipped(identifier: str | None = None) -> tuple[Shipped, ...]:
    """Every model whose weights belong to the package, or the one with this id; raises as ``card``."""
    found = all_entries() if identifier is None else (entry(identifier),)
    return tuple(one for one in found if isinstance(one, Shipped)) or (card(str(identifier)),)


def recogniser() -> RecogniserCard:
    """The network that names the condition of a photo."""
    return next(entry for entry in all_entries() if isinstance(entry, RecogniserCard))


@cache
def all_entries() -> tuple[Entry, ...]:
    """Every card of the package, networks and references, sorted by id.

    Raises:
        ModelError: a card cannot be read; the message names file and key.
    """
    found = [entry for entry in (files("fourfold.catalog") / "cards").iterdir() if entry.name.endswith(".toml")]
    return tuple(parse(entry.read_text("utf-8"), entry.name) for entry in sorted(found, key=lambda entry: entry.name))


def entry(identifier: str) -> Entry:
    """The network or reference with this id.

    Raises:
        ModelError: there is none; the message offers the closest.
    """
    known = {c.id: c for c in all_entries()}
    if identifier not in known:
        raise ModelError(f"there is no model {identifier!r}.{near(identifier, [*known])} Known: {', '.join(known)}")
    return known[identifier]


def card(identifier: str) -> Card:
    """The network with this id, which can be run.

    Raises:
        ModelError: there is none; the message offers the closest, or says that it is only known, not shipped.
    """
    found = entry(identifier)
    if isinstance(found, Card):
        return found
    runnable = ", ".join(c.id for c in all_cards())
    what = (
        f"known here but not shipped ({found.licence})" if isinstance(found, Reference) else f"of the kind {found.kind}"
    )
    raise ModelError(f"{identifier} is {what}; expected one of {runnable}")


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
