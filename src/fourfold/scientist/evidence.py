"""Choose what to quote from a source: spans of sentences, cut so that they can stand alone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from fourfold.scientist.index import Profile, Sentence, bm25, terms_in
from fourfold.scientist.lexicon import flat, fold, mentioned, table
from fourfold.scientist.tasks import GRADES, Leaf

_LONGEST = 24
_SHORTEST = 8
_REST = 3
_EXPLAINS = 1.4
"""What a sentence says at least of how something works, see ``explains``, to be shown for that."""

_VERBS = "propose|introduce|present|develop|describe|show|demonstrate|find|investigate|study|explore|design"
_CLAIM = re.compile(
    r"\b(?:we|this paper|the paper|this work|this article|the authors|they)\s+(?:\w+ly\s+|also\s+|then\s+)?"
    rf"(?P<verb>{_VERBS})(?:s|es|ed)?\s+(?P<that>that\s+)?(?=[\w\"'])",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(r"[,;:]\s|\s[–—-]\s|\s(?=(?:which|while|whereas|because|without)\s)")
_SUBORDINATE = re.compile(
    r"(?:with|by|inspired|in|to|although|while|when|since|because|for|on|unlike|using|based|given|after|before|despite|"
    r"as|from|at|compared|including)\b",
    re.IGNORECASE,
)
"""How a part of a sentence begins that says nothing without the rest of it."""

_DANGLING = re.compile(r"(?:[\s,]+(?:a|an|the|with|of|and|or|in|on|for|to|by|from|which|that|is|are|as))+$")
"""Words at the end of a span that wait for more."""

_LITTLE = re.compile(
    r"(?:the|a|an|of|in|on|for|and|or|that|which|is|are|to|with|by|from|it|its|we|as|has|have|been|this)\s+",
    re.IGNORECASE,
)
_PARTS = re.compile(
    r"\b(?:encoders?|decoders?|generator|discriminator|module|attention|transformers?|backbone|pyramid|branch(?:es)?|"
    r"stages?|two-pass|algorithm|cluster\w*|mask\w*|residual|diffusion|embedding\w*|tokens?|patch(?:es)?|quer(?:y|ies)|"
    r"teacher|student|memory bank|loss|convolution\w*|layers?|blocks?|hash\w*|trees?|graph|spectrogram|flow|"
    r"architecture|network|autoregressive|sequence-to-sequence|dictionary|quantiles?|sampl\w+|kernel|features?|curves?|vectors?|maps?|"
    r"codebook|anchors?|splats?|prompt)\b",
    re.IGNORECASE,
)
_WORKS = re.compile(
    r"\b(?:based on|consist\w*|uses?|using|by (?:\w+ly )?\w+ing|combin\w+|first\b.*\bthen|maps?|predict\w*|learns?|"
    r"trained|extract\w*|introduc\w+|replac\w+|fus\w+|comput\w+|operates|reconstruct\w*|passes|aligns?|aligning)\b",
    re.IGNORECASE,
)
_SETTING = re.compile(
    r"\bis (?:very |often )?(?:hard|difficult|challenging|expensive|costly)\b|ha(?:s|ve) made|seminal|great progress|"
    r"attracted \w+ ?attention|\b(?:usually|typically|commonly) \w+|"
    r"it is hard|face \w+ problems|plays? an important|(?:is|are) important|ha(?:s|ve) become|open problem",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"outperform|state[- ]of[- ]the[- ]art|superior|\bwon\b|benchmark|improvement|\d\s?%|\b\d+\.\d+\b|leaderboard|"
    r"accuracy|impressive|extensive|experiments|available|suffer|challeng|remains|difficult problem",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quote:
    """A verbatim span of a source's summary: its text, its offset, and the verb the authors give it, "" if none."""

    text: str
    start: int
    verb: str = ""


@cache
def ideas() -> dict[str, re.Pattern[str]]:
    """The ideas of ideas.toml that are explained in plain words or carried over, by what names them in a summary."""
    return {name: re.compile(idea["regex"], re.IGNORECASE) for name, idea in table("ideas.toml").items()}


def ideas_in(text: str, use: str) -> list[str]:
    """The ideas that a text names and that have a sentence for ``use``: "gloss" or "carry"."""
    entries = table("ideas.toml")
    return [name for name, named in ideas().items() if entries[name].get(use) and named.search(text)]


def mechanism(profile: Profile, taken: Iterable[Quote] = ()) -> Quote | None:
    """The sentence that says most about how a source works: what parts there are, and what they do."""
    scored = [(explains(sentence), -sentence.start, sentence) for sentence in profile.sentences]
    for score, _, sentence in sorted(scored, key=lambda one: one[:2], reverse=True):
        first = _PARTS.search(sentence.text)
        quote = cut(sentence, first.span() if first else None)
        if score >= 1.5 and all(overlap(quote.text, other.text) < 0.6 for other in taken):
            return quote
    return None


def explains(sentence: Sentence) -> float:
    """How much a sentence says of what parts there are and what they do, and not of how well it went."""
    parts = {match.group().casefold()[:6] for match in _PARTS.finditer(sentence.text)}
    does = len(set(_WORKS.findall(sentence.text)))
    score = min(len(parts), 4) + 0.8 * min(does, 3) + 0.6 * sentence.own
    score -= 1.5 * bool(_SETTING.search(sentence.text))
    return score - 1.2 * len(set(_PRAISE.findall(sentence.text))) - 2.0 * sentence.background


