"""Some hundred odd files, thirty or more of every format, against independent decoders: ImageMagick and libvips."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import odd_files
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from fourfold.core.image import Image
from fourfold.imaging import files
from fourfold.imaging.formats import FORMATS

pillow_heif = pytest.importorskip("pillow_heif", reason="makes the HEIC files; pip install 'fourfold[dev]'")

LOSSY = ("jpeg", "webp", "avif", "heif", "tiff-jpeg")
BY_VIPS = {
    "png-turned": "ImageMagick 6 does not turn a PNG by its EXIF block",
    "webp-turned": "ImageMagick 6 does not turn a WebP by its EXIF block",
    "tiff-inverted-2": "ImageMagick 6 does not invert 2 bits a sample",
    "tiff-inverted-4": "ImageMagick 6 does not invert 4 bits a sample",
    "avif-RGB-17": "ImageMagick 6 is some levels off in small AVIF pictures",
    "avif-turned": "ImageMagick 6 is some levels off in small AVIF pictures",
    "avif-range": "ImageMagick 6 is some levels off in small AVIF pictures",
    "avif-RGBA": "ImageMagick 6 reads no transparency of AVIF",
    "heif-RGB-17": "ImageMagick 6 is some levels off in small HEIC pictures",
    "heif-RGBA": "ImageMagick 6 reads no transparency of HEIC",
}
"""Files that libvips is asked about instead, by the beginning of their names: why."""
KNOWN = {
    "bmp-32": "without a mask for it the fourth byte of a pixel means nothing; the others take it as transparency",
    "bmp-clear": "a picture that would be transparent everywhere is taken as opaque, as in most programs",
    "tiff-inverted-12": "ImageMagick 6 does not invert 12 bits a sample; libvips does not read them",
    "tiff-thumbnail-first": "the others take the first page even if it says that it is a thumbnail",
}
"""Where the decoders differ, by the beginning of a file's name: why."""


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


def differs(name: str, one: NDArray[np.float32], other: NDArray[np.float32]) -> str:
    """In words, or empty: of files compressed with loss by more than 2 levels of 255 on average, else anywhere.

    Where colours are stored at half the size, decoders enlarge them in different ways.
    """
    if one.shape != other.shape:
        return f"{name}: {one.shape} here, {other.shape} there"
    off = 255 * np.abs(one - other)
    off[..., :3] *= np.minimum(one[..., 3:], other[..., 3:])  # colours count as far as they are seen
    worst = off.mean() if name.startswith(LOSSY) else off.max()
    limit = 3 if "-420." in name else 2 if name.startswith(LOSSY) else 1.01 if name.startswith("bmp-16") else 0.01
    return f"{name}: {worst:.2f} levels" if worst > limit else ""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Every odd file by name: where it is, and what ImageMagick, in one run, or libvips makes of it."""
    if shutil.which("mogrify") is None or shutil.which("vips") is None:
        pytest.skip("needs independent decoders: apt install imagemagick libvips-tools")
    given, made = (tmp_path_factory.mktemp(name) for name in ("given", "made"))
    for name, data in odd_files.every(pillow_heif).items():
        (given / name).write_bytes(data)
    options = ["-quiet", "-depth", "16", "-auto-orient", "-colorspace", "sRGB", "-alpha", "set", "-format", "pam"]
    subprocess.run(["mogrify", "-path", made, *options, "*"], cwd=given, check=False, timeout=60, capture_output=True)
    found = {}
    for path in sorted(given.iterdir()):
        if path.name.startswith(tuple(BY_VIPS)):
            one = made / f"{path.stem}.png"
            subprocess.run(["vips", "autorot", path, one], check=True, timeout=60, capture_output=True)
        else:
            one = made / f"{path.stem}-0.pam"
            one = one if one.exists() else made / f"{path.stem}.pam"
        found[path.name] = (path, one)
    return found


def theirs(path: Path) -> NDArray[np.float32]:
    """What another decoder made: libvips a PNG, ImageMagick a PAM."""
    if path.suffix == ".pam":
        return pam(path)
    with Pillow.open(path) as picture:
        return np.asarray(picture.convert("RGBA"), np.float32) / 255


def test_an_independent_decoder_sees_the_same(others: dict[str, tuple[Path, Path]]) -> None:
    kinds = Counter(name.split("-")[0] for name in others)
    assert len(kinds) == len(FORMATS)
    assert min(kinds.values()) >= 30
    found = {}
    for name, (path, made) in others.items():
        ours = seen(files.read(path))
        found[name] = differs(name, ours, theirs(made)) if made.exists() else f"{name}: read here, not there"
    listed = {name for name in found if name.startswith(tuple(KNOWN))}
    assert not [what for name, what in found.items() if what and name not in listed]
    assert all(any(found[name] for name in listed if name.startswith(known)) for known in KNOWN)
