"""The house itself: floors, light imports, one list of each thing."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "onnxruntime", "openvino", "cv2", "ncnn", "fastapi", "ray", "skimage", "rich"}


def test_imports_go_downwards_only():
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import fourfold", set()),
        ("from fourfold.cli.main import parser; parser()", set()),
        ("from fourfold.cli.main import main; main(['models', 'list'])", {"platformdirs"}),
        ("import fourfold; fourfold.ask", set()),
        ("import fourfold; fourfold.upscale", {"numpy", "PIL", "platformdirs"}),
    ],
)
def test_imports_stay_light(code, allowed):
    script = f"import sys, json\n{code}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    third_party = loaded & (HEAVY | {"numpy", "PIL", "platformdirs"})
    assert third_party <= allowed


def test_a_jpeg_loads_nothing_that_it_does_without(tmp_path):
    """Each of these takes as long to load as a small photo to be decoded, or longer."""
    pytest.importorskip("openvino")
    photo, needless = tmp_path / "photo.jpg", {"numpy.ma", "urllib.request", "ssl"}
    Image.fromarray(data.astronaut()[:64, :80]).save(photo)
    needless |= {f"fourfold.imaging.codecs.{name}" for name in ("png", "tiff", "tiff_pages", "heif")}
    script = (
        "import sys\nfrom fourfold.cli.main import main\n"
        f"main(['upscale', {str(photo)!r}, '--runtime', 'openvino', '--quiet'])\n"
        f"print([name for name in {sorted(needless)!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (tmp_path / "photo_x4.jpg").exists(), done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_readme_shows_a_command_early():
    lines = (ROOT / "README.md").read_text().splitlines()
    first = next(i for i, line in enumerate(lines, 1) if line.startswith("```"))
    assert first <= 23


def test_the_changelog_knows_this_version():
    import fourfold

    assert f"## {fourfold.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_public_names_resolve():
    import fourfold

    for name in fourfold.__all__:
        assert callable(getattr(fourfold, name))
    with pytest.raises(AttributeError, match="no attribute 'upscal'"):
        fourfold.upscal  # noqa: B018


def test_the_picture_of_the_map_is_up_to_date():
    spec = importlib.util.spec_from_file_location("map", ROOT / "scripts" / "map.py")
    house = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(house)
    if os.environ.get("FOURFOLD_UPDATE_DOCS"):
        house.PICTURE.write_text(house.drawn(), "utf-8")
    assert house.PICTURE.read_text("utf-8") == house.drawn(), "run python scripts/map.py"
