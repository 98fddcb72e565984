"""Fit the coefficients by which ``imaging.blur`` judges pictures: python scripts/fit_blur.py ../shared/data/photos

Every photo that training may see is judged three times sharp (as it is, noisy, compressed), twice out of focus and
three times shaken, in a window of 512 pixels; a softmax regression tells the kinds apart, a linear one the extent.
What comes out on the photos held out is printed.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import fourfold.imaging
from fourfold.imaging import blur
from fourfold.imaging.camera import Camera, Window, photographed
from fourfold.training.data import split

CAMERA = Camera(tremor=10**0.5, shot=2e-4, read=2e-3, quality=80)  # worse than the one that networks are trained for
SHAKES = ((3.0, 8.0), (8.0, 16.0), (16.0, 24.0))
WINDOW = 512
PENALTY = 1e-3


def cases(path: Path, seed: int) -> Iterator[tuple[blur.Kind, float, NDArray[np.uint8]]]:
    """Kind, extent in pixels and picture, eight of one photo."""
    rng = np.random.default_rng(seed)
    with Image.open(path) as picture:
        photo = np.asarray(picture.convert("RGB"))
    sides = [min(WINDOW, side) for side in photo.shape[:2]]
    top, left = (int(rng.integers(length - side + 1)) for length, side in zip(photo.shape[:2], sides, strict=True))
    window = Window(top, top + sides[0], left, left + sides[1])
    still = replace(CAMERA, still=1)
    yield "sharp", 0, photo[window.top : window.bottom, window.left : window.right]
    for quality in (80, 60):
        yield "sharp", 0, photographed(photo, rng, replace(still, quality=quality), window)[0]
    for _ in range(2):
        radius = rng.uniform(1, 6)
        yield "soft", 2 * radius, photographed(photo, rng, replace(still, defocus=(radius, radius)), window)[0]
    for shortest, longest in SHAKES:
        extent = rng.uniform(shortest, longest)
        yield "motion", extent, photographed(photo, rng, replace(CAMERA, extent=(extent, extent)), window)[0]


def judged(paths: list[Path], seed: int) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Features, kinds and extents of all cases that have any detail."""
    rows: list[tuple[NDArray[np.float64], int, float]] = []

    def look(numbered: tuple[int, Path]) -> list[tuple[NDArray[np.float64], int, float]]:
        number, path = numbered
        seen = ((kind, extent, blur.features(picture)) for kind, extent, picture in cases(path, seed + number))
        return [(found[0], blur.KINDS.index(kind), extent) for kind, extent, found in seen if found]

    with ThreadPoolExecutor() as pool:
        for found in pool.map(look, enumerate(paths)):
            rows += found
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), np.array([r[2] for r in rows])


def softmax_regression(x: NDArray[np.float64], kinds: NDArray[np.intp]) -> NDArray[np.float64]:
    """Coefficients ``3×features`` by Newton's method, with a small quadratic penalty."""
    count, width = x.shape
    wanted = np.eye(3)[kinds]
    weights = np.zeros((3, width))
    for _ in range(30):
        scores = x @ weights.T
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        slope = (shares - wanted).T @ x / count + 2 * PENALTY * weights
        curve = np.zeros((3 * width, 3 * width))
        for a in range(3):
            for b in range(3):
                share = shares[:, a] * ((a == b) - shares[:, b]) / count
                curve[a * width : (a + 1) * width, b * width : (b + 1) * width] = (x * share[:, None]).T @ x
        step = np.linalg.solve(curve + 2 * PENALTY * np.eye(3 * width), slope.ravel())
        weights -= step.reshape(3, width)
    return weights


def main() -> None:
    """Fit, write, and print how the held-out photos are judged."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    arguments = parser.parse_args()
    trained, held = split(arguments.photos)
    values, kinds, extents = judged(trained, seed=1000)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    x = np.c_[(values - mean) / deviation, np.ones(len(values))]
    blurred = kinds > 0
    gram = x[blurred].T @ x[blurred] + 5 * np.eye(x.shape[1])
    fitted = {
        "mean": mean,
        "deviation": deviation,
        "kinds": softmax_regression(x, kinds),
        "extent": np.linalg.solve(gram, x[blurred].T @ np.log2(extents[blurred])),
    }
    target = Path(fourfold.imaging.__file__).with_name("blur.json")
    rounded = {name: np.round(array, 4).tolist() for name, array in fitted.items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in rounded.items())
    target.write_text(f"{{\n{lines}\n}}\n")
    table = np.zeros((3, 3), int)
    for number, path in enumerate(held):
        for kind, _, picture in cases(path, number):
            table[blur.KINDS.index(kind), blur.KINDS.index(blur.estimate(picture).kind)] += 1
    print("held-out photos, rows are the truth:", *blur.KINDS)
    for kind, row in zip(blur.KINDS, table, strict=True):
        print(f"{kind:8}", *row)


if __name__ == "__main__":
    main()
