"""The citation guard: the last gate for any answer, ours or a language model's. Pure functions; nothing is fetched.

An answer may hold only links that a field of the brief gives, character for character; only sources that exist; only
quotes found in their own source outside of untrusted text; only numbers that its quotes hold; and no planted words.
Where the task was carried out on a photo, every figure must be one that a quote holds or that the run gave.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fourfold.scientist.measured import Record, faults, stray
from fourfold.scientist.tasks import leaves
from fourfold.scientist.trust import HOLE, hidden, instructs, mentions, normal, reveal, without
from fourfold.scientist.values import Answer, Brief, Claim, Gap, GapKind, Measured, Source

ViolationKind = Literal[
    "outside link",
    "outside identifier",
    "disguised link",
    "link form",
    "hidden text",
    "unknown source",
    "unknown name",
    "no quote",
    "quote not found",
    "untrusted quote",
    "number not in quote",
    "figure not in run",
    "planted text",
    "malformed",
]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME_LIKE = re.compile(r"\b[A-Za-z]*[A-Z][A-Za-z]*[A-Z0-9]\w*")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "AI ML CPU GPU RAM RGB JPEG JPG PNG GIF PDF CSV JSON API URL GitHub arXiv ArXiv PSNR SSIM ID IDs HD UHD FPS "
        "LLM OCR ASR TTS VQA NER NLP MP3 MP4 WAV TV PC USB HTML CNN GAN GANs OK USA EU UK DOI README",
    )
)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
_FORMS = (
    (re.compile(r"!\[[^\]\n]*\]"), "a picture loads its address when the answer is opened"),
    (re.compile(r"(?m)^[ \t>]*\[[^\]\n]+\]:[ \t]*\S"), "a link definition; links stand where they are used"),
    (re.compile(r"\][ \t]?\[[^\]\n]*\](?!\()"), "a link in reference style; links stand where they are used"),
    (
        re.compile(
            r"<!--|<\s?/?\s?(?:a|area|img|script|iframe|object|embed|link|style|form|svg|video|audio|base|meta)\b",
            re.IGNORECASE,
        ),
        "HTML that can hold a link",
    ),
    (re.compile(r"\b(?:href|src|srcset|on[a-z]{3,12})\s?=\s?[\"'\w]", re.IGNORECASE), "an HTML attribute"),
)
_ELLIPSIS = re.compile(r"\[?(?:…|\.\.\.)\]?")
_GAPS: dict[GapKind, dict[str, str]] = {
    "no_matching_model": {
        "en": "Not covered: none of the provided sources gives a checked statement about a recommended model.",
        "ko": "제공된 자료에는 추천 모델에 대해 확인된 내용이 없습니다.",
        "es": "No está cubierto: ninguna fuente dada ofrece una afirmación comprobada sobre un modelo recomendado.",
    },
    "no_related_papers": {
        "en": "Not covered: no provided paper could be cited.",
        "ko": "제공된 논문 가운데 인용할 수 있는 것이 없습니다.",
        "es": "No está cubierto: no se pudo citar ninguno de los artículos dados.",
    },
    "no_relevant_source": {
        "en": "Not covered: no source provided supports a statement that could be checked.",
        "ko": "제공된 자료에는 확인할 수 있는 근거가 없습니다.",
        "es": "No está cubierto: ninguna de las fuentes dadas respalda una afirmación comprobable.",
    },
}


@dataclass(frozen=True)
class Violation:
    """A breach of the rules: which one, the words that break it, and where or why."""

    kind: ViolationKind
    text: str
    detail: str


@dataclass(frozen=True)
class _Parts:
    """An answer's parts, whichever form it came in."""

    models: tuple[str, ...]
    papers: tuple[str, ...]
    claims: tuple[Claim, ...]
    gaps: tuple[str, ...]
    markdown: str
    measured: tuple[Measured, ...] = ()
    malformed: tuple[str, ...] = ()


