"""Find the parts of a question that do not name its task: what is refused, lacking, done, or asked of the program."""

import re
from dataclasses import dataclass

from fourfold.scientist.lexicon import Span, phrases

CLAUSE_END = re.compile(
    r"[.;:!?。！？；\n,，、()]+|(?:지만|데|니까|아니라|아니고|말고|대신|(?<![라다])고)(?=[\s,])|(?:けど|ので|ではなく|じゃなく)"
)
_ASIDE = re.compile(r"\([^()\n]{3,80}\)|（[^（）\n]{2,60}）")
_FEW_WORDS = re.compile(r"(?:\W*[^\W_]+){0,5}")
_SPACED = re.compile(r"\S+")


@dataclass(frozen=True)
class Scope:
    """A part of a question, and why it does not name the task.

    Attributes:
        kind: "refused", "lacking", "done", "how" (it asks how a program does it) or "aside" (it is in brackets).
        start, end: offsets; sign: offsets of the words that say so.
    """

    kind: str
    start: int
    end: int
    sign: Span

    def covers(self, span: Span) -> bool:
        """Whether a phrase lies in it; one that overlaps the sign, such as "no training data", does not count."""
        start, end = span
        return self.start <= start < self.end and (end <= self.sign[0] or start >= self.sign[1])


def scopes(folded: str, code: str) -> list[Scope]:
    """Every part of a folded question of one language that is refused, lacking or done, in order."""
    found = phrases("scope.toml", code).find(folded)
    ends = {match.end() for match in CLAUSE_END.finditer(folded)} | {start for start, _ in found.get("turn", ())}
    cuts = [0, *sorted(ends), len(folded)]
    idioms = found.get("idiom", ())
    made = []
    for name in ("refused", "dismissed", "lacking", "done", "how"):
        for sign in found.get(name, ()):
            if any(start <= sign[0] and sign[1] <= end for start, end in idioms):
                continue
            begin = max(cut for cut in cuts if cut <= sign[0])
            end = min(cut for cut in cuts if cut > sign[0])
            if name in ("done", "dismissed") and any(begin <= at <= begin + 1 for at, _ in found.get("back", ())):
                before = max((cut for cut in cuts if cut < begin), default=begin)
                made.append(Scope("refused", before, begin, (begin, begin)))
            if name == "lacking" and code in ("ko", "ja"):
                begin = max(begin, _before(folded, sign[0]))
            elif name in ("refused", "lacking"):
                begin = sign[0]
            if name == "lacking":
                end = min(end, _after(folded, sign[1]))
            of = (begin, begin) if name == "how" else sign
            made.append(Scope("refused" if name == "dismissed" else name, begin, max(end, sign[1]), of))
    made += [Scope("aside", *match.span(), (match.start(), match.start())) for match in _ASIDE.finditer(folded)]
    return sorted(made, key=lambda scope: (scope.start, scope.end, scope.kind))


def _before(folded: str, at: int) -> int:
    """The start of the two words before an offset, for languages that name what is lacking first."""
    words = list(_SPACED.finditer(folded, 0, at))
    return words[-2].start() if len(words) > 1 else 0


def _after(folded: str, at: int) -> int:
    """The end of the few words that follow an offset."""
    match = _FEW_WORDS.match(folded, at)
    return match.end() if match else at
