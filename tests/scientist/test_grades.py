"""How often a concept is said of a task is counted, not judged: taxonomy.toml's grades from questions.toml."""

import math
import os
import re
import tomllib
from collections import Counter
from pathlib import Path

from fourfold.scientist import tasks
from fourfold.scientist.lexicon import table
from fourfold.scientist.tasks import GRADES, UNGRADED, leaves, read

HERE = Path(__file__).parent
TAXONOMY = Path(tasks.__file__).with_name("taxonomy.toml")
QUESTIONS: dict[str, list[str]] = tomllib.loads((HERE / "questions.toml").read_text(encoding="utf-8"))
PSEUDO_QUESTIONS = 2
SEEN_TWICE = 2


def counted() -> dict[str, dict[str, list[str]]]:
    """For each task, the concepts of each grade.

    A concept's chance is its share of the task's questions, smoothed by two pseudo-questions of the average task; the
    grade is the nearest one by ratio, and "rare" only for what was said at least twice.
    """
    said = {
        id_: Counter(name for question in asked for name in read(question).stated) for id_, asked in QUESTIONS.items()
    }
    total = sum(said.values(), Counter())
    number = sum(map(len, QUESTIONS.values()))
    levels = {**GRADES, "": UNGRADED}
    graded: dict[str, dict[str, list[str]]] = {}
    for id_, counts in said.items():
        graded[id_] = {grade: [] for grade in GRADES}
        for name in sorted(total):
            share = (counts[name] + PSEUDO_QUESTIONS * total[name] / number) / (len(QUESTIONS[id_]) + PSEUDO_QUESTIONS)
            grade = min(levels, key=lambda level: abs(math.log(levels[level] / share)))
            if grade and not (grade == "rare" and counts[name] < SEEN_TWICE):
                graded[id_][grade].append(name)
    return graded


def rewritten(text: str) -> str:
    """The taxonomy with its grades counted anew."""
    graded = counted()
    blocks = re.split(r"(?m)^(?=\[)", text)
    for at, block in enumerate(blocks):
        id_ = block[2 : block.find('"]')]
        for grade, names in graded.get(id_, {}).items():
            blocks[at] = re.sub(rf'(?m)^{grade} = ".*"$', f'{grade} = "{" ".join(names)}"', blocks[at])
    return "".join(blocks)


def test_grades_are_as_counted():
    text = TAXONOMY.read_text(encoding="utf-8")
    fresh = rewritten(text)
    if os.environ.get("FOURFOLD_UPDATE_DOCS"):
        TAXONOMY.write_text(fresh, encoding="utf-8")
    assert TAXONOMY.read_text(encoding="utf-8") == fresh, "run with FOURFOLD_UPDATE_DOCS=1"


def test_every_task_has_questions_of_its_own():
    asked = {leaf.id for leaf in leaves().values() if not leaf.is_method}
    assert asked == set(QUESTIONS)
    assert min(map(len, QUESTIONS.values())) >= 8


def test_grades_name_known_concepts_once():
    known = {*table("words.toml"), "language", "languages"}
    for id_, entry in table("taxonomy.toml").items():
        names = [name for grade in GRADES for name in entry[grade].split()]
        assert len(names) == len(set(names)), id_
        assert set(names) <= known, id_
