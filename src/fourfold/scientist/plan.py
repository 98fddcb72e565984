"""Plan an answer: which sources fit, which of their words say so, and how each thing asked is answered."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from fourfold.scientist.asks import Wanted, asked, numbers, sayable, terms
from fourfold.scientist.evidence import Quote, about, cut, mechanism, phrase
from fourfold.scientist.index import Profile, profiles
from fourfold.scientist.lexicon import Phrases, Span, flat, table
from fourfold.scientist.tasks import NONE, Leaf, Reading, leaves, read
from fourfold.scientist.values import Brief, Claim, Match, Relevance, Status

_MODALITY = {
    "image": r"\bimage|vision|visual|photo|pictur|pixel|\bViT",
    "images": r"\bimage|vision|visual|photo|view",
    "video": r"video|frame|visual|vision",
    "audio": r"audio|speech|sound|music|acoustic|voice",
    "text": r"\btext|language|sentence|document|\bword|token",
    "table": r"tabular|table|structured",
    "time-series": r"time.series|temporal|sensor|forecast",
}
_ON_METHOD = ("detail", "on_device", "real_time", "speed", "no_training", "few_examples", "long_input")
"""Slots that a source about another task, or about no task, may still say something on."""

_SAME_SIZE = (
    "deblurring",
    "denoising",
    "dehazing",
    "low-light-enhancement",
    "inpainting",
    "colorization",
    "face-restoration",
)
_BY_TASK = {
    "short_answer": {
        "image-to-text/image-captioning", "visual-question-answering", "document-question-answering", "summarization",
        "text-classification", "audio-classification", "image-classification", "table-question-answering",
    },
    "own_labels": {"zero-shot-object-detection", "zero-shot-image-classification"},
    "occlusion": set(),
}  # fmt: skip
"""Slots that a task answers by what it is."""

Why = str
"""Why a paper stands where it does: "task", "backbone", "mention", "kin", "wish", or "none"."""

How = Literal["quote", "type", "arithmetic", "question", "each", "name", "verdict", "advice", ""]
"""By what an ask is answered, "advice" by a language model's sentence on a quote; "" where it is open."""


@dataclass(frozen=True)
class Paper:
    """A related paper in the plan: its verdict, why, the task or slot it is about, and what it says.

    Attributes:
        quotes: on its own subject, or on the task if it is about the task, and then on how it works.
        phrase: a few words with the name of the task, if it is about the task.
    """

    profile: Profile
    relevance: Relevance
    why: Why
    about: str
    quotes: tuple[Quote, ...]
    phrase: Quote | None = None


@dataclass(frozen=True)
class Model:
    """A recommended model in the plan: its verdict, the task it offers, the part of its name that indicates it."""

    profile: Profile
    match: Match
    offers: Leaf | None
    named_by: str


