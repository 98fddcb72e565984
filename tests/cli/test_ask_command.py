import base64
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

import fourfold
from fourfold.cli.main import main
from fourfold.scientist import measured
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard

BRIEF = """A user has asked the following question:
"How can I make my 300 pixel wide holiday photo four times as large?"

### Recommended AI Models:
Model: SR-EDSR-DIV2K
Paper: https://example.org/edsr.pdf
GitHub: https://github.com/someone/edsr

### Related Papers:
Model: A paper about enlarging
Paper: http://example.org/p.pdf
Summary: We introduce a network for single image super-resolution that enlarges a photo four times while keeping edges.

Answer:
"""


@pytest.fixture
def brief(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "brief.txt"
    path.write_text(BRIEF)
    return path


def test_a_brief_becomes_two_files(brief, capsys):
    assert main(["ask", str(brief), "-o", "out"]) == 0
    markdown, values = (brief.parent / "out" / name for name in ("answer.md", "answer.json"))
    assert json.loads(values.read_text())["task"]["id"] == "image-to-image/super-resolution"
    assert markdown.read_text() == fourfold.ask(BRIEF).markdown
    assert "answer.md" in capsys.readouterr().err
    before = markdown.read_bytes(), values.read_bytes()
    assert main(["ask", str(brief), "-o", "out", "--quiet"]) == 0
    assert (markdown.read_bytes(), values.read_bytes()) == before
    assert capsys.readouterr().err == ""


def test_a_folder_of_briefs_and_a_bad_one_among_them(brief, capsys):
    folder = brief.parent / "briefs"
    folder.mkdir()
    brief.rename(folder / "01.txt")
    (folder / "02.txt").write_text("nothing of the kind")
    assert main(["ask", str(folder), "-o", "out"]) == 3
    assert sorted(path.name for path in Path("out").iterdir()) == ["01.json", "01.md"]
    assert "02.txt: line 1: expected a brief" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["ask", "gone.txt"], 3, "gone.txt: expected a brief to read"),
        (["ask", "."], 2, "expected briefs (.txt)"),
        (["ask", "brief.txt", "--llm-model", "x"], 2, "go together"),
        (["ask", "nonsense.txt"], 2, "line 1: the brief is empty; expected a brief"),
    ],
)
def test_mistakes(brief, capsys, words, code, message):
    (brief.parent / "nonsense.txt").write_text("\n\n")
    if words[1] == ".":
        for name in ("brief.txt", "nonsense.txt"):
            (brief.parent / name).unlink()
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_a_language_model_that_is_not_there_changes_nothing_but_says_so(brief):
    words = ["ask", str(brief), "-o", "out", "--llm-base-url", "http://127.0.0.1:9", "--llm-model", "m"]
    assert main(words) == 0
    markdown = (brief.parent / "out" / "answer.md").read_text()
    assert markdown.startswith(fourfold.ask(BRIEF).markdown)
    assert "It gave no usable answer" in markdown


@pytest.fixture
def photo(brief):
    x, y = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 40))
    levels = (np.dstack([x, y, 0.5 + 0.5 * np.sin(40 * x * y)]) * 255).astype(np.uint8)
    Image.fromarray(levels).save("photo.jpg")
    return Path("photo.jpg")


def test_with_a_photo_the_answer_is_done_and_every_figure_is_of_that_run(brief, photo, capsys):
    assert main(["ask", str(brief), "--photo", str(photo), "-o", "out"]) == 0
    assert "out/answer.html" in capsys.readouterr().err
    with Image.open("out/photo_large.jpg") as large:
        assert large.size == (240, 160)
    document = json.loads(Path("out/answer.json").read_text())
    run = json.loads(Path("out/manifest.json").read_text())["runs"][0]
    markdown = Path("out/answer.md").read_text()
    assert guard(document | {"markdown": markdown}, parse(BRIEF), run) == []
    assert len(document["measured"]) >= 4
    assert "**SR-EDSR-DIV2K** was not run: it is not installed here." in markdown
    assert "outside the brief" in markdown
    page = Path("out/answer.html").read_text()
    shown = dict(re.findall(r"<code>([\w.-]+)</code></dt><dd>([^<]*)</dd>", page))
    assert {field.split(".")[-1] for field in shown} >= {
        "output_size", "seconds_model", "gmacs", "consistency_psnr", "added_detail",
    }  # fmt: skip
    for field, text in shown.items():
        assert html.unescape(text) == measured.shown(field, measured.lookup(run, field))
    for sentence in document["measured"]:
        assert html.escape(sentence["text"].split("*")[-1]) in page
    assert page.count("data:image/jpeg") == 5  # two pairs, and the photo under its tiles


