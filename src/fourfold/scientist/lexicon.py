"""Words by language: phrases found in a text, the language of a text, and the tables they come from."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Span = tuple[int, int]
_WIDE = "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af"
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_IS_WIDE = re.compile(f"[{_WIDE}]")
_WORD = re.compile(rf"[^\W_{_WIDE}]+")
_PHRASE_WORD = re.compile(rf"[^\W_{_WIDE}]+\*?")
_STOP = re.compile(r"[.!?;:](?:\s|$)|\n")
_PARTICLES = tuple("은는이가을를과와도의에로만인")
_SENTENCE_ENDS = tuple(".!?;。！？；\n")
_BRIDGE = 5
_WIDE_BRIDGE = 12
_COMMON_WORDS = {
    "en": "the of to and is i my that what how which it for we our with can from are in on this have want a be do",
    "es": "el la los las de que y un una con para por quiero mi mis es en como se del al lo a o nuestro tenemos cual "
    "muy hay tengo necesito queremos cada sus este esta nos puede puedo",
    "de": "der die das und ist ich mein meine ein eine wie mit zu von fur auf wir unser nicht im den dem sind kann aus "
    "sollen soll werden wird haben sich bei nach oder uns jede jedes jeder welche welcher welches will mochte lange wo",
    "fr": "le la les des et est je mon mes un une comment avec pour dans nous que qui sur du au ce notre pas sont d l "
    "chaque voudrais veux quel quelle dont ou a ces peut",
    "pt": "o a os as de que e um uma com para por quero meu minha meus em como do da no na nosso temos qual ao nao "
    "preciso tenho queremos cada seus este esta pode posso sao",
}
_MARKS = {"es": "[¿¡ñ]", "pt": "[ãõ]|ção|ções", "de": "[ßäöü]", "fr": "[çèêœ]|\\b[ldjnmsc]['’]"}
_CLUSTER = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|.[\u0300-\u036f\u3099\u309a]*", re.DOTALL)
_QUOTES = str.maketrans("’‘“”„«»`´–—", '\'\'"""""\'\'--')


@cache
def table(name: str) -> dict[str, Any]:
    """One of the data files beside this module, or of those in ``prose``, read once."""
    return tomllib.loads(resources.files("fourfold.scientist").joinpath(name).read_text(encoding="utf-8"))


def fold(text: str) -> str:
    """Lower case, without accents on Latin letters, straight quotation marks, one form of every character."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES)
    if text.isascii():
        return text
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def aligned(text: str) -> tuple[str, list[int]] | None:
    """The text folded, and the offset in the text of each of its letters and of its end.

    None where letters change with those around them, so that there are no offsets.
    """
    folded, offsets = "", []
    for cluster in _CLUSTER.finditer(text):
        piece = fold(cluster.group())
        folded += piece
        offsets += [cluster.start()] * len(piece)
    return (folded, [*offsets, len(text)]) if folded == fold(text) else None


def flat(text: str) -> str:
    """Lower case, letter for letter, so that offsets hold in the text as it was given."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text


@dataclass(frozen=True)
class _Token:
    word: str
    start: int
    end: int
    opens: bool
    """Whether a sentence ended before it."""


_Part = tuple[tuple[str, bool], ...]
"""Words in a row, each with whether it may go on."""


class Phrases:
    """Finds any of many phrases in a text at once, by the words or letters that they begin with: nothing to compile.

    Args:
        named: ``(name, ways)``, folded; ``|`` separates ways to say it, a trailing ``*`` lets a word go on, `` .. ``
            bridges up to five words. Latin script is matched by whole words and Korean from the beginning of a word,
            both also inside of one after a leading ``*``; Chinese and Japanese anywhere.
    """

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        self._exact: dict[str, list[tuple[str, tuple[_Part, ...]]]] = {}
        self._open: dict[str, list[tuple[str, tuple[_Part, ...]]]] = {}
        self._inner: dict[str, list[str]] = {}
        self._wide: dict[str, list[tuple[str, bool, tuple[str, ...]]]] = {}
        for name, ways in named:
            for way in filter(None, map(str.strip, ways.split("|"))):
                self._add(name, way)
        self._lengths = sorted({len(word) for word in self._open})
        self._inner_lengths = sorted({len(inner) for inner in self._inner})

    def _add(self, name: str, way: str) -> None:
        if not way.isascii() and _IS_WIDE.search(way):
            within = way.startswith("*") or not _HANGUL.match(way)
            pieces = tuple(way.strip("*").split(" .. "))
            self._wide.setdefault(pieces[0][0], []).append((name, within, pieces))
        elif way.startswith("*"):
            self._inner.setdefault(way.strip("*"), []).append(name)
        elif parts := tuple(filter(None, (_words(part) for part in way.split(" .. ")))):
            word, goes_on = parts[0][0]
            (self._open if goes_on else self._exact).setdefault(word, []).append((name, parts))

    def find(self, folded: str) -> dict[str, list[Span]]:
        """Offsets of every phrase in a folded text, by name, in order."""
        found: dict[str, set[Span]] = {}
        tokens = _tokens(folded)
        for at, token in enumerate(tokens):
            word = token.word
            ways = list(self._exact.get(word, ()))
            for length in self._lengths:
                if length > len(word):
                    break
                ways += self._open.get(word[:length], ())
            for name, parts in ways:
                if last := _follow(tokens, at, parts):
                    found.setdefault(name, set()).add((token.start, tokens[last - 1].end))
            for name in self._within(word):
                found.setdefault(name, set()).add((token.start, token.end))
        if self._wide and _IS_WIDE.search(folded):
            self._find_wide(folded, found)
        return {name: sorted(spans) for name, spans in found.items()}

    def _within(self, word: str) -> Iterator[str]:
        """Names of the phrases that a compound word holds after its beginning: "Wartungsbericht" is a "Bericht"."""
        for length in self._inner_lengths:
            for at in range(2, len(word) - length + 1):
                yield from self._inner.get(word[at : at + length], ())

    def _find_wide(self, folded: str, found: dict[str, set[Span]]) -> None:
        for at, letter in enumerate(folded):
            opens = at == 0 or not folded[at - 1].isalpha()
            for name, within, pieces in self._wide.get(letter, ()):
                if (opens or within) and (end := _reach(folded, at, pieces)) and _closes(folded, at, end):
                    found.setdefault(name, set()).add((at, end))