@dataclass(frozen=True)
class Answered:
    """Something asked, and what became of it.

    Attributes:
        wanted: the ask; status: whether it is answered, inferred from a source on something else, or open.
        how: by what; source, quote: that speaks of it; figures: of an enlargement (from, to, factor),
            or a part of a name.
    """

    wanted: Wanted
    status: Status
    how: How = ""
    source: str = ""
    quote: Quote | None = None
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything an answer says, before it is put in words.

    Attributes:
        reading: the question's task; models, papers: the sources with verdicts; answers: everything asked.
        chains: names of two sources where the first one's output is the second one's input, and it ends at the task.
    """

    reading: Reading
    models: tuple[Model, ...]
    papers: tuple[Paper, ...]
    answers: tuple[Answered, ...]
    chains: tuple[tuple[str, str], ...]

    @property
    def fitting(self) -> tuple[Model, ...]:
        """The recommended models that do the task."""
        return tuple(model for model in self.models if model.match == "yes")

    def ranked(self, *labels: Relevance) -> tuple[Paper, ...]:
        """The papers of some labels, first those that describe a fitting model."""
        served = {model.profile.served for model in self.fitting}
        found = [paper for paper in self.papers if paper.relevance in labels]
        return tuple(sorted(found, key=lambda paper: paper.profile.source not in served))


def plan(brief: Brief) -> Plan:
    """Reads the question, profiles the sources, judges them against the task, and answers each thing asked."""
    known = profiles(brief)
    offered = Counter(id_ for profile in known.values() if profile.served is None for id_ in profile.does)
    reading = read(brief.question, offered)
    wanted = tuple(one for one in asked(brief.question, reading) if sayable(one))
    slots = tuple(dict.fromkeys(one.name for one in wanted if one.kind == "wish"))
    papers = tuple(_paper(known[source.name], reading.leaf, slots, brief.question) for source in brief.papers)
    models = tuple(_model(known[source.name], reading.leaf) for source in brief.models)
    papers = tuple(_of_a_fitting(paper, models, reading.leaf) for paper in papers)
    judge = _Judge(brief.question, reading, models, papers)
    answers = tuple(judge.answer(one) for one in wanted)
    return Plan(reading, models, papers, answers, _chains(models, papers, reading.leaf))


def advised(made: Plan, answers: Mapping[str, Claim]) -> Plan:
    """A plan in which a language model's sentences, by the words of asks, answer what they were given for."""
    labels = {paper.profile.source.name: paper.relevance for paper in made.papers}
    found = []
    for one in made.answers:
        claim = answers.get(one.wanted.text)
        if claim is None or claim.source not in labels or one.wanted.main:
            found.append(one)
            continue
        status: Status = "answered" if labels[claim.source] == "relevant" else "inferred"
        found.append(Answered(one.wanted, status, "advice", claim.source, Quote(claim.quote, claim.start)))
    return replace(made, answers=tuple(found))


@cache
def _sources_say() -> Phrases:
    """What sources say when they speak of a slot, by slot; of a language, its English name."""
    slots = ((name, slot["source"]) for name, slot in table("slots.toml").items())
    languages = ((f"language:{code}", words["en"]) for code, words in table("languages.toml").items())
    return Phrases((*slots, *languages))


def _said(name: str, text: str) -> list[Span]:
    """Where a text of a source speaks of a slot or language."""
    spans = _sources_say().find(flat(text)).get(name, [])
    if marks := table("slots.toml").get(name, {}).get("source_regex"):
        spans = sorted([*spans, *(match.span() for match in re.finditer(marks, text, re.IGNORECASE))])
    return spans


