"""Reply to everything asked beside the task: one line for each thing that is said."""

import re
from collections.abc import Iterable, Iterator

from fourfold.scientist.evidence import Quote, ideas_in, overlap
from fourfold.scientist.judge import Answered
from fourfold.scientist.speaker import Speaker
from fourfold.scientist.verdicts import Paper

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_MOST = 7
_SAME = 0.8
_FRAME, _CARRIED = 8, 14
"""Words around a quote, and of what carries it over."""


class Replies:
    """Writes the lines on what was asked, from a plan."""

    def __init__(self, speaker: Speaker) -> None:
        self.say, self.words, self.plan = speaker, speaker.words, speaker.plan
        self.leaf, self.name = speaker.leaf, speaker.name

    def lines(self, room: int) -> Iterator[str]:
        """What is said on everything asked beside the task, one line for each thing that is said, within some words."""
        found = [
            one for one in self.plan.answers if one.status != "open" and one.how not in ("verdict", "question", "")
        ]
        groups = _together(found)
        lines: dict[int, str] = {}
        first = [max((_first(one) for one in group), default=0) for group in groups]
        for at in sorted(range(len(groups)), key=lambda at: (-first[at], at)):
            quote, label = groups[at][0].quote, self.say.asked(groups[at])
            needed = length(label) + length(quote.text if quote else "") + _FRAME
            needed += _CARRIED * (groups[at][0].status == "inferred")
            if len(lines) >= _MOST or needed > room:
                continue
            if line := self._line(groups[at]):
                lines[at] = f"- **{label}**: {line}"
                room -= length(lines[at])
        yield from (lines[at] for at in sorted(lines))

    def _line(self, group: list[Answered]) -> str:
        words, one = self.words, group[0]
        if one.how == "arithmetic":
            first, last, factor = one.figures
            return words("factor", **{"from": first, "to": last, "factor": factor})
        if one.how == "type":
            return (
                words("by_size") if one.wanted.name == "keep_rest" else words("by_task", result=words.result(self.leaf))
            )
        if one.how in ("each", "name"):
            text = words("by_each") if one.how == "each" else words("by_name", part=one.figures[0])
            return self.say.infers(text, *filter(None, [one.source]))
        if one.quote is None:
            return ""
        if one.how == "advice":
            return self._advice(one)
        if (one.source, one.quote.text) in self.say.claims:
            return (
                ""
                if all(each.wanted.kind in ("how", "why", "said") for each in group)
                else words("seen", source=self.say.short(one.source))
            )
        paper = next(paper for paper in self.plan.papers if paper.profile.source.name == one.source)
        return self.said(paper, one.quote, apart=one.status == "inferred")

    def _advice(self, one: Answered) -> str:
        """A language model's sentence and the source it rests on; of one on something else, marked as ours."""
        claim = self.say.advised[one.wanted.text]
        self.say.claims[claim.source, f"{claim.quote} {claim.text}"] = claim
        name = f"*{self.say.short(claim.source)}*"
        if one.status == "answered":
            return f"{claim.text} ({name})"
        paper = next(paper for paper in self.plan.papers if paper.profile.source.name == one.source)
        if carried := self._carried(paper, claim.quote):
            return f"{claim.text} ({name}) {carried}"
        return f"{claim.text} ({name}, {self.say.infers(self._apart(paper), claim.source)})"

    def said(self, paper: Paper, quote: Quote, apart: bool) -> str:
        """A quote with its source; ``apart``: it is on something else, so that carrying it over is marked as ours."""
        name = paper.profile.source.name
        if not apart:
            return self.say.quote(name, quote)
        if not ideas_in(quote.text, "carry"):
            return self.say.quote(name, quote, self._apart(paper))
        text = self.say.quote(name, quote)
        return f"{text} {self._carried(paper, quote.text)}" if text else ""

    def _carried(self, paper: Paper, quote: str) -> str:
        """What an idea of a source on something else would mean here, marked as ours; "" if it names none."""
        ideas = [self.words.table("carried")[name] for name in ideas_in(quote, "carry")]
        return self.say.infers(self.words("carry", idea=ideas[0]), paper.profile.source.name) if ideas else ""

    def _apart(self, paper: Paper) -> str:
        """Of what else a source says what it says."""
        subject = paper.profile.first
        if subject and subject.id != self.leaf.id:
            return self.words("apart", subject=subject.named(self.words.spoken))
        return self.words("apart_own")


def _together(found: Iterable[Answered]) -> list[list[Answered]]:
    """Answers that say the same, from one sentence of one source, the one with the longest quote first."""
    groups: list[list[Answered]] = []
    for one in found:
        for group in groups:
            if _alike(group[0], one):
                group.append(one)
                group.sort(key=lambda each: -len(each.quote.text) if each.quote else 0)
                break
        else:
            groups.append([one])
    return groups


def _alike(one: Answered, other: Answered) -> bool:
    if (one.how, one.source) != (other.how, other.source) or (one.quote is None) != (other.quote is None):
        return False
    return one.quote is None or other.quote is None or overlap(one.quote.text, other.quote.text) >= _SAME


def _first(one: Answered) -> int:
    """How soon an ask is replied to if there is no room for all: why and how, then what is asked in so many words."""
    return 2 if one.wanted.main or one.wanted.kind in ("how", "why") else int(one.wanted.certain)


def length(text: str) -> int:
    """About how many words a text has; of letters that stand without spaces, two are one."""
    return len(text.split()) + len(_WIDE.findall(text)) // 2
