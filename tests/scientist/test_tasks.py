"""What a question asks for, told from its words alone, in many languages."""

import tomllib
from pathlib import Path

import pytest

from fourfold.scientist import tasks
from fourfold.scientist.lexicon import concepts, fold, hits, language, pattern, table
from fourfold.scientist.tasks import leaves, read

_TOLD = tomllib.loads((Path(__file__).parent / "questions.toml").read_text(encoding="utf-8"))
QUESTIONS: dict[str, list[str]] = _TOLD["questions"]
CONTRASTS: list[list[str]] = _TOLD["contrasts"]
CASES = [(question, task) for task, questions in QUESTIONS.items() for question in questions]


@pytest.mark.parametrize(("question", "task"), CASES)
def test_task_of_question(question, task):
    assert read(question).leaf.id == task


@pytest.mark.parametrize(("question", "task"), CONTRASTS)
def test_direction_quantity_and_negation(question, task):
    assert read(question).leaf.id == task


def test_every_task_has_questions_of_its_own():
    asked = {leaf.id for leaf in leaves().values() if not leaf.is_method}
    assert asked == set(QUESTIONS)


def test_questions_here_are_no_examples_there():
    known = {fold(example) for leaf in leaves().values() for example in leaf.examples}
    assert not [question for question, _ in CASES + CONTRASTS if fold(question) in known]


def test_methods_are_never_a_persons_task():
    assert not read("How does knowledge distillation compress a network by pruning and quantization?").leaf.is_method


def test_close_readings_name_the_runner_up():
    reading = read("Photos of crates: which kind is it, and where is each, sort them?")
    assert reading.runner_up is not None
    assert reading.runner_up.id != reading.leaf.id


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("How can I enlarge this?", "en"),
        ("¿Cómo puedo ampliar la foto?", "es"),
        ("사진을 확대하고 싶어요", "ko"),
        ("Wie kann ich das Bild vergrößern?", "de"),
        ("Comment agrandir une photo ?", "fr"),
        ("Como posso ampliar a foto?", "pt"),
        ("写真を拡大したい", "ja"),
        ("怎么放大照片", "zh"),
        ("", "en"),
        ("1234 !!", "en"),
    ],
)
def test_language(text, code):
    assert language(text) == code


def test_rules_name_only_known_concepts():
    known = set(table("words.toml"))
    named = {name for leaf in leaves().values() for wanted, barred, _ in leaf.rules for name in wanted | barred}
    assert named == known


def test_types_and_names_are_complete():
    types = set(table("prose.toml")["en"]["types"])
    for leaf in leaves().values():
        assert {*leaf.input, *leaf.output} <= types
        assert set(leaf.names) == {"en", "ko", "es"}
        assert all(name and meaning for name, meaning in leaf.names.values())


def test_prose_says_the_same_in_every_language():
    english = table("prose.toml")["en"]
    for code, said in table("prose.toml").items():
        for part in (english, english["types"], english["shapes"]):
            other = said if part is english else said["types" if part is english["types"] else "shapes"]
            assert set(other) == set(part), code


def test_patterns_bridge_words_and_respect_borders():
    found = pattern("read .. aloud|caption*|사진 .. 설명")
    assert found is not None
    assert [
        fold("Read it to me aloud, with captions")[a:b] for a, b in hits(found, "read it to me aloud, with captions")
    ]
    assert not hits(found, "recaptioned")
    assert hits(found, "사진에 짧은 설명")
    assert pattern("") is None


def test_what_is_not_wanted_does_not_count():
    assert "enlarge" not in read("I do not want it enlarged, only coloured: it is black and white").concepts
    assert "enlarge" in read("I want it enlarged, it is black and white").concepts


def test_reading_is_deterministic_and_bounded():
    question = "Turn my blurry photo sharp. " * 5000
    assert read(question) == read(question)
    assert read(question).leaf.id == "image-to-image/deblurring"
    seen = []
    original = tasks.fold
    try:
        tasks.fold = lambda text: seen.append(len(text)) or original(text)
        read(question)
    finally:
        tasks.fold = original
    assert max(seen) <= 3000


def test_tables_are_small():
    assert (
        sum(len(repr(table(name))) for name in ("taxonomy.toml", "words.toml", "slots.toml", "prose.toml")) < 1_000_000
    )
    assert len(concepts("en")) == len(table("words.toml"))
