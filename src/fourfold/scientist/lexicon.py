"""Words by language: patterns, languages, and what of a question is negated or already done."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

Span = tuple[int, int]
_WIDE = "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af"
_IS_WIDE = re.compile(f"[{_WIDE}]")
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
_STOPS = "[.;:!?。！？；\\n]"
_SCOPE_END = rf"(?:{_STOPS}|,|，|、|\b(?:but|just|because|so|and|pero|sino|porque|aber|sondern|mais|mas|car)\b|$)"
_UNWANTED = re.compile(
    r"\b(?:(?:do|does|did)(?:n't| not) (?:want|need|care|mean|like|intend|wish)|"
    r"not (?:looking for|interested|asking|about|to|a|an|the)|no need|rather than|instead of|never mind|"
    r"no (?:quier|queremos|necesit|busc|me interesa|hace falta|es para|para|es un|es una)\w*|en vez de|en lugar de|"
    r"nicht (?:um|zu|ein\w*|das|die|den)|statt|anstatt|pas (?:de|d'|un|une|besoin)|au lieu de|plutot que|"
    r"nao (?:quer|precis|e um|e uma)\w*|em vez de)\b.*?(?=" + _SCOPE_END + ")|"
    rf"[^.,!?。、，\s{_WIDE}]*[^.,!?。、，]{{0,14}}(?:필요\s*없|필요하지\s*않|원하지\s*않|아니라|아니고|말고|ではなく|じゃなく|は不要|はいらない)|"
    r"(?:不要|不想|不需要|而不是)[^,，。；]{0,14}",
    re.DOTALL,
)
_WITHOUT = re.compile(
    r"\b(?:without|sin|ohne|sans|sem)\b(?:\W+[^\W_]+){1,4}?(?=\W*"
    + _SCOPE_END
    + r")|\b(?:without|sin|ohne|sans|sem)\b(?:\W+[^\W_]+){1,3}"
)
_DONE = re.compile(
    r"\b(?:already|ya (?:tengo|tenemos|hay|esta\w*|se)|bereits|schon|deja|ja (?:tenho|temos|esta\w*))\b"
    r"(?:\W+[^\W_]+){1,6}?(?=\W*"
    + _SCOPE_END
    + r")|\b(?:each|every|these|those|existing|finished|long|cada|estas|jede[ns]?|chaque)\s+"
    r"(?:transcri|subtitle|caption|summar|translation|resum|traduc|untertitel)\w*|(?:이미|すでに|既に|已经|已有)[^.,。，、]{0,15}"
)


@cache
def table(name: str) -> dict[str, Any]:
    """One of the data files beside this module, read once."""
    return tomllib.loads(resources.files("fourfold.scientist").joinpath(name).read_text(encoding="utf-8"))


def fold(text: str) -> str:
    """Lower case, without accents on Latin letters, straight quotation marks, one form of every character."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES)
    if text.isascii():
        return text
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", bare)


_QUOTES = str.maketrans("’‘“”„«»`´–—", '\'\'"""""\'\'--')


def pattern(alternatives: str) -> re.Pattern[str] | None:
    """A pattern for ``|``-separated ways to say something; see the head of words.toml. None if there are none."""
    parts = [fold(part.strip()) for part in alternatives.split("|") if part.strip()]
    wide = [_wide(part) for part in parts if _IS_WIDE.search(part)]
    narrow = [_narrow(part) for part in parts if not _IS_WIDE.search(part)]
    if narrow:
        wide.append(rf"(?<![a-z0-9])(?:{'|'.join(narrow)})(?![a-z0-9])")
    return re.compile("|".join(wide), re.IGNORECASE) if wide else None


def _wide(part: str) -> str:
    pieces = [r"\s*".join(map(re.escape, piece.rstrip("*").split())) for piece in part.split(" .. ")]
    return ".{0,12}?".join(pieces)


def _narrow(part: str) -> str:
    pieces = [
        r"[\s-]+".join(re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "") for word in piece.split())
        for piece in part.split(" .. ")
    ]
    return r"(?:\W+\w+){0,5}?\W+".join(pieces)


def language(text: str) -> str:
    """ISO 639-1 code of a text's language, of those known here; English if nothing tells."""
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
    for code, marks in {"es": "[¿¡ñ]", "pt": "[ãõ]|ção|ções", "de": "[ßäöü]", "fr": "[çèêœ]|\\b[ldjnmsc]['’]"}.items():
        scores[code] += min(2, len(re.findall(marks, text.lower())))
    best = max(scores, key=lambda code: scores[code])
    return best if scores[best] > scores["en"] else "en"


@cache
def concepts(code: str) -> dict[str, re.Pattern[str]]:
    """A pattern for every concept of words.toml, in English and in one more language."""
    found = {}
    spoken = ("en", "es", "pt") if code in ("es", "pt") else tuple(dict.fromkeys(("en", code)))
    for name, forms in table("words.toml").items():
        said = pattern("|".join(forms[known] for known in spoken if known in forms))
        raw = [said.pattern] if said else []
        found[name] = re.compile("|".join([*raw, *([forms["regex"]] if "regex" in forms else [])]), re.IGNORECASE)
    return found


def unwanted(folded: str) -> tuple[list[Span], list[Span], list[Span]]:
    """Offsets of what a question says it does not want, is to be without, and has already; of folded text."""
    return (
        [match.span() for match in _UNWANTED.finditer(folded)],
        [match.span() for match in _WITHOUT.finditer(folded)],
        [match.span() for match in _DONE.finditer(folded)],
    )


def hits(found: re.Pattern[str], text: str, outside: Iterable[Span] = ()) -> list[Span]:
    """Offsets of every match that does not begin inside one of ``outside``."""
    spans = tuple(outside)
    return [
        match.span() for match in found.finditer(text) if not any(start <= match.start() < end for start, end in spans)
    ]
