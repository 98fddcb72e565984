"""Transcripts of `fourfold run` and `fourfold workflow`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourfold.cli.main import main
from fourfold.workflow.presets import presets

FAST = ["--set", "restored.runtime=onnxruntime", "--set", "restored.threads=1"]


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


def test_run_says_what_it_did_and_what_it_need_not_do_again(photo, capsys):
    words = ["run", "upscale-measured", "--set", "photo=photo.png", "-o", "out", *FAST]
    code, out, err = typed(capsys, *words)
    assert (code, out) == (0, "")
    first, figures, manifest = err.splitlines()
    assert first.startswith("photo.png → out/photo_large.png: ")
    assert figures.startswith("  figures: consistency psnr ")
    assert manifest == "manifest: out/manifest.json"
    code, _, err = typed(capsys, *words)
    assert ", 4 of 4 steps kept from before" in err
    code, _, err = typed(capsys, *words, "--fresh", "--overwrite")
    assert "kept from before" not in err
    assert typed(capsys, *words, "--quiet") == (0, "", "")
    code, out, err = typed(capsys, *words, "--json")
    assert json.loads(out) == json.loads(Path("out/manifest.json").read_text())
    assert err == ""


def test_many_photos_and_one_that_is_none(photo, capsys):
    Path("bad.png").write_text("nothing")
    words = ["run", "upscale", "--set", "photo=photo.png", "--set", "photo=bad.png", "-o", "out", *FAST]
    code, _, err = typed(capsys, *words)
    assert code == 3
    assert "bad.png: expected a picture" in err
    assert "photo.png → out/photo_large.png" in err
    code, _, err = typed(capsys, "run", "upscale", "--set", "photo=bad.png", "-o", "out", *FAST)
    assert code == 3


def test_replay(photo, capsys):
    typed(capsys, "run", "upscale", "--set", "photo=photo.png", "-o", "out", *FAST)
    code, _, err = typed(capsys, "run", "--replay", "out/manifest.json", "-o", "again")
    assert (code, "done again, the same bytes" in err) == (0, True)
    assert Path("again/photo_large.png").read_bytes() == Path("out/photo_large.png").read_bytes()
    words = ["run", "--replay", "out/photo_large.png", "--set", "photo=photo.png", "-o", "third"]
    code, _, err = typed(capsys, *words)
    assert (code, "done again, the same bytes" in err) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run"], 2, "expected either a workflow or --replay FILE"),
        (["run", "upscale", "--set", "photo"], 2, "expected --set NAME=VALUE, got 'photo'"),
        (["run", "upscale", "--set", "phto=x.png"], 2, "Did you mean photo?"),
        (["run", "upscale"], 2, "give it with --set photo=…"),
        (["run", "upscal"], 2, "Did you mean upscale?"),
        (["run", "upscale", "--set", "photo=photo.png", "--set", "restored.model=x"], 2, "there is no model 'x'"),
        (["run", "upscale", "--set", "photo=gone.png"], 3, "gone.png: expected a picture file, there is no such file"),
        (["workflow", "check", "gone.yaml"], 2, "expected a workflow file to read"),
        (["workflow", "show", "nothing"], 2, "there is no workflow 'nothing'"),
        (["workflow"], 2, "ACTION"),
    ],
)
def test_mistakes_end_in_a_sentence_and_a_code(photo, capsys, words, code, message):
    got, _, err = typed(capsys, *words)
    assert message in err
    assert got == code


def test_presets_are_listed_shown_as_files_and_checked(photo, capsys):
    _, out, _ = typed(capsys, "workflow", "list")
    assert [line.split()[0] for line in out.splitlines() if line][:-1] == list(presets())
    _, out, _ = typed(capsys, "workflow", "show", "upscale")
    Path("mine.yaml").write_text(out)
    code, out, _ = typed(capsys, "workflow", "check", "mine.yaml", "upscale")
    assert code == 0
    assert out == "".join(f"{name}: sound; runs small, restored, large\n" for name in ("mine.yaml", "upscale"))
    code, _, _ = typed(capsys, "run", "mine.yaml", "--set", "photo=photo.png", "-o", "out", *FAST)
    assert code == 0


def test_a_node_explains_itself(capsys):
    code, out, _ = typed(capsys, "workflow", "show", "blend")
    assert code == 0
    assert out.splitlines() == [
        "blend: Mix two pictures of one size.",
        "  takes image: image. The picture that a strength of 1 gives.",
        "  takes other: image. The picture that a strength of 0 gives; of the same size and colours.",
        "  gives image: image. The mixture.",
        "  optional strength: a number between 0 and 1; default 0.5. How much of the first picture.",
    ]


def test_the_schema_is_one_document(capsys):
    code, out, _ = typed(capsys, "workflow", "schema")
    assert code == 0
    assert json.loads(out)["properties"]["steps"]["additionalProperties"]["oneOf"][0]["title"] == "load"
