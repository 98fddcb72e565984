"""Answering by doing: what is run, what is said of it, and that no figure passes that the run did not give."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fourfold.catalog.card import Reference
from fourfold.catalog.load import all_cards, all_entries
from fourfold.scientist.answer import answer, to_json
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard
from fourfold.scientist.measured import faults, lookup, shown, stray
from fourfold.scientist.plan import plan
from fourfold.scientist.run import Proposal, Run, propose, rows, sentences
from fourfold.scientist.values import Brief, Measured, Source
from fourfold.scientist.wording import Words, languages

TASK = "image-to-image/super-resolution"
BRIEFS = sorted((Path(__file__).parent / "briefs").glob("*.txt"))
REPORT = {
    "input_size": [612, 408],
    "output_size": [2448, 1632],
    "model": "some-network-x4",
    "style": "faithful",
    "runtime": "openvino",
    "precision": "bf16",
    "seconds": 12.291,
    "seconds_model": 0.6158,
    "gmacs": 15.802,
    "tiles": {"total": 6, "little": 4, "big": 2},
    "consistency_psnr": 60.04,
    "warnings": [],
    "tile_map": [["little", "big"]],
    "new_figure": 3.25,
}
RUN = {
    "steps": {
        "small": {"node": "load", "inputs": {}, "outputs": {"image": {}}},
        "restored": {"node": "restore", "inputs": {}, "outputs": {"image": {}, "report": REPORT}},
        "figures": {
            "node": "measure",
            "inputs": {},
            "outputs": {
                "report": {"consistency_psnr": 1.0, "added_detail": 5.8, "bicubic_psnr": 37.7, "phone_psnr": 44.81}
            },
        },
        "large": {"node": "save", "inputs": {}, "outputs": {"report": {"file": "p_large.jpg", "bytes": 792065}}},
    }
}
MINE = Source("model", "Sharper-Net-x4", ("https://example.org/sharper.pdf",))
PAPER = Source(
    "paper", "Small Steps", (), (), "We propose a network for single image super-resolution that keeps edges."
)
BRIEF = Brief("How can I make my small photo 4× as large?", (MINE,), (PAPER,))


def done(brief, record=RUN):
    return answer(brief, Run(propose(plan(brief), all_entries(), {TASK}), record))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("a.report.seconds_model", 0.6158, "616 ms"),
        ("a.report.seconds", 12.291, "12.3 s"),
        ("a.report.consistency_psnr", 60.04, "60.0 dB"),
        ("a.report.consistency_psnr", None, ""),
        ("a.report.gmacs", 15.802, "15.8 GMAC"),
        ("a.report.peak_memory_mb", 198, "198 MB"),
        ("a.report.bytes", 792065, "792 kB"),
        ("a.report.bytes", 1_100_000, "1.1 MB"),
        ("a.report.output_size", [2448, 1632], "2448×1632"),
        ("a.report.tiles", {"total": 6, "little": 6, "big": 0}, "total 6, little 6"),
        ("a.report.tiles.total", 6, "6"),
        ("a.report.model", "some-network-x4", "some-network-x4"),
        ("a.report.added_detail", 5.8401, "5.84/255"),
        ("a.report.added_detail_db", 24.34, "24.3 dB"),
        ("a.report.phone_psnr", 44.81, "44.8 dB"),
        ("a.report.took_big", True, "True"),
    ],
)
def test_a_figure_is_written_in_one_way(field, value, text):
    assert shown(field, value) == text


def test_a_field_leads_into_the_manifest():
    assert lookup(RUN, "restored.report.tiles.total") == 6
    assert lookup(RUN, "large.report.bytes") == 792065
    for wrong in ("gone.report.x", "restored.report.gone", "restored", "restored.report.gmacs.more"):
        with pytest.raises(KeyError):
            lookup(RUN, wrong)


def test_a_measured_sentence_holds_its_figures_and_no_other():
    fields = ("restored.report.output_size", "restored.report.seconds_model")
    assert list(faults(Measured("It has 2448×1632 pixels after 616 ms.", fields), RUN)) == []
    for wrong in (
        "It has 2448×1633 pixels after 616 ms.",
        "It has 2448×1632 pixels after 617 ms.",
        "It has 2448×1632 pixels after 1616 ms.",
        "It has 2448×1632 pixels after 616 ms, 4 times as many.",
        "After 616 ms it has 2448×1632 pixels.",
        "It is large.",
    ):
        assert list(faults(Measured(wrong, fields), RUN)), wrong
    assert list(faults(Measured("It has 5 legs.", ("a.report.legs",)), RUN)) == [
        "the run has no figure a.report.legs",
        "no figure of the run is 5",
    ]


def test_figures_outside_of_all_sentences_are_strays():
    text = "## 1. Title\n\nKept: 5 dB. “76% of it” by Net-9000 (2024)\n\n```text\na 2024 b 7\n```\n"
    assert stray(text, ["5 dB"], ["Net (2024)"], "so 76% of it") == ["7", "9000", "2024"]
    assert stray(text, ["5 dB", "Net-9000 (2024)"], ["2024", "7"], "so 76% of it") == []


def test_every_sentence_whose_figures_are_there_is_said():
    said = sentences(RUN, Words("en"), TASK)
    text = " ".join(one.text for one in said)
    for figure in (
        "612×408",
        "2448×1632",
        "60.0 dB",
        "37.7 dB",
        "44.8 dB",
        "6 tiles",
        "for 2,",
    ):
        assert figure in text
    assert not any(list(faults(one, RUN)) for one in said)
    bare = {"steps": {"restored": {"outputs": {"report": {"consistency_psnr": None, "phone_psnr": None}}}}}
    exact, on_a_phone = sentences(bare, Words("en"), TASK)
    assert "exactly your photo." in exact.text
    assert "exactly like a plain enlargement." in on_a_phone.text
    assert list(faults(exact, RUN)) == ["restored.report.consistency_psnr is 60.0 dB in the run"]


def test_a_result_no_wider_than_a_phone_is_not_compared_with_it_twice():
    figures = {"bicubic_psnr": 36.5, "phone_psnr": 36.5}
    (sentence,) = sentences({"steps": {"figures": {"outputs": {"report": figures}}}}, Words("en"), TASK)
    assert sentence.text.count("36.5 dB") == 1
    assert "no wider than a phone's screen" in sentence.text


def test_a_declared_constant_is_a_figure_like_any_other_and_no_other_passes():
    fields = ("figures.report.bicubic_psnr", "constant.hardly_seen")
    assert list(faults(Measured("37.7 dB of 45 dB", fields), RUN)) == []
    assert list(faults(Measured("37.7 dB of 46 dB", fields), RUN)) == [
        "constant.hardly_seen is 45 dB in the run",
        "no figure of the run is 46",
    ]
    with pytest.raises(KeyError):
        lookup(RUN, "constant.other")


@pytest.mark.parametrize("code", languages())
def test_no_number_is_spelled_out_to_get_past_the_guard(code):
    spelled = r"(?i)forty|fifty|thirty|cuarenta|cincuenta|treinta|사십|오십|삼십"
    assert not re.search(spelled, " ".join(Words(code).table("measured").values()))


def test_the_table_holds_every_figure_also_those_nobody_has_named_yet():
    table = dict(rows(RUN, Words("en")))
    assert table["Consistency"].text == "60.0 dB"  # of two, the first
    assert table["New figure"].text == "3.25"
    assert table["New figure"].fields == ("restored.report.new_figure",)
    assert "Tile map" not in table
    assert not any(list(faults(one, RUN)) for one in table.values())


@pytest.mark.parametrize("code", languages())
def test_every_language_says_the_same(code):
    words, english = Words(code), Words("en")
    for table in ("measured", "figures", "page"):
        assert set(words.table(table)) == set(english.table(table))
    said = sentences(RUN, words, TASK)
    assert len(said) == len(sentences(RUN, english, TASK))
    assert not any(list(faults(one, RUN)) for one in said)
    assert not re.search(r"[{}]", " ".join(one.text for one in said))


def test_what_is_installed_and_fits_is_run_and_else_what_the_catalog_offers():
    card = all_cards()[0]
    assert propose(plan(BRIEF), all_entries(), {TASK}) == Proposal(TASK, None, "", (("Sharper-Net-x4", ""),))
    named = replace(BRIEF, models=(replace(MINE, name=f"SR-{card.title}"), MINE))
    installed = [replace(card, id="sr-anything", title=named.models[0].name)]
    assert propose(plan(named), installed, {TASK}).model == "sr-anything"
    assert propose(plan(named), installed, {TASK}).name == named.models[0].name
    reference = Reference("model", "x", "Other", "", TASK, "research only", "them", MINE.papers[0])
    assert propose(plan(BRIEF), [card, reference], {TASK}).missing == (("Sharper-Net-x4", "research only"),)
    nothing = Proposal("", None, "", (("Sharper-Net-x4", ""),))
    assert propose(plan(BRIEF), all_entries(), set()) == nothing
    assert propose(plan(BRIEF), [], {TASK}) == nothing


def test_what_is_outside_the_brief_is_said_so():
    made = done(BRIEF)
    assert "**Sharper-Net-x4** was not run: it is not installed here." in made.markdown
    assert "What ran instead is some-network-x4, of fourfold's own catalog" in made.markdown
    assert "that is outside the brief and supports no claim about its sources." in made.markdown
    assert guard(made, BRIEF, RUN) == []
    assert guard(made, BRIEF) != []
    inside = answer(BRIEF, Run(Proposal(TASK, "sharper", "Sharper-Net-x4", ()), RUN))
    assert (
        "**Sharper-Net-x4**, which the brief recommends, is installed here as some-network-x4, and it ran."
        in inside.markdown
    )
    assert guard(inside, BRIEF, RUN) == []
    nothing = answer(BRIEF, Run(Proposal("", None, "", ()), None, "nothing"))
    assert "Nothing was run on your photo: no network that is installed here does super-resolution." in nothing.markdown
    assert nothing.measured == ()


def test_without_a_run_the_answer_is_what_it_was():
    assert answer(BRIEF).measured == ()
    assert "measured" not in to_json(answer(BRIEF))
    assert "Tried on your photo" not in answer(BRIEF).markdown


@pytest.mark.parametrize("path", BRIEFS, ids=lambda path: path.stem)
def test_no_honest_answer_is_refused(path):
    brief = parse(path.read_bytes())
    made = done(brief)
    assert guard(made, brief, RUN) == []
    assert guard(to_json(made) | {"markdown": made.markdown}, brief, RUN) == []


FIGURE = re.compile(r"(?<!## )(?<![A-Za-z\d.-])\d+(?:[.,]\d+)*(?![A-Za-z_\d-])")
"""A number that is no part of a name, and not that of a heading."""


def changed(text):
    """The text with one figure changed, for each of its figures."""
    for figure in FIGURE.finditer(text):
        yield text[: figure.end() - 1] + str((int(figure[0][-1]) + 1) % 10) + text[figure.end() :]


@pytest.mark.parametrize("path", BRIEFS, ids=lambda path: path.stem)
def test_changing_any_figure_makes_the_guard_refuse(path):
    brief = parse(path.read_bytes())
    made = done(brief)
    texts = list(changed(made.markdown))
    assert len(texts) > 5
    for markdown in texts:
        assert guard(replace(made, markdown=markdown), brief, RUN), markdown
    document = to_json(made)
    for part, keys in (("measured", ["text"]), ("claims", ["text", "quote"])):
        for at, item in enumerate(document[part]):
            for key in keys:
                for text in changed(item[key]):
                    items = [one | ({key: text} if number == at else {}) for number, one in enumerate(document[part])]
                    assert guard(document | {part: items}, brief, RUN), text


def test_every_measured_figure_is_among_those_tried():
    """The mutation above passes over names; this one changes each measured figure by itself, wherever it stands."""
    made = done(BRIEF)
    for sentence in made.measured:
        for field in sentence.fields:
            figure = shown(field, lookup(RUN, field))
            for wrong in {figure[::-1], f"1{figure}", figure[:-1]} - {figure}:
                if wrong in figure and figure not in wrong:
                    continue
                altered = sentence.text.replace(figure, wrong)
                measured = tuple(replace(one, text=altered) if one is sentence else one for one in made.measured)
                assert guard(replace(made, measured=measured), BRIEF, RUN), altered
                markdown = made.markdown.replace(sentence.text, altered)
                assert guard(replace(made, markdown=markdown), BRIEF, RUN), altered
    other = {"steps": {**RUN["steps"], "restored": {"outputs": {"report": {**REPORT, "consistency_psnr": 16.9}}}}}
    assert guard(made, BRIEF, other)


@pytest.mark.parametrize("measured", [3, [{"text": "x"}], [{"text": 1, "fields": []}], [{"text": "x", "fields": [1]}]])
def test_measured_sentences_of_another_form_are_refused(measured):
    document = to_json(done(BRIEF)) | {"measured": measured}
    assert "malformed" in {violation.kind for violation in guard(document, BRIEF, RUN)}
