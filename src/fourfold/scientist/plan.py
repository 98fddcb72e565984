"""The plan of an answer: which sources fit, which words of theirs say so, and the workflow that types allow."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from fourfold.scientist.index import Profile, Sentence, bm25, profiles, terms_in
from fourfold.scientist.lexicon import Phrases, Span, flat, fold, mentioned, table
from fourfold.scientist.tasks import NONE, Leaf, Reading, leaves, read
from fourfold.scientist.values import Brief, Match, Relevance

_LONGEST = 30
_SHORTEST = 8
_REST = 3
_NEAR = {
    "zero-shot-object-detection": {"object-detection"},
    "object-detection": {"zero-shot-object-detection"},
    "object-detection/face-detection": {"object-detection", "zero-shot-object-detection"},
    "zero-shot-image-classification": {"image-classification"},
    "image-classification": {"zero-shot-image-classification"},
    "image-segmentation/semantic-segmentation": {"image-segmentation/panoptic-segmentation", "mask-generation"},
    "image-segmentation/panoptic-segmentation": {"image-segmentation/semantic-segmentation"},
    "video-to-video/super-resolution": {"image-to-image/super-resolution"},
    "document-question-answering": {"visual-question-answering"},
    "visual-question-answering": {"document-question-answering"},
}
_KIN = (
    ("object-detection", "zero-shot-object-detection", "object-detection/face-detection"),
    ("object-detection", "video-object-tracking"),
    ("object-detection/face-detection", "face-recognition"),
    ("image-classification", "zero-shot-image-classification", "image-feature-extraction"),
    ("mask-generation", "image-segmentation/matting", "image-segmentation/semantic-segmentation"),
    ("mask-generation", "image-segmentation/panoptic-segmentation"),
    ("image-to-image/inpainting", "mask-generation"),
    ("image-to-image/super-resolution", "video-to-video/super-resolution"),
    ("image-to-text/image-captioning", "visual-question-answering"),
    ("document-question-answering", "visual-question-answering", "image-to-text/ocr"),
    ("image-to-3d/novel-view-synthesis", "depth-estimation"),
    ("optical-flow-estimation", "video-to-video/frame-interpolation"),
    ("anomaly-detection/time-series", "time-series-forecasting"),
    ("text-retrieval", "sentence-similarity"),
)
_FEEDS = {
    "object-detection": {"video-object-tracking", "image-to-text/ocr", "image-classification"},
    "object-detection/face-detection": {"face-recognition", "image-to-image/face-restoration"},
    "automatic-speech-recognition": {
        "translation",
        "summarization",
        "text-classification",
        "token-classification/named-entity-recognition",
        "text-retrieval",
    },
    "image-to-text/ocr": {
        "translation",
        "summarization",
        "text-to-speech",
        "token-classification/named-entity-recognition",
        "document-question-answering",
    },
    "image-to-text/image-captioning": {"text-to-speech", "translation"},
    "translation": {"text-to-speech", "summarization"},
    "mask-generation": {"image-to-image/inpainting"},
    "keypoint-detection/pose-estimation": {"text-to-image"},
    "image-to-image/denoising": {"image-to-image/super-resolution"},
    "image-to-image/deblurring": {"image-to-image/super-resolution", "image-to-text/ocr"},
    "image-to-image/low-light-enhancement": {"object-detection"},
    "audio-to-audio/source-separation": {"automatic-speech-recognition"},
    "text-retrieval": {"text-generation"},
    "optical-flow-estimation": {"video-to-video/frame-interpolation"},
}
_NO_TONGUE = {
    "text-to-image",
    "text-to-audio/music-generation",
    "audio-classification",
    "audio-to-audio/source-separation",
}
_NO_TONGUE |= {
    "zero-shot-object-detection",
    "zero-shot-image-classification",
    "image-text-to-image/instruction-editing",
}
_MODALITY = {
    "image": r"\bimage|vision|visual|photo|pictur|pixel|\bViT",
    "images": r"\bimage|vision|visual|photo|view",
    "video": r"video|frame|visual|vision",
    "audio": r"audio|speech|sound|music|acoustic|voice",
    "text": r"\btext|language|sentence|document|\bword|token",
    "table": r"tabular|table|structured",
    "time-series": r"time.series|temporal|sensor|forecast",
}
_VERBS = "propose|introduce|present|develop|describe|show|demonstrate|find|investigate|study|explore|design"
_CLAIM = re.compile(
    r"\b(?:we|this paper|the paper|this work|this article|the authors|they)\s+(?:\w+ly\s+|also\s+|then\s+)?"
    rf"(?P<verb>{_VERBS})(?:s|es|ed)?\s+(?P<that>that\s+)?(?=[\w\"'])",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(r"[,;:]\s|\s[–—-]\s|\s(?=(?:which|while|whereas|because|without)\s)")

Why = str
"""Why a paper stands where it does: "task", "backbone", "mention", "kin", "wish", or "none"."""


@dataclass(frozen=True)
class Quote:
    """A verbatim span of a source's summary: its text, its offset, and the verb the authors give it, "" if none."""

    text: str
    start: int
    verb: str = ""


