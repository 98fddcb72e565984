"""Several hundred odd files of every format, against an independent decoder: ImageMagick, with Debian's libraries."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import odd_files
import pytest
from numpy.typing import NDArray

from fourfold.core.image import Image
from fourfold.imaging import files

pillow_heif = pytest.importorskip("pillow_heif", reason="makes the HEIC files; pip install 'fourfold[dev]'")

LOSSY = ("jpeg", "webp", "avif", "heif", "tiff-jpeg")
KNOWN: dict[str, str] = {}
"""Where the two differ on purpose, by the beginning of a file's name: why."""


def pam(path: Path) -> NDArray[np.float32]:
    """``H×W×4`` values in 0..1 of the first picture of a PAM file, straight alpha last."""
    head, _, body = path.read_bytes().partition(b"ENDHDR\n")
    fields = dict(line.split(b" ", 1) for line in head.splitlines() if b" " in line)
    width, height, depth, top = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    kind = np.dtype(">u2" if top > 255 else "u1")  # further pictures of the same file follow the first
    levels = np.frombuffer(body, kind, height * width * depth).reshape(height, width, depth)
    return rgba((levels / np.float32(top)).astype(np.float32))


def rgba(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 to 4 channels as four."""
    height, width, depth = values.shape
    alpha = values[..., -1:] if depth in (2, 4) else np.ones((height, width, 1), np.float32)
    return np.concatenate([np.broadcast_to(values[..., : 1 if depth < 3 else 3], (height, width, 3)), alpha], axis=2)


def seen(picture: Image) -> NDArray[np.float32]:
    return rgba(picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha]))


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The largest, in levels of 255; colours count as far as they are seen."""
    weight = np.minimum(one[..., 3:], other[..., 3:])
    return float(255 * max(np.abs((one - other)[..., :3] * weight).max(), np.abs((one - other)[..., 3]).max()))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Every odd file by name: where it is, and what ImageMagick makes of it, in one run."""
    if shutil.which("mogrify") is None:
        pytest.skip("needs ImageMagick as the independent decoder: apt install imagemagick")
    given, made = (tmp_path_factory.mktemp(name) for name in ("given", "made"))
    for name, data in odd_files.every(pillow_heif).items():
        (given / name).write_bytes(data)
    command = ["mogrify", "-quiet", "-path", str(made), "-depth", "16", "-auto-orient", "-colorspace", "sRGB", "-alpha", "set"]
    subprocess.run([*command, "-format", "pam", "*"], cwd=given, check=False, timeout=60, capture_output=True)
    found = {}
    for path in sorted(given.iterdir()):
        first = made / f"{path.stem}-0.pam"
        found[path.name] = (path, first if first.exists() else made / f"{path.stem}.pam")
    return found


def test_an_independent_decoder_sees_the_same(others: dict[str, tuple[Path, Path]]) -> None:
    assert len(others) > 300
    wrong = []
    for name, (path, made) in others.items():
        if any(name.startswith(known) for known in KNOWN):
            continue
        ours = seen(files.read(path))
        if not made.exists():
            wrong.append(f"{name}: read here, not there")
            continue
        theirs = pam(made)
        if ours.shape != theirs.shape:
            wrong.append(f"{name}: {ours.shape} here, {theirs.shape} there")
        elif (off := difference(ours, theirs)) > (3 if name.startswith(LOSSY) else 0.51):
            wrong.append(f"{name}: {off:.2f} levels")
    assert not wrong, "\n".join(wrong)
