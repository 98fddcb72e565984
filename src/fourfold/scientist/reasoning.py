"""The guard's rules on reasoning: evidence for every ask, our own inferences marked, no claim that nobody can make."""

import re
from collections.abc import Callable, Iterator
from functools import cache

from fourfold.scientist.known import COMMON, NAME_LIKE, Known
from fourfold.scientist.lexicon import table
from fourfold.scientist.parts import Parts, Violation
from fourfold.scientist.trust import QUOTED, mentions, normal, without
from fourfold.scientist.values import Ask, Claim, Evidence, Inference
from fourfold.scientist.wording import languages

_DIGITS = re.compile(r"(?<![A-Za-z\d])\d+(?:[.,]\d+)*(?![A-Za-z_\d])")
_SPELLED = re.compile(
    r"(?i)\b(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand)\b|"
    r"\b(?:veinte|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa)\b|"
    r"\b\w*(?:zwanzig|dreißig|vierzig|fünfzig|sechzig|siebzig|achtzig|neunzig)\b|"
    r"\b(?:vingt|trente|quarante|cinquante|soixante)\b|\b(?:vinte|trinta|quarenta|cinquenta|sessenta)\b|"
    r"(?:이십|삼십|사십|오십|육십|칠십|팔십|구십)"
)
_COMPLETE = re.compile(
    r"(?i)nothing (?:\w+ ){0,6}(?:is )?(?:left out|missing|omitted)|everything (?:you|that|the question)\b[^.]{0,30}"
    r"(?:is|was) (?:covered|answered)|answers? (?:all|every)\b|no falta nada|todo (?:está|queda) cubierto|"
    r"빠진 것은? 없|모두 답|nichts fehlt|rien ne manque|nada falta|漏れはありません|没有遗漏"
)
_NAMED_QUOTE = re.compile(r"\*([^*\n]{2,160})\*(?!\*)[^“„«「)）\n]{0,40}[“„«「]([^“”„«»「」\n]{12,})[”“»」]")
_QUOTE_NAMED = re.compile(r"[“„«「]([^“”„«»「」\n]{12,})[”“»」]\s?[(（]\*([^*\n]{2,160})\*(?!\*)")


def reasoning(parts: Parts, known: Known, stands: Callable[[Claim], bool]) -> Iterator[Violation]:
    """Every breach of the rules on reasoning.

    Args:
        parts: of the answer; known: what its brief permits; stands: whether a claim's quote is in its own source.
    """
    for ask in parts.asks:
        yield from _ask(ask, parts, known, stands)
    for one in parts.inferences:
        yield from _inference(one, parts, known)
    if parts.markdown and parts.whole:
        yield from _unmarked(parts)
        yield from _attributed(parts, known)
        yield from _claimed(parts, known)


def _ask(ask: Ask, parts: Parts, known: Known, stands: Callable[[Claim], bool]) -> Iterator[Violation]:
    def unfounded(why: str) -> Violation:
        return Violation("unfounded answer", ask.text, why)

    if ask.text != known.asked[ask.start : ask.end] or not ask.text.strip():
        yield Violation("quote not found", ask.text, "not these words of the question")
    if ask.status not in ("answered", "inferred", "open"):
        yield Violation("malformed", ask.status, "expected answered, inferred or open")
    if (ask.status == "open") == bool(ask.evidence):
        yield unfounded("what is open has no evidence, and what is not open has some")
    for one in ask.evidence:
        if why := _evidence(one, known, stands):
            yield unfounded(why)
        leaning = one.by in ("name", "repeat") or (one.by == "quote" and parts.relevance.get(one.source) != "relevant")
        if ask.status == "answered" and leaning:
            yield unfounded("what leans on a name, or on a source about something else, is an inference")


def _evidence(one: Evidence, known: Known, stands: Callable[[Claim], bool]) -> str:
    """Why a piece of evidence is none, "" if it is."""
    if one.source and one.source not in known.titles:
        return f"'{one.source}' is no source of the brief"
    if one.by in ("quote", "name"):
        if one.by == "name" and one.quote not in one.source:
            return "its name does not hold that"
        return (
            "" if one.by == "name" or stands(Claim("—", one.source, one.quote, one.start)) else "its quote is not found"
        )
    if one.by == "arithmetic":
        return "" if _reckoned(one.figures, known.asked) else "its figures do not follow from the question's"
    return "" if one.by in ("types", "verdict", "question", "repeat") else f"evidence by '{one.by}' is not known"