@dataclass(frozen=True)
class Paper:
    """A related paper in the plan: its verdict, why, the task or wish it is about, and what it says."""

    profile: Profile
    relevance: Relevance
    why: Why
    about: str
    quotes: tuple[Quote, ...]


@dataclass(frozen=True)
class Model:
    """A recommended model in the plan: its verdict, the task it offers, the part of its name that tells it."""

    profile: Profile
    match: Match
    offers: Leaf | None
    told_by: str


@dataclass(frozen=True)
class Wish:
    """Something the question asks for beyond the task, and the source and quote that speak of it, if one does."""

    name: str
    source: str = ""
    quote: Quote | None = None


@dataclass(frozen=True)
class Plan:
    """Everything an answer says, before it is put in words.

    Attributes:
        reading: the question's task; models, papers: the sources with verdicts; wishes: beyond the task.
        chains: names of two sources where the first one's output is the second one's input, and it ends at the task.
    """

    reading: Reading
    models: tuple[Model, ...]
    papers: tuple[Paper, ...]
    wishes: tuple[Wish, ...]
    chains: tuple[tuple[str, str], ...]


def plan(brief: Brief) -> Plan:
    """Reads the question, profiles the sources, and judges each of them against the task."""
    known = profiles(brief)
    offered = Counter(id_ for profile in known.values() if profile.served is None for id_ in profile.does)
    reading = read(brief.question, offered)
    wanted = wishes_of(brief.question, reading)
    papers = tuple(_paper(known[source.name], reading.leaf, wanted, brief.question) for source in brief.papers)
    models = tuple(_model(known[source.name], reading.leaf) for source in brief.models)
    met = tuple(_wish(name, papers) for name in wanted)
    return Plan(reading, models, papers, met, _chains(models, papers, reading.leaf))


@cache
def _sources_say() -> Phrases:
    """What sources say when they speak of a wish, by wish; of a language, its English name."""
    slots = ((name, slot["met"]) for name, slot in table("slots.toml").items())
    tongues = ((f"language:{code}", words["en"]) for code, words in table("tongues.toml").items())
    return Phrases((*slots, *tongues))


def _met(name: str, text: str) -> Span | None:
    """Where a text of a source first speaks of a wish."""
    spans = _sources_say().find(flat(text)).get(name, [])
    if marks := table("slots.toml").get(name, {}).get("met_regex"):
        spans = sorted([*spans, *(match.span() for match in re.finditer(marks, text, re.IGNORECASE))])
    return spans[0] if spans else None


def wishes_of(question: str, reading: Reading) -> tuple[str, ...]:
    """The slots of slots.toml that a question fills, in their order, then ``language:`` and codes it asks for."""
    if reading.leaf.id == NONE:
        return ()
    folded = fold(question)[:3000]
    asked = mentioned("slots.toml", folded, reading.language)
    found = [
        name
        for name, slot in table("slots.toml").items()
        if name in asked and reading.leaf.id in slot.get("tasks", reading.leaf.id).split("|")
    ]
    if {"text", "audio", "documents", "spans"} & {*reading.leaf.input, *reading.leaf.output}:
        named = mentioned("tongues.toml", folded, reading.language)
        codes = [code for code in table("tongues.toml") if code in named]
        if not codes and reading.language in table("tongues.toml") and reading.leaf.id not in _NO_TONGUE:
            codes = [reading.language]
        found += [f"language:{code}" for code in codes]
    return tuple(found)


def _wish(name: str, papers: Iterable[Paper]) -> Wish:
    order = {"relevant": 0, "partial": 1, "irrelevant": 2}
    for paper in sorted(papers, key=lambda paper: order[paper.relevance]):
        if paper.relevance == "irrelevant":
            break
        for sentence in paper.profile.sentences:
            if not sentence.background and (hit := _met(name, sentence.text)):
                return Wish(name, paper.profile.source.name, cut(sentence, hit))
    return Wish(name)


def _model(profile: Profile, leaf: Leaf) -> Model:
    first = profile.first
    told = profile.told_by.get(first.id, "") if first else ""
    if first is None:
        return Model(profile, "unknown", None, "")
    if leaf.id in profile.does:
        return Model(profile, "yes", leaf, profile.told_by.get(leaf.id, ""))
    if leaf.id in profile.listed and profile.served is not None:
        return Model(profile, "partial", first, told)
    near = _NEAR.get(leaf.id, set()) & set(profile.does)
    return Model(profile, "partial" if near else "no", first, told)


