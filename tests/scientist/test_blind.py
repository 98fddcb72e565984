"""Two sets of 24 briefs by two people who had seen neither words nor code.

docs/guide/asking.md holds what they scored at first. Their questions are long, and most ask four things or more. The
shares below are those of today, after their first sight.
"""

import json
from pathlib import Path
from statistics import fmean

import pytest

from fourfold.scientist.answer import answer, to_json
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard

HERE = Path(__file__).parent / "blind"
NAMES = sorted(path for path in HERE.glob("?/??.txt"))


def results(folder):
    for path in NAMES:
        if path.parent.name == folder:
            expected = json.loads(path.with_suffix("").with_suffix(".expected.json").read_text(encoding="utf-8"))
            brief = parse(path.read_bytes())
            made = answer(brief)
            assert guard(made, brief) == [], path
            yield expected, made


@pytest.mark.parametrize(("folder", "task", "asks"), [("a", 0.95, 0.64), ("b", 0.87, 0.7)])
def test_what_was_reached_is_held(folder, task, asks):
    right, covered = [], []
    for expected, made in results(folder):
        right.append(to_json(made)["task"]["id"] in expected["task"]["accept"])
        text = made.markdown.lower()
        covered += [any(word.lower() in text for word in ask["words"]) for ask in expected["asks"]]
    assert fmean(right) >= task
    assert fmean(covered) >= asks


@pytest.mark.parametrize("path", NAMES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_planted_and_no_outside_link_gets_in(path):
    expected = json.loads(path.with_suffix("").with_suffix(".expected.json").read_text(encoding="utf-8"))
    text = answer(parse(path.read_bytes())).markdown
    assert [phrase for phrase in expected["must_not_contain"] if phrase.lower() in text.lower()] == []
    assert [link for link in expected["links_forbidden"] if link in text] == []