def guard(answer: Answer | Mapping[str, object] | str, brief: Brief, run: Record | None = None) -> list[Violation]:
    """Everything in an answer that the brief and the run do not permit; an empty list lets it pass.

    Args:
        answer: an answer, its JSON form (keys ``models``, ``sources``, ``claims``, ``gaps``, and perhaps ``measured``
            and ``markdown``), or plain markdown, of which only links, identifiers, “quotes” and planted words can be
            checked.
        brief: the only sources it may use. run: the record of the run that its measured sentences tell of.
    """
    parts = _parts(answer)
    known = _Known(brief)
    found = [Violation("malformed", text, "expected the JSON form of an answer") for text in parts.malformed]
    for names, sources in ((parts.models, brief.models), (parts.papers, brief.papers)):
        real = {source.name for source in sources}
        found += [Violation("unknown source", name, "not a source of the brief") for name in names if name not in real]
    for claim in parts.claims:
        found += _claim(claim, known)
    for text in parts.gaps:
        found += _text(text, known)
    if parts.markdown:
        found += _text(parts.markdown, known)
        found += _quotes(parts.markdown, known)
    found += _run(parts, known, run)
    return list(dict.fromkeys(found))


def _run(parts: _Parts, known: "_Known", run: Record | None) -> Iterator[Violation]:
    """Figures that neither the run nor the brief gives."""
    for sentence in parts.measured:
        yield from _text(sentence.text, known)
        for why in faults(sentence, run or {}):
            yield Violation("figure not in run", sentence.text, why)
        if parts.markdown and sentence.text not in parts.markdown:
            yield Violation("figure not in run", sentence.text, "stands otherwise in the text")
    if run is not None and parts.markdown:
        permitted = [*(one.text for one in parts.measured), *(claim.text for claim in parts.claims), *known.notes]
        for figure in stray(parts.markdown, [*permitted, *known.given], known.names, known.haystack):
            yield Violation("figure not in run", figure, "stands in no measured sentence and in no quote")


def clean(answer: Answer, brief: Brief) -> Answer:
    """The answer without what fails, and with a gap stated for each part that became empty.

    If anything was taken out, ``markdown`` is empty: it is to be written again from the parts.
    """
    known = _Known(brief)
    real = {kind: {source.name for source in brief.sources if source.kind == kind} for kind in ("model", "paper")}
    claims = tuple(claim for claim in answer.claims if not _claim(claim, known))
    gaps = tuple(gap for gap in answer.gaps if not _text(gap.text, known))
    models = tuple(pair for pair in answer.models if pair[0] in real["model"])
    sources = tuple(pair for pair in answer.sources if pair[0] in real["paper"])
    emptied: list[tuple[GapKind, bool]] = [
        ("no_matching_model", bool(answer.models) and not models),
        ("no_related_papers", bool(answer.sources) and not sources),
        ("no_relevant_source", bool(answer.claims) and not claims),
    ]
    stated = {gap.kind for gap in gaps}
    for kind in [gap.kind for gap in answer.gaps if gap not in gaps] + [kind for kind, empty in emptied if empty]:
        if kind not in stated:
            sentences = _GAPS.get(kind, _GAPS["no_relevant_source"])
            gaps += (Gap(kind, sentences.get(answer.language, sentences["en"])),)
            stated.add(kind)
    cleaned = replace(answer, models=models, sources=sources, claims=claims, gaps=gaps)
    return answer if cleaned == answer else replace(cleaned, markdown="")


class _Known:
    """What a brief permits, prepared once for all texts of an answer."""

    def __init__(self, brief: Brief) -> None:
        self.question = normal(brief.question)
        self.sources = brief.sources
        self.names = tuple(source.name for source in brief.sources)
        self.notes = brief.notes
        links = self.given = tuple(dict.fromkeys(link for source in brief.sources for link in source.links))
        self.links = (*links, *_identifiers(links))
        self.trusted = {source: _trusted(source) for source in brief.sources}
        texts = [text for parts in self.trusted.values() for text in parts]
        self.haystack = "\n".join([*texts, self.question])
        slashes = [mention for text in texts for mention in mentions(text, every_slash=True)]
        slashes = [mention for mention in slashes if mention.kind == "repository"]
        asked = {mention.text for mention in mentions(self.question)}
        slashes += [mention for mention in mentions(self.question, every_slash=True) if mention.text not in asked]
        self.slashes = {mention.text for mention in slashes} | leaves().keys()
        self.words = set(re.findall(r"\w+", "\n".join([self.haystack, *links])))
        self.planted = _planted(brief, self.haystack)


def _identifiers(links: Iterable[str]) -> Iterator[str]:
    """``owner/name``, arXiv ids and DOIs that a given link holds: other ways to write that very link."""
    for link in links:
        if slug := re.fullmatch(r"https?://(?:www\.)?(?:github|gitlab)\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", link):
            yield slug[1]
        for arxiv in re.finditer(r"arxiv\.org/(?:abs|pdf|html)/((\d{4}\.\d{4,5})(?:v\d+)?)", link):
            yield from arxiv.groups()
        if doi := re.search(r"doi\.org/(10\.\d{4,9}/\S+)", link):
            yield doi[1]


