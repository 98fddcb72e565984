import json
from pathlib import Path

import pytest

import fourfold
from fourfold.cli.main import main

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
