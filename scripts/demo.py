"""make demo: a real photo, shrunk four times, upscaled back, and compared with bicubic.

The photo is scikit-image's "astronaut" (NASA, public domain), read from the installed package.
"""

import sys
import time
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from fourfold import measure, restore_files
from fourfold.api.reports import write_document
from fourfold.api.targets import Failure
from fourfold.imaging.metrics import psnr_y
from fourfold.imaging.resize import bicubic


def main(folder: Path) -> int:
    """Make the pictures in ``folder`` and print what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = skimage.data.astronaut()
    small, plain = folder / "astronaut_small.png", folder / "astronaut_bicubic.png"
    Image.fromarray(bicubic(truth, (128, 128))).save(small)
    low = np.asarray(Image.open(small))
    Image.fromarray(bicubic(low, truth.shape[:2])).save(plain)
    started = time.perf_counter()
    (outcome,) = restore_files([str(small)], overwrite=True)
    if isinstance(outcome, Failure):
        print(outcome.error, file=sys.stderr)
        return outcome.error.exit_code
    report = folder / "report.html"
    write_document(report, [outcome], [])
    ours, bicubic_made = np.asarray(Image.open(outcome.output)), np.asarray(Image.open(plain))
    detail = (slice(20, 240), slice(90, 370))
    gap = np.full((220, 8, 3), 255, np.uint8)
    beside = folder / "before-after.png"
    Image.fromarray(np.concatenate([bicubic_made[detail], gap, ours[detail]], axis=1)).save(beside, optimize=True)
    found = measure(outcome.output, small)
    print(f"photo        {small}: {outcome.input_size[0]}×{outcome.input_size[1]} pixels")
    print(f"result       {outcome.output}: {outcome.output_size[0]}×{outcome.output_size[1]} pixels")
    print(f"time         {time.perf_counter() - started:.2f} s, of it {outcome.seconds_model:.2f} s in the network")
    print(f"PSNR-Y       {psnr_y(ours, truth):.2f} dB; bicubic enlargement {psnr_y(bicubic_made, truth):.2f} dB")
    print(f"consistency  {found.consistency_psnr} dB: the result shrunk back, against the photo")
    print(f"side by side {beside}")
    print(f"report       {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