def _trusted(source: Source) -> tuple[str, ...]:
    """What may be quoted of a source, normalised: its name, links, and the parts of its summary that are trusted."""
    pieces, at = [], 0
    for start, end in source.untrusted:
        pieces.append(source.summary[at:start])
        at = end
    pieces.append(source.summary[at:])
    return tuple(text for text in (normal(piece) for piece in (source.name, *source.links, *pieces)) if text)


def _claim(claim: Claim, known: _Known) -> list[Violation]:
    found = _text(claim.text, known) + _quote(claim, known)
    if not claim.text.strip():
        found.append(Violation("malformed", claim.quote, "a claim without a sentence"))
    said = claim.text
    for name in sorted(known.names, key=len, reverse=True):
        said = said.replace(name, " ")
    shown = set(_NUMBER.findall(claim.quote))
    found += [
        Violation("number not in quote", number, f"in the claim '{claim.text}'")
        for number in _NUMBER.findall(said)
        if number not in shown
    ]
    found += [
        Violation("unknown name", word, f"named by no source, in the claim '{claim.text}'")
        for word in _NAME_LIKE.findall(without(said, known.links))
        if word not in _COMMON and not {word, word.removesuffix("s")} & known.words
    ]
    if instructs(claim.text):
        found.append(Violation("planted text", claim.text, "the claim gives its reader orders"))
    return found


def _quote(claim: Claim, known: _Known) -> list[Violation]:
    quote = normal(claim.quote)
    if claim.source == "question" and "question" not in known.names:
        missing = len(quote) < 4 or quote not in known.question
        return [Violation("quote not found", claim.quote, "not in the question")] if missing else []
    own = [source for source in known.sources if source.name == claim.source]
    if not own:
        return [Violation("unknown source", claim.source, f"in the claim '{claim.text}'")]
    if not any(letter.isalnum() for letter in quote) or len(quote) < 4:
        return [Violation("no quote", claim.text, "a claim needs a quote of at least four characters")]
    if not any(quote in text for source in own for text in known.trusted[source]):
        where = [source for source in own if quote in normal(source.summary)]
        kind: ViolationKind = "untrusted quote" if where else "quote not found"
        return [Violation(kind, claim.quote, f"in what may be quoted of '{claim.source}'")]
    if claim.start >= 0 and not any(_stands(claim, source) for source in own):
        return [Violation("quote not found", claim.quote, f"not at offset {claim.start} of '{claim.source}'")]
    return []


def _stands(claim: Claim, source: Source) -> bool:
    """Whether the quote stands at the claim's offset, in trusted text."""
    end = claim.start + len(claim.quote)
    clear = all(end <= start or claim.start >= stop for start, stop in source.untrusted)
    return clear and normal(source.summary[claim.start : end]) == normal(claim.quote)


def _text(text: str, known: _Known) -> list[Violation]:
    """Links, identifiers, link forms, hidden characters and planted words of any text."""
    found: list[Violation] = []
    rest = without(text, known.links, known.names)
    seen = _foreign(rest, known)
    found += seen
    shown = reveal(rest)
    if shown != rest:
        plain = {violation.text for violation in seen}
        found += [replace(v, kind="disguised link") for v in _foreign(shown, known) if v.text not in plain]
    if hidden(text):
        found.append(Violation("hidden text", text[:80], "characters that show nothing"))
    found += _forms(text, without(text, known.given))
    words = _WORD.findall(normal(rest))
    lowered = [word.casefold() for word in words]
    said = {tuple(lowered[at : at + size]) for size in known.planted.sizes for at in range(len(lowered) - size + 1)}
    found += [
        Violation("planted text", " ".join(run), "repeats untrusted text") for run in sorted(said & known.planted.runs)
    ]
    found += [
        Violation("planted text", word, "named only in untrusted text")
        for word in sorted({*words} & known.planted.words)
    ]
    return found


def _foreign(rest: str, known: _Known) -> list[Violation]:
    found = []
    for mention in mentions(rest, every_slash=True):
        if mention.kind == "repository" and mention.text in known.slashes:
            continue
        kind: ViolationKind = "outside link" if mention.kind in ("link", "domain") else "outside identifier"
        found.append(Violation(kind, mention.text, f"no field of the brief gives this {mention.kind}"))
    return found


