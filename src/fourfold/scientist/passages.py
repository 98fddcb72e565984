"""Match what is asked with every sentence of every source, by the things that both speak of, whatever the language.

A question and a summary share a topic where both say a concept of words.toml, a wish of slots.toml, a thing of
glossary.toml, a language, a kind of figure, or, letter by letter, the beginning of a word. Topics that few sentences
of the brief speak of count more; those that the task itself is recognised by count less, since every source on it has
them.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from fourfold.scientist.evidence import explains
from fourfold.scientist.index import Profile, Sentence
from fourfold.scientist.lexicon import Phrases, Span, flat, fold, mentioned, table
from fourfold.scientist.tasks import Reading
from fourfold.scientist.values import Relevance

_LEAST = 1.7
"""Least score of a sentence that is shown for an ask; about one topic of its own that a single sentence has."""

_SURE, _KNOWN = 2.8, 2.6
_HOW, _EXPLAINS = 0.75, 0.8
_TRUST: Mapping[Relevance, float] = {"relevant": 1.0, "partial": 0.9, "irrelevant": 0.7}
_UNKNOWN = 0.85
"""Of a source whose subject is not known."""

_BACKGROUND = 0.6
_TASK = 0.25
_AROUND = 0.25
_LONG = 0.008
_FIGURE = 1.5
_FEW = 8
"""Sentences of a brief below which what is rare among them says no more."""

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9-]+")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?![\w%]|[.,]\d)")
_STEM = 6
_COGNATE = 7


@dataclass(frozen=True)
class Passage:
    """A sentence of a source, with where it speaks of each topic."""

    source: str
    sentence: Sentence
    topics: Mapping[str, Span]
    trust: float


@dataclass(frozen=True)
class Found:
    """A passage that speaks of an ask: how well, and the part of its sentence that does so most."""

    passage: Passage
    score: float
    anchor: Span


class Passages:
    """Every sentence of a brief's papers, for the task that was read.

    Args:
        papers: profile and verdict of each; reading: of the question.
    """

    def __init__(self, papers: Iterable[tuple[Profile, Relevance]], reading: Reading) -> None:
        self._code = reading.language
        self._all = [
            Passage(
                profile.source.name, sentence, spoken_of(sentence.text), _TRUST[relevance] if reading.listed else 1.0
            )
            for profile, relevance in papers
            for sentence in profile.sentences
        ]
        held = Counter(topic for passage in self._all for topic in passage.topics)
        self._task = _task_topics(reading)
        self._weight = {
            topic: math.log(1 + max(_FEW, len(self._all)) / count)
            * _kind(topic)
            * (_TASK if topic in self._task else 1.0)
            for topic, count in held.items()
        }

    @staticmethod
    def _trusted(papers: Iterable[tuple[Profile, Relevance]], reading: Reading) -> Iterator[tuple[Profile, float]]:
        """Papers with how much they are trusted to speak of the task; all alike where it is not in the list."""
        for profile, relevance in papers:
            unknown = relevance == "irrelevant" and profile.first is None
            yield profile, _UNKNOWN if unknown and reading.listed else _TRUST[relevance] if reading.listed else 1.0

    def best(self, text: str, around: str = "", known: str = "", sure: bool = False, how: bool = False) -> list[Found]:
        """The sentences that speak of a text of the question, the best first.

        Args:
            text: the words asked; around: the clause they stand in, which counts less; known: a topic that they ask.
            sure: only those that leave little doubt that they bear on it, for words that may ask nothing.
            how: first those that say what parts there are and what they do.
        """
        own = {*asked_of(text, self._code), known}
        beside = asked_of(around, self._code) - own if around else set()
        good = []
        for passage in self._all:
            found = self._found(passage, own, beside, known)
            least = _LEAST * (_HOW if how else 1.0)
            asked = known in passage.topics and passage.trust > _TRUST["irrelevant"]
            if found.score >= least and (asked or self._bears(found, own, sure)):
                good.append(replace(found, score=found.score + _EXPLAINS * how * explains(passage.sentence)))
        return sorted(good, key=lambda one: (-one.score, one.passage.source, one.passage.sentence.start))

    def _bears(self, found: Found, own: Collection[str], sure: bool) -> bool:
        """Whether it is from a source on the task, or shares more with an ask than that both hold a figure.

        To be sure takes both, or much that they share.
        """
        passage = found.passage
        shared = {topic: passage.topics[topic] for topic in passage.topics if topic in own and topic not in self._task}
        figures = [span for topic, span in shared.items() if topic.partition(":")[0] in ("figure", "number")]
        more = any(not any(start <= a and b <= end for start, end in figures) for a, b in shared.values())
        on_task = passage.trust == 1.0
        return more and (on_task or found.score >= _SURE) if sure else more or on_task

    def own(self, text: str) -> set[str]:
        """The topics of a part of a question that the task is not recognised by."""
        return {topic for topic in asked_of(text, self._code) if topic.partition(":")[0] != "word"} - self._task

    def _found(self, passage: Passage, own: Collection[str], beside: Collection[str], known: str) -> Found:
        shared = {topic: self._weight[topic] for topic in passage.topics if topic in own}
        if known in shared and passage.trust > _TRUST["irrelevant"]:
            shared[known] = max(shared[known], _KNOWN)
        factor = passage.trust * (_BACKGROUND if passage.sentence.background else 1.0)
        factor /= 1 + _LONG * len(passage.sentence.text.split())
        score = factor * sum(_once(shared, passage.topics))
        if score >= _LEAST:
            score += _AROUND * factor * sum(self._weight[topic] for topic in passage.topics if topic in beside)
        top = max(shared, key=lambda topic: (shared[topic], topic), default="")
        return Found(passage, score, passage.topics.get(top, (0, 0)))


def _once(shared: Mapping[str, float], where: Mapping[str, Span]) -> Iterator[float]:
    """The weights of topics, of several that stand in the same words only the largest."""
    taken: list[Span] = []
    for topic in sorted(shared, key=lambda one: (-shared[one], one)):
        start, end = where[topic]
        if not any(start < stop and begin < end for begin, stop in taken):
            taken.append((start, end))
            yield shared[topic]


def _kind(topic: str) -> float:
    """How much a kind of topic counts."""
    return {"figure": _FIGURE, "word": 0.8, "concept": 0.8}.get(topic.partition(":")[0], 1.0)


def _task_topics(reading: Reading) -> frozenset[str]:
    """The topics by which the task itself is recognised."""
    leaf = reading.leaf
    own = {f"concept:{name}" for name, chance in leaf.said.items() if chance >= 0.3}
    words = _WORD.findall(f"{leaf.named('en')} {leaf.meaning('en')}".casefold())
    return frozenset(own | {f"word:{word[:_STEM]}" for word in words})


@cache
def _source_phrases() -> Phrases:
    """What sources say when they speak of a wish, a thing, a language or a figure."""
    slots = ((f"slot:{name}", slot["source"]) for name, slot in table("slots.toml").items())
    things = ((f"thing:{name}", thing["en"]) for name, thing in table("glossary.toml")["things"].items())
    languages = ((f"language:{code}", words["en"]) for code, words in table("languages.toml").items())
    return Phrases((*slots, *things, *languages))


@cache
def _asked_phrases(code: str) -> Phrases:
    """What questions of a language say when they speak of a thing or want a figure; English terms are understood."""
    said = {**table("glossary.toml")["things"]}
    things = ((f"thing:{name}", thing[known]) for name, thing in said.items() for known in {code, "en"} & {*thing})
    wants = table("glossary.toml")["figures"].items()
    figures = ((f"figure:{name}", figure[known]) for name, figure in wants for known in {code, "en"} & {*figure})
    return Phrases((*things, *figures))


@cache
def _figures() -> Mapping[str, re.Pattern[str]]:
    """How sources write each kind of figure."""
    kinds = table("glossary.toml")["figures"].items()
    return {f"figure:{name}": re.compile(figure["regex"], re.IGNORECASE) for name, figure in kinds}


@lru_cache(maxsize=1024)
def spoken_of(text: str) -> Mapping[str, Span]:
    """The topics of a source's sentence, each with where it speaks of it first."""
    low = flat(text)
    found: dict[str, Span] = {topic: spans[0] for topic, spans in _source_phrases().find(low).items()}
    for name, slot in table("slots.toml").items():
        if marks := slot.get("source_regex"):
            found |= {f"slot:{name}": match.span() for match in [re.search(marks, text, re.IGNORECASE)] if match}
    found |= {f"concept:{name}": spans[0] for name, spans in mentioned("words.toml", low, "en").items()}
    found |= {topic: match.span() for topic, kind in _figures().items() for match in [kind.search(text)] if match}
    found |= {f"number:{match.group()}": match.span() for match in _NUMBER.finditer(text)}
    for match in _WORD.finditer(low):
        for stem in _stems(match.group()):
            found.setdefault(f"word:{stem}", match.span())
    return found


def asked_of(text: str, code: str) -> set[str]:
    """The topics of a part of a question."""
    folded = fold(text)
    found = {*_asked_phrases(code).find(folded)}
    found |= {f"slot:{name}" for name in mentioned("slots.toml", folded, code)}
    found |= {f"concept:{name}" for name in mentioned("words.toml", folded, code)}
    found |= {f"language:{name}" for name in mentioned("languages.toml", folded, code)}
    found |= {f"number:{number}" for number in _NUMBER.findall(text)}
    words = _WORD.findall(folded) if code in ("en", "es", "fr", "pt", "de") else _LATIN.findall(text)
    if code == "en":
        return found | {f"word:{stem}" for word in words for stem in _stems(word.casefold())}
    long = [fold(word) for word in words if len(word) > _COGNATE or not code.isascii() or word.isupper()]
    return found | {f"word:{stem}" for word in long for stem in _stems(word)}


def _stems(word: str) -> Sequence[str]:
    """The beginning of a word that says something; none of a word that says nothing about what is asked."""
    if len(word) < 3 or word in _plain():
        return ()
    return (word[:_STEM],)


@cache
def _plain() -> frozenset[str]:
    return frozenset(word.strip() for word in table("asks.toml")["plain"]["en"].split("|"))
