"""What a question asks for, told from its words alone, in many languages."""

import re
import tomllib
from pathlib import Path

import pytest

from fourfold.scientist import tasks
from fourfold.scientist.lexicon import Phrases, fold, language, table
from fourfold.scientist.tasks import leaves, read
from fourfold.scientist.wording import languages

HERE = Path(__file__).parent
CONTRASTS: list[list[str]] = tomllib.loads((HERE / "contrasts.toml").read_text(encoding="utf-8"))["contrasts"]


def questions(name: str) -> list[tuple[str, str]]:
    """Questions of a file, each with its task."""
    examples: dict[str, list[str]] = tomllib.loads((HERE / name).read_text(encoding="utf-8"))
    return [(question, task) for task, asked in examples.items() for question in asked]


@pytest.mark.parametrize(("name", "least"), [("questions.toml", 0.95), ("heldout.toml", 0.94)])
def test_tasks_of_questions_without_any_source(name, least):
    asked = questions(name)
    wrong = [
        f"{task} not {read(question).leaf.id}: {question}" for question, task in asked if read(question).leaf.id != task
    ]
    assert 1 - len(wrong) / len(asked) >= least, "\n".join(wrong)


@pytest.mark.parametrize(("question", "task"), CONTRASTS)
def test_direction_quantity_and_negation(question, task):
    assert read(question).leaf.id == task


def test_held_out_questions_are_none_that_the_grades_are_counted_from():
    counted, held_out = dict(questions("questions.toml")), dict(questions("heldout.toml"))
    assert len(held_out) >= 120
    assert not counted.keys() & held_out.keys()


def test_doubt_is_settled_by_what_the_sources_are_about_and_said():
    vague = "Could the picture be made nicer?"
    assert read(vague, {"image-to-image/denoising": 2}).leaf.id == "image-to-image/denoising"
    assert read(vague, {"image-to-image/colorization": 2}).leaf.id == "image-to-image/colorization"
    clear = "Please enlarge my tiny photo four times for a poster."
    reading = read(clear, {"image-to-image/deblurring": 2})
    assert reading.leaf.id == "image-to-image/super-resolution"


def test_methods_are_never_a_persons_task():
    assert not read("How does knowledge distillation compress a network by pruning and quantization?").leaf.is_method


def test_close_readings_name_the_runner_up():
    reading = read("Photos of crates: which kind is each of them, and where is it?")
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


SPOKEN = ("en", "ko", "es", "de", "fr", "pt", "ja", "zh")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("words.toml", SPOKEN),
        ("scope.toml", SPOKEN),
        ("slots.toml", (*SPOKEN, "source")),
        ("languages.toml", SPOKEN),
        ("taxonomy.toml", ("terms",)),
    ],
)
def test_phrases_are_folded_and_said_once(name, kinds):
    for entry, words in table(name).items():
        for kind in words.keys() & set(kinds):
            said = [way.strip() for way in words[kind].split("|") if way.strip()]
            assert said == [fold(way) for way in said], entry
            assert len(said) == len(set(said)), (entry, kind)


def test_types_and_names_are_complete():
    types = set(table("prose/en.toml")["types"])
    for leaf in leaves().values():
        assert {*leaf.input, *leaf.output} <= types
        assert all(leaf.named(code) and leaf.meaning(code) for code in languages())


def test_prose_says_the_same_in_every_language():
    english = table("prose/en.toml")
    assert len(languages()) == 8
    for code in languages():
        said = table(f"prose/{code}.toml")
        assert set(said) == set(english), code
        for name, value in english.items():
            if isinstance(value, dict):
                assert set(said[name]) == set(value), (code, name)
            else:
                holes = [sorted(set(re.findall(r"\{[\w.]+\}", text))) for text in (value, said[name])]
                assert not set(holes[1]) - set(holes[0]), (code, name)


def test_every_idea_has_its_sentences():
    for name, idea in table("ideas.toml").items():
        re.compile(idea["regex"])
        for code in languages():
            prose = table(f"prose/{code}.toml")
            assert (name in prose["plainly"]) == idea.get("gloss", False), (code, name)
            assert (name in prose["carried"]) == idea.get("carry", False), (code, name)


