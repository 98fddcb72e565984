"""Kill runs at random moments, and look whether anything half done is left.

    python scripts/killed.py [MOMENTS] [FIRST]

Each time one of SIGTERM, SIGHUP and SIGKILL is sent to a run of a command over four photos, at a moment between its
start and its usual end; moment N is the same in every run. Every result that stands there must be whole. Then the same
command runs to its end, with what it finds: it must leave whole results, and no part of a file.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from fourfold.core.errors import FourfoldError
from fourfold.imaging import files

SIDE, SUFFIXES = 240, (".png", ".jpg", ".tif", ".webp")
COMMANDS = ("upscale", "batch", "run")
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)


def begin(folder: Path, command: str, *, overwrite: bool) -> subprocess.Popen[bytes]:
    """A run over the photos in the folder, its results into another folder."""
    given, made = str(folder / "in"), str(folder / command)
    words = {
        "upscale": ["upscale", given, "-o", f"{made}/", "-j", "1"],
        "batch": ["batch", given, made, "--workers", "1"],
        "run": ["run", "upscale", "--set", f"photo={given}", "-o", made],
    }[command]
    words += ["--overwrite"] if overwrite else []
    command_line = [sys.executable, "-m", "fourfold", *words]
    return subprocess.Popen(
        command_line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )  # fmt: skip


def results(folder: Path, command: str) -> list[Path]:
    """The pictures that a run made, of which the hidden ones are not finished."""
    every = (path for path in (folder / command).rglob("*") if path.suffix in SUFFIXES)
    return [path for path in every if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def unfinished(folder: Path, command: str) -> list[Path]:
    """What should not be there after a run that came to an end: parts of files, and folders for them."""
    return [path for path in (folder / command).rglob("*") if path.suffix == ".part" or path.parent.name == "parts"]


def broken(folder: Path, command: str) -> list[str]:
    """The results that are not whole."""
    found = []
    for path in results(folder, command):
        try:
            if files.read(path).size != (4 * SIDE, 4 * SIDE):
                found.append(f"{path.name} has another size")
        except FourfoldError as error:
            found.append(str(error))
    return found


def wrong(folder: Path, command: str, sent: int, process: subprocess.Popen[bytes]) -> list[str]:
    """What is not as it should be after a run that was sent a signal, and after the next one."""
    output, _ = process.communicate(timeout=120)
    found = ["a traceback"] if b"Traceback" in output else []
    if process.returncode not in (0, 130, -sent, -signal.SIGINT):  # the last is how Python itself may end then
        found.append(f"it ended with {process.returncode}: {output.decode()[-300:]}")
    if process.returncode in (130, -signal.SIGINT) and (left := unfinished(folder, command)):
        found.append(f"left by an orderly end: {left}")
    found += broken(folder, command)
    last = begin(folder, command, overwrite=False)
    output, _ = last.communicate(timeout=300)
    found += [f"after the next run: {bad}" for bad in broken(folder, command)]
    found += [f"left by the next run: {path}" for path in unfinished(folder, command)]
    if last.returncode not in (0, 3) or len(results(folder, command)) < len(SUFFIXES):
        found.append(f"the next run ended with {last.returncode}: {output.decode()[-300:]}")
    return found


def main(moments: int, first: int) -> int:
    """Run, kill, look; the number of moments after which something was wrong."""
    bad, seconds = 0, {}
    with tempfile.TemporaryDirectory() as loose:
        folder = Path(loose)
        (folder / "in").mkdir()
        for number, suffix in enumerate(SUFFIXES):
            noise = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(noise).save(folder / "in" / f"{number}{suffix}")
        for command in COMMANDS:
            started = time.monotonic()
            begin(folder, command, overwrite=False).communicate(timeout=300)
            seconds[command] = time.monotonic() - started
        for number in range(first, first + moments):
            command, sent = COMMANDS[number % 3], SIGNALS[number // 3 % 3]
            overwrite = number // 9 % 2 == 1
            if not overwrite:
                shutil.rmtree(folder / command)
            process = begin(folder, command, overwrite=overwrite)
            time.sleep(random.Random(number).random() * seconds[command])  # noqa: S311 - no secret
            there = len(results(folder, command))
            os.kill(process.pid, sent)
            found = wrong(folder, command, sent, process)
            bad += bool(found)
            print(number, command, signal.Signals(sent).name, there, process.returncode, *found, flush=True)
    print(f"{moments} moments, {bad} of them wrong")
    return bad


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(words + [50, 0][len(words) :])) > 0)
