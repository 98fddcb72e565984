"""The sentences of answers in each language, filled in from the templates in ``prose``; types in plain words."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from fourfold.scientist.lexicon import table
from fourfold.scientist.tasks import Leaf

_NESTED = re.compile(r"\(([^()]*[^()\s])\s\(([^()]*)\)\)")
"""Round brackets that enclose a name which ends in round brackets."""

_PARTICLES = {
    "을(를)": ("을", "를"),
    "이(가)": ("이", "가"),
    "은(는)": ("은", "는"),
    "와(과)": ("과", "와"),
    "으로(로)": ("으로", "로"),
    "(으)로": ("으로", "로"),
    "(이)라는": ("이라는", "라는"),
    "(이어서)": ("이어서", "여서"),
}


@cache
def languages() -> tuple[str, ...]:
    """ISO 639-1 codes of the languages that answers are written in."""
    files = resources.files("fourfold.scientist").joinpath("prose").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


class Words:
    """The sentences of one language; English where there are none, and ``code`` says which were asked for."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.spoken = code if code in languages() else "en"
        self._prose: Mapping[str, Any] = table(f"prose/{self.spoken}.toml")

    def __call__(self, sentence: str, /, **parts: str) -> str:
        """The sentence of that name, with the parts filled in."""
        return self.filled(str(self._prose[sentence]), parts)

    def filled(self, template: str, parts: Mapping[str, str]) -> str:
        """A template with its parts, whose names may hold dots, filled in."""
        text = re.sub(r"\{([\w.]+)\}", lambda match: parts[match[1]], template).strip()
        text = _NESTED.sub(r"(\1, \2)", re.sub(r" {2,}", " ", text))
        if self.spoken == "es":
            return re.sub(r"\b(de|a) el\b", lambda match: f"{match[1]}l", text)
        return _particles(text) if self.spoken == "ko" else text

    def table(self, name: str) -> Mapping[str, str]:
        """The sentences of one table of the prose."""
        found: Mapping[str, str] = self._prose[name]
        return found

    def pattern(self, name: str) -> re.Pattern[str]:
        """A regular expression among the sentences."""
        return re.compile(str(self._prose[name]), re.IGNORECASE)

    def quoted(self, text: str) -> str:
        """A text within the language's quotation marks."""
        return str(self._prose["quote"]).replace("{}", " ".join(text.split()))

    def listed(self, items: Iterable[str], *, last: str = "list_and") -> str:
        """Items in a row: "a, b and c"."""
        *first, end = tuple(items) or ("",)
        comma = "、" if self.spoken in ("ja", "zh") else ", "
        return f"{comma.join(first)}{self._prose[last]}{end}" if first else end

    def types(self, kinds: tuple[str, ...]) -> str:
        """Types in plain words: "a picture and text"."""
        return self.listed(str(self._prose["types"][kind]) for kind in dict.fromkeys(kinds))

    def given(self, leaf: Leaf) -> str:
        """What goes into a task."""
        return leaf.shape(self.spoken)[0] or self.types(leaf.input)

    def result(self, leaf: Leaf) -> str:
        """What comes out of a task."""
        return leaf.shape(self.spoken)[1] or self.types(leaf.output)


def _particles(text: str) -> str:
    """Korean particles in the form that the letter before them asks for."""

    def chosen(match: re.Match[str]) -> str:
        before = re.sub(r"[^\w]+$", "", match.string[: match.start()])[-1:]
        closed, opened = _PARTICLES[match.group()]
        if "가" <= before <= "힣":
            final = (ord(before) - ord("가")) % 28
            return opened if final == 0 or (final == 8 and opened == "로") else closed
        return closed if before.casefold() in set("lmn013678") else opened

    return re.sub("|".join(map(re.escape, _PARTICLES)), chosen, text)
