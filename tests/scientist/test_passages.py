"""What is asked finds the sentence that speaks of it: in other words, in another language, and with its figure."""

import pytest

from fourfold.scientist.answer import answer
from fourfold.scientist.index import profiles
from fourfold.scientist.passages import asked_of, spoken_of
from fourfold.scientist.plan import plan
from fourfold.scientist.tasks import read
from fourfold.scientist.values import Brief, Source

NIGHT = Source(
    "paper",
    "Lampion: Brightening Night Photographs",
    ("http://arxiv.org/pdf/2401.00011v1.pdf",),
    (),
    "We propose a network for low-light image enhancement. It predicts a curve for every pixel. "
    "The curves flatten near white, so lamps and flames keep their shape. "
    "A picture takes 0.4 seconds on a mid-range mobile phone. "
    "Brightening without a denoiser also amplifies the sensor noise. "
    "The weights may be used for research only. "
    "Once downloaded it needs no connection.",
)
OTHER = Source(
    "paper",
    "Grain Count",
    ("http://arxiv.org/pdf/2401.00012v1.pdf",),
    (),
    "Seeds are sorted by weight on a belt. The belt runs for two hours a day.",
)
MODEL = Source("model", "LowLight-Lampion-S", (), ())


def evidence(question, sources=(NIGHT, OTHER)):
    """The quotes that answer a question beside the task, and what is open."""
    made = plan(Brief(question, (MODEL,), sources))
    quoted = [one.quote.text for one in made.answers if one.quote]
    return quoted, [one.wanted.text for one in made.answers if one.status == "open"]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Brighten my dark photos. Why do the candle flames not become white blobs?", "lamps and flames"),
        ("어두운 사진을 밝게 하고 싶어요. 휴대폰에서 한 장에 얼마나 걸리나요?", "0.4 seconds"),
        ("Quiero aclarar fotos oscuras. ¿Funciona sin conexión?", "needs no connection"),
        ("Ich möchte dunkle Fotos aufhellen. Darf ich das kommerziell nutzen?", "research only"),
        ("暗い写真を明るくしたい。なぜノイズが増えるのですか？", "sensor noise"),
        ("我想把很暗的照片弄亮。不联网能用吗？", "needs no connection"),
        ("Quero clarear fotos escuras. Quanto tempo leva no celular?", "0.4 seconds"),
        ("Je veux éclaircir des photos sombres. Combien de temps sur un téléphone ?", "0.4 seconds"),
    ],
)
def test_an_ask_finds_its_sentence_in_any_language(question, words):
    quoted, _ = evidence(question)
    assert any(words in quote for quote in quoted), quoted


def test_what_is_found_is_not_open_and_what_is_not_is():
    quoted, unmet = evidence("Brighten my dark photos. Does it run offline? Can it also print them on linen?")
    assert any("no connection" in quote for quote in quoted)
    assert not any("offline" in text for text in unmet)
    assert any("linen" in text for text in unmet)


def test_what_only_tells_of_the_case_is_no_gap():
    _, unmet = evidence("My choir took 86 pictures for a loan file in 1999. How can I brighten these dark photos?")
    assert unmet == []


def test_the_task_itself_is_no_evidence_for_another_ask():
    quoted, unmet = evidence("Can it brighten dark photos, and can it brighten dark photos of cathedrals in Peru?")
    assert not any("belt" in quote for quote in quoted)
    assert not [text for text in unmet if text.startswith("brighten")]


def test_a_paper_whose_plain_words_are_of_the_task_counts_and_is_not_called_unmatched():
    summary = "Dark pictures taken at night get brighter. A curve lifts what lies in the shadows."
    plain = Source("paper", "A Lantern for the Family Album", NIGHT.papers, (), summary)
    made = answer(Brief("How can I brighten a photo that came out too dark at night?", (), (plain, OTHER)))
    assert dict(made.sources) == {plain.name: "relevant", OTHER.name: "irrelevant"}
    row = next(line for line in made.markdown.splitlines() if line.startswith(f"| {plain.name}"))
    assert "no sentence" not in row


def test_a_method_is_never_what_a_paper_on_a_task_is_about():
    tuned = Source(
        "paper", "Prompts at Night", (), (),
        "We propose prompt tuning without labels. Dark photographs taken at night are brightened by it.",
    )  # fmt: skip
    made = plan(Brief("How can I brighten a photo that came out too dark at night?", (), (tuned,)))
    assert made.papers[0].relevance == "relevant"


