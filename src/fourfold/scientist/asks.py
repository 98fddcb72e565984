"""Split a question into what it asks: the task itself, and every how, why, number, language and wish besides it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from fourfold.scientist.lexicon import Span, aligned, mentioned, phrases, table
from fourfold.scientist.scope import Scope, scopes
from fourfold.scientist.tasks import NONE, Reading
from fourfold.scientist.trust import hidden, mentions

Kind = Literal["task", "model", "how", "why", "factor", "wish", "language", "refused", "other", "said"]
"""What an ask is: the task, whether the recommended model does it, how or why, an enlargement, an entry of slots.toml,
a language to work in, something that is not wanted or done already, anything else, or only said, which makes it an ask
where a source speaks of it."""

_LONGEST = 3000
_MOST = 12
_READABLE = 90
_SENTENCE = re.compile(r"[.!?…]+(?=[\s\"'”’)\]]|$)|[。！？；]+|(?<=[\u3040-\u30ff\u3400-\u9fff])[!?;]+|;\s|\n+")
_COMMA = re.compile(r"(?<!\d)[,:]\s*|[,:](?!\d)\s*|[，、：]\s*|\s[–—-]\s")
_QUOTED = re.compile(
    r"\"[^\"\n]{1,120}\"|(?<!\w)'[^'\n]{1,120}'(?!\w)|“[^”\n]{1,120}”|「[^」\n]{1,120}」|„[^“\n]{1,120}“"
)
_NUMBER = re.compile(r"(?<![\w.])\d[\d.,]*(?:\s?(?:x|×)\s?\d[\d.,]*)?(?!d\b)")
_WORD = re.compile(r"[^\s,.;:!?。，、！？；\"'“”()]+")
_TRIMMED = " \t\n,.;:!?。，、！？；-–—()\"'“”"
_LEADING = frozenset(
    [
        "on",
        "in",
        "at",
        "with",
        "without",
        "for",
        "from",
        "to",
        "by",
        "as",
        "of",
        "into",
        "under",
        "over",
        "sobre",
        "en",
        "con",
        "sin",
        "para",
        "por",
        "de",
        "desde",
        "a",
        "auf",
        "im",
        "in",
        "mit",
        "ohne",
        "für",
        "fur",
        "von",
        "zu",
        "als",
        "sur",
        "dans",
        "avec",
        "sans",
        "pour",
        "par",
        "em",
        "com",
        "sem",
        "do",
        "da",
        "no",
        "na",
    ]
)
_WIDE = ("ko", "ja", "zh")
_KOREAN_CUT = re.compile(r"(?:지만|는데|은데|니까|면서|아니라)(?=[\s,])")
_KEPT = ("keep_rest", "no_training", "realism", "detail", "licence", "privacy")
"""Slots that may be asked for by refusing something: "nothing may be made up"."""
_QUESTIONS = ("why", "how", "amount", "which", "can")


@dataclass(frozen=True)
class Wanted:
    """Something a question asks for.

    Attributes:
        text: the person's words for it; start, end: their offsets in the question.
        kind: see ``Kind``; name: of the slot, or the code of the language; "asked" of what is only said, where its
            clause asks something; empty for other kinds.
        main: whether it asks for the task itself; polar: whether yes or no would answer it.
        clause: offsets of the clause that they stand in; certain: whether it is asked for in so many words, or only an
            ask if a source speaks of it.
    """

    text: str
    start: int
    end: int
    kind: Kind
    name: str = ""
    main: bool = False
    polar: bool = False
    clause: Span = (0, 0)
    certain: bool = True


@dataclass(frozen=True)
class _Clause:
    """A stretch of a folded question: what kinds of asking it holds, and how clearly it names the task."""

    start: int
    end: int
    asks: frozenset[str]
    telling: int
    refused: bool


def asked(question: str, reading: Reading) -> tuple[Wanted, ...]:
    """What a question asks, in the order of its words; the task itself first if nothing else is found."""
    text = question[:_LONGEST]
    found = aligned(text)
    if found is None or not text.strip():
        return (Wanted(text.strip(), 0, len(text), "task", main=True),) if text.strip() else ()
    folded, offsets = found
    reader = _Reader(text, folded, offsets, reading)
    wanted = sorted(
        dict.fromkeys(reader.wanted()),
        key=lambda one: (not one.main, not one.certain, one.kind == "said", one.start, one.end),
    )
    kept: list[Wanted] = []
    for one in wanted:
        same = [other for other in kept if (one.start, one.end) == (other.start, other.end)]
        again = any(one.kind in ("said", "other") or (other.kind, other.name) == (one.kind, one.name) for other in same)
        if not again and (not one.certain or len(kept) < _MOST):
            kept.append(one)
    return tuple(sorted(kept, key=lambda one: (one.start, one.end, one.kind)))


class _Reader:
    """One question, folded, with the offsets of its letters."""

    def __init__(self, text: str, folded: str, offsets: list[int], reading: Reading) -> None:
        self.text, self.folded, self.offsets, self.reading = text, folded, offsets, reading
        self.code = reading.language
        self.asking = phrases("asks.toml", self.code).find(folded)
        self.telling = [span for name in reading.telling for span in reading.stated[name]]
        self.limits = scopes(folded, self.code)
        self.had = phrases("scope.toml", self.code).find(folded).get("had", ())
        self.cover = _QUOTED.sub(lambda quote: "_" * len(quote.group()), folded)
        self.clauses = list(self._clauses())

    def wanted(self) -> Iterator[Wanted]:
        main = self._main()
        if main is not None:
            one = self._ask(main.start, main.end, _kind(main), main, main=True)
            yield replace(one, polar="can" in main.asks and not main.asks & {"which", "how", "why", "amount"})
        for clause in self.clauses:
            yield from self._beside(clause, clause is main)
        for clause in self.clauses:
            if not clause.refused and "cite" not in clause.asks:
                yield from self._said(clause)

    def _beside(self, clause: _Clause, is_main: bool) -> Iterator[Wanted]:
        """What a clause asks beside the task; of one that asks nothing, what a source may still speak of."""
        if "cite" in clause.asks:
            return
        found = False
        certain = bool(clause.asks) or is_main
        for part in self._pieces(clause):
            slots = [(name, span) for name, span in self._slots(clause) if _within(span, part)]
            for name, span in slots:
                kind: Kind = "factor" if name == "scale" else "wish"
                asks = bool(clause.asks) or (is_main and len(self.clauses) == 1)
                sure = asks or not table("slots.toml")[name].get("setting")
                yield self._ask(
                    *self._phrase(span, part, len(slots) == 1 and not is_main), kind, clause, name, certain=sure
                )
            languages = [(code, span) for code, span in self._languages(clause) if _within(span, part)]
            for code, span in languages:
                yield self._ask(*self._phrase(span, part, not slots), "language", clause, code, certain=certain)
            if not slots and clause.asks and not clause.refused:
                for span in [span for span in self._numbers(clause) if _within(span, part)][:1]:
                    yield self._ask(*self._phrase(span, part, True), "other", clause)
            found = found or bool(slots or languages)
        if not is_main:
            yield from self._itself(clause, found)

    def _pieces(self, clause: _Clause) -> list[Span]:
        """The parts of a clause between commas and joining words."""
        cuts = {match.end() for match in _COMMA.finditer(self.cover, clause.start, clause.end)}
        cuts |= {begin for begin, _ in self.asking.get("split", ()) if clause.start < begin < clause.end}
        edges = [clause.start, *sorted(cut for cut in cuts if clause.start < cut < clause.end), clause.end]
        return [self._unjoined(*self._trimmed(begin, end)) for begin, end in pairwise(edges)]

    def _unjoined(self, start: int, end: int) -> Span:
        """A part without the word that joins it to the one before."""
        joins = [stop for begin, stop in self.asking.get("joins", ()) if begin == start and stop < end]
        return self._trimmed(max(joins, default=start), end)

    def _said(self, clause: _Clause) -> Iterator[Wanted]:
        """The parts of a clause, each of which may be asked without a word that says so."""
        for part in self._pieces(clause):
            if part[1] - part[0] > 4 and _length(self.folded[slice(*part)]) > 1:
                yield self._ask(*part, "said", clause, "asked" if clause.asks else "", certain=False)

    def _trimmed(self, start: int, end: int) -> Span:
        while start < end and self.folded[start] in _TRIMMED:
            start += 1
        while end > start and self.folded[end - 1] in _TRIMMED:
            end -= 1
        return start, end

    def _itself(self, clause: _Clause, found: bool) -> Iterator[Wanted]:
        """What a clause asks as a whole; ``found``: whether something in it was taken for an ask already."""
        if clause.refused and not found:
            yield self._ask(clause.start, clause.end, "refused", clause)
        elif "model" in clause.asks and clause.asks & {"can", "which"}:
            yield self._ask(clause.start, clause.end, "model", clause)
        elif clause.asks & {"how", "why"}:
            yield self._ask(clause.start, clause.end, _kind(clause), clause)
        elif clause.telling and not clause.refused and self._restates(clause):
            yield self._ask(clause.start, clause.end, "task", clause)
        elif clause.asks and not found and not clause.refused:
            yield self._ask(clause.start, clause.end, "other", clause)

    def _restates(self, clause: _Clause) -> bool:
        """Whether a clause that names the task asks for it again: a wish, or "what can …", but no other question."""
        which = any(clause.start <= start <= clause.start + 4 for start, _ in self.asking.get("which", ()))
        return which or ("want" in clause.asks and not clause.asks & {*_QUESTIONS})

    def _main(self) -> _Clause | None:
        """The clause that asks for the task: the question or wish that names it most clearly."""

        def clear(one: _Clause) -> float:
            asks = 2.5 * bool(one.asks & {*_QUESTIONS}) or 2.0 * bool(one.asks - {"model"})
            return min(one.telling, 3) + asks - 3 * one.refused - 3 * ("cite" in one.asks) - ("model" in one.asks)

        return max(self.clauses, key=lambda one: (clear(one), -one.start), default=None)

    def _clauses(self) -> Iterator[_Clause]:
        cover, at = self.cover, 0
        for stop in [*_SENTENCE.finditer(cover), None]:
            end = stop.start() if stop else len(cover)
            if cover[at:end].strip(_TRIMMED):
                question = bool(stop and re.search("[?？]", stop.group())) or self._ends_asking(cover[at:end])
                yield from self._parts(cover, at, end, question)
            at = stop.end() if stop else end

    def _ends_asking(self, sentence: str) -> bool:
        return (
            self.code in ("ko", "ja")
            and re.search(r"(?:나요|까요|가요|니까|ますか|ですか|でしょうか|か)\W*$", sentence) is not None
        )

    def _parts(self, cover: str, start: int, end: int, question: bool) -> Iterator[_Clause]:
        """The clauses of a sentence; a part that asks nothing of its own belongs to the one before it."""
        cuts = {match.end() for match in _COMMA.finditer(cover, start, end)}
        cuts |= {begin for begin, _ in self.asking.get("split", ()) if start < begin < end}
        if self.code == "ko":
            cuts |= {match.end() for match in _KOREAN_CUT.finditer(cover, start, end)}
        edges = [start, *sorted(cut for cut in cuts if start < cut < end), end]
        held: list[_Clause] = []
        for begin, stop in pairwise(edges):
            clause = self._clause(begin, stop, question)
            if held and (not clause.asks or not held[-1].asks or _length(cover[begin:stop]) < 2):
                clause = self._clause(held.pop().start, stop, question)
            held.append(clause)
        yield from held

    def _clause(self, start: int, end: int, question: bool) -> _Clause:
        start, end = self._unjoined(*self._trimmed(start, end))
        asks = {
            name
            for name, spans in self.asking.items()
            if name not in ("split", "plain", "ends", "joins") and any(start <= a and b <= end for a, b in spans)
        }
        if not question:
            asks -= {"can", "which", "why", "amount"} if self.code not in _WIDE else {"can"}
            asks -= {"how"} if self.code not in _WIDE else set()
        telling = len({span for span in self.telling if start <= span[0] and span[1] <= end})
        refused = self._refused(start, end) and not (question and asks & {"why", "how", "can"})
        return _Clause(start, end, frozenset(asks), telling, refused)

    def _refused(self, start: int, end: int) -> bool:
        had = any(start <= begin and stop <= end for begin, stop in self.had)
        kinds = ("refused",) if had else ("refused", "done")
        return any(_most(scope, start, end) for scope in self.limits if scope.kind in kinds)

    def _slots(self, clause: _Clause) -> Iterator[tuple[str, Span]]:
        if self.reading.leaf.id == NONE:
            return
        part = self.folded[clause.start : clause.end]
        for name, spans in mentioned("slots.toml", part, self.code).items():
            slot = table("slots.toml")[name]
            only, never = slot.get("tasks", "").split("|"), slot.get("never", "").split("|")
            fits = (only == [""] or self.reading.leaf.id in only) and self.reading.leaf.id not in never
            if fits and not (clause.refused and name not in _KEPT):
                first = spans[0]
                yield name, (clause.start + first[0], clause.start + first[1])

    def _numbers(self, clause: _Clause) -> Iterator[Span]:
        """Numbers with what they count."""
        if self.reading.leaf.id != NONE:
            for match in _NUMBER.finditer(self.folded, clause.start, clause.end):
                yield match.span()

    def _languages(self, clause: _Clause) -> Iterator[tuple[str, Span]]:
        kinds = {*self.reading.leaf.input, *self.reading.leaf.output}
        if not kinds & {"text", "audio", "documents", "spans"}:
            return
        if self.reading.leaf.id in table("neighbours.toml")["no_language"]:
            return
        part = self.folded[clause.start : clause.end]
        for code, spans in mentioned("languages.toml", part, self.code).items():
            yield code, (clause.start + spans[0][0], clause.start + spans[0][1])

    def _phrase(self, span: Span, part: Span, alone: bool) -> Span:
        """The words around what was found: the whole part if nothing else was, else from the word that leads it in."""
        words = [(m.start(), m.end()) for m in _WORD.finditer(self.folded, *part)]
        first = next((at for at, word in enumerate(words) if word[1] > span[0]), 0)
        last = next((at for at, word in enumerate(words) if word[1] >= span[1]), len(words) - 1)
        if (alone and part[1] - part[0] <= _READABLE) or self.code in ("ja", "zh") or len(words) <= 5:
            return part
        if self.code == "ko":
            return words[first][0], words[min(len(words) - 1, last + 1)][1]
        lead = next((at for at in range(first, max(first - 4, -1), -1) if self._word(words[at]) in _LEADING), None)
        begin = lead if lead is not None else 0 if first < 3 else first - 1
        begin += begin < first and self._ends(words[begin]) and self._word(words[begin]) not in _LEADING
        stop = last
        if last + 1 < len(words) and not self._ends(words[last + 1]):
            stop += not _COMMA.search(self.folded, words[last][1], words[last + 1][0])
        return words[begin][0], words[stop][1]

    def _ends(self, word: Span) -> bool:
        return any(span == word for span in self.asking.get("ends", ()))

    def _word(self, word: Span) -> str:
        return self.folded[word[0] : word[1]]

    def _ask(
        self,
        start: int,
        end: int,
        kind: Kind,
        clause: _Clause,
        name: str = "",
        main: bool = False,
        certain: bool = True,
    ) -> Wanted:
        first, last = self._at(start), self._at(end)
        words = self.text[first:last]
        inner = re.search("[“”„«»「」]", words[12:])  # quotation marks within quotation marks would be ambiguous
        kept = words[: 12 + inner.start() if inner else None].rstrip(_TRIMMED)
        around = self._at(clause.start), self._at(clause.end)
        return Wanted(kept, first, first + len(kept), kind, name, main, clause=around, certain=certain)

    def _at(self, folded: int) -> int:
        """The offset in the question of one in its folded letters."""
        return self.offsets[folded] if folded < len(self.offsets) else len(self.text)


def sayable(one: Wanted) -> bool:
    """Whether its words may be repeated: no link or identifier, nothing hidden, and of a length to be read."""
    return (
        bool(one.text)
        and len(one.text) <= 160
        and not mentions(one.text)
        and not hidden(one.text)
        and "“" not in one.text
    )


def numbers(question: str) -> list[str]:
    """The numbers of a text, as written."""
    return [match.group().strip(".,") for match in _NUMBER.finditer(question)]


def _kind(clause: _Clause) -> Kind:
    return "why" if "why" in clause.asks else "how" if "how" in clause.asks else "task"


def _length(part: str) -> int:
    """About how many words a part has."""
    spaced = len(part.split())
    return spaced if part.isascii() else max(spaced, len(part.strip()) // 6)


def _within(span: Span, part: Span) -> bool:
    return part[0] <= span[0] < part[1]


def _most(scope: Scope, start: int, end: int) -> bool:
    """Whether a scope covers most of a stretch."""
    return min(end, scope.end) - max(start, scope.start) > 0.6 * (end - start)
