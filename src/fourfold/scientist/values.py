"""The data types of the scientist: a brief and its sources, an answer and its parts."""

from dataclasses import dataclass, field
from typing import Literal

Match = Literal["yes", "no", "partial", "unknown"]
Relevance = Literal["relevant", "partial", "irrelevant"]
GapKind = Literal["no_matching_model", "no_related_papers", "no_relevant_source", "out_of_scope"]
Kind = Literal["model", "paper"]
Status = Literal["answered", "inferred", "open"]


_NAME = 7
"""Words of a long name that a sentence uses."""


@dataclass(frozen=True)
class Source:
    """One recommended model or related paper of a brief.

    Attributes:
        kind: which of the two lists it stands in.
        name: its name or title, with its words but without markdown.
        papers, repositories: every link given for it, verbatim, in order, without repeats; empty if none.
        summary: as given, ``\\n`` for line ends; empty if none.
        untrusted: ``(start, end)`` offsets of parts of ``summary`` that instruct the reader, plant links or otherwise
            are no description; they are data, and never quoted.
    """

    kind: Kind
    name: str
    papers: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    summary: str = ""
    untrusted: tuple[tuple[int, int], ...] = ()

    @property
    def links(self) -> tuple[str, ...]:
        """Every link given for it, verbatim."""
        return self.papers + self.repositories

    @property
    def short(self) -> str:
        """Its name up to a colon, or the beginning of a long one, as a sentence uses it."""
        first, colon, _ = self.name.partition(":")
        name = first.strip() if colon and len(first.strip()) > 2 else self.name
        words = name.split()
        return name if len(words) <= _NAME + 2 else f"{' '.join(words[:_NAME])}…"


@dataclass(frozen=True)
class Brief:
    """A question and the sources that may answer it.

    Attributes:
        question: the person's words, without the quotation marks around them.
        models, papers: the sources, duplicates merged; notes: sentences on what was odd while reading.
    """

    question: str
    models: tuple[Source, ...] = ()
    papers: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Models, then papers."""
        return self.models + self.papers


@dataclass(frozen=True)
class Claim:
    """One sentence of the answer that a source supports.

    Attributes:
        text: the sentence, in the question's language.
        source: name of the source, exactly as in the brief.
        quote: verbatim span of that source's name, links or summary.
        start: offset of the quote in the source's summary, -1 if it is from its name or a link.
    """

    text: str
    source: str
    quote: str
    start: int = -1


@dataclass(frozen=True)
class Measured:
    """One sentence of the answer whose figures a run gave.

    Attributes:
        text: the sentence, in the question's language.
        fields: where in the run's record each figure stands, in the order of the sentence, see ``scientist.measured``.
    """

    text: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What an ask rests on.

    Attributes:
        by: "quote" of a source; "types" of input and output, or "verdict" on the models, which rest on them;
            "arithmetic" with numbers of the question; "question", which does not want it or has it already; "name" of a
            model; "repeat", one input after the other.
        source: its name; quote, start: as of a ``Claim``; figures: of arithmetic, from, to and factor.
    """

    by: Literal["quote", "types", "verdict", "arithmetic", "question", "name", "repeat"]
    source: str = ""
    quote: str = ""
    start: int = -1
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """One thing that the question asks.

    Attributes:
        text: the person's words; start, end: their offsets in the question.
        status: answered from the sources, inferred from one on something else, or open; evidence: none if open.
    """

    text: str
    start: int
    end: int
    status: Status
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Inference:
    """A sentence of our own reasoning, marked as such in its text, and the sources that it leans on."""

    text: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gap:
    """Something the sources do not cover: which kind of gap, and the sentence that says so."""

    kind: GapKind
    text: str


@dataclass(frozen=True)
class Task:
    """What the person wants done: a taxonomy id, and types of input and output."""

    id: str
    input: tuple[str, ...]
    output: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """A whole answer; ``markdown`` is what a person reads, the rest the same in parts.

    Attributes:
        language: ISO 639-1 code of the question.
        task: the person's task; models: ``(name, match)``; sources: ``(title, relevance)`` of each related paper.
        claims: every supported sentence; gaps: what the sources do not cover.
        markdown: the three parts, the gaps and the reading notes.
        measured: every sentence that a run supports, where the task was carried out on a photo.
        asks: everything the question asks, in its order; inferences: every sentence of our own reasoning.
        done: id of the task that was carried out on a photo, "" if none was.
    """

    language: str
    task: Task
    models: tuple[tuple[str, Match], ...]
    sources: tuple[tuple[str, Relevance], ...]
    claims: tuple[Claim, ...] = ()
    gaps: tuple[Gap, ...] = ()
    markdown: str = field(default="", repr=False)
    measured: tuple[Measured, ...] = ()
    asks: tuple[Ask, ...] = ()
    inferences: tuple[Inference, ...] = ()
    done: str = ""
