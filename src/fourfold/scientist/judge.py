"""Answer each thing that a question asks from the sources of its brief."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from fourfold.scientist.asks import Wanted, numbers
from fourfold.scientist.evidence import Quote, cut
from fourfold.scientist.lexicon import Span
from fourfold.scientist.passages import Found, Passages
from fourfold.scientist.tasks import NONE, Reading
from fourfold.scientist.values import Status
from fourfold.scientist.verdicts import Model, Paper

_SAME_SIZE = (
    "deblurring",
    "denoising",
    "dehazing",
    "low-light-enhancement",
    "inpainting",
    "colorization",
    "face-restoration",
)
_BY_TASK = {
    "short_answer": {
        "image-to-text/image-captioning", "visual-question-answering", "document-question-answering", "summarization",
        "text-classification", "audio-classification", "image-classification", "table-question-answering",
    },
    "fine_edges": {"image-segmentation/matting"},
    "own_labels": {"zero-shot-object-detection", "zero-shot-image-classification"},
    "occlusion": set(),
}  # fmt: skip
"""Slots that a task answers by what it is."""

_OF_ITS_TASK = ("accuracy",)
"""Slots on which a source about another task says nothing."""

How = Literal["quote", "type", "arithmetic", "question", "each", "name", "verdict", "advice", ""]
"""By what an ask is answered, "advice" by a language model's sentence on a quote; "" where it is open."""
_MODEL = re.compile(r"recommend|suggest|\bmodel|\btool|\bit really")
_SIZE = r"size|크기|tamano|tamaño|grosse|größe|taille|サイズ|大小"


@dataclass(frozen=True)
class Answered:
    """Something asked, and what became of it.

    Attributes:
        wanted: the ask; status: whether it is answered, inferred from a source on something else, or open.
        how: by what; source, quote: that speaks of it; figures: of an enlargement (from, to, factor),
            or a part of a name.
    """

    wanted: Wanted
    status: Status
    how: How = ""
    source: str = ""
    quote: Quote | None = None
    figures: tuple[str, ...] = ()


