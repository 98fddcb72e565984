"""make results: what each network makes of degraded photos, side by side, as sheets to look at, and the figures.

Without arguments: public-domain photos of scikit-image, degraded by the benchmark, for docs/guide/results.md.
With folders or files: those pictures as they are, into build/results, for nobody but who made them.
"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fourfold.bench import datasets, peers
from fourfold.bench.benchmarks import contender
from fourfold.bench.quality import BICUBIC, Contender
from fourfold.core.options import UpscaleOptions
from fourfold.core.threads import available
from fourfold.imaging.metrics import psnr_y, ssim_y

Picture = NDArray[np.uint8]

# name, left and top of the detail shown, all photos in the public domain or CC0
PHOTOS = (("astronaut", 96, 20), ("chelsea", 100, 60), ("coffee", 180, 60), ("rocket", 240, 120))
DETAIL = 200


def contenders() -> list[Contender]:
    """Bicubic, ours in both styles, and general-x4v3."""
    ours = [contender(f"fourfold {style}", UpscaleOptions(style=style)) for style in ("faithful", "natural")]
    peer = peers.real_esrgan(datasets.data_folder() / "peers", available())
    return [BICUBIC, *ours, peer]


def sheet(rows: list[list[Picture]], titles: list[str]) -> Image.Image:
    """Details in rows, with a title over each column."""
    high, wide = rows[0][0].shape[:2]
    whole = Image.new("RGB", (len(titles) * (wide + 4) - 4, len(rows) * (high + 4) + 24), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(14)
    for column, title in enumerate(titles):
        draw.text((column * (wide + 4) + 2, 4), title, fill="black", font=font)
        for row, details in enumerate(rows):
            whole.paste(Image.fromarray(details[column]), (column * (wide + 4), 26 + row * (high + 4)))
    return whole


def degraded() -> None:
    """The sheet and the table of the results page."""
    made = contenders()
    rows, lines = [], []
    for number, (name, left, top) in enumerate(PHOTOS):
        photo = getattr(skimage.data, name)()
        truth = photo[: photo.shape[0] // 4 * 4, : photo.shape[1] // 4 * 4]
        low = datasets.degrade(truth, datasets.DEGRADED["Set14 degraded"], number)
        results = [one.enlarge(low) for one in made]
        rows.append([picture[top : top + DETAIL, left : left + DETAIL] for picture in (*results, truth)])
        scores = " | ".join(f"{psnr_y(one, truth):.2f} / {ssim_y(one, truth):.3f}" for one in results)
        lines.append(f"| {name} | {scores} |")
    folder = Path("docs/guide")
    sheet(rows, [*(one.name for one in made), "the truth"]).save(folder / "results.webp", quality=82, method=6)
    print("\n".join(lines))


def pictures(paths: list[Path]) -> None:
    """A sheet for each picture: its middle, by every contender."""
    folder = Path("build/results")
    folder.mkdir(parents=True, exist_ok=True)
    made = contenders()
    for path in sorted(one for given in paths for one in (given.iterdir() if given.is_dir() else (given,))):
        low = datasets.read(path)
        results = [one.enlarge(low) for one in made]
        high, wide = results[0].shape[:2]
        side = min(480, high, wide)
        y, x = (high - side) // 2, (wide - side) // 2
        details = [picture[y : y + side, x : x + side] for picture in results]
        sheet([details], [one.name for one in made]).save(folder / f"{path.stem}.png")
        print(folder / f"{path.stem}.png")


if __name__ == "__main__":
    pictures([Path(name) for name in sys.argv[1:]]) if len(sys.argv) > 1 else degraded()
