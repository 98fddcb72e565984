"""Classify which task a question is about, by the concepts it states and how often each task is asked about with them.

A question is read as the set of concepts of words.toml that it states. taxonomy.toml grades how often each concept is
said of each task; the task is the one under which the whole set is likeliest (naive Bayes with Bernoulli features).
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from fourfold.scientist.lexicon import Phrases, Span, fold, language, mentioned, table
from fourfold.scientist.scope import Scope, scopes
from fourfold.scientist.values import Task

NONE, OTHER = "none", "other"
GRADES = {"always": 0.9, "often": 0.6, "some": 0.3, "rare": 0.12}
UNGRADED = 0.03
_LONGEST = 3000
# Log odds. Everyday questions are more various than those of any one task; two sources about a task are no accident,
# while one may be the trap.
_TERM = 3.0
_EVERYDAY = 2.0
_OFFERED = (0.0, 2.0, 6.0)
_FLOOR = (2.0, 0.0)
"""Least fit of a task that no source offers, and of one that one source does; two of them are never below it."""

_TONGUES = ("language", "languages")
"""Concepts that name a language, which a question on any text may do."""

_MARGIN = 1.5
_TELLING = 2.5


@dataclass(frozen=True)
class Leaf:
    """One task of the taxonomy.

    Attributes:
        id, origin: its id, and whether Hugging Face has it ("HF") or only we ("EXT").
        input, output: types.
        said: how likely a question of this task states a concept, 0..1, for the concepts that are graded.
        tokens, nets, data: parts of model names that indicate it.
    """

    id: str
    origin: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    said: dict[str, float]
    tokens: frozenset[str]
    nets: frozenset[str]
    data: frozenset[str]

    @property
    def parent(self) -> str:
        """The id up to the slash."""
        return self.id.split("/")[0]

    @property
    def is_method(self) -> bool:
        """Whether it is a technique on models, and never a person's task."""
        return self.parent == "method"

    def named(self, code: str) -> str:
        """Its short name in a language that answers are written in."""
        return self._words(code)[0]

    def meaning(self, code: str) -> str:
        """What it means in plain words of such a language."""
        return self._words(code)[1]

    def shape(self, code: str) -> tuple[str, str]:
        """What goes in and what comes out in such a language, empty where its types say it."""
        given, result = (*self._words(code)[2:], "", "")[:2]
        return given, result

    def _words(self, code: str) -> list[str]:
        row: str = table(f"prose/{code}.toml")["tasks"][self.id]
        return row.split(" | ")

    def log_likelihood(self, stated: Collection[str]) -> float:
        """Of a set of concepts, up to a constant that is the same for every task."""
        listed = sum(math.log(chance if name in stated else 1 - chance) for name, chance in self.said.items())
        others = sum(name not in self.said for name in stated)
        return listed + others * math.log(UNGRADED) - len(self.said) * math.log(1 - UNGRADED)


@dataclass(frozen=True)
class Reading:
    """How a question was read.

    Attributes:
        leaf: the task; runner_up: the next one where the two are close, else None.
        language: of the question; stated: concepts it states, with the offsets in its folded text.
        listed: whether the question's task is one of the list; if not, ``leaf`` is that of no task.
    """

    leaf: Leaf
    runner_up: Leaf | None
    language: str
    stated: Mapping[str, tuple[tuple[int, int], ...]]
    listed: bool = True

    @property
    def task(self) -> Task:
        """The task with its types; that of the list's outside is "other"."""
        if not self.listed:
            return Task(OTHER, (), ())
        return Task(self.leaf.id, self.leaf.input, self.leaf.output)

    @property
    def telling(self) -> list[str]:
        """The stated concepts that are said of the task far more often than of others, the most distinctive first."""
        others = [leaf for leaf in leaves().values() if not leaf.is_method]
        lift = {
            name: self.leaf.said.get(name, 0.0) * len(others) / sum(leaf.said.get(name, UNGRADED) for leaf in others)
            for name in self.stated
        }
        return sorted((name for name in lift if lift[name] >= _TELLING), key=lambda name: (-lift[name], name))


@cache
def leaves() -> dict[str, Leaf]:
    """Every task by id, in the order of taxonomy.toml."""
    return {id_: _leaf(id_, entry) for id_, entry in table("taxonomy.toml").items()}


@cache
def terms() -> Phrases:
    """How papers, and people who know the terms, write each task."""
    return Phrases((id_, entry["terms"]) for id_, entry in table("taxonomy.toml").items())


def _leaf(id_: str, entry: Mapping[str, str]) -> Leaf:
    said = {name: chance for grade, chance in GRADES.items() for name in entry[grade].split()}
    parts = {name: frozenset(entry[name].split("|")) - {""} for name in ("tokens", "nets", "data")}
    return Leaf(id_, entry["origin"], tuple(entry["input"]), tuple(entry["output"]), said, **parts)


