"""Documentation is true: its commands run, its generated pages are fresh, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourfold.cli.main import commands, parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))


@pytest.fixture
def workplace(tmp_path):
    levels = np.linspace(0, 255, 24 * 20 * 3).reshape(20, 24, 3).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "photo.png", "scan.tif", "photos/hill.png"):
        Image.fromarray(levels).save(tmp_path / name)
    np.save(tmp_path / "array.npy", levels)
    return tmp_path


def test_the_readmes_commands_run(workplace):
    lines = [line for line in blocks("sh").splitlines() if "fourfold" in line and "pip" not in line]
    assert len(lines) >= 6
    script = "\n".join(["set -e -o pipefail", *lines])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=workplace,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for made in ("photo_x4.jpg", "large/photo_x4.jpg", "large/report.html", "scan_x2.png", "large.png"):
        assert (workplace / made).stat().st_size > 100, made


def test_the_readmes_python_runs(workplace):
    code = "import numpy; array = numpy.load('array.npy')\n" + blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_command_reference_is_fresh(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    top = parser()
    (verbs,) = (a for a in top._actions if a.dest == "verb")
    parts = ["# Commands\n\nMade from the program itself by `make docs`.\n", f"```text\n{top.format_help()}```\n"]
    parts += [f"## {name}\n\n```text\n{verbs.choices[name].format_help()}```\n" for name in commands()]
    fresh, page = "\n".join(parts), ROOT / "docs/reference/commands.md"
    if os.environ.get("FOURFOLD_UPDATE_DOCS"):
        page.write_text(fresh)
    assert page.read_text() == fresh, "stale; run `make docs`"
