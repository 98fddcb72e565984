"""Draws docs/architecture/map.svg: the floors of the house and what imports what, from pyproject.toml and the code.

An arrow means that some module of the upper room imports one of the lower room. Where it reaches that room by way of
another one, too, there is only that longer way.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture" / "map.svg"
WIDTH, FLOOR, TALL, WIDE, EDGE = 760, 74, 34, 112, 20
STYLE = """
text{font:600 14px system-ui,sans-serif;fill:#1d2733;text-anchor:middle;dominant-baseline:central}
rect{fill:#eef4f3;stroke:#0b6e63;stroke-width:1.5}
path{fill:none;stroke:#0b6e63;stroke-width:1.2;opacity:.4}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#16302d;stroke:#4fb8ab}path{stroke:#4fb8ab}}
"""

Spot = tuple[float, float]


def floors() -> list[list[str]]:
    """The rooms of every floor, from the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = next(one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    return [[room.strip() for room in floor.split("|")] for floor in layers["layers"]]


def imports() -> set[tuple[str, str]]:
    """Pairs of rooms: the first imports the second."""
    found = set()
    for path in (ROOT / "src" / "fourfold").rglob("*.py"):
        room = path.relative_to(ROOT / "src" / "fourfold").parts[0]
        for name in _imported(ast.parse(path.read_text("utf-8"))):
            found.add((room, name))
    return {(here, there) for here, there in found if here != there}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "fourfold":
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fourfold."):
            yield str(node.module).split(".")[1]


def reduced(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs that do not follow from the others."""

    def reached(room: str, without: tuple[str, str]) -> set[str]:
        direct = {there for here, there in pairs if here == room and (here, there) != without}
        return direct.union(*(reached(one, without) for one in direct))

    return {pair for pair in pairs if pair[1] not in reached(pair[0], pair)}


def drawn() -> str:
    """The picture."""
    places: dict[str, Spot] = {}
    for row, rooms in enumerate(floors()):
        step = WIDTH / len(rooms)
        places |= {room: (step * (column + 0.5), EDGE + TALL / 2 + row * FLOOR) for column, room in enumerate(rooms)}
    height = 2 * EDGE + TALL + (len(floors()) - 1) * FLOOR
    known = {pair for pair in imports() if set(pair) <= places.keys()}
    arrows = "\n".join(f'<path d="{_curve(places[here], places[there])}"/>' for here, there in sorted(reduced(known)))
    boxes = "\n".join(_box(room, spot) for room, spot in places.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The rooms of fourfold, floor by floor; imports go downwards only">\n'
        f"<style>{STYLE}</style>\n{arrows}\n{boxes}\n</svg>\n"
    )


def _box(room: str, spot: Spot) -> str:
    x, y = spot
    frame = f'<rect x="{x - WIDE / 2:g}" y="{y - TALL / 2:g}" width="{WIDE}" height="{TALL}" rx="6"/>'
    return f'{frame}<text x="{x:g}" y="{y:g}">{room}</text>'


def _curve(start: Spot, end: Spot) -> str:
    """From the lower edge of a room to the upper edge of another, past the rooms between when they lie in one line."""
    (x, y), (to_x, to_y) = (start[0], start[1] + TALL / 2), (end[0], end[1] - TALL / 2)
    floors_down = round((end[1] - start[1]) / FLOOR)
    aside = 0 if floors_down == 1 else (WIDE / 2 + 14 * floors_down) * (1 if x + to_x < WIDTH else -1)
    middle = (to_y - y) / 3
    return f"M{x:g} {y:g}C{x + aside:g} {y + middle:g} {to_x + aside:g} {to_y - middle:g} {to_x:g} {to_y:g}"


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")
