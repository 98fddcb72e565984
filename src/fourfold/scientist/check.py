"""The citation guard: the last gate for any answer, ours or a language model's. Pure functions; nothing is fetched.

An answer may hold only links that a field of the brief gives, character for character; only sources that exist; only
quotes found in their own source outside of untrusted text; only numbers that its quotes hold; and no planted words.
Where the task was carried out on a photo, every figure must be one that a quote holds or that the run gave.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from fourfold.scientist.known import COMMON, NAME_LIKE, WORD, Known
from fourfold.scientist.measured import Record, faults, mismatch, stray
from fourfold.scientist.parts import Parts, Violation, ViolationKind, parts_of
from fourfold.scientist.reasoning import reasoning
from fourfold.scientist.tasks import leaves
from fourfold.scientist.trust import (
    ELLIPSIS,
    HOLE,
    QUOTED,
    hidden,
    instructs,
    mentions,
    normal,
    quoted,
    reveal,
    without,
)
from fourfold.scientist.values import Answer, Brief, Claim, Source
from fourfold.scientist.wording import languages

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
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
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def guard(answer: Answer | Mapping[str, object] | str, brief: Brief, run: Record | None = None) -> list[Violation]:
    """Everything in an answer that the brief and the run do not permit; an empty list lets it pass.

    Args:
        answer: an answer, its JSON form (keys ``models``, ``sources``, ``claims``, ``gaps``, and perhaps ``measured``
            and ``markdown``), or plain markdown, of which only links, identifiers, “quotes” and planted words can be
            checked.
        brief: the only sources it may use. run: the record of the run that its measured sentences are about.
    """
    parts = parts_of(answer)
    known = Known(brief)
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
    found += reasoning(parts, known, lambda claim: not _quote(claim, known))
    found += _run(parts, known, run)
    return list(dict.fromkeys(found))


def _run(parts: Parts, known: "Known", run: Record | None) -> Iterator[Violation]:
    """Figures that neither the run nor the brief gives."""
    for sentence in parts.measured:
        yield from _text(sentence.text, known)
        for why in faults(sentence, run or {}):
            yield Violation("figure not in run", sentence.text, why)
        if parts.markdown and sentence.text not in parts.markdown:
            yield Violation("figure not in run", sentence.text, "stands otherwise in the text")
    if run is not None and (wrong := mismatch(run, parts.done)):
        yield Violation("another task done", wrong, f"which is not {parts.done or 'what was asked'}")
    if parts.markdown and parts.whole:
        permitted = [*(one.text for one in parts.measured), *(claim.text for claim in parts.claims), *known.notes]
        reckoned = {figure for ask in parts.asks for one in ask.evidence for figure in one.figures}
        reckoned |= set() if run else set(_NUMBER.findall(known.question))
        for figure in stray(parts.markdown, [*permitted, *known.given], known.names, known.haystack):
            if figure in reckoned:
                continue
            yield Violation("figure not in run", figure, "stands in no measured sentence and in no quote")


def permits(brief: Brief) -> Callable[[Claim], bool]:
    """Whether a claim may be made from a brief, as a function that has prepared the brief once."""
    known = Known(brief)
    return lambda claim: not _claim(claim, known)


def _claim(claim: Claim, known: Known) -> list[Violation]:
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
        for word in NAME_LIKE.findall(without(said, known.links))
        if word not in COMMON and not {word, word.removesuffix("s")} & known.words
    ]
    if instructs(claim.text):
        found.append(Violation("planted text", claim.text, "the claim gives its reader orders"))
    return found


def _quote(claim: Claim, known: Known) -> list[Violation]:
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


def _text(text: str, known: Known) -> list[Violation]:
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
    words = WORD.findall(normal(rest))
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


def _foreign(rest: str, known: Known) -> list[Violation]:
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


def _quotes(markdown: str, known: Known) -> list[Violation]:
    """Quotes of four words and more that no source and no question holds."""
    return [
        Violation("quote not found", quote, "in what may be quoted of any source")
        for quote in map(quoted, QUOTED.finditer(markdown))
        if _length(quote) >= 4
        and quote not in _task_names()
        and not all(normal(piece) in known.haystack for piece in ELLIPSIS.split(quote))
    ]


@cache
def _task_names() -> frozenset[str]:
    """What tasks are called in every language that answers are written in: no words of a source, and no claim."""
    return frozenset(leaf.named(code) for leaf in leaves().values() for code in languages())


def _length(quote: str) -> int:
    """How many words a quote has; of letters that stand without spaces, about two are one."""
    return max(len(quote.split()), len(_WIDE.findall(quote)) // 2)