class Judge:
    """Answers what was asked from every sentence of the papers, and from what is known of the models.

    Args:
        question: the person's words; reading: of them; models, papers: with verdicts.
    """

    def __init__(self, question: str, reading: Reading, models: tuple[Model, ...], papers: tuple[Paper, ...]) -> None:
        self.question, self.reading, self.leaf = question, reading, reading.leaf
        self.models = models
        self.hows: set[Span] = set()
        self.labels = {paper.profile.source.name: paper.relevance for paper in papers}
        self.papers = [paper for label in ("relevant", "partial") for paper in papers if paper.relevance == label]
        self.passages = Passages([(paper.profile, paper.relevance) for paper in papers], reading)

    def answers(self, wanted: Iterable[Wanted]) -> tuple[Answered, ...]:
        """What becomes of each ask."""
        wanted = tuple(wanted)
        self.hows = {one.clause for one in wanted if one.kind in ("how", "why")}
        found = [self._answer(one) for one in wanted if one.kind != "said"]
        refused = {one.clause for one in wanted if one.kind == "refused"}
        found = [
            one for one in found if one.status != "open" or (one.wanted.certain and one.wanted.clause not in refused)
        ]
        shown = {one.quote.text for one in found if one.quote}
        main = {one.clause for one in wanted if one.main}
        for one in wanted:
            match = self._matched(one) if one.kind == "said" else None
            if match and match.status == "inferred" and one.clause in main:
                continue
            if match and match.quote and match.quote.text not in shown:
                shown.add(match.quote.text)
                found.append(match)
        met = {(one.wanted.start, one.wanted.end) for one in found if one.status != "open"}
        found = [one for one in found if one.status != "open" or (one.wanted.start, one.wanted.end) not in met]
        once = {(one.wanted.start, one.wanted.end, one.status, one.how, one.quote): one for one in reversed(found)}
        return tuple(sorted(once.values(), key=lambda one: (one.wanted.start, one.wanted.end)))

    def _answer(self, one: Wanted) -> Answered:
        if self.leaf.id == NONE and self.reading.listed:
            return Answered(one, "open")
        if one.kind == "refused":
            return Answered(one, "answered", "question")
        if not self.reading.listed:
            return self._matched(one) or Answered(one, "open")
        if one.main and one.kind == "task":
            return self._verdict(one)
        if one.kind in ("task", "model"):
            return self._matched(one) or (self._verdict(one) if self._bare(one) else Answered(one, "open"))
        if one.kind in ("how", "why"):
            return self._explained(one)
        if one.kind == "factor":
            return self._factor(one) or self._matched(one) or self._named(one, r"[x×]\d|\d[x×]") or self._stated(one)
        if one.kind == "language":
            return self._matched(one) or self._several(one) or Answered(one, "open")
        if one.kind == "wish":
            return self._wish(one)
        return self._matched(one) or Answered(one, "open")

    def _bare(self, one: Wanted) -> bool:
        """Whether an ask names nothing but the task or the model, so that the verdict on the models answers it."""
        named = one.kind == "model" and (self.reading.language != "en" or _MODEL.search(one.text.casefold()))
        return bool(named) or not self.passages.own(one.text)

    def _stated(self, one: Wanted) -> Answered:
        """A factor that the question only mentions is no gap of the sources."""
        return Answered(one, "open") if one.certain else Answered(one, "answered", "question")

    def _verdict(self, one: Wanted) -> Answered:
        known = [model for model in self.models if model.offers is not None]
        relevant = [paper for paper in self.papers if paper.relevance == "relevant"]
        if one.kind == "model" and not known:
            return Answered(one, "open")
        if known or relevant:
            source = known[0].profile.source.name if known else relevant[0].profile.source.name
            return Answered(one, "answered", "verdict", source)
        return Answered(one, "answered", "verdict") if not self.models else Answered(one, "open")

    def _explained(self, one: Wanted) -> Answered:
        """A how or why: by a sentence that speaks of it, else by how a source on the task, or one near it, works."""
        if found := self._matched(one):
            return found
        for paper in self.papers:
            if paper.quotes:
                status: Status = "answered" if paper.relevance == "relevant" else "inferred"
                return Answered(one, status, "quote", paper.profile.source.name, paper.quotes[-1])
        return Answered(one, "open")

    def _factor(self, one: Wanted) -> Answered | None:
        found = factor_of(self.question)
        return Answered(one, "answered", "arithmetic", figures=found) if found else None

    def _wish(self, one: Wanted) -> Answered:
        if (
            one.name == "keep_rest"
            and self.leaf.id.partition("/")[2] in _SAME_SIZE
            and re.search(_SIZE, one.text.casefold())
        ):
            return Answered(one, "answered", "type")
        found = self._matched(one)
        if found and found.status == "inferred" and one.name in _OF_ITS_TASK:
            found = None
        if self.leaf.id in _BY_TASK.get(one.name, ()) and (found is None or found.status != "answered"):
            return Answered(one, "answered", "type")
        if found is None and one.name == "on_device":
            found = self._light(one)
        if found is None and one.name in ("light", "on_device"):
            found = self._named(one, r"(?i)mobile|tiny|lite|small|nano|little|mini")
        if found is None and one.name == "every_file":
            found = Answered(one, "inferred", "each") if self.models else None
        return found or Answered(one, "open")

    def _light(self, one: Wanted) -> Answered | None:
        """A source on the task that is light: that it fits on a device is an inference."""
        found = self._matched(replace(one, name="light"))
        return replace(found, wanted=one, status="inferred") if found and found.status == "answered" else None

    def _matched(self, one: Wanted) -> Answered | None:
        """The sentence of any source that speaks of an ask most clearly."""
        topics = {"wish": f"slot:{one.name}", "factor": "slot:scale", "language": f"language:{one.name}"}
        known = topics.get(one.kind, "")
        around = self.question[one.clause[0] : one.clause[1]]
        found = self.passages.best(
            one.text, around, known, sure=not (one.certain or one.name == "asked"), how=one.clause in self.hows
        )
        if one.kind in ("factor", "language"):
            found = [each for each in found if known in each.passage.topics]
        return self._by(one, found[0]) if found else None

    def _by(self, one: Wanted, found: Found) -> Answered:
        passage = found.passage
        status: Status = "answered" if self.labels[passage.source] == "relevant" else "inferred"
        return Answered(one, status, "quote", passage.source, cut(passage.sentence, found.anchor))

    def _several(self, one: Wanted) -> Answered | None:
        """A source that speaks of many languages without naming the one that is asked for."""
        for paper in self.papers:
            for sentence in paper.profile.sentences:
                if match := re.search(
                    r"multilingual|(?:\d+|many|several|multiple) languages", sentence.text, re.IGNORECASE
                ):
                    quote = cut(sentence, match.span())
                    return Answered(one, "inferred", "quote", paper.profile.source.name, quote)
        return self._named(one, r"(?i)multi(?:lingual)?|mbart|xlm|nllb|m2m|mt5")

    def _named(self, one: Wanted, pattern: str) -> Answered | None:
        for model in self.models:
            if model.match == "yes" and (match := re.search(pattern, model.profile.source.name)):
                return Answered(one, "inferred", "name", model.profile.source.name, None, (match.group(),))
        return None


def factor_of(question: str) -> tuple[str, str, str] | None:
    """Two numbers of a question that describe an enlargement, and the whole factor between them, as written."""
    plain = [number for number in numbers(question) if re.fullmatch(r"\d{1,6}", number)]
    for first in plain:
        for last in plain:
            if (
                int(first) >= 8
                and int(last) > int(first)
                and int(last) % int(first) == 0
                and int(last) // int(first) <= 64
            ):
                return first, last, str(int(last) // int(first))
    return None