def _forms(text: str, rest: str) -> list[Violation]:
    found = [Violation("link form", match.group(), why) for pattern, why in _FORMS for match in pattern.finditer(text)]
    found += [
        Violation("outside link", target, "the target of a markdown link")
        for target in re.findall(r"\]\(([^)\n]*)\)?", rest)
        if target.split('"')[0].strip(f"<> {HOLE}") and not re.fullmatch(r"#[\w-]+", target)
    ]
    found += [
        Violation("disguised link", label, f"shows one address and opens another: {target}")
        for label, target in re.findall(r"\[([^\[\]\n]*)\]\(([^)\s]+)", text)
        if re.search(r"https?:|www\.", label, re.IGNORECASE) and label.strip("<> `*") != target.strip("<>")
    ]
    return found


def _quotes(markdown: str, known: _Known) -> list[Violation]:
    """“Quotes” of four words and more that no source and no question holds."""
    return [
        Violation("quote not found", quote, "in what may be quoted of any source")
        for quote in re.findall(r"“([^“”]{12,})”", markdown)
        if len(quote.split()) >= 4 and not all(normal(piece) in known.haystack for piece in _ELLIPSIS.split(quote))
    ]


@dataclass(frozen=True)
class _Planted:
    """Word runs and names that stand only in untrusted text."""

    runs: frozenset[tuple[str, ...]]
    words: frozenset[str]

    @property
    def sizes(self) -> set[int]:
        return {len(run) for run in self.runs}


def _planted(brief: Brief, haystack: str) -> _Planted:
    trusted = [word.casefold() for word in _WORD.findall(haystack)]
    runs: set[tuple[str, ...]] = set()
    names: set[str] = set()
    for source in brief.sources:
        for start, end in source.untrusted:
            words = _WORD.findall(normal(source.summary[start:end]))
            names |= {word for word in words if _NAME_LIKE.fullmatch(word) and len(word) > 3} - _COMMON
            lowered = [word.casefold() for word in words]
            size = 10 if words and "\u3040" <= words[0] <= "\u9fff" else 5
            size = min(size, len(words))
            if size >= 3:
                runs |= {tuple(lowered[at : at + size]) for at in range(len(words) - size + 1)}
    for size in {len(run) for run in runs}:
        runs -= {tuple(trusted[at : at + size]) for at in range(len(trusted) - size + 1)}
    return _Planted(frozenset(runs), frozenset(names - set(_WORD.findall(haystack))))


def _parts(answer: Answer | Mapping[str, object] | str) -> _Parts:
    if isinstance(answer, str):
        return _Parts((), (), (), (), answer)
    if isinstance(answer, Answer):
        models, papers = (tuple(name for name, _ in pairs) for pairs in (answer.models, answer.sources))
        gaps = tuple(gap.text for gap in answer.gaps)
        return _Parts(models, papers, answer.claims, gaps, answer.markdown, answer.measured)
    bad: list[str] = []
    claims = []
    for item in _items(answer, "claims", bad):
        start = item.get("start", -1)
        text, source, quote = (_string(item, name, bad) for name in ("text", "source", "quote"))
        claims.append(Claim(text, source, quote, start if isinstance(start, int) else -1))
    models = tuple(_string(item, "name", bad) for item in _items(answer, "models", bad))
    papers = tuple(_string(item, "title", bad) for item in _items(answer, "sources", bad))
    gaps = tuple(_string(item, "text", bad) for item in _items(answer, "gaps", bad))
    measured = tuple(
        Measured(_string(item, "text", bad), _strings(item, "fields", bad)) for item in _items(answer, "measured", bad)
    )
    markdown = _string(answer, "markdown", bad) if "markdown" in answer else ""
    return _Parts(models, papers, tuple(claims), gaps, markdown, measured, tuple(bad))


def _items(answer: Mapping[str, object], name: str, bad: list[str]) -> list[Mapping[str, object]]:
    listed = answer.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(item, Mapping) for item in listed):
        bad.append(f"'{name}' is no list of objects")
        return []
    return listed


def _string(item: Mapping[str, object], name: str, bad: list[str]) -> str:
    value = item.get(name, "")
    if not isinstance(value, str):
        bad.append(f"'{name}' is no text")
        return ""
    return value


def _strings(item: Mapping[str, object], name: str, bad: list[str]) -> tuple[str, ...]:
    value = item.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        bad.append(f"'{name}' is no list of texts")
        return ()
    return tuple(value)
