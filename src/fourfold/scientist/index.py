"""Profile each source of a brief: the tasks it is about, and the sentences that may be quoted."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from fourfold.scientist.lexicon import flat
from fourfold.scientist.tasks import Leaf, leaves, subject, terms
from fourfold.scientist.trust import hidden, key, mentions, sentences
from fourfold.scientist.values import Brief, Source

_OWN = re.compile(
    r"\b(?:we|this paper|the paper|this work|the work|this article|this report|the authors|our|is presented|"
    r"is proposed|"
    r"is introduced|are provided|in this \w+|it (?:uses|learns|is based|can|consists|takes|reaches|achieves)|"
    r"(?:propos|introduc|present|develop)(?:es|ed|e|s)\b)",
    re.IGNORECASE,
)
_PROPOSED = re.compile(r"\b(?:propos|introduc|present|develop|describ|design)(?:e|es|ed|s|ing)?\b", re.IGNORECASE)
_BACKGROUND = re.compile(
    r"^(?:recent|currently|traditional|existing|many|most|over the last|in recent|prior|previous|despite|conventional|"
    r"although|while|typically)\b|\b(?:has been|have been|suffer|limitation|challeng|problems?\b|"
    r"less well|scarce|drawback|disproportionate)",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?:\be\.g\.|\bsuch as\b|\bincluding\b|\bfor example\b|\bfor instance\b|\btasks like\b|\branging from\b|"
    r"\brange of [\w -]*tasks\b|\bexperiments on\b|\bvariety of\b|\bset of [\w -]*tasks\b|\bapplied to\b|"
    r"\bevaluat\w+ \w+|"
    r"\bcompared with\b|\binspired by\b|\bsuccess of\b|\bdownstream tasks\b)",
    re.IGNORECASE,
)
_ACHIEVED = re.compile(r"\b(?:achiev|reach|set|outperform|surpass|cover|obtain|improv)\w*\b", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:not|never|nor|without|instead of|rather than)\s+(?:\w+\s+){0,1}$", re.IGNORECASE)
_OWN_TASKS = 5
_FIRST = 3
_BY_TERM = 2.5
_RESULT = re.compile(r"\W{1,3}\(?\s*[\d.]+ ")
_STRIPPED = re.compile(r"[^a-z0-9]+")
_UNQUOTABLE = re.compile(r"[“”<>`|]|\]\(|://|\bwww\.|\bgithub\b", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """A quotable sentence of a summary, with its offset; ``own`` if it says what the authors did, not others."""

    text: str
    start: int
    own: bool
    background: bool


@dataclass(frozen=True)
class Profile:
    """What one source offers.

    Attributes:
        source: the source; served: the related paper that describes the same work, or None.
        does: tasks it is about, by weight; names: tasks it only mentions; listed: those of them in a list of tasks;
            results: those with a figure beside them.
        named_by: for each task, the part of the source's name that indicates it, if there is one.
        sentences: what may be quoted.
        read: id of the task that its plain words are likeliest of, "" if they are hardly likelier of any.
    """

    source: Source
    does: dict[str, float]
    names: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()
    named_by: dict[str, str] = field(default_factory=dict)
    sentences: tuple[Sentence, ...] = ()
    served: Source | None = None
    read: str = ""

    @property
    def first(self) -> Leaf | None:
        """The task it offers most clearly."""
        if not self.does:
            return None
        return leaves()[max(self.does, key=lambda id_: (self.does[id_], id_))]


def profiles(brief: Brief) -> dict[str, Profile]:
    """A profile of every source, by name; a model that a related paper describes shares the paper's."""
    found = {source.name: _paper(source) for source in brief.papers}
    papers = dict(found)
    for model in brief.models:
        twin = next((paper for paper in brief.papers if _same_work(model, paper)), None)
        found.setdefault(model.name, _model(model, papers[twin.name] if twin else None))
    return found


