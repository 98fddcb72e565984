"""Sentences shared by all parts of an answer: names, quotes that become claims, the person's words, our reasoning."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from fourfold.scientist.evidence import Quote
from fourfold.scientist.judge import Answered
from fourfold.scientist.plan import Plan
from fourfold.scientist.tasks import Leaf
from fourfold.scientist.trust import mentions
from fourfold.scientist.values import Brief, Claim, Inference
from fourfold.scientist.wording import Words

_VERB = re.compile(r"^(\w+)( that)?$")
_LABEL = 56


def shown(name: str) -> str:
    """A source's name on one line, without links and marks that show nothing, should someone have put them in."""
    for mention in reversed(mentions(name)):
        if mention.kind != "repository":
            name = name[: mention.start] + name[mention.end :]
    plain = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return " ".join(plain.replace("|", "/").split()) or "—"


def spoken(quote: Quote, words: Words) -> str:
    """A claim: the verb the authors give it, and the quote."""
    verb = words("says")
    if match := _VERB.match(quote.verb):
        verb = f"{words(f'verb_{match[1]}')} {words('that') if match[2] else ''}".strip()
    return words("said", verb=verb, quote=words.quoted(quote.text))


class Speaker:
    """Says things of a plan, and notes which claims and which reasoning of our own were used.

    Args:
        permitted: whether a claim may be made.
        advised: sentences of a language model that answer asks, by the asks' words, each of them permitted.
    """

    def __init__(
        self, brief: Brief, made: Plan, permitted: Callable[[Claim], bool], advised: Mapping[str, Claim] | None = None
    ) -> None:
        self.brief, self.plan, self.permitted, self.advised = brief, made, permitted, advised or {}
        self.reading, self.leaf = made.reading, made.reading.leaf
        self.words = Words(made.reading.language)
        self.name = self.leaf.named(self.words.spoken)
        self.claims: dict[tuple[str, str], Claim] = {}
        self.inferences: list[Inference] = []
        self.explained: set[str] = set()

    def quote(self, source: str, quote: Quote, named: bool = True) -> str:
        """A sentence with a claim in it, "" where it may not be made."""
        words = self.words
        text = spoken(quote, words)
        claim = Claim(text, source, quote.text, quote.start)
        if not self.permitted(claim):
            return ""
        self.claims[source, quote.text] = claim
        return words("named", source=self.short(source), said=text) if named else text

    def short(self, name: str) -> str:
        """A source's name as a sentence uses it."""
        found = next((source for source in self.brief.sources if source.name == name), None)
        return shown(found.short if found else name).replace("*", "")

    def named(self, items: Iterable[str]) -> str:
        """The names of sources in a row."""
        return self.words.listed(f"*{self.short(name)}*" for name in items)

    def asked(self, answers: Iterable[Answered]) -> str:
        """What was asked, in the person's words, the shortest where one holds another."""
        texts = sorted(dict.fromkeys(one.wanted.text for one in answers), key=len)
        apart = [text for at, text in enumerate(texts) if not any(short in text for short in texts[:at])]
        order = [one.wanted.text for one in answers]
        return self.words.listed(self.words.quoted(_cut(text)) for text in sorted(apart, key=order.index))

    def own_words(self) -> str:
        """What the person wants, in the words of the question, cut to be read."""
        main = next((one.wanted.text for one in self.plan.answers if one.wanted.main), "")
        return self.words.quoted(main or "…")

    def difference(self, offers: Leaf) -> str:
        """Why a task that a model offers is not the one that is asked for."""
        words, leaf = self.words, self.leaf
        if offers.output == leaf.output and {*offers.input} != {*leaf.input} and "image" in offers.input:
            if "text" in leaf.input and "text" not in offers.input:
                return words("differ_labels")
            if "text" in offers.input and "text" not in leaf.input:
                return words("differ_labels_reverse")
        if words.result(offers) != words.result(leaf):
            return words("differ_output", given=words.result(offers), asked=words.result(leaf))
        if words.given(offers) != words.given(leaf):
            return words("differ_input", given=words.given(offers), asked=words.given(leaf))
        return words("differ_kind")

    def infers(self, text: str, *sources: str) -> str:
        """A sentence of our own reasoning, noted as such."""
        self.inferences.append(Inference(text, sources))
        return text


def _cut(text: str) -> str:
    """A text cut to be a label, at a space if it has one in time."""
    if len(text) <= _LABEL:
        return text
    head = text[:_LABEL]
    return head[: head.rfind(" ") if " " in head[20:] else _LABEL].rstrip(",;: ") + "…"
