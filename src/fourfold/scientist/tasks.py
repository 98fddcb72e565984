"""Which task a question is about: ~54 leaves, told by what people say, how papers say it, and example questions."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from fourfold.scientist.lexicon import concepts, fold, hits, language, pattern, table, unwanted
from fourfold.scientist.values import Task

NONE = "none"
_FLOOR = 1.5
_LOW_FLOOR = 0.6
_MEDIA = {"photo", "video", "audio", "music", "text", "page", "table", "series", "face"}
_MARGIN = 0.8
_LONGEST = 3000
_GAP = re.compile(r"[\W_]+")
_KEPT_WHEN_UNWANTED = {"openlabels"}
_KEPT_WHEN_WITHOUT = {"openlabels", "cutout", "split", "tableq", "click", "dark", "bw"}
_DONE_STEPS = {"transcribe", "caption", "translate", "summary", "detect", "track", "read", "pixels", "classify"}


@dataclass(frozen=True)
class Leaf:
    """One task of the taxonomy.

    Attributes:
        id, origin: its id, and whether Hugging Face has it ("HF") or only we ("EXT").
        input, output: types; names: language to ``(name, what it means)``.
        rules: ``(wanted, unwanted, weight)`` over the concepts of a question.
        terms: how papers write it; tokens, nets, data: parts of model names that tell it.
        examples: questions of this task.
    """

    id: str
    origin: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    names: dict[str, tuple[str, str]]
    rules: tuple[tuple[frozenset[str], frozenset[str], float], ...]
    terms: re.Pattern[str] | None
    tokens: frozenset[str]
    nets: frozenset[str]
    data: frozenset[str]
    examples: tuple[str, ...]

    @property
    def parent(self) -> str:
        """The id up to the slash."""
        return self.id.split("/")[0]

    @property
    def is_method(self) -> bool:
        """Whether it is a technique on models, and never a person's task."""
        return self.parent == "method"

    def named(self, code: str) -> str:
        """Its short name in a language, English where there is none."""
        return self.names.get(code, self.names["en"])[0]

    def meaning(self, code: str) -> str:
        """What it means in plain words of a language, English where there is none."""
        return self.names.get(code, self.names["en"])[1]


@dataclass(frozen=True)
class Reading:
    """How a question was read.

    Attributes:
        leaf: the task; runner_up: the next one where the two are close, else None.
        language: of the question; concepts: which concepts of words.toml it holds.
    """

    leaf: Leaf
    runner_up: Leaf | None
    language: str
    concepts: frozenset[str]

    @property
    def task(self) -> Task:
        """The task with its types."""
        return Task(self.leaf.id, self.leaf.input, self.leaf.output)


@cache
def leaves() -> dict[str, Leaf]:
    """Every task by id, in the order of taxonomy.toml."""
    return {id_: _leaf(id_, entry) for id_, entry in table("taxonomy.toml").items()}


def _leaf(id_: str, entry: dict[str, object]) -> Leaf:
    text = {name: str(entry[name]) for name in ("origin", "terms", "tokens", "nets", "data")}
    lists = {name: [str(item) for item in entry[name]] for name in ("input", "output", "rules", "examples")}  # type: ignore[attr-defined]
    names = {}
    for code in ("en", "ko", "es"):
        name, _, meaning = str(entry[code]).partition(": ")
        names[code] = (name, meaning)
    parts = {name: frozenset(text[name].split("|")) - {""} for name in ("tokens", "nets", "data")}
    rules = tuple(_rule(rule) for rule in lists["rules"])
    input_, output = tuple(lists["input"]), tuple(lists["output"])
    examples = tuple(lists["examples"])
    return Leaf(id_, text["origin"], input_, output, names, rules, pattern(text["terms"]), **parts, examples=examples)


def _rule(rule: str) -> tuple[frozenset[str], frozenset[str], float]:
    condition, _, weight = rule.rpartition("=")
    names = re.findall(r"([+-]?)(\w+)", condition)
    wanted = frozenset(name for sign, name in names if sign != "-")
    return wanted, frozenset(name for sign, name in names if sign == "-"), float(weight)