def _closes(folded: str, at: int, end: int) -> bool:
    """Whether a Korean word of one syllable ends where it was found, but for a particle: not "물" in "물건"."""
    after = folded[end : end + 1]
    return end - at > 1 or not _HANGUL.match(after) or not _HANGUL.match(folded[at]) or after in _PARTICLES


def _reach(folded: str, at: int, pieces: tuple[str, ...]) -> int:
    """Offset after a phrase that begins at an offset, in its sentence; 0 if it does not stand there."""
    end = at
    for number, piece in enumerate(pieces):
        furthest = min(len(folded), end + _WIDE_BRIDGE) if number else end
        for begin in range(end, furthest + 1):
            if last := _spelled(folded, begin, piece):
                end = last
                break
            if begin < len(folded) and folded[begin] in _SENTENCE_ENDS:
                return 0
        else:
            return 0
    return end


def _spelled(folded: str, at: int, piece: str) -> int:
    """Offset after a piece that stands at an offset, where its spaces may be left out; 0 if it does not."""
    for letter in piece:
        if letter == " ":
            while at < len(folded) and folded[at].isspace():
                at += 1
        elif at < len(folded) and folded[at] == letter:
            at += 1
        else:
            return 0
    return at


def _words(part: str) -> _Part:
    return tuple((word.rstrip("*"), word.endswith("*")) for word in _PHRASE_WORD.findall(part))


def _tokens(folded: str) -> list[_Token]:
    tokens = []
    before = 0
    for match in _WORD.finditer(folded):
        opens = _STOP.search(folded, before, match.start()) is not None
        tokens.append(_Token(match.group(), match.start(), match.end(), opens))
        before = match.end()
    return tokens


def _follow(tokens: list[_Token], at: int, parts: tuple[_Part, ...]) -> int:
    """Index after the last word of a phrase that begins at a token, in its sentence; 0 if it does not stand there."""
    end = at
    for number, part in enumerate(parts):
        furthest = end + _BRIDGE if number else end
        for begin in range(end, furthest + 1):
            if number and (begin >= len(tokens) or tokens[begin].opens):
                return 0
            if _stands(tokens, begin, part):
                end = begin + len(part)
                break
        else:
            return 0
    return end


def _stands(tokens: list[_Token], begin: int, part: _Part) -> bool:
    if begin + len(part) > len(tokens):
        return False
    for number, (word, goes_on) in enumerate(part):
        token = tokens[begin + number]
        if (number and token.opens) or not (token.word.startswith(word) if goes_on else token.word == word):
            return False
    return True


def language(text: str) -> str:
    """ISO 639-1 code of a text's language, of those known here; English if nothing decides."""
    folded = fold(text)
    counts = {
        "ko": len(re.findall("[\uac00-\ud7af]", folded)),
        "ja": 3 * len(re.findall("[\u3040-\u30ff]", folded)),
        "zh": len(re.findall("[\u3400-\u9fff]", folded)),
    }
    wide = max(counts, key=lambda code: counts[code])
    if sum(counts.values()) > 3 and counts[wide] * 3 > len(re.findall("[a-z]", folded)):
        return wide
    words = re.findall(r"[^\W\d_]+", folded)
    scores = {code: sum(word in set(common.split()) for word in words) for code, common in _COMMON_WORDS.items()}
    for code, marks in _MARKS.items():
        scores[code] += min(2, len(re.findall(marks, text.lower())))
    best = max(scores, key=lambda code: scores[code])
    return best if scores[best] > scores["en"] else "en"


def _understood(code: str) -> tuple[str, ...]:
    """The languages whose words may stand in a text of one: its own, and English among another script."""
    return (code, "en") if code in ("ko", "ja", "zh") else (code,)


@cache
def phrases(name: str, code: str) -> Phrases:
    """The phrases of a table whose entries hold them by language, for texts of one language."""
    entries = table(name).items()
    return Phrases((entry, words[known]) for entry, words in entries for known in _understood(code) if known in words)


@cache
def _patterns(name: str) -> dict[str, re.Pattern[str]]:
    """The patterns of a table, for what is said in figures or marks."""
    entries = table(name).items()
    return {entry: re.compile(words["regex"], re.IGNORECASE) for entry, words in entries if "regex" in words}


def mentioned(name: str, folded: str, code: str) -> dict[str, list[Span]]:
    """Offsets of all that the entries of a table say, by entry, in a folded text of one language."""
    found = phrases(name, code).find(folded)
    for entry, pattern in _patterns(name).items():
        if spans := [match.span() for match in pattern.finditer(folded)]:
            found[entry] = sorted({*found.get(entry, ()), *spans})
    return found
