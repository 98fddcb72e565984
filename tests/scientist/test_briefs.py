"""The scientist on briefs written from the task list, the later ones by someone who had seen its vocabulary.

What was misread in ``briefs`` was mended. Of ``heldout``, 01 to 26 were scored as a whole several times while the
reading was made, their failures not looked into beforehand; 27 to 52 and 53 to 78 were each scored once before anything
was mended. docs/guide/asking.md tells the first scores and their limits.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pytest

from fourfold.scientist.answer import answer, to_json
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard
from fourfold.scientist.values import Brief

HERE = Path(__file__).parent
FOLDERS = ("briefs", "heldout")
NAMES = [f"{folder}/{path.stem}" for folder in FOLDERS for path in sorted((HERE / folder).glob("??.txt"))]
VERDICT = {True: "yes", False: "no"}
LINK = re.compile(r"https?://[^\s<>\"'\])]+")
IDENTIFIER = re.compile(r"\d{4}\.\d{4,5}|(?:github\.com|arxiv\.org|doi\.org)/[^\s<>\"'\])]+")


class Outcome(NamedTuple):
    """One brief, what was expected of it and what the scientist said."""

    brief: Brief
    expected: dict[str, Any]
    markdown: str
    said: dict[str, Any]
    violations: list[Any]


def text_of(name: str) -> str:
    """The brief as a file gives it: byte-order mark and line ends kept."""
    return (HERE / f"{name}.txt").read_bytes().decode("utf-8")


def expected_of(name: str) -> dict[str, Any]:
    return json.loads((HERE / f"{name}.expected.json").read_text(encoding="utf-8"))


def flat(text: str) -> str:
    return " ".join(text.split())


def key(name: str) -> str:
    return re.sub(r"[^\w]+", "", name).lower()


def respond(text: str) -> tuple[str, dict[str, Any]]:
    given = answer(parse(text))
    return given.markdown, to_json(given)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    found = {}
    for name in NAMES:
        brief = parse(text_of(name))
        given = answer(brief)
        found[name] = Outcome(brief, expected_of(name), given.markdown, to_json(given), list(guard(given, brief)))
    return found


def counts(brief: Brief) -> dict[str, Any]:
    """What the parser read, in the words of the expected files."""
    return {
        "n_unique_models": len(brief.models),
        "n_papers": len(brief.papers),
        "models_missing_github": [key(model.name) for model in brief.models if not model.repositories],
        "models_missing_paper": [key(model.name) for model in brief.models if not model.papers],
        "papers_missing_github": [key(paper.name) for paper in brief.papers if not paper.repositories],
    }


def own_words(expected: dict[str, Any]) -> dict[str, str]:
    """What each source may be quoted with, by its name: planted text is left out."""
    words = {"question": expected["question"]}
    for model in expected["models"]:
        fields = (model["name"], model["paper"], model["github"])
        words[key(model["name"])] = "\n".join(
            filter(None, (words.get(key(model["name"])), *fields)),
        )
    for paper in expected["papers"]:
        words[key(paper["title"])] = f"{paper['title']} {paper['text']}"
    return words


def stated_gaps(said: dict[str, Any]) -> set[str]:
    """Kinds of gap stated; the stronger statement includes that no model fits."""
    kinds = {gap["kind"] for gap in said["gaps"] if gap["text"].strip()}
    return kinds | {"no_matching_model"} if kinds & {"out_of_scope", "no_relevant_source"} else kinds


def measures(outcome: Outcome) -> dict[str, float]:
    """Task, model match, paper relevance and gap honesty of one brief, each 0..1."""
    expected, said = outcome.expected, outcome.said
    matches = {key(model["name"]): model["match"] for model in said["models"]}
    labels = {key(source["title"]): source["relevance"] for source in said["sources"]}
    models = {key(model["name"]): model["accept_matches"] for model in expected["models"]}
    must, kinds = set(expected["gap"]["kinds"]), stated_gaps(said)
    false_alarm = "no_matching_model" in kinds - must
    return {
        "task": float(said["task"]["id"] in expected["task"]["accept"]),
        "model match": fmean(
            matches.get(name) in [VERDICT.get(verdict, verdict) for verdict in accepted]
            for name, accepted in models.items()
        ),
        "paper relevance": fmean(
            [labels.get(key(paper["title"])) in paper["accept_relevance"] for paper in expected["papers"]] or [1.0]
        ),
        "gap honesty": 0.0 if false_alarm else len(must & kinds) / len(must) if must else 1.0,
    }


# The files themselves


@pytest.mark.parametrize("folder", FOLDERS)
def test_enough_briefs_over_enough_tasks_and_languages(folder):
    expected = [expected_of(name) for name in NAMES if name.startswith(folder)]
    spoken = [each["language"] for each in expected]
    assert len(expected) >= 50
    assert len({each["task"]["id"] for each in expected}) >= 35
    assert spoken.count("ko") >= 10
    assert spoken.count("es") >= 10
    assert {"de", "fr"} <= set(spoken)
    assert sum(not each["any_recommended_model_matches"] for each in expected) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_expected_file_fits_its_brief(name):
    text, expected = flat(text_of(name)), expected_of(name)
    links = [entry[field] for entry in expected["models"] + expected["papers"] for field in ("paper", "github")]
    assert expected["id"] == name[-2:]
    assert f'"{expected["question"]}"' in text
    assert set(expected["links_allowed"]) == set(filter(None, links))
    for link in expected["links_allowed"] + expected["links_forbidden"] + expected["must_not_contain"]:
        assert link in text
    assert not set(expected["links_allowed"]) & set(expected["links_forbidden"])
    assert bool(expected["gap"]["kinds"]) == expected["gap"]["must_flag"]
    for entry in expected["models"]:
        assert entry["matches_task"] in entry["accept_matches"]
    assert expected["any_recommended_model_matches"] == any(m["matches_task"] is True for m in expected["models"])
    assert expected["any_recommended_model_matches"] != ("no_matching_model" in expected["gap"]["kinds"])


@pytest.mark.parametrize("name", NAMES)
def test_expected_evidence_is_in_the_source_and_nothing_planted_is(name):
    text, expected = flat(text_of(name)), expected_of(name)
    for paper in expected["papers"]:
        planted = [phrase for phrase in expected["must_not_contain"] if phrase.lower() in paper["text"].lower()]
        assert planted == []
        assert not LINK.search(paper["text"])
        assert paper["relevance"] in paper["accept_relevance"]
        assert all(span in paper["text"] for span in paper["evidence"])
        assert paper["evidence"] or paper["relevance"] != "relevant"
        assert all(sentence in text for sentence in re.split(r"(?<=[.!?])\s", paper["text"]))


def test_line_ends_tabs_and_the_byte_order_mark_survive_in_the_repository():
    assert text_of("briefs/19").startswith("\ufeff")
    assert "\r\n" in text_of("briefs/19")
    assert "Model:\t" in text_of("briefs/25")


# The scientist


@pytest.mark.parametrize("name", NAMES)
def test_the_parser_reads_every_entry(name, outcomes):
    outcome = outcomes[name]
    parts = outcome.expected["parse"]
    want = {part: [key(each) for each in value] if isinstance(value, list) else value for part, value in parts.items()}
    repeated = want.pop("n_model_entries") > want["n_unique_models"]
    assert counts(outcome.brief) == want
    assert bool(outcome.brief.notes) or not repeated


@pytest.mark.parametrize("name", NAMES)
def test_nothing_from_outside_gets_into_an_answer(name, outcomes):
    outcome = outcomes[name]
    expected = outcome.expected
    shown = outcome.markdown + "\n" + json.dumps(outcome.said, ensure_ascii=False)
    allowed = expected["links_allowed"]
    links = {link.rstrip(".,;:") for link in LINK.findall(outcome.markdown)}
    rest = LINK.sub(" ", outcome.markdown).lower()
    identifiers = {found.rstrip(".,;:") for found in IDENTIFIER.findall(rest)}
    planted = expected["must_not_contain"] + expected["links_forbidden"]
    assert links <= set(allowed)
    assert {found for found in identifiers if found not in " ".join(allowed).lower()} == set()
    assert [phrase for phrase in planted if flat(phrase).lower() in flat(shown).lower()] == []
    assert outcome.violations == []


@pytest.mark.parametrize("name", NAMES)
def test_quotes_are_verbatim_in_their_own_source(name, outcomes):
    words = own_words(outcomes[name].expected)
    for claim in outcomes[name].said["claims"]:
        assert len(claim["quote"]) >= 4
        assert flat(claim["quote"]) in flat(words[key(claim["source"])]), claim


@pytest.mark.parametrize("name", NAMES)
def test_the_same_brief_gives_the_same_answer(name, outcomes):
    assert respond(text_of(name)) == (outcomes[name].markdown, outcomes[name].said)


@pytest.mark.parametrize("name", NAMES)
def test_completeness_is_never_claimed(name, outcomes):
    assert not re.search(
        r"(?i)left out|nothing (?:is |else is )?missing|no falta nada|빠진 것은 없", outcomes[name].markdown
    )


@pytest.mark.parametrize("name", NAMES)
def test_another_subject_is_only_named_where_one_was_recognised(name, outcomes):
    for line in outcomes[name].markdown.splitlines():
        assert "Not about this task, as far as" not in line
        assert not line.endswith("— Not about this task.")


@pytest.mark.parametrize(
    ("folder", "measure", "least"),
    [
        ("briefs", "task", 0.98),
        ("briefs", "model match", 0.98),
        ("briefs", "paper relevance", 0.97),
        ("briefs", "gap honesty", 0.98),
        ("heldout", "task", 0.96),
        ("heldout", "model match", 0.97),
        ("heldout", "paper relevance", 0.95),
        ("heldout", "gap honesty", 0.97),
    ],
)
def test_answers_are_right_on_average(folder, measure, least, outcomes):
    names = [name for name in NAMES if name.startswith(folder)]
    scores = {name: measures(outcomes[name])[measure] for name in names}
    wrong = [
        f"{name}: {score:.2f} {outcomes[name].said['task']['id']} {outcomes[name].said['models']}"
        f" {outcomes[name].said['sources']} {outcomes[name].said['gaps']}"
        for name, score in scores.items()
        if score < 1
    ]
    assert fmean(scores.values()) >= least, "\n".join([f"{fmean(scores.values()):.3f}", *wrong])


# The same, by the scorer of the project's brief


def scored(script: Path, briefs: Path, answers: Path) -> tuple[dict[str, float], str]:
    """The scorer's means over a folder of briefs, and its report with one line a brief."""
    for path in sorted(briefs.glob("[0-9][0-9].txt")):
        markdown, said = respond(path.read_bytes().decode("utf-8"))
        (answers / f"{path.stem}.md").write_text(markdown, encoding="utf-8")
        (answers / f"{path.stem}.json").write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script, briefs, answers, "--per-brief"],
        env=os.environ | {"PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return {name: float(value) for name, value in re.findall(r"(?m)^(\w+) +([\d.]+)$", done.stdout)}, done.stdout


def assert_gates_closed(means: dict[str, float], report: str) -> None:
    assert [means[f"{gate}_count"] for gate in ("outside_links", "outside_ids", "forbidden")] == [0, 0, 0], report


def test_the_public_briefs_reach_the_agreed_scores(shared, tmp_path):
    means, report = scored(shared / "briefs" / "score.py", shared / "briefs", tmp_path)
    least = {
        "total": 0.98,
        "quote_verbatim": 1.0,
        "gap_honesty": 0.95,
        "model_match": 0.9,
        "paper_relevance": 0.8,
    }
    assert_gates_closed(means, report)
    assert {name: means[name] for name, floor in least.items() if means[name] < floor} == {}, report


@pytest.mark.parametrize(("folder", "least"), [("briefs", 0.99), ("heldout", 0.97)])
def test_briefs_of_our_own_score_well(folder, least, shared, tmp_path):
    means, report = scored(shared / "briefs" / "score.py", HERE / folder, tmp_path)
    assert_gates_closed(means, report)
    assert means["total"] >= least, report
