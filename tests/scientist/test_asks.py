"""What a question asks is found, each answered, inferred or said to be open, and shown in the text."""

import re
import tomllib
from pathlib import Path
from statistics import fmean

import pytest

from fourfold.scientist.answer import answer, to_json
from fourfold.scientist.asks import asked
from fourfold.scientist.brief import parse
from fourfold.scientist.tasks import read
from fourfold.scientist.values import Brief, Source

HERE = Path(__file__).parent
EXPECTED: dict[str, dict[str, str]] = tomllib.loads((HERE / "asks.toml").read_text(encoding="utf-8"))
PUBLIC = [name for name in EXPECTED if name.startswith("public/")]
OWN = [name for name in EXPECTED if not name.startswith("public/")]
BRIEFS = sorted([*(HERE / "briefs").glob("??.txt"), *(HERE / "heldout").glob("??.txt")])


def covered(text: str, expected: dict[str, str]) -> dict[str, bool]:
    """For each expected ask, whether the answer to a brief lists one over the same words with a right status."""
    brief = parse(text)
    said = to_json(answer(brief))["asks"]
    found = {}
    for words, statuses in expected.items():
        start = brief.question.find(words)
        assert start >= 0, words
        end = start + len(words)
        over = [one for one in said if min(end, one["span"][1]) - max(start, one["span"][0]) >= 0.5 * min(
            end - start, one["span"][1] - one["span"][0])]  # fmt: skip
        found[words] = any(one["status"] in statuses.split("|") for one in over)
    return found


def coverage(names: list[str], folder: Path) -> tuple[float, list[str]]:
    """The share of the expected asks of briefs that are covered, and those that are not."""
    found = {
        (name, words): right
        for name in names
        for words, right in covered((folder / f"{name}.txt").read_text(encoding="utf-8"), EXPECTED[name]).items()
    }
    return fmean(found.values()), [f"{name}: {words}" for (name, words), right in found.items() if not right]


def test_asks_of_the_public_briefs_are_covered(shared, tmp_path):
    folder = tmp_path / "public"
    folder.symlink_to(shared / "briefs")
    share, missed = coverage(PUBLIC, tmp_path)
    assert share >= 0.95, missed


def test_asks_of_briefs_of_our_own_are_covered():
    share, missed = coverage(OWN, HERE)
    assert share >= 0.95, missed


@pytest.mark.parametrize("path", BRIEFS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_ask_is_words_of_the_question_and_stands_on_something_or_is_open(path):
    brief = parse(path.read_bytes())
    made = to_json(answer(brief))
    relevance = {source["title"]: source["relevance"] for source in made["sources"]}
    assert made["asks"]
    for one in made["asks"]:
        assert brief.question[slice(*one["span"])] == one["text"]
        assert bool(one["evidence"]) == (one["status"] != "open")
        for evidence in one["evidence"]:
            if evidence["by"] == "quote" and one["status"] == "answered":
                assert relevance[evidence["source"]] == "relevant"


@pytest.mark.parametrize("path", BRIEFS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_sentence_is_said_twice(path):
    text = answer(parse(path.read_bytes())).markdown
    prose = "\n".join(line for line in text.split("\n") if not line.startswith(("|", "#", "```")))
    sentences = [one.strip() for one in re.split(r"(?<=[.!?。])\s+|\n", prose) if len(one.split()) > 6]
    assert len(sentences) == len(set(sentences)), [one for one in sentences if sentences.count(one) > 1]


@pytest.mark.parametrize("path", BRIEFS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_answer_is_short_and_holds_one_diagram_and_one_next_step(path):
    made = answer(parse(path.read_bytes()))
    assert len(made.markdown.split()) <= 480
    assert made.markdown.count("```text") <= 1
    assert made.markdown.count("\n**") >= 1


@pytest.mark.parametrize(
    ("question", "words", "kind"),
    [
        ("How can a small model enlarge a photo four times?", "How can a small model enlarge", "how"),
        ("Enlarge my photo from 300 to 1200 pixels.", "1200 pixels", "factor"),
        ("Please translate our letters into Basque, offline.", "Basque", "language"),
        (
            "Transcribe my interviews. Does the recommended model do this?",
            "Does the recommended model do this",
            "model",
        ),
        ("사진을 확대하고 싶어요. 휴대폰에서 되나요?", "휴대폰", "wish"),
        ("Quiero ampliar una foto pequeña sin perder detalle.", "sin perder detalle", "wish"),
        ("Ich möchte ein kleines Foto vergrößern, ohne GPU.", "ohne GPU", "wish"),
        ("Je voudrais agrandir une petite photo sur mon téléphone.", "sur mon téléphone", "wish"),
        ("Quero ampliar uma foto pequena no celular.", "no celular", "wish"),
        ("小さな写真をスマホで拡大したい。", "スマホ", "wish"),
        ("我想在手机上把小照片放大。", "手机上", "wish"),
    ],
)
def test_kinds_of_asks(question, words, kind):
    found = asked(question, read(question))
    assert [one for one in found if words in one.text and one.kind == kind], found


def test_a_factor_is_reckoned_from_the_numbers_of_the_question():
    made = answer(Brief("Enlarge my photo from 300 to 1200 pixels.", (Source("model", "SR-EDSR-x4"),)))
    assert "is a factor of 4" in made.markdown
    (one,) = [ask for ask in made.asks if ask.evidence and ask.evidence[0].by == "arithmetic"]
    assert (one.status, one.evidence[0].figures) == ("answered", ("300", "1200", "4"))


def test_decomposed_letters_and_growing_letters_keep_their_offsets():
    for question in ("Vergrößern Sie das Foto, ohne GPU?", "cafe\u0301: ampliar una foto, sin GPU", "ﬁx my photo"):
        for one in asked(question, read(question)):
            assert question[one.start : one.end] == one.text