def quotable(source: Source) -> tuple[Sentence, ...]:
    """The sentences of a summary that may be quoted: trusted, without links, and with quotation marks that nest."""
    found = []
    for start, end in sentences(source.summary):
        text = source.summary[start:end]
        if any(start < stop and begin < end for begin, stop in source.untrusted):
            continue
        if _UNQUOTABLE.search(text) or hidden(text) or any(mention.kind != "repository" for mention in mentions(text)):
            continue
        own = _OWN.search(text) is not None
        found.append(Sentence(text, start, own, not own and _BACKGROUND.search(text) is not None))
    return tuple(found)


def parts_of(name: str) -> list[str]:
    """The parts of a model's name, lower-cased: single parts, then runs of two and three joined with hyphens."""
    pieces = [piece for piece in re.split(r"[-_ /:,()]+", name) if piece]
    joined = ["-".join(pieces[at : at + size]) for size in (2, 3) for at in range(len(pieces) - size + 1)]
    return [*pieces, *joined]


def _model(source: Source, paper: Profile | None) -> Profile:
    scores, named = _by_name(source.name)
    for link in source.repositories:
        repository = link.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
        for id_, score in _by_name(repository)[0].items():
            scores[id_] = scores.get(id_, 0.0) + score / 2
    if not named:
        scores = {id_: score for id_, score in scores.items() if score >= 1}
    does = {id_: score for id_, score in scores.items() if score >= 0.85 * max(scores.values())}
    if paper is None:
        return Profile(source, does, named_by=named)
    merged = does or dict(paper.does)
    return Profile(source, merged, paper.names, paper.listed, paper.results, named, (), paper.source)


def _by_name(name: str) -> tuple[dict[str, float], dict[str, str]]:
    """Tasks that a model's name indicates: by abbreviations first, then architectures, then data sets."""
    scores: dict[str, float] = {}
    named: dict[str, str] = {}
    for position, part in enumerate(parts_of(name)):
        forms = _forms(part.casefold())
        for id_, leaf in leaves().items():
            weight = 3.0 if forms & leaf.tokens else 2.0 if forms & leaf.nets else 0.9 if forms & leaf.data else 0.0
            weight = weight / 3 if leaf.is_method else weight + (0.5 if weight and position == 0 else 0.0)
            if weight > scores.get(id_, 0.0):
                scores[id_], named[id_] = weight, part
    for id_, part in {id_: name[start:end] for id_, start, end in _terms(name)}.items():
        scores[id_] = scores.get(id_, 0.0) + _BY_TERM
        named.setdefault(id_, part)
    return scores, named


def _forms(part: str) -> set[str]:
    """A part of a name as it may be listed: itself, without marks, and without the letter of a size after a number."""
    forms = {part}
    if len(part) > 3:
        forms.add(_STRIPPED.sub("", part))
    if re.fullmatch(r"[a-z]{3,}\d+[nsmlxbt]", part):
        forms.add(part[:-1])
    return forms


def _paper(source: Source) -> Profile:
    quotes = quotable(source)
    weights = _by_title(source)
    listed: set[str] = set()
    own: set[str] = set()
    results: set[str] = set()
    for sentence in quotes:
        begin = _LISTED.search(sentence.text)
        for id_, start, end in _terms(sentence.text):
            if _DENIED.search(sentence.text[:start]):
                continue
            if begin is not None and start > begin.start():
                listed.add(id_)
                if _ACHIEVED.search(sentence.text, 0, begin.start()):
                    own.add(id_)
                if _RESULT.match(sentence.text[end:]):
                    results.add(id_)
                continue
            proposed = _PROPOSED.search(sentence.text, 0, start) is not None
            weight = 2.0 if proposed else 1.3 if sentence.own else 0.7 if sentence.background else 1.0
            weights[id_] = min(weights.get(id_, 0.0) + weight, 8.0)
    strongest = max(weights.values(), default=0.0)
    least = max(1.9, 0.3 * strongest) if strongest >= 1.9 else max(1.0, strongest)
    does = {id_: weight for id_, weight in weights.items() if weight >= least}
    names = frozenset(listed | {id_ for id_ in weights if id_ not in does})
    if not does and len(own) <= _OWN_TASKS:
        does = dict.fromkeys(sorted(own), 1.0)
    plain = "" if any(not leaves()[id_].is_method for id_ in does) else subject(_plain(source, quotes))
    listed -= set(does)
    return Profile(source, does, names - set(does), frozenset(listed), frozenset(results), {}, quotes, read=plain)


