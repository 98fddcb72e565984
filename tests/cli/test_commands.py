"""Transcripts: what a person types, and what comes back."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageCms

from fourfold.api.inspect import doctor
from fourfold.cli.main import main

FAST = ["--runtime", "onnxruntime", "--threads", "1"]


@pytest.fixture
def photo(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    levels = np.linspace(0, 255, 20 * 16 * 3).reshape(16, 20, 3).astype(np.uint8)
    Image.fromarray(levels).save("photo.png")
    return Path("photo.png")


def typed(capsys, *words):
    try:
        code = main(list(words))
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_upscale_says_what_it_did(photo, capsys):
    code, out, err = typed(capsys, "upscale", "photo.png", *FAST)
    assert (code, out) == (0, "")
    assert err.startswith("photo.png → photo_x4.png: 20×16 → 80×64, ")
    assert "consistency" in err


def test_deblur_leaves_a_sharp_photo_alone_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sharp = np.random.default_rng(2).integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(sharp).save("sharp.png")
    code, out, err = typed(capsys, "deblur", "sharp.png", *FAST)
    assert (code, out) == (0, "")
    assert err.startswith("sharp.png → sharp_deblurred.png: 128×96, ")
    assert "not changed" in err
    assert "note: the picture looks sharp: it was left as it is" in err
    assert Path("sharp_deblurred.png").read_bytes() == Path("sharp.png").read_bytes()


def test_deblur_tells_of_a_moved_photo_in_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wide = np.pad(skimage.data.astronaut()[60:156, 100:228].astype(np.float32), ((0, 0), (7, 7), (0, 0)), mode="edge")
    moved = sum(wide[:, shift : shift + 128] for shift in range(15)) / 15
    Image.fromarray(np.rint(moved).astype(np.uint8)).save("moved.png")
    code, out, _ = typed(capsys, "deblur", "moved.png", "--strength", "0.5", "--json", *FAST)
    (entry,) = json.loads(out)["files"]
    assert code == 0
    assert entry["changed"] is True
    assert entry["blur"]["kind"] == "motion"
    assert (entry["output_size"], entry["strength"], entry["tiles"]) == ([128, 96], 0.5, {"total": 1})


def test_quiet_says_nothing(photo, capsys):
    assert typed(capsys, "upscale", "photo.png", "--quiet", *FAST) == (0, "", "")


def test_json_is_one_document_and_nothing_else(photo, capsys):
    Path("bad.jpg").write_text("no picture")
    code, out, _ = typed(capsys, "upscale", "photo.png", "bad.jpg", "--json", *FAST)
    document = json.loads(out)
    assert code == 3
    (entry,) = document["files"]
    assert set(entry) >= {
        "input", "output", "input_size", "output_size", "model", "runtime", "seconds", "seconds_model",
        "megapixels_per_second", "gmacs", "tiles", "peak_memory_mb", "consistency_psnr", "warnings",
        "consistency_worst", "added_detail", "added_detail_db", "bicubic_psnr", "phone_psnr",
    }  # fmt: skip
    assert set(entry["tiles"]) == {"total", "little", "big"}
    assert entry["output_size"] == [80, 64]
    assert document["failed"][0]["input"] == "bad.jpg"
    assert "bad.jpg" in document["failed"][0]["error"]


def test_reports(photo, capsys):
    assert typed(capsys, "upscale", "photo.png", "--report", "out/r.html", "--quiet", *FAST)[0] == 0
    page = Path("out/r.html").read_text()
    assert "20×16" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/png") == 2
    assert "screen, 1080 across" not in page
    assert typed(capsys, "upscale", "photo.png", "--overwrite", "--report", "r.json", "--quiet", *FAST)[0] == 0
    assert json.loads(Path("r.json").read_text())["files"][0]["output"] == "photo_x4.png"
    code, _, err = typed(capsys, "upscale", "photo.png", "--report", "r.txt")
    assert (code, ".html or .json" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["upscale", "photo.png", "--scale", "9"], 2, "scale lies between 1 and 8; got 9"),
        (["upscale", "photo.png", "--styl", "x"], 2, "style is one of"),
        (["upscale", "photo.png", "-m", "fourfold-litle-x4"], 5, "Did you mean fourfold-little-x4?"),
        (["upscale", "photo.png", "--route", "big", "--time-budget", "2"], 2, "leave --route and --model on auto"),
        (["upscale", "photo.png", "--strength", "1.5"], 2, "strength lies between 0 and 1"),
        (["upscale", "gone.png"], 3, "gone.png"),
        (["upscale", "photo.png", "--format", "gif"], 2, "format is one of"),
        (["upscale", "photo.png", "--min-consistency", "99"], 4, "the result was not kept"),
        (["upscale"], 2, "INPUT"),
        (["upscal"], 2, "invalid choice"),
        (["models", "show", "nothing"], 5, "there is no model"),
        (["measure", "photo.png"], 2, "--input"),
        (["train", "litle", "--photos", "."], 2, "Did you mean little?"),
    ],
)
def test_mistakes_end_in_a_sentence_and_a_code(photo, capsys, words, code, message):
    got, _, err = typed(capsys, *words)
    assert message in err
    assert got == code
    assert "Traceback" not in err


def test_too_little_memory_is_code_six(photo, capsys, monkeypatch):
    monkeypatch.setenv("FOURFOLD_MEM_MB", "64")
    code, _, err = typed(capsys, "upscale", "photo.png")
    assert (code, "64 MiB are free" in err) == (6, True)


def test_measure(photo, capsys):
    typed(capsys, "upscale", "photo.png", "--quiet", *FAST)
    code, out, _ = typed(capsys, "measure", "photo_x4.png", "--input", "photo.png", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["consistency_psnr"] > 20
    assert found["psnr_y"] is None
    assert found["added_detail"] > 0
    code, out, _ = typed(capsys, "measure", "photo_x4.png", "--input", "photo.png", "--reference", "photo_x4.png")
    assert "PSNR-Y" in out
    assert f"{found['added_detail']:.2f} levels" in out
    assert re.search(r"PSNR-Y +exact ", out)
    _, out, _ = typed(
        capsys, "measure", "photo_x4.png", "--input", "photo.png", "--reference", "photo_x4.png", "--json"
    )
    same = json.loads(out, parse_constant=pytest.fail)  # Infinity is no JSON
    assert (same["psnr_y"], same["ssim_y"]) == (None, 1)


def test_measure_as_a_gate(photo, capsys):
    typed(capsys, "upscale", "photo.png", "--quiet", *FAST)
    words = "measure", "photo_x4.png", "--input", "photo.png", "--json", "--min-consistency"
    code, out, err = typed(capsys, *words, "10")
    assert (code, err) == (0, "")
    found = json.loads(out)
    code, out, err = typed(capsys, *words, "99")
    assert (code, json.loads(out)) == (4, found)
    assert f"at least 99 dB, measured {found['consistency_psnr']:.2f} dB" in err
    code, _, _ = typed(capsys, "measure", "photo.png", *words[2:], "99")  # the photo itself is exact
    assert code == 0


def test_consistent_is_a_switch(photo, capsys):
    words = ["upscale", "photo.png", "--overwrite", "--json", *FAST]
    (plain,), (exact,) = (json.loads(typed(capsys, *words, *more)[1])["files"] for more in ([], ["--consistent"]))
    assert exact["consistency_worst"] < 0.5 < plain["consistency_worst"]
    assert exact["consistency_psnr"] > plain["consistency_psnr"] + 6


def test_a_result_wider_than_a_phone_is_shown_on_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((300, 40)).convert("RGB").save("wide.png")
    typed(capsys, "upscale", "wide.png", "--report", "r.html", "--quiet", *FAST)
    page = Path("r.html").read_text()
    assert page.count('<section class="pair">') == 2
    assert "screen, 1080 across" in page


def test_models(capsys):
    code, out, _ = typed(capsys, "models", "list")
    assert code == 0
    assert "Apache-2.0" in out
    identifier = next(line.split()[0] for line in out.splitlines() if "runs here" in line)
    code, out, _ = typed(capsys, "models", "show", identifier, "--json")
    assert json.loads(out)["id"] == identifier
    code, out, _ = typed(capsys, "models", "show", identifier)
    assert "licence: Apache-2.0" in out
    code, out, _ = typed(capsys, "models", "verify")
    assert code == 0
    assert out.startswith("ok ")


def test_doctor(capsys):
    code, out, _ = typed(capsys, "doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["fastest_runtime"].split()[0] in found["runtimes"]
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {*found["extras"]} == {*project["optional-dependencies"]} - {"dev"}
    assert found["extras"]["heif"] == f"pi-heif {version('pi-heif')}"


def test_doctor_says_which_extras_are_missing(monkeypatch):
    monkeypatch.setattr("fourfold.api.inspect._installed", lambda name: "" if name == "uvicorn" else "1.0")
    extras = doctor()["extras"]
    assert extras["serve"] == "missing: pip install 'fourfold[serve]'"
    assert extras["llm"] == "openai 1.0"


def test_interrupting_keeps_what_is_finished(photo):
    sources = []
    for number in range(200):
        source = Path(f"p{number:03}.png")
        source.write_bytes(photo.read_bytes())
        sources.append(str(source))
    command = [sys.executable, "-m", "fourfold", "upscale", *sources, "-o", "out/", *FAST]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    deadline = time.monotonic() + 60
    while not list(Path("out").glob("*.png")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished files are kept" in err
    results = list(Path("out").iterdir())
    assert 0 < len(results) < 200
    for result in results:
        with Image.open(result) as picture:
            picture.load()
            assert picture.size == (80, 64)


def test_a_bar_on_a_terminal_lines_elsewhere(photo):
    import pty

    parent, child = pty.openpty()
    command = [sys.executable, "-m", "fourfold", "upscale", "photo.png", "--overwrite", *FAST]
    with os.fdopen(parent, "rb", buffering=0) as screen:
        process = subprocess.Popen(command, stderr=child, env={**os.environ, "TERM": "xterm"})
        os.close(child)
        shown = b""
        try:
            while chunk := screen.read(4096):
                shown += chunk
        except OSError:
            pass  # the terminal closes with the program
        assert process.wait() == 0
    assert b"\x1b[" in shown
    plain = subprocess.run(command, capture_output=True, check=True)
    assert b"\x1b[" not in plain.stderr


def test_a_report_shows_the_colours_of_the_photo(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.linear_gradient("L").resize((300, 40)).convert("RGB").save("p.png", icc_profile=profile)
    typed(capsys, "upscale", "p.png", "--report", "r.html", "--quiet", *FAST)
    shown = re.findall(r"data:image/\w+;base64,([^\"]+)", Path("r.html").read_text())
    profiles = [Image.open(io.BytesIO(base64.b64decode(data))).info.get("icc_profile") for data in shown]
    assert profiles == 5 * [profile]
