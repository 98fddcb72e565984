"""Sentences shared by all parts of an answer: names, quotes that become claims, the person's words, our reasoning."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from fourfold.scientist.evidence import Quote
from fourfold.scientist.judge import Answered
from fourfold.scientist.lexicon import Span
from fourfold.scientist.plan import Plan
from fourfold.scientist.tasks import Leaf
from fourfold.scientist.trust import mentions
from fourfold.scientist.values import Brief, Claim, Inference
from fourfold.scientist.wording import Words

_VERB = re.compile(r"^(\w+)( that)?$")
_LABEL = 64
_FEW_WORDS = 30


def shown(name: str) -> str:
    """A source's name on one line, without links and marks that show nothing, should someone have put them in."""
    for mention in reversed(mentions(name)):
        if mention.kind != "repository":
            name = name[: mention.start] + name[mention.end :]
    plain = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return " ".join(plain.replace("|", "/").split()) or "—"


def spoken(quote: Quote, words: Words) -> str:
    """A claim: the verb the authors give it, if they do, and the quote."""
    match = _VERB.match(quote.verb)
    if match is None:
        return words.quoted(quote.text)
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

    def quote(self, source: str, quote: Quote, apart: str = "") -> str:
        """A sentence with a claim in it, "" where it may not be made; ``apart``: of what else the source says it."""
        text = spoken(quote, self.words)
        claim = Claim(text, source, quote.text, quote.start)
        if not self.permitted(claim):
            return ""
        self.claims[source, quote.text] = claim
        if apart:
            self.infers(apart, source)
        form = ("named" if text != self.words.quoted(quote.text) else "says") + ("_apart" if apart else "")
        return self.words(form, source=self.short(source), said=text, quote=text, apart=apart)

    def short(self, name: str) -> str:
        """A source's name as a sentence uses it."""
        found = next((source for source in self.brief.sources if source.name == name), None)
        return shown(found.short if found else name).replace("*", "")

    def named(self, items: Iterable[str]) -> str:
        """The names of sources in a row."""
        return self.words.listed(f"*{self.short(name)}*" for name in items)

    def asked(self, answers: Iterable[Answered]) -> str:
        """What was asked, in the person's words, the shortest where one holds another."""
        order = [self._label(text) for text in self._joined(answers)]
        texts = sorted(dict.fromkeys(order), key=len)
        apart = [text for at, text in enumerate(texts) if not any(short in text for short in texts[:at])]
        return self.words.listed(self.words.quoted(_cut(text)) for text in sorted(apart, key=order.index))

    def _joined(self, answers: Iterable[Answered]) -> list[str]:
        """The words of asks; those of two that stand side by side in the question are one."""
        spans: list[Span] = []
        for start, end in dict.fromkeys((one.wanted.start, one.wanted.end) for one in answers):
            beside = spans and spans[-1][1] <= start and not self.brief.question[spans[-1][1] : start].strip()
            spans[-1:] = [(spans[-1][0], end)] if beside else [*spans[-1:], (start, end)]
        return [self.brief.question[start:end] for start, end in spans]

    def _label(self, text: str) -> str:
        """Words of a question without the small word that ties a few of them to the rest: "my phone"."""
        untied = self.words.pattern("label_ties").sub("", text, count=1)
        return untied if len(text) <= _FEW_WORDS else text

    def own_words(self) -> str:
        """What the person wants, in the words of the question, cut to be read."""
        main = next((one.wanted.text for one in self.plan.answers if one.wanted.main), "")
        return self.words.quoted(main or "…")

    def difference(self, offers: Leaf) -> str:
        """Why a task that a model offers is not the one that is asked for."""
        words, leaf = self.words, self.leaf
        if offers.id == leaf.id:
            return words("differ_language")
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