def _plain(source: Source, quotes: Sequence[Sentence]) -> str:
    """A paper's title and what it says first as one text."""
    return ". ".join([source.name, *(sentence.text for sentence in quotes[:_FIRST])])


def _by_title(source: Source) -> dict[str, float]:
    weights: dict[str, float] = {}
    for id_, _, _ in _terms(source.name):
        weights[id_] = weights.get(id_, 0.0) + 3.0
    for word in re.findall(r"[\w-]+", source.name):
        if not word.islower() and not word.istitle() and len(word) > 2:
            for id_, leaf in leaves().items():
                if word.casefold() in leaf.nets:
                    weights[id_] = weights.get(id_, 0.0) + 1.5
    for link in source.repositories:
        for id_ in _repository_tasks(link):
            weights[id_] = weights.get(id_, 0.0) + 2.0
    return weights


def _repository_tasks(link: str) -> Iterable[str]:
    for part in parts_of(link.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1])[:6]:
        for id_, leaf in leaves().items():
            if len(part) > 3 and part.casefold() in leaf.tokens:
                yield id_


@lru_cache(maxsize=512)
def _terms(text: str) -> list[tuple[str, int, int]]:
    """``(task, start, end)`` of every term in a text, longest first in: "video super-resolution" holds no other."""
    found = [(id_, start, end) for id_, spans in terms().find(flat(text)).items() for start, end in spans]
    return [
        (id_, start, end)
        for id_, start, end in found
        if not any(a <= start and end <= b and b - a > end - start for _, a, b in found)
    ]


def terms_in(text: str, id_: str) -> list[tuple[int, int]]:
    """Offsets of a task's own terms in a text."""
    return [(start, end) for found, start, end in _terms(text) if found == id_]


def _same_work(model: Source, paper: Source) -> bool:
    """Whether a paper describes a model: same repository, arXiv paper or title, or its short title in the name."""
    if key(model.name) == key(paper.name):
        return True
    if {_work(link) for link in model.links} & {_work(link) for link in paper.links}:
        return True
    short, colon, _ = paper.name.partition(":")
    return bool(colon) and len(key(short)) >= 3 and key(short) in {key(part) for part in parts_of(model.name)}


def _work(link: str) -> str:
    if match := re.search(r"arxiv\.org/(?:abs|pdf|html)/(\d{4}\.\d{4,5})", link, re.IGNORECASE):
        return match[1]
    return re.sub(r"^https?://(?:www\.)?|(?:\.git)?/*$", "", link.casefold())


@cache
def _words(text: str) -> tuple[str, ...]:
    return tuple(word[:7] for word in re.findall(r"[^\W_]+", text.casefold()) if len(word) > 2)


def bm25(query: Iterable[str], texts: Sequence[str]) -> list[float]:
    """The BM25 score of every text for a query's words, compared by their first seven letters; k1 = 1.2, b = 0.5."""
    bags = [Counter(_words(text)) for text in texts]
    asked = sorted({word for part in query for word in _words(part)})
    mean = sum(map(len, bags)) / max(1, len(bags)) or 1.0
    scores = []
    for bag in bags:
        total = 0.0
        for word in asked:
            if count := bag[word]:
                holding = sum(word in other for other in bags)
                idf = math.log(1 + (len(bags) - holding + 0.5) / (holding + 0.5))
                total += idf * count * 2.2 / (count + 1.2 * (0.5 + 0.5 * len(bag) / mean))
        scores.append(total)
    return scores