def test_with_a_photo_only_what_an_answer_made_itself_is_replaced(brief, photo, capsys):
    words = ["ask", str(brief), "--photo", str(photo), "-o", "out", "--quiet"]
    Path("out").mkdir()
    mine = Path("out/photo_large.jpg")
    mine.write_bytes(b"mine")
    assert main(words) == 3
    assert "exists already; give --overwrite" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    assert main(words) == 0
    first = mine.read_bytes()
    assert main(words) == 0
    assert mine.read_bytes() == first
    run = ["run", "upscale", "--set", f"photo={photo}", "--set", "scale=3", "-o", "out", "--overwrite", "--quiet"]
    assert main(run) == 0
    larger = mine.read_bytes()
    assert main(words) == 3
    assert mine.read_bytes() == larger
    assert main([*words, "--overwrite"]) == 0
    assert mine.read_bytes() == first


DEBLUR = "How can I remove the motion blur from my shaken photo?"


def test_briefs_for_two_tasks_do_not_share_a_picture(brief, photo):
    Path("briefs").mkdir()
    sharp = skimage.data.coffee()[:120, :160].astype(float)
    moved = np.mean([sharp[:, at : at + 148] for at in range(13)], axis=0)
    Image.fromarray(moved.astype(np.uint8)).save(photo)
    Path("briefs/a.txt").write_text(BRIEF)
    Path("briefs/b.txt").write_text(re.sub('"How can .*"', f'"{DEBLUR}"', BRIEF))
    assert main(["ask", "briefs", "--photo", str(photo), "-o", "out", "--quiet"]) == 0
    assert len(list(Path("out").rglob("photo_*.jpg"))) == len(list(Path("out").rglob("manifest.json"))) == 2


def test_a_photo_keeps_its_place_and_date_out_of_the_page(brief, photo):
    exif = Image.Exif()
    exif[0x010F], exif[0x9003] = "SecretCamera", "2026:01:02 03:04:05"
    Image.open(photo).copy().save("tagged.jpg", exif=exif)
    assert main(["ask", str(brief), "--photo", "tagged.jpg", "-o", "out", "--quiet"]) == 0
    for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", Path("out/answer.html").read_text()):
        assert b"SecretCamera" not in base64.b64decode(data)


def test_a_task_that_nothing_here_does_is_answered_without_a_run(brief, photo):
    brief.write_text(BRIEF.replace("make my 300 pixel wide holiday photo four times as large", "translate my letters"))
    assert main(["ask", str(brief), "--photo", str(photo), "-o", "out", "--quiet"]) == 0
    assert "Nothing was run on your photo" in Path("out/answer.md").read_text()
    assert "data:image" not in Path("out/answer.html").read_text()
    assert not Path("out/manifest.json").exists()


def test_a_folder_of_briefs_runs_a_task_once(brief, photo):
    folder = brief.parent / "briefs"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(BRIEF)
    assert main(["ask", "briefs", "--photo", str(photo), "-o", "out", "--quiet"]) == 0
    assert Path("out/a.html").read_text() == Path("out/b.html").read_text()
    assert Path("out/a.md").read_text() == Path("out/b.md").read_text()


@pytest.mark.parametrize("question", ["translate my letters", "make my 300 pixel wide photo four times as large"])
def test_a_photo_that_is_none_is_said(brief, capsys, question):
    Path("bad.jpg").write_text("nothing")
    brief.write_text(BRIEF.replace("make my 300 pixel wide holiday photo four times as large", question))
    assert main(["ask", str(brief), "--photo", "bad.jpg", "-o", "out"]) == 3
    assert "bad.jpg: expected a picture" in capsys.readouterr().err
    assert not list(Path("out").glob("answer.*"))


def test_a_language_model_beside_a_run_changes_none_of_its_figures(brief, photo):
    words = ["--llm-base-url", "http://127.0.0.1:9", "--llm-model", "m", "--quiet"]
    assert main(["ask", str(brief), "--photo", str(photo), "-o", "out", *words]) == 0
    markdown = Path("out/answer.md").read_text()
    assert "It gave no usable answer" in markdown
    assert "Tried on your photo" in markdown