def read(question: str, offered: Mapping[str, int] | None = None) -> Reading:
    """The task of a question, from its words; where they leave a doubt, one that the sources are about.

    Args:
        question: read up to 3,000 characters, so that a long text costs no more.
        offered: how many sources of the brief offer a task, by its id.
    """
    code = language(question[:_LONGEST])
    folded = fold(question[:_LONGEST])
    limits = scopes(folded, code)
    stated = _stated(folded, code, limits)
    named = {id_ for id_, spans in terms().find(folded).items() if _free(spans, limits)}
    alone = {
        id_: leaf.log_likelihood(stated) + _TERM * (id_ in named) + _EVERYDAY * (id_ == NONE)
        for id_, leaf in leaves().items()
        if not leaf.is_method
    }
    known = offered or {}
    top = max(alone, key=lambda id_: (alone[id_], id_))
    refused = _refused(folded, code, stated)
    lifting = {name for name in stated if name not in _TONGUES and leaves()[top].said.get(name, 0.0) < GRADES["often"]}
    scores = {
        id_: score
        + (0.0 if _vetoed(id_, refused, stated if id_ == top else lifting) else _OFFERED[min(2, known.get(id_, 0))])
        for id_, score in alone.items()
    }
    first, second = sorted(scores, key=lambda id_: (-scores[id_], id_))[:2]
    other = top
    if other == first and scores[first] - scores[second] < _MARGIN:
        other = second
    if not _fits(first, stated, known.get(first, 0)) and first not in named:
        return Reading(leaves()[NONE], None, code, stated, listed=False)
    doubtful = other != first and NONE not in (other, first)
    return Reading(leaves()[first], leaves()[other] if doubtful else None, code, stated)


def subject(text: str) -> str:
    """Id of the task that an English description is likeliest of, "" if it is hardly likelier of it than of any."""
    stated = mentioned("words.toml", fold(text), "en")
    tasks = [leaf for leaf in leaves().values() if not leaf.is_method and leaf.id != NONE]
    first = max(tasks, key=lambda leaf: leaf.log_likelihood(stated)).id
    return first if _fits(first, stated, 0) else ""


@cache
def _usual() -> dict[str, float]:
    """How likely a question of any task states a concept."""
    asked = [leaf for leaf in leaves().values() if not leaf.is_method]
    return {
        name: sum(leaf.said.get(name, UNGRADED) for leaf in asked) / len(asked)
        for name in {name for leaf in asked for name in leaf.said}
    }


def _fits(id_: str, stated: Collection[str], offered: int) -> bool:
    """Whether a question is so much likelier of a task than of any that it may be said to be of that task."""
    if id_ == NONE or offered >= len(_FLOOR):
        return True
    usual = _usual()
    any_ = sum(math.log(chance if name in stated else 1 - chance) for name, chance in usual.items())
    fit = leaves()[id_].log_likelihood(stated) + len(usual) * math.log(1 - UNGRADED) - any_
    return fit >= _FLOOR[offered]


def _refused(folded: str, code: str, stated: Collection[str]) -> set[str]:
    """The concepts that a question names only to refuse them, or names as a step that is done."""
    return {name for name in mentioned("words.toml", folded, code) if name not in stated}


def _vetoed(id_: str, refused: Collection[str], lifting: Collection[str]) -> bool:
    """Whether a question refuses what a task is recognised by, and says nothing else that names it."""
    return _tells(leaves()[id_], refused) and not _tells(leaves()[id_], lifting)


def _tells(leaf: Leaf, names: Collection[str]) -> bool:
    """Whether one of the concepts is said of a task far more often than of others."""
    usual = _usual()
    return any(leaf.said.get(name, 0.0) >= max(GRADES["often"], _TELLING * usual.get(name, 1.0)) for name in names)


def _stated(folded: str, code: str, limits: list[Scope]) -> dict[str, tuple[tuple[int, int], ...]]:
    """The concepts that a question states, without those it refuses, lacks, or gives as a step already done.

    A thing is there even where something done with it is refused.
    """
    words = table("words.toml")
    stated = {}
    for name, spans in mentioned("words.toml", folded, code).items():
        kinds = {"lacking", "aside"}
        kinds |= {"done", "how"} if words[name].get("step") else set()
        kinds |= set() if words[name].get("thing") else {"refused"}
        free = _free(spans, [scope for scope in limits if scope.kind in kinds])
        if free and not (words[name].get("step") and _done(spans, limits)):
            stated[name] = free
    if languages := [span for spans in mentioned("languages.toml", folded, code).values() for span in spans[:1]]:
        stated["language"] = tuple(languages)
        if len(languages) > 1:
            stated["languages"] = tuple(languages)
    return stated


def _done(spans: Iterable[Span], limits: Iterable[Scope]) -> bool:
    """Whether a step is described as done, so that other mentions of it speak of its result."""
    return any(scope.kind == "done" and scope.covers(span) for span in spans for scope in limits)


def _free(spans: list[tuple[int, int]], limits: list[Scope]) -> tuple[tuple[int, int], ...]:
    return tuple(span for span in spans if not any(scope.covers(span) for scope in limits))
