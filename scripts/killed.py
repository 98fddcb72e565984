"""Kill upscaling at random moments, and look whether anything half done is left.

    python scripts/killed.py [MOMENTS]

Each time one of SIGTERM, SIGHUP and SIGKILL is sent to a run over a folder. Every result that stands there must be
whole, and after the next run that ends by itself no part of a file may be left.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from fourfold.imaging import files

SIDE, PHOTOS, LONGEST = 160, 4, 4.0
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)


def begin(folder: Path, task: str) -> subprocess.Popen[bytes]:
    """A run over the folder, its results into another."""
    words = [task, str(folder / "in"), "-o", f"{folder / task}/", "--overwrite", "-j", "1"]
    if task == "batch":
        words = ["batch", str(folder / "in"), str(folder / task), "--overwrite", "--workers", "1"]
    return subprocess.Popen([sys.executable, "-m", "fourfold", *words], stderr=subprocess.PIPE, start_new_session=True)


def wrong(folder: Path, task: str, process: subprocess.Popen[bytes], sent: int) -> list[str]:
    """What is not as it should be after a run that was sent a signal."""
    _, said = process.communicate(timeout=120)
    found = ["a traceback"] if b"Traceback" in said else []
    if process.returncode not in (0, 130, -sent, -signal.SIGINT):  # the last is how Python itself may end then
        found.append(f"it ended with {process.returncode}")
    if process.returncode in (130, -signal.SIGINT) and (left := [*(folder / task).rglob("*.part")]):
        found.append(f"{len(left)} parts left by an orderly end")
    whole = (4 * SIDE, 4 * SIDE)
    return found + [f"{made} is not whole" for made in folder.rglob("*_x4.png") if files.read(made).size != whole]


def main(moments: int) -> int:
    """Run, kill, look; the number of moments after which something was wrong."""
    rng, bad = random.Random(5), 0  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as loose:
        folder = Path(loose)
        (folder / "in").mkdir()
        for number in range(PHOTOS):
            noise = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(noise).save(folder / "in" / f"{number}.png")
        for number in range(moments):
            task, sent = ("upscale", "batch")[number % 5 == 4], SIGNALS[number % 3]
            process = begin(folder, task)
            time.sleep(rng.random() * LONGEST)
            os.kill(process.pid, sent)
            found = wrong(folder, task, process, sent)
            bad += bool(found)
            print(number, task, signal.Signals(sent).name, process.returncode, *found, flush=True)
        for task in ("upscale", "batch"):
            begin(folder, task).communicate(timeout=300)
        left = [*folder.rglob("*.part")]
        print(f"{moments} moments, {bad} of them wrong; {len(left)} parts left after the next run")
        return bad + len(left)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 50) > 0)