def _paper(profile: Profile, leaf: Leaf, wanted: Iterable[str], question: str) -> Paper:
    relevance, why, about = _relevance(profile, leaf, wanted)
    aim = leaf if relevance != "irrelevant" and why in ("task", "backbone", "mention") else profile.first or leaf
    quotes = _evidence(profile, aim, question, 2 if relevance == "relevant" else 1)
    return Paper(profile, relevance, why, about, quotes)


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
                if name in ("detail", "on_device", "real_time", "no_training", "long_input") and _met(name, text):
                    return "partial", "wish", name
    return "irrelevant", "none", first.id if first else ""


def _kin(one: Leaf, other: Leaf) -> bool:
    if other.is_method:
        return False
    if (one.input, one.output) == (other.input, other.output):
        return True
    return any(one.id in group and other.id in group for group in _KIN)


def _chains(models: Iterable[Model], papers: Iterable[Paper], leaf: Leaf) -> tuple[tuple[str, str], ...]:
    sources = [model.profile for model in models]
    sources += [paper.profile for paper in papers if not (paper.why == "mention" or leaf.id == NONE)]
    ends = [profile for profile in sources if leaf.id in profile.does]
    starts = [
        profile
        for profile in sources
        if leaf.id not in profile.does and any(leaf.id in _FEEDS.get(id_, ()) for id_ in profile.does)
    ]
    return tuple((start.source.name, end.source.name) for start in starts[:1] for end in ends[:1])


def _evidence(profile: Profile, leaf: Leaf, question: str, number: int) -> tuple[Quote, ...]:
    """The sentences that say most about a task, best first, cut to 8 to 30 words, none telling the same again."""
    texts = [sentence.text for sentence in profile.sentences]
    ranks = bm25((leaf.named("en"), leaf.meaning("en"), question), texts)
    top = max(ranks, default=0.0) or 1.0
    scored = []
    for sentence, rank in zip(profile.sentences, ranks, strict=True):
        terms = terms_in(sentence.text, leaf.id)
        words = len(sentence.text.split())
        score = rank / top + 1.6 * bool(terms) + 0.9 * sentence.own - 0.6 * sentence.background - 1.5 * (words < 6)
        scored.append((score, sentence, terms))
    scored.sort(key=lambda entry: (-entry[0], entry[1].start))
    chosen: list[Quote] = []
    for score, sentence, terms in scored:
        if len(chosen) == number or (chosen and score < 0.8):
            break
        quote = cut(sentence, terms[0] if terms else None)
        if all(_overlap(quote.text, other.text) < 0.6 for other in chosen):
            chosen.append(quote)
    return tuple(chosen)


def _overlap(one: str, other: str) -> float:
    a, b = set(fold(one).split()), set(fold(other).split())
    return len(a & b) / max(1, min(len(a), len(b)))


def cut(sentence: Sentence, anchor: tuple[int, int] | None) -> Quote:
    """A span of 8 to 30 words of a sentence that holds the anchor, from the object of "we propose" on where it can.

    A rest of three words is not cut off.
    """
    text = sentence.text.rstrip(" .。")
    start, verb = 0, ""
    claim = _CLAIM.search(text)
    if claim and len(text[claim.end() :].split()) >= _SHORTEST and (anchor is None or anchor[1] > claim.end()):
        start, verb = claim.end(), claim["verb"].casefold() + (" that" if claim["that"] else "")
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", text) if match.start() >= start]
    if len(words) <= _LONGEST + _REST:
        return Quote(text[start:], sentence.start + start, verb)
    if anchor is not None and anchor[1] > words[_LONGEST - 1][1]:
        start, verb = _clause_before(text, anchor), ""
        words = [word for word in words if word[0] >= start]
    end = _end(text, words, max(anchor[1] if anchor else 0, words[min(_SHORTEST, len(words)) - 1][1]))
    return Quote(text[start:end].rstrip(" ,;:"), sentence.start + start, verb)


def _clause_before(text: str, anchor: tuple[int, int]) -> int:
    """Where the clause that holds the anchor begins, or eleven words before it if that is nearer."""
    words = [match.start() for match in re.finditer(r"\S+", text) if match.start() <= anchor[0]]
    earliest = words[max(0, len(words) - 12)]
    starts = [match.end() for match in _BOUNDARY.finditer(text, earliest, anchor[0])]
    return starts[0] if starts else earliest


def _end(text: str, words: list[tuple[int, int]], least: int) -> int:
    """The last clause end within the longest quote, or its last word."""
    last = max(words[min(_LONGEST, len(words)) - 1][1], least) if words else len(text)
    if last >= len(text):
        return len(text)
    ends = [match.start() for match in _BOUNDARY.finditer(text, least, last + 1)]
    ends = [end for end in ends if end >= least]
    return ends[-1] if ends else last
