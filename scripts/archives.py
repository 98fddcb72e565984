"""Read the odd pictures in the source archives of other projects, beside ImageMagick and an earlier state of fourfold.

    python scripts/archives.py [COMMIT]

Pillow, tifffile and pillow-heif are fetched as source archives from PyPI into a temporary folder. The table says which
files are read, refused and why; which of them the commit read otherwise or refused; and where ImageMagick sees other
pixels. Nothing is kept.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ARCHIVES = ("pillow", "tifffile", "pillow-heif")
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".tif", ".tiff", ".webp", ".avif", ".heic",
            ".heif", ".hif", ".bmp", ".dib", ".gif"}  # fmt: skip
SECONDS = 1800

READER = """
import json, sys
import numpy as np
from pathlib import Path
from fourfold.core.errors import FourfoldError
from fourfold.imaging import files
given, made = map(Path, sys.argv[1:3])
for path in sorted(given.iterdir()):
    try:
        picture = files.read(path, 60_000_000)
        parts = [picture.pixels] + ([] if picture.alpha is None else [picture.alpha[..., None]])
        np.save(made / (path.name + ".npy"), np.concatenate(parts, -1))
        print(json.dumps([path.name, "read", " ".join(picture.notes)]), flush=True)
    except FourfoldError as error:
        print(json.dumps([path.name, "refused", str(error).replace(str(path) + ": ", "")]), flush=True)
    except Exception as error:
        print(json.dumps([path.name, "crashed", repr(error)]), flush=True)
"""


def fetch(folder: Path) -> None:
    """Put the pictures of all archives into a folder, under names that begin with their archive's."""
    for name in ARCHIVES:
        with tempfile.TemporaryDirectory() as loose:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, "-d", loose, name]
            subprocess.run(pip, check=True, timeout=SECONDS)
            for archive in Path(loose).iterdir():
                with tarfile.open(archive) as opened:
                    for member in opened:
                        path = Path(member.name)
                        if member.isfile() and path.suffix.lower() in SUFFIXES:
                            stream = opened.extractfile(member)
                            assert stream is not None
                            stem = "-".join([name, *path.parts[-2:]]).replace(".", "_")  # no two of one stem
                            flat = stem + path.suffix
                            (folder / flat).write_bytes(stream.read())


def read_with(source: Path, given: Path, made: Path) -> dict[str, tuple[str, str]]:
    """What a state of fourfold makes of every file: read, refused or crashed, and notes or the reason."""
    made.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", READER, given, made],
        env={"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = {name: (what, why) for name, what, why in rows}
    missing = [path.name for path in sorted(given.iterdir()) if path.name not in found]
    return found | dict.fromkeys(missing[:1], ("crashed", f"the process ended with {done.returncode}"))


def compared(ours: Path, theirs: Path) -> str:
    """How far ImageMagick's pixels are from ours, in words; empty if they agree, or it read nothing."""
    import numpy as np

    sys.path.insert(0, str(ROOT / "tests" / "imaging"))
    from test_odd_files import pam, rgba

    if not theirs.exists():
        return ""
    try:
        one, other = rgba(np.load(ours)), pam(theirs)
    except ValueError:
        return ""
    if one.shape != other.shape:
        return f"{one.shape[1]}×{one.shape[0]} here, {other.shape[1]}×{other.shape[0]} there"
    off = 255 * np.abs(one - other)
    off[..., :3] *= np.minimum(one[..., 3:], other[..., 3:])
    return f"{off.mean():.1f} levels on average" if off.mean() > 2 else ""


def main(commit: str) -> int:
    """Fetch, read, compare, print; the number of files that crashed."""
    with tempfile.TemporaryDirectory() as loose:
        folder = Path(loose)
        given, pam = folder / "given", folder / "pam"
        given.mkdir()
        pam.mkdir()
        fetch(given)
        git = ["git", "-C", ROOT, "archive", commit, "src"]
        tree = subprocess.run(git, check=True, capture_output=True, timeout=SECONDS).stdout
        subprocess.run(["tar", "x", "-C", folder], input=tree, check=True, timeout=SECONDS)
        options = ["-quiet", "-depth", "16", "-auto-orient", "-colorspace", "sRGB", "-alpha", "set", "-format", "pam"]
        subprocess.run(
            ["mogrify", "-path", pam, *options, "*"], cwd=given, capture_output=True, timeout=SECONDS, check=False
        )
        now, before = (
            read_with(ROOT / "src", given, folder / "now"),
            read_with(folder / "src", given, folder / "before"),
        )
        for name in sorted(now):
            _say(name, now[name], before.get(name, ("missing", "")), folder)
        print(Counter(what for what, _ in now.values()), "before:", Counter(what for what, _ in before.values()))
        return sum(what == "crashed" for what, _ in now.values())


def _say(name: str, now: tuple[str, str], before: tuple[str, str], folder: Path) -> None:
    theirs = next(
        (p for p in (folder / "pam" / f"{Path(name).stem}{end}.pam" for end in ("", "-0")) if p.exists()), None
    )
    differs = compared(folder / "now" / f"{name}.npy", theirs) if now[0] == "read" and theirs else ""
    if now[0] != "read" or before[0] != now[0] or differs:
        seen = "" if theirs else "; ImageMagick reads nothing"
        told = f" ({now[1]})" if now[0] != "read" else ""
        print(f"{name}: {now[0]}{told}; before {before[0]}{seen}{'; ' + differs if differs else ''}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if sys.argv[1:] else "863ba74") > 0)
