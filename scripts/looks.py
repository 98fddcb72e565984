"""Crops of ours, general-x4v3 and x4plus side by side in random order, to be judged without knowing which.

    python scripts/looks.py lay FOLDER...    pictures to enlarge; writes build/looks/NN.png and, apart, key.json
    python scripts/looks.py count FILE       lines "NN ABC", best first, "A=BC" where two are alike; prints the counts

Needs the extra ``teachers``. Each crop is 96 pixels of the picture, four times as large; which crop of which picture,
and the order, follow from one seed.
"""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import fourfold
from fourfold.bench.quality import Enlarge
from fourfold.training.teachers import TEACHERS, Teacher

Picture = NDArray[np.uint8]

CROPS, SIDE, AROUND, SEED = 40, 96, 16, 1
FOLDER = Path("build/looks")


def lay(paths: list[Path]) -> None:
    """Write a sheet for each crop, and the key to all of them."""
    rng = np.random.default_rng(SEED)
    ways = {"natural": lambda low: fourfold.upscale(low, style="natural")}
    ways |= {name: one_by_one(TEACHERS[name]()) for name in ("general-x4v3", "x4plus")}
    large = [path for path in paths if min(Image.open(path).size) >= SIDE]
    FOLDER.mkdir(parents=True, exist_ok=True)
    key = {}
    for number in range(CROPS):
        path = large[number % len(large)]
        low = np.asarray(Image.open(path).convert("RGB"))
        y, x = (int(rng.integers(length - SIDE + 1)) for length in low.shape[:2])
        names = [str(name) for name in rng.permutation(list(ways))]
        crops = [cut(ways[name], low, y, x) for name in names]
        sheet(low[y : y + SIDE, x : x + SIDE], crops).save(FOLDER / f"{number:02}.png")
        key[f"{number:02}"] = {"picture": path.name, "left": x, "top": y, **dict(zip("ABC", names, strict=True))}
    (FOLDER / "key.json").write_text(json.dumps(key, indent=1))


def one_by_one(teacher: Teacher) -> Enlarge:
    """A teacher's function of batches as one of a picture."""
    return lambda low: teacher(low[None])[0]


def cut(enlarge: Enlarge, low: Picture, y: int, x: int) -> Picture:
    """The enlarged crop, computed with pixels around it."""
    top, left = max(0, y - AROUND), max(0, x - AROUND)
    made = enlarge(np.ascontiguousarray(low[top : y + SIDE + AROUND, left : x + SIDE + AROUND]))
    inner: Picture = made[4 * (y - top) : 4 * (y - top + SIDE), 4 * (x - left) : 4 * (x - left + SIDE)]
    return inner


def sheet(low: Picture, crops: list[Picture]) -> Image.Image:
    """The crop as it was given, repeated four times, and A, B, C beside it."""
    parts = [low.repeat(4, 0).repeat(4, 1), *crops]
    whole = Image.new("RGB", (len(parts) * (4 * SIDE + 4) - 4, 4 * SIDE + 22), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(14)
    for column, (title, part) in enumerate(zip(("given", "A", "B", "C"), parts, strict=True)):
        draw.text((column * (4 * SIDE + 4) + 2, 2), title, fill="black", font=font)
        whole.paste(Image.fromarray(part), (column * (4 * SIDE + 4), 22))
    return whole


def count(judged: Path) -> None:
    """In how many crops ours is preferred to each of the others, or alike."""
    key = json.loads((FOLDER / "key.json").read_text())
    found = {other: {"preferred": 0, "alike": 0, "not": 0} for other in ("general-x4v3", "x4plus")}
    for line in judged.read_text().splitlines():
        number, _, order = line.partition(" ")
        rank, places = 0, {}
        for sign in order.strip():
            if sign == "=":
                rank -= 1
            else:
                places[key[number][sign]] = rank
                rank += 1
        for other, counts in found.items():
            mine, theirs = places["natural"], places[other]
            counts["preferred" if mine < theirs else "alike" if mine == theirs else "not"] += 1
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    command, *given = sys.argv[1:]
    if command == "count":
        count(Path(given[0]))
    else:
        lay(sorted(path for one in given for path in (Path(one).iterdir() if Path(one).is_dir() else [Path(one)])))
