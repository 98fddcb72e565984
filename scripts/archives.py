"""Read the odd pictures in the source archives of other projects, beside other decoders and an earlier fourfold.

    python scripts/archives.py [COMMIT]

Pillow, tifffile and pillow-heif are fetched as source archives from PyPI into a temporary folder, of which nothing is
kept. ``docs/reference/odd-pictures.md`` is written: which files are read, refused and why, and which ImageMagick and
libvips both read otherwise. Files that the commit read and this state refuses are printed.
"""

import json
import re
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


def differs(name: str, folder: Path) -> str:
    """How far ours is from what ImageMagick and libvips read, in words; empty if one agrees, or neither reads it."""
    pam = next((p for p in (folder / "pam" / f"{Path(name).stem}{end}.pam" for end in ("", "-0")) if p.exists()), None)
    far = compared(folder, name, pam) if pam else ""
    if not far:
        return ""
    png = folder / "vips.png"
    command = ["vips", "autorot", folder / "given" / name, png]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    return far if done.returncode or compared(folder, name, png) else ""


def compared(folder: Path, name: str, theirs: Path) -> str:
    """How far another decoder's pixels are from ours, in words; empty if they agree."""
    import numpy as np

    sys.path.insert(0, str(ROOT / "tests" / "imaging"))
    import test_odd_files as odd

    try:
        one, other = odd.rgba(np.load(folder / "now" / f"{name}.npy")), odd.theirs(theirs)
    except ValueError:
        return ""
    if one.shape != other.shape:
        return f"{one.shape[1]}×{one.shape[0]} here, {other.shape[1]}×{other.shape[0]} there"
    off = 255 * np.abs(one - other)
    off[..., :3] *= np.minimum(one[..., 3:], other[..., 3:])
    return f"{off.mean():.0f} levels on average" if off.mean() > 2 else ""


WHY = {
    "-b-": "a broken picture of a set of such: each decoder makes something else of it",
    "guitar": "10 bits a channel; libvips does not read it, and why ImageMagick differs is not known",
    "abgr": "the file says that all is transparent, which nobody means",
    "fakealpha": "the fourth byte of a pixel has no stated meaning",
    "tags_orientation": "turned by XMP, which the others do not read",
    "os2v2": "the others read another palette; ours is that of the same picture in other kinds of BMP",
}
"""Where others see another picture, by a part of the file's name: why."""


def page(now: dict[str, tuple[str, str]], far: dict[str, str]) -> str:
    """The page of figures: a table by archive, the refusals by reason, the differences."""
    lines = [HEAD, f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|"]
    for name in ARCHIVES:
        of = {file: what for file, (what, _) in now.items() if _archive(file) == name}
        counts = Counter(of.values())
        cells = [name, len(of), *(counts[what] for what in ("read", "refused", "crashed"))]
        lines.append(f"| {' | '.join(map(str, [*cells, sum(one in of for one in far)]))} |")
    reasons: dict[str, list[str]] = {}
    for file, (what, why) in sorted(now.items()):
        if what != "read":
            reasons.setdefault(re.sub(r"\d[\d×.]*|b'.*'|\(.*?\)", "…", why.partition(". ")[0]), []).append(file)
    lines += ["", "## Refused", "", "| Files | Reason |", "| --- | --- |"]
    lines += [f"| {', '.join(f'`{one}`' for one in files)} | {why} |" for why, files in sorted(reasons.items())]
    lines += ["", "## Read otherwise by ImageMagick and libvips", "", "| File | How far | Why |", "| --- | --- | --- |"]
    for file, how in sorted(far.items()):
        why = next((text for part, text in WHY.items() if part in file), "")
        lines.append(f"| `{file}` | {how} | {why} |")
    return "\n".join([*lines, ""])


COLUMNS = ("Archive", "Pictures", "Read", "Refused", "Crashed", "Read otherwise by both others")
HEAD = """# Odd pictures of other projects

Made by `python scripts/archives.py` from the source archives of other projects, which keep pictures that once broke
something. The names of files begin with their archive's and their folder's. Nothing of them is kept here. An archive
without pictures is counted, too.
"""


def _archive(file: str) -> str:
    return max((name for name in ARCHIVES if file.startswith(name)), key=len)


def main(commit: str) -> int:
    """Fetch, read, compare, write the page; the number of files that crashed, or that only the commit reads."""
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
        now = read_with(ROOT / "src", given, folder / "now")
        before = read_with(folder / "src", given, folder / "before")
        found = {name: differs(name, folder) for name, (what, _) in sorted(now.items()) if what == "read"}
        text = page(now, {name: how for name, how in found.items() if how})
        (ROOT / "docs" / "reference" / "odd-pictures.md").write_text(text, encoding="utf-8")
        lost = [name for name in now if now[name][0] != "read" and before.get(name, ("",))[0] == "read"]
        for name in lost:
            print(f"{name}: read by {commit}, now {now[name]}")
        return len(lost) + sum(what == "crashed" for what, _ in now.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if sys.argv[1:] else "863ba74") > 0)