def test_phrases_bridge_words_and_respect_borders():
    found = Phrases([("a", "read .. aloud|caption*|사진 .. 설명|물|*사진"), ("b", "low-res*")])
    text = fold("Read it to me ALOUD, with captions; lowres, low res and low-resolution.")
    spans = found.find(text)
    assert [text[a:b] for a, b in spans["a"]] == ["read it to me aloud", "captions"]
    assert [text[a:b] for a, b in spans["b"]] == ["low res", "low-resolution"]
    assert found.find("recaptioned; read it. all of it aloud") == {}
    assert found.find("사진에 짧은 설명, 가족사진")["a"] == [(0, 2), (0, 9), (13, 15)]
    assert found.find("물을 마신다")["a"] == [(0, 1)]
    assert found.find("물건을 산다") == {}
    assert Phrases([("a", "")]).find("anything") == {}


def test_compounds_hold_what_they_end_on():
    found = Phrases([("report", "*bericht"), ("part", "bericht*")])
    assert found.find("wartungsbericht")["report"] == [(0, 15)]
    assert "part" not in found.find("wartungsbericht")


@pytest.mark.parametrize(
    ("question", "unsaid"),
    [
        ("I do not want a translation, only a summary of the text.", "translate"),
        ("Translations don't interest me. I want a summary of the text.", "translate"),
        ("No translation, please: a summary of the text.", "translate"),
        ("The text is translated already; I want a summary.", "translate"),
        ("번역은 필요 없고 요약만 해 주세요.", "translate"),
        ("글은 이미 번역해 두었어요. 이제 요약하고 싶습니다.", "translate"),
        ("No quiero traducir el texto, sino un resumen.", "translate"),
        ("El texto ya está traducido; quiero un resumen.", "translate"),
        ("Keine Übersetzung bitte, nur eine Zusammenfassung des Textes.", "translate"),
        ("Pas de traduction, je veux un résumé du texte.", "translate"),
    ],
)
def test_refused_and_done_steps_are_not_stated(question, unsaid):
    stated = read(question).stated
    assert unsaid not in stated
    assert "summary" in stated


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("I want no boxes but the photo itself sharpened.", "photo"),
        ("Without any labelled examples, sort my photos.", "openlabels"),
        ("Quiero la canción sin voz.", "split"),
        ("The face is no longer recognisable in the photo.", "face"),
    ],
)
def test_things_and_fixed_expressions_are_stated(question, said):
    assert said in read(question).stated


def test_what_is_not_wanted_does_not_count():
    assert "enlarge" not in read("I do not want it enlarged, only coloured: it is black and white").stated
    assert "enlarge" in read("I want it enlarged, it is black and white").stated


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
        sum(len(repr(table(name))) for name in ("taxonomy.toml", "words.toml", "slots.toml", "prose/en.toml"))
        < 1_000_000
    )


@pytest.mark.parametrize(("place", "code"), [*enumerate(["de", "fr", "ja", "pt", "zh"])])
def test_a_tasks_name_in_another_language_is_that_tasks(place, code):
    """Rows that slip by one would call every task by its neighbour's name: some words that no neighbour has."""
    names = {
        "image-to-image/super-resolution": ("uperauf", "résolution", "超解像", "resolução", "超分辨"),
        "translation": ("Übersetz", "traduction", "翻訳", "tradução", "翻译"),
        "time-series-forecasting": ("Zeitreihen", "prévision", "時系列予測", "previsão", "时间序列预测"),
        "tabular-regression": ("Tabellenregression", "régression", "回帰", "regressão", "回归"),
        "recommendation": ("Empfehlung", "recommandation", "推薦", "recomendação", "推荐"),
        "graph-ml": ("Graphen", "graphes", "グラフ", "grafos", "图"),
        "text-to-video": ("Text zu Video", "texte vers vidéo", "動画", "texto para vídeo", "视频"),
        "speaker-diarization": ("Sprecher", "locuteurs", "話者", "falantes", "说话人"),
        "method/fine-tuning": ("Feinabstimmung", "ajustement", "調整", "ajuste", "微调"),
    }
    said = table(f"prose/{code}.toml")["tasks"]
    for task, words in names.items():
        assert words[place] in said[task].split("|")[0], (task, said[task])
