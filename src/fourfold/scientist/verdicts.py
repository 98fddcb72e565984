"""Judge the sources of a brief against a task: which models do it, which papers are about it, and in which words."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from fourfold.scientist.evidence import Quote, about, mechanism, overlap, phrase
from fourfold.scientist.index import Profile
from fourfold.scientist.lexicon import table
from fourfold.scientist.passages import spoken_of
from fourfold.scientist.tasks import NONE, Leaf, leaves
from fourfold.scientist.values import Match, Relevance

_MODALITY = {
    "image": r"\bimage|vision|visual|photo|pictur|pixel|\bViT",
    "images": r"\bimage|vision|visual|photo|view",
    "video": r"video|frame|visual|vision",
    "audio": r"audio|speech|sound|music|acoustic|voice",
    "text": r"\btext|language|sentence|document|\bword|token",
    "table": r"tabular|table|structured",
    "time-series": r"time.series|temporal|sensor|forecast",
}
_ON_METHOD = ("detail", "light", "on_device", "real_time", "speed", "no_training", "few_examples", "long_input")
"""Slots that a source about another task, or about no task, may still say something on."""

_SAME = 0.6
"""Share of words from which two quotes say the same."""

Why = str
"""Why a paper stands where it does: "task", "backbone", "mention", "kin", "wish", or "none"."""


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


def model_of(profile: Profile, leaf: Leaf, spoken: Collection[str] = ()) -> Model:
    """Whether a recommended model does a task; ``spoken``: codes of the languages that the question is about or in."""
    first = profile.first
    named = profile.named_by.get(first.id, "") if first else ""
    if first is None:
        return Model(profile, "unknown", None, "")
    if leaf.id in profile.does:
        languages = made_for(profile.source.name) if spoken and _on_language(leaf) else frozenset()
        match: Match = "partial" if languages and not languages & {*spoken} else "yes"
        return Model(profile, match, leaf, profile.named_by.get(leaf.id, ""))
    if leaf.id in profile.listed and profile.served is not None:
        return Model(profile, "partial", first, named)
    near = {*table("neighbours.toml")["near"].get(leaf.id, ())} & set(profile.does)
    return Model(profile, "partial" if near else "no", first, named)


def _on_language(leaf: Leaf) -> bool:
    """Whether it matters for a task in which language something is said or written."""
    kinds = {*leaf.input, *leaf.output}
    return (
        bool(kinds & {"text", "audio", "documents", "spans"}) and leaf.id not in table("neighbours.toml")["no_language"]
    )


def made_for(name: str) -> frozenset[str]:
    """Codes of the languages that a model's name says it is made for: "EnDe", "en-de", or one as a part of its own."""
    known = {"en", *table("languages.toml")}
    parts = [part for part in re.split(r"[-_ ]", name) if part.isalpha()]
    pairs = [re.fullmatch(r"([A-Z][a-z])([A-Z][a-z])|([A-Z]{2})([A-Z]{2})", part) for part in parts]
    codes = {code.casefold() for pair in pairs if pair for code in pair.groups() if code}
    codes |= {part.casefold() for part in parts[1:] if len(part) == 2 and (part.isupper() or part.islower())}
    return frozenset(codes) if codes <= known else frozenset()


def paper_of(profile: Profile, leaf: Leaf, wanted: Iterable[str], question: str) -> Paper:
    """Whether a paper is about a task, or bears on one of the wanted slots, and what it says."""
    relevance, why, subject = _relevance(profile, leaf, wanted)
    aim = leaf if relevance != "irrelevant" and why in ("task", "backbone", "mention") else profile.first or leaf
    first = about(profile, aim, question)
    said = [first] if first else []
    how = mechanism(profile) if relevance == "relevant" else None
    if how and not any(overlap(how.text, quote.text) >= _SAME for quote in said):
        said.append(how)
    few = phrase(profile, leaf) if relevance == "relevant" else None
    return Paper(profile, relevance, why, subject, tuple(said), few)


def of_a_fitting(paper: Paper, models: Iterable[Model], leaf: Leaf) -> Paper:
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
    first = profile.first
    if (first is None or first.is_method) and profile.read == leaf.id:
        return "relevant", "task", leaf.id
    close = [id_ for id_ in profile.does if _kin(leaf, leaves()[id_])]
    if close:
        return "partial", "kin", max(close, key=lambda id_: (profile.does[id_], id_))
    if name := _on_method(profile, leaf, wanted):
        return "partial", "wish", name
    return "irrelevant", "none", first.id if first else ""


def _on_method(profile: Profile, leaf: Leaf, wanted: Iterable[str]) -> str:
    """A wanted slot that a source on no task, but on data of the same kind, speaks of; "" if none."""
    first = profile.first
    if first is not None and not first.is_method and first.id != "image-feature-extraction":
        return ""
    text = f"{profile.source.name} {' '.join(sentence.text for sentence in profile.sentences)}"
    kinds = [_MODALITY[kind] for kind in leaf.input if kind in _MODALITY]
    if not any(re.search(kind, text, re.IGNORECASE) for kind in kinds):
        return ""
    return next((name for name in wanted if name in _ON_METHOD and f"slot:{name}" in spoken_of(text)), "")


def _kin(one: Leaf, other: Leaf) -> bool:
    if other.is_method:
        return False
    if (one.input, one.output) == (other.input, other.output):
        return True
    return any(one.id in group and other.id in group for group in table("neighbours.toml")["kin"])