def works(profile: Profile, quote: Quote) -> bool:
    """Whether the sentence that a quote is from says something of how it works."""
    sentence = next((one for one in profile.sentences[::-1] if one.start <= quote.start), None)
    return sentence is not None and bool(_PARTS.search(sentence.text)) and explains(sentence) >= _EXPLAINS


def about(profile: Profile, leaf: Leaf, question: str) -> Quote | None:
    """The sentence that says most about a task."""
    texts = [sentence.text for sentence in profile.sentences]
    ranks = bm25((leaf.named("en"), leaf.meaning("en"), question), texts)
    top = max(ranks, default=0.0) or 1.0
    often = {name for name, chance in leaf.said.items() if chance >= GRADES["often"]}
    scored = []
    for sentence, rank in zip(profile.sentences, ranks, strict=True):
        terms = terms_in(sentence.text, leaf.id)
        words = len(sentence.text.split())
        score = rank / top + 1.6 * bool(terms) + 0.9 * sentence.own - 0.6 * sentence.background - 1.5 * (words < 6)
        if not terms:
            score += 0.5 * min(3, len(_concepts(sentence.text) & often))
        score += 0.7 * bool(_CLAIM.search(sentence.text)) - 1.2 * bool(_SETTING.search(sentence.text))
        scored.append((score, -sentence.start, sentence, terms))
    if not scored:
        return None
    _, _, sentence, terms = max(scored, key=lambda entry: entry[:2])
    return cut(sentence, terms[0] if terms else None)


def _concepts(text: str) -> set[str]:
    return {*mentioned("words.toml", flat(text), "en")}


def phrase(profile: Profile, leaf: Leaf) -> Quote | None:
    """A few words of a source around its own name for a task, from where it says most clearly what it does."""
    found = [
        (sentence.own + bool(_CLAIM.search(sentence.text)) - sentence.background, -sentence.start, sentence, spans[0])
        for sentence in profile.sentences
        if (spans := terms_in(sentence.text, leaf.id))
    ]
    if not found:
        return None
    _, _, sentence, (start, end) = max(found, key=lambda one: one[:2])
    text = sentence.text
    before = max([0, *(match.end() for match in _BOUNDARY.finditer(text, 0, start))])
    words = [match.start() for match in re.finditer(r"\S+", text[:start]) if match.start() >= before]
    begin = words[max(0, len(words) - 6)] if words else start
    while begin < start and (little := _LITTLE.match(text, begin)):
        begin = little.end()
    last = re.match(r"[^\s,;:.]*(?:\s(?:[^\s,;:.]|[.,](?=\d))+){0,7}", text[end:])
    stop = end + (last.end() if last else 0)
    return Quote(text[begin:stop], sentence.start + begin)


def overlap(one: str, other: str) -> float:
    """The fraction of the shorter text's words that the other holds."""
    a, b = set(fold(one).split()), set(fold(other).split())
    return len(a & b) / max(1, min(len(a), len(b)))


def cut(sentence: Sentence, anchor: tuple[int, int] | None) -> Quote:
    """A span of 8 to 30 words of a sentence that holds the anchor, from the object of "we propose" on where it can.

    A rest of three words is not cut off.
    """
    text = sentence.text.rstrip(" .。")
    start, verb = 0, ""
    claim = _CLAIM.search(text)
    after = claim and (anchor is None or anchor[1] > claim.end() or _SUBORDINATE.match(text))
    if claim and after and len(text[claim.end() :].split()) >= _SHORTEST:
        start, verb = claim.end(), claim["verb"].casefold() + (" that" if claim["that"] else "")
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", text) if match.start() >= start]
    if len(words) <= _LONGEST + _REST:
        return Quote(text[start:], sentence.start + start, verb)
    if anchor is not None and anchor[1] > words[_LONGEST - 1][1]:
        start, verb = _clause_before(text, anchor), ""
    elif not verb:
        start = _main_clause(text, anchor)
    words = [word for word in words if word[0] >= start]
    least = [anchor[1] if anchor else 0, words[min(_SHORTEST, len(words)) - 1][1]]
    if _SUBORDINATE.match(text, start) and (comma := text.find(", ", start)) > 0:
        least += [end for _, end in words if end > comma + 2][: _SHORTEST // 2]
    end = _end(text, words, max(least))
    return Quote(_DANGLING.sub("", text[start:end]).rstrip(" ,;:"), sentence.start + start, verb)


def _main_clause(text: str, anchor: tuple[int, int] | None) -> int:
    """Where the main clause of a sentence begins that opens with a subordinate one, if the anchor is not in that."""
    comma = text.find(", ") if _SUBORDINATE.match(text) else -1
    if comma < 0 or (anchor is not None and anchor[0] < comma) or len(text[comma:].split()) <= _SHORTEST:
        return 0
    return comma + 2


def _clause_before(text: str, anchor: tuple[int, int]) -> int:
    """Where the clause that holds the anchor begins, or eleven words before it if that is nearer."""
    words = [match.start() for match in re.finditer(r"\S+", text) if match.start() <= anchor[0]]
    earliest = words[max(0, len(words) - 12)]
    starts = [match.end() for match in _BOUNDARY.finditer(text, earliest, anchor[0])]
    starts = [start for start in starts if not _SUBORDINATE.match(text, start)] or starts
    return starts[0] if starts else earliest


def _end(text: str, words: list[tuple[int, int]], least: int) -> int:
    """The last clause end within the longest quote, or its last word."""
    last = max(words[min(_LONGEST, len(words)) - 1][1], least) if words else len(text)
    if last >= len(text):
        return len(text)
    ends = [match.start() for match in _BOUNDARY.finditer(text, least, last + 1)]
    ends = [end for end in ends if end >= least]
    return ends[-1] if ends else last