def test_topics_cross_languages():
    assert "thing:laptop" in asked_of("en un portátil", "es") & {*spoken_of("It runs on a laptop.")}
    assert "figure:time" in asked_of("얼마나 걸리나요", "ko") & {*spoken_of("A page takes two seconds.")}


def test_a_side_ask_about_the_model_needs_a_sentence_of_its_own():
    made = plan(Brief("Please brighten my dark photos. Will it understand Basque proverbs?", (MODEL,), (NIGHT,)))
    (one,) = [one for one in made.answers if "proverbs" in one.wanted.text]
    assert one.status == "open"
    made = plan(Brief("Please brighten my dark photos. Does the recommended model do this?", (MODEL,), (NIGHT,)))
    (one,) = [one for one in made.answers if "recommended" in one.wanted.text]
    assert (one.status, one.how) == ("answered", "verdict")


def test_why_and_how_are_no_refusals():
    made = plan(Brief("Brighten my dark photos. Why isn't the result full of noise?", (MODEL,), (NIGHT,)))
    (one,) = [one for one in made.answers if "Why" in one.wanted.text]
    assert one.wanted.kind == "why"
    assert one.quote is not None


@pytest.mark.parametrize("question", ["How can I brighten dark photos?", "어두운 사진을 어떻게 밝게 하나요?"])
def test_the_short_answer_says_how_it_works_in_a_sources_words(question):
    lead = answer(Brief(question, (MODEL,), (NIGHT, OTHER))).markdown.split("\n")[0]
    assert "curve" in lead


def test_an_unrelated_source_with_a_figure_is_not_quoted_for_a_figure():
    quoted, _ = evidence("Brighten my dark photos. How long does it take?", (OTHER,))
    assert quoted == []


def test_chinese_sentences_end_at_their_marks():
    made = plan(Brief("我想把很暗的照片弄亮。不联网能用吗？会不会改变人脸？", (MODEL,), (NIGHT,)))
    assert len({one.wanted.clause for one in made.answers}) == 3


def test_what_is_refused_is_never_open():
    made = plan(Brief("Brighten my dark photos. I do not want a printed poster, or 20 copies.", (MODEL,), (NIGHT,)))
    assert [one.status for one in made.answers if "poster" in one.wanted.text] == ["answered"]
    assert not [one.wanted.text for one in made.answers if one.status == "open"]


@pytest.mark.parametrize(
    "question",
    [
        "Our minutes run to ten pages. I want a summary in three lines, in Korean; I do not want them translated.",
        "回忆录太长，想要三行摘要，用中文就好，不要翻译。",
    ],
)
def test_a_refused_task_stays_refused_though_a_language_is_named_and_every_source_offers_it(question):
    assert read(question, {"translation": 3}).leaf.id == "summarization"


def test_a_task_outside_the_list_is_answered_from_the_sentences_that_speak_of_it():
    tables = Source("paper", "Short Laws", ("http://arxiv.org/pdf/2401.00013v1.pdf",), (),
                    "Equations are grown like trees. A formula is ready after 40 seconds on a laptop.")  # fmt: skip
    question = (
        "In the school lab we measured how a ball falls in oil, 600 rows of time and temperature; the machine should "
        "propose a formula. How many seconds does it take?"
    )
    seeds = Source("paper", "Grain Count", (), (), "Seeds are sorted by weight on a belt.")
    made = plan(Brief(question, (), (tables, seeds)))
    assert not made.reading.listed
    assert [paper.relevance for paper in made.papers] == ["partial", "irrelevant"]


def test_a_task_that_a_source_denies_is_not_its_subject():
    denied = Source(
        "paper", "Short Pages", (), (), "Calls are answered by topic. The tool does not transcribe speech to text.",
    )  # fmt: skip
    assert "automatic-speech-recognition" not in profiles(Brief("", (), (denied,)))[denied.name].does


def test_the_short_answer_never_opens_with_what_only_sets_the_scene():
    scene = Source("paper", "Lampion", (), (), "Low-light image enhancement has become important. Everyone likes it.")
    lead = answer(Brief("How can I brighten dark photos?", (MODEL,), (scene,))).markdown.split("\n")[0]
    assert "has become important" not in lead