def read(question: str) -> Reading:
    """The task of a question, from its words alone.

    A question that reaches no floor, or reads most like an everyday one, is ``none``; the floor is lower where it
    names something to work on: a photo, a recording, a table. Every step counts occurrences
    in at most 3,000 characters, so that a long text costs no more.
    """
    code = language(question[:_LONGEST])
    folded = fold(question[:_LONGEST])
    present = _present(folded, code)
    scores = _scores(folded, present)
    ranked = sorted(scores, key=lambda id_: (-scores[id_], id_))
    first, second = ranked[0], ranked[1]
    if scores[first] < (_LOW_FLOOR if present & _MEDIA and "notai" not in present else _FLOOR):
        first, second = NONE, first if scores[first] > _FLOOR / 2 else NONE
    close = second not in (NONE, first) and scores[second] > max(_FLOOR, scores[ranked[0]] - _MARGIN)
    return Reading(leaves()[first], leaves()[second] if close else None, code, present)


def _present(folded: str, code: str) -> frozenset[str]:
    refused, lacking, done = unwanted(folded)
    present = set()
    for name, found in concepts(code).items():
        outside = list(refused) if name not in _KEPT_WHEN_UNWANTED else []
        outside += lacking if name not in _KEPT_WHEN_WITHOUT else []
        outside += done if name in _DONE_STEPS else []
        if hits(found, folded, outside):
            present.add(name)
    return frozenset(present)


def _scores(folded: str, present: frozenset[str]) -> dict[str, float]:
    refused, lacking, done = unwanted(folded)
    alike = _likeness(folded)
    scores = {}
    for id_, leaf in leaves().items():
        if leaf.is_method:
            continue
        score = sum(weight for wanted, barred, weight in leaf.rules if wanted <= present and not barred & present)
        if leaf.terms is not None and hits(leaf.terms, folded, [*refused, *lacking, *done]):
            score += 2.0
        scores[id_] = score + 2.5 * alike.get(id_, 0.0)
    return scores


def _grams(text: str) -> Counter[str]:
    text = f" {_GAP.sub(' ', text).strip()} "
    return Counter(text[at : at + size] for size in (3, 4, 5) for at in range(len(text) - size + 1))


@cache
def _examples() -> tuple[dict[str, float], dict[str, list[tuple[str, float]]]]:
    """Inverse document frequencies, and for every run of letters the example questions that hold it, with weights."""
    counted = [(id_, _grams(fold(text))) for id_, leaf in leaves().items() for text in leaf.examples]
    seen = Counter(gram for _, grams in counted for gram in grams)
    idf = {gram: math.log((1 + len(counted)) / (1 + number)) for gram, number in seen.items()}
    postings: dict[str, list[tuple[str, float]]] = {}
    for number, (id_, grams) in enumerate(counted):
        for gram, weight in _vector(grams, idf).items():
            postings.setdefault(gram, []).append((f"{number} {id_}", weight))
    return idf, postings


def _vector(grams: Counter[str], idf: dict[str, float]) -> dict[str, float]:
    weights = {gram: (1 + math.log(number)) * idf[gram] for gram, number in grams.items() if gram in idf}
    length = math.sqrt(math.fsum(weight * weight for weight in weights.values())) or 1.0
    return {gram: weight / length for gram, weight in weights.items()}


def _likeness(folded: str) -> dict[str, float]:
    """The greatest cosine similarity, 0..1, of a question to each task's examples, over runs of 3 to 5 letters."""
    idf, postings = _examples()
    dots: dict[str, float] = {}
    for gram, weight in _vector(_grams(folded), idf).items():
        for example, other in postings[gram]:
            dots[example] = dots.get(example, 0.0) + weight * other
    found: dict[str, float] = {}
    for example, dot in dots.items():
        id_ = example.split(" ")[1]
        found[id_] = max(found.get(id_, 0.0), dot)
    return found
