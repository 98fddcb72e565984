"""The sentences of answers in each language: prose.toml filled in, types and wishes in plain words."""

import re
from collections.abc import Mapping
from typing import Any

from fourfold.scientist.lexicon import table
from fourfold.scientist.tasks import Leaf

_PARTICLES = {
    "을(를)": ("을", "를"),
    "이(가)": ("이", "가"),
    "은(는)": ("은", "는"),
    "와(과)": ("과", "와"),
    "으로(로)": ("으로", "로"),
}


class Words:
    """The sentences of one language; English where there are none, and ``code`` says which were asked for."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.spoken = code if code in table("prose.toml") else "en"
        self._prose: Mapping[str, Any] = table("prose.toml")[self.spoken]

    def __call__(self, sentence: str, /, **parts: str) -> str:
        """The sentence of that name, with the parts filled in."""
        return self.filled(str(self._prose[sentence]), parts)

    def filled(self, template: str, parts: Mapping[str, str]) -> str:
        """A template with its parts, whose names may hold dots, filled in."""
        text = re.sub(r"\{([\w.]+)\}", lambda match: parts[match[1]], template).strip()
        if self.spoken == "es":
            return re.sub(r"\b(de|a) el\b", lambda match: f"{match[1]}l", text)
        return _particles(text) if self.spoken == "ko" else text

    def table(self, name: str) -> Mapping[str, str]:
        """The sentences of one table of the prose."""
        found: Mapping[str, str] = self._prose[name]
        return found

    def types(self, kinds: tuple[str, ...]) -> str:
        """Types in plain words: "a picture and text"."""
        named = [str(self._prose["types"][kind]) for kind in dict.fromkeys(kinds)]
        return str(self._prose["list_and"]).join(named)

    def given(self, leaf: Leaf) -> str:
        """What goes into a task."""
        return self._shape(leaf, 0) or self.types(leaf.input)

    def result(self, leaf: Leaf) -> str:
        """What comes out of a task."""
        return self._shape(leaf, 1) or self.types(leaf.output)

    def wish(self, name: str) -> str:
        """A wish in plain words."""
        if name.startswith("language:"):
            tongue = table("tongues.toml")[name.removeprefix("language:")]
            return self("language_wish", name=str(tongue[f"name_{self.spoken}"]))
        return str(table("slots.toml")[name][f"name_{self.spoken}"])

    def _shape(self, leaf: Leaf, side: int) -> str:
        shape = self._prose["shapes"].get(leaf.id)
        return str(shape).split("|")[side] if shape else ""


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
