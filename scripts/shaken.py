"""make shaken: the pictures and figures of docs/guide/deblurring.md.

Three photos of scikit-image (public domain or CC0) are shaken by the seeded camera of fourfold, and deblurred as anyone
would. With folders or files: those pictures as they are, into build/shaken, for nobody but who made them.
"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from fourfold import Session
from fourfold.api.targets import expanded
from fourfold.core.options import DeblurOptions
from fourfold.imaging.camera import Camera, photographed
from fourfold.imaging.metrics import psnr_y, ssim_y

Picture = NDArray[np.uint8]

# name, left and top of the detail shown, seed of the shake
PHOTOS = (("astronaut", 140, 30, 1), ("coffee", 200, 100, 5), ("chelsea", 110, 60, 9))
DETAIL = 220
CAMERA = Camera(extent=(5, 7), plain=0, grey=0)


def beside(pictures: list[Picture]) -> Picture:
    """Pictures of one height in a row, with a white gap."""
    gap = np.full((len(pictures[0]), 6, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)


def guide() -> None:
    """The picture of the guide: blurry, deblurred, sharp; and the figures of whole photos."""
    rows = []
    for name, left, top, seed in PHOTOS:
        blurry, sharp = photographed(getattr(skimage.data, name)(), np.random.default_rng(seed), CAMERA)
        done = Session().restore(blurry, DeblurOptions())
        window = slice(top, top + DETAIL), slice(left, left + DETAIL)
        rows.append(beside([picture[window] for picture in (blurry, done.image, sharp)]))
        before, after = ((psnr_y(one, sharp), ssim_y(one, sharp)) for one in (blurry, done.image))
        print(f"{name:10} {before[0]:.2f} dB / {before[1]:.4f} → {after[0]:.2f} dB / {after[1]:.4f}; "
              f"{done.report.blur}, changed: {done.report.changed}")  # fmt: skip
    gap = np.full((6, rows[0].shape[1], 3), 255, np.uint8)
    sheet = np.concatenate([part for row in rows for part in (row, gap)][:-1])
    Image.fromarray(sheet).save("docs/guide/deblurring.webp", quality=80, method=6)


def others(sources: list[str]) -> None:
    """Pictures that are not ours to show: before and after beside each other."""
    folder = Path("build/shaken")
    folder.mkdir(parents=True, exist_ok=True)
    for source in expanded(sources):
        with Image.open(source) as picture:
            levels = np.asarray(picture.convert("RGB"))
        done = Session().restore(levels, DeblurOptions())
        Image.fromarray(beside([levels, done.image])).save(folder / f"{Path(source).stem}.png")
        print(f"{source}: {done.report.blur}, changed: {done.report.changed}")


if __name__ == "__main__":
    others(sys.argv[1:]) if sys.argv[1:] else guide()