def _reckoned(figures: tuple[str, ...], question: str) -> bool:
    if len(figures) != 3 or not all(figure.isdigit() for figure in figures):
        return False
    first, last, factor = map(int, figures)
    given = re.findall(r"\d+", question)
    return figures[0] in given and figures[1] in given and first * factor == last


@cache
def _marks() -> tuple[str, ...]:
    """How sentences of our own reasoning are marked, in every language."""
    return tuple(table(f"prose/{code}.toml")[name] for code in languages() for name in ("mark", "mark_plain"))


@cache
def _prose_words() -> frozenset[str]:
    """Words of the fixed sentences that look like names."""
    texts: list[str] = []
    for code in languages():
        for value in table(f"prose/{code}.toml").values():
            texts += [value] if isinstance(value, str) else [str(text) for text in value.values()]
    return frozenset(re.findall(r"\w+", " ".join(texts)))


def _inference(one: Inference, parts: Parts, known: Known) -> Iterator[Violation]:
    rest = one.text
    for name in sorted(known.names, key=len, reverse=True):
        rest = rest.replace(name, " ")
    if not any(mark in one.text for mark in _marks()):
        yield Violation("unmarked inference", one.text, "does not say that it is ours")
    for source in one.sources:
        if source not in known.titles:
            yield Violation("unknown source", source, "not a source of the brief")
    for digits in _DIGITS.findall(without(rest, known.links)):
        if digits not in known.question:
            yield Violation("number not in quote", digits, f"in our own sentence '{one.text}'")
    if parts.markdown and one.text not in parts.markdown:
        yield Violation("unmarked inference", one.text, "stands otherwise in the text")


def _unmarked(parts: Parts) -> Iterator[Violation]:
    """Lines that quote a source on something else without a word that carrying it over is ours."""
    if not parts.relevance or not any(label == "relevant" for label in parts.relevance.values()):
        apart = [claim for claim in parts.claims if parts.relevance.get(claim.source) in ("partial", "irrelevant")]
    else:
        apart = [claim for claim in parts.claims if parts.relevance.get(claim.source) == "partial"]
    for line in parts.markdown.split("\n"):
        if line.startswith("|") or any(mark in line for mark in _marks()):
            continue
        for claim in apart:
            if len(claim.quote.split()) > 3 and claim.text in line:
                yield Violation("unmarked inference", line[:120], f"carries over what '{claim.source}' says")


def _attributed(parts: Parts, known: Known) -> Iterator[Violation]:
    """Quotes that stand beside the name of another source, before or behind it."""
    after = [(name, quote) for quote, name in _QUOTE_NAMED.findall(parts.markdown)]
    for name, quote in [*_NAMED_QUOTE.findall(parts.markdown), *after]:
        own = [
            source for source in known.sources if name in (source.name, source.short) or source.name.startswith(name)
        ]
        here = any(normal(quote) in text for source in own for text in known.trusted[source])
        if own and not here and normal(quote) not in known.question:
            yield Violation("quote not found", quote, f"not in what may be quoted of '{name}'")


def _claimed(parts: Parts, known: Known) -> Iterator[Violation]:
    """Completeness, numbers in words and unknown names in whatever is no quote."""
    rest = without(QUOTED.sub(" ", parts.markdown), known.links)
    for name in sorted({*known.names, *known.shown}, key=len, reverse=True):
        rest = rest.replace(name, " ")
    for claim in _COMPLETE.finditer(rest):
        yield Violation("completeness claimed", claim.group(), "no answer can know that")
    for number in _SPELLED.finditer(rest):
        yield Violation("number not in quote", number.group(), "a number in words that nothing gives")
    measured = " ".join([*(one.text for one in parts.measured), *(claim.text for claim in parts.claims)])
    permitted = known.words | _prose_words() | COMMON | set(re.findall(r"\w+", measured))
    for word in NAME_LIKE.findall(rest):
        if not {word, word.removesuffix("s")} & permitted and not mentions(word):
            yield Violation("unknown name", word, "named by no source")