class _Judge:
    """Answers what was asked from the sources that were found to bear on the task."""

    def __init__(self, question: str, reading: Reading, models: tuple[Model, ...], papers: tuple[Paper, ...]) -> None:
        self.question, self.reading, self.leaf = question, reading, reading.leaf
        self.models = models
        self.papers = [paper for label in ("relevant", "partial") for paper in papers if paper.relevance == label]

    def answer(self, one: Wanted) -> Answered:
        """What becomes of an ask."""
        if self.leaf.id == NONE or not self.reading.listed:
            return Answered(one, "open")
        if one.kind == "refused":
            return Answered(one, "answered", "question")
        if one.kind in ("task", "model"):
            return self._verdict(one)
        if one.kind in ("how", "why"):
            return self._explained(one)
        if one.kind == "factor":
            return (
                self._factor(one)
                or self._quoted(one, "scale")
                or self._named(one, r"[x×]\d|\d[x×]")
                or Answered(one, "open")
            )
        if one.kind == "language":
            return self._quoted(one, f"language:{one.name}") or self._several(one) or Answered(one, "open")
        if one.kind == "wish":
            return self._wish(one)
        return self._by_words(one) or Answered(one, "open")

    def _verdict(self, one: Wanted) -> Answered:
        known = [model for model in self.models if model.offers is not None]
        relevant = [paper for paper in self.papers if paper.relevance == "relevant"]
        if one.kind == "model" and not known:
            return Answered(one, "open")
        if known or relevant:
            source = known[0].profile.source.name if known else relevant[0].profile.source.name
            return Answered(one, "answered", "verdict", source)
        return Answered(one, "answered", "verdict") if not self.models else Answered(one, "open")

    def _explained(self, one: Wanted) -> Answered:
        """A how or why: by its own words, else by how a source on the task works, or by one that bears on it."""
        if not one.main and (found := self._by_words(one)):
            return found
        for paper in self.papers:
            if paper.relevance == "relevant" and paper.quotes:
                return Answered(one, "answered", "quote", paper.profile.source.name, paper.quotes[-1])
        for paper in self.papers:
            if paper.quotes:
                return Answered(one, "inferred", "quote", paper.profile.source.name, paper.quotes[-1])
        return Answered(one, "open")

    def _factor(self, one: Wanted) -> Answered | None:
        found = factor_of(self.question)
        return Answered(one, "answered", "arithmetic", figures=found) if found else None

    def _wish(self, one: Wanted) -> Answered:
        if (
            one.name == "keep_rest"
            and self.leaf.id.partition("/")[2] in _SAME_SIZE
            and re.search(_SIZE, one.text.casefold())
        ):
            return Answered(one, "answered", "type")
        if self.leaf.id in _BY_TASK.get(one.name, ()):
            return Answered(one, "answered", "type")
        found = self._quoted(one, one.name)
        if found is None and one.name == "on_device":
            found = self._named(one, r"(?i)mobile|tiny|lite|small|nano|little|mini")
        if found is None and one.name == "every_file":
            found = Answered(one, "inferred", "each") if self.models else None
        return found or self._by_words(one) or Answered(one, "open")

    def _quoted(self, one: Wanted, name: str) -> Answered | None:
        """The sentence of a source that speaks of a slot or language, of those that bear on the task most."""
        own = {word[:6] for word in re.findall(r"[a-z]{4,}", one.text.casefold())}
        best: tuple[float, Answered] | None = None
        for rank, paper in enumerate(self.papers):
            for sentence in paper.profile.sentences:
                spans = _said(name, sentence.text)
                if not spans or sentence.background:
                    continue
                score = 3.0 * (paper.relevance == "relevant") + len(spans) + 0.6 * sentence.own - 0.1 * rank
                score += sum(word in sentence.text.casefold() for word in own)
                if best is None or score > best[0]:
                    status: Status = "answered" if paper.relevance == "relevant" else "inferred"
                    best = score, Answered(one, status, "quote", paper.profile.source.name, cut(sentence, spans[0]))
        return best[1] if best else None

    def _several(self, one: Wanted) -> Answered | None:
        """A source that speaks of many languages without naming the one that is asked for."""
        for paper in self.papers:
            for sentence in paper.profile.sentences:
                if match := re.search(
                    r"multilingual|(?:\d+|many|several|multiple) languages", sentence.text, re.IGNORECASE
                ):
                    quote = cut(sentence, match.span())
                    return Answered(one, "inferred", "quote", paper.profile.source.name, quote)
        return self._named(one, r"(?i)multi(?:lingual)?|mbart|xlm|nllb|m2m|mt5")

    def _named(self, one: Wanted, pattern: str) -> Answered | None:
        for model in self.models:
            if model.match == "yes" and (match := re.search(pattern, model.profile.source.name)):
                return Answered(one, "inferred", "name", model.profile.source.name, None, (match.group(),))
        return None

    def _by_words(self, one: Wanted) -> Answered | None:
        """A sentence of a source that holds most of an ask's own words, the task's words not counted."""
        wanted = terms(one, self.reading.language)
        common = {word[:6] for word in re.findall(r"[a-z]{4,}", f"{self.leaf.named('en')} {self.leaf.meaning('en')}")}
        wanted = wanted - common
        best: tuple[float, Answered] | None = None
        for paper in self.papers if wanted else ():
            for sentence in paper.profile.sentences:
                held = {word for word in wanted if re.search(rf"\b{re.escape(word)}", sentence.text, re.IGNORECASE)}
                long = sum(len(word) >= 5 for word in held)
                if not (len(held) >= 2 or (long and len(wanted) <= 3)):
                    continue
                status: Status = "answered" if paper.relevance == "relevant" else "inferred"
                score = len(held) + 0.5 * long + 0.5 * (status == "answered")
                if best is None or score > best[0]:
                    start = min(sentence.text.casefold().find(word) for word in held)
                    quote = cut(sentence, (start, start + 4))
                    best = score, Answered(one, status, "quote", paper.profile.source.name, quote)
        return best[1] if best else None


_SIZE = r"size|크기|tamano|tamaño|grosse|größe|taille|サイズ|大小"


def factor_of(question: str) -> tuple[str, str, str] | None:
    """Two numbers of a question that describe an enlargement, and the whole factor between them, as written."""
    plain = [number for number in numbers(question) if re.fullmatch(r"\d{1,6}", number)]
    for first in plain:
        for last in plain:
            if (
                int(first) >= 8
                and int(last) > int(first)
                and int(last) % int(first) == 0
                and int(last) // int(first) <= 64
            ):
                return first, last, str(int(last) // int(first))
    return None


def _model(profile: Profile, leaf: Leaf) -> Model:
    first = profile.first
    named = profile.named_by.get(first.id, "") if first else ""
    if first is None:
        return Model(profile, "unknown", None, "")
    if leaf.id in profile.does:
        return Model(profile, "yes", leaf, profile.named_by.get(leaf.id, ""))
    if leaf.id in profile.listed and profile.served is not None:
        return Model(profile, "partial", first, named)
    near = {*table("neighbours.toml")["near"].get(leaf.id, ())} & set(profile.does)
    return Model(profile, "partial" if near else "no", first, named)


def _paper(profile: Profile, leaf: Leaf, wanted: Iterable[str], question: str) -> Paper:
    relevance, why, subject = _relevance(profile, leaf, wanted)
    aim = leaf if relevance != "irrelevant" and why in ("task", "backbone", "mention") else profile.first or leaf
    first = about(profile, aim, question)
    said = [first] if first else []
    if relevance == "relevant" and (how := mechanism(profile, said)):
        said.append(how)
    few = phrase(profile, leaf) if relevance == "relevant" else None
    return Paper(profile, relevance, why, subject, tuple(said), few)


def _of_a_fitting(paper: Paper, models: Iterable[Model], leaf: Leaf) -> Paper:
    """A paper whose own words do not name its subject is on the task if it describes a model whose name does."""
    described = any(model.match == "yes" and model.profile.served == paper.profile.source for model in models)
    if not described or paper.profile.first is not None or paper.relevance == "relevant":
        return paper
    said = [*paper.quotes[:1], *filter(None, [mechanism(paper.profile, paper.quotes[:1])])]
    return replace(paper, relevance="relevant", why="task", about=leaf.id, quotes=tuple(said))


def _relevance(profile: Profile, leaf: Leaf, wanted: Iterable[str]) -> tuple[Relevance, Why, str]:
    if leaf.id == NONE:
        return "irrelevant", "none", ""
    if leaf.id in profile.does:
        return "relevant", "task", leaf.id
    if leaf.id in profile.results and leaf.id == "image-classification":
        return "relevant", "backbone", leaf.id
    if leaf.id in profile.names:
        return "partial", "mention", leaf.id
    close = [id_ for id_ in profile.does if _kin(leaf, leaves()[id_])]
    if close:
        return "partial", "kin", max(close, key=lambda id_: (profile.does[id_], id_))
    text = f"{profile.source.name} {' '.join(sentence.text for sentence in profile.sentences)}"
    first = profile.first
    if first is None or first.is_method or first.id == "image-feature-extraction":
        kinds = [_MODALITY[kind] for kind in leaf.input if kind in _MODALITY]
        if any(re.search(kind, text, re.IGNORECASE) for kind in kinds):
            for name in wanted:
                if name in _ON_METHOD and _said(name, text):
                    return "partial", "wish", name
    return "irrelevant", "none", first.id if first else ""


def _kin(one: Leaf, other: Leaf) -> bool:
    if other.is_method:
        return False
    if (one.input, one.output) == (other.input, other.output):
        return True
    return any(one.id in group and other.id in group for group in table("neighbours.toml")["kin"])


def _chains(models: Iterable[Model], papers: Iterable[Paper], leaf: Leaf) -> tuple[tuple[str, str], ...]:
    sources = [model.profile for model in models]
    sources += [paper.profile for paper in papers if not (paper.why == "mention" or leaf.id == NONE)]
    ends = [profile for profile in sources if leaf.id in profile.does]
    starts = [
        profile
        for profile in sources
        if leaf.id not in profile.does
        and any(leaf.id in table("neighbours.toml")["feeds"].get(id_, ()) for id_ in profile.does)
    ]
    return tuple((start.source.name, end.source.name) for start in starts[:1] for end in ends[:1])
