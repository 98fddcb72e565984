"""Reading a brief: a question, "Recommended AI Models" and "Related Papers", each source with a name, links, a summary.

Line grammar, tolerant of marks, order and gaps; whatever a brief says is data. A source starts at ``Model:``; while a
summary is running it does so only if a ``Paper:``, ``GitHub:`` or ``Summary:`` line comes next, and otherwise the line
belongs to the summary. ``Answer:`` ends the brief only at top level after the last source.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fourfold.core.errors import UsageError
from fourfold.scientist.grammar import BOILERPLATE, CUE, SECTIONS, Label, Section, field_of, is_missing, links_of
from fourfold.scientist.trust import hidden, instructs, key, outside, suspicious
from fourfold.scientist.values import Brief, Kind, Source

LARGEST = 1_000_000
"""Characters (or bytes) a brief may have."""

MOST = 200
"""Sources a brief may list."""

_EXPECTED = (
    "expected a brief: a question, then sources as lines 'Model: name', 'Paper: link', 'GitHub: link', 'Summary:'"
)

_KINDS: dict[Section | None, Kind] = {"models": "model", "papers": "paper"}
_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "「": "」", "『": "』", "”": "”", "'": "'", "‘": "’", "＂": "＂"}


@dataclass
class _Entry:
    """A source while its lines are read."""

    kind: Kind | None
    line: int
    name: str = ""
    papers: list[str] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)
    summary: list[str] | None = None


def parse(text: str | bytes) -> Brief:
    """Reads a brief.

    Args:
        text: the brief; bytes are taken as UTF-8 (or UTF-16 with its mark).

    Raises:
        UsageError: it is empty, binary, larger than `LARGEST`, lists more than `MOST` sources, or holds neither a
            question nor a source.
    """
    notes: list[str] = []
    lines = _lines(text, notes)
    reader = _Reader(lines)
    reader.read()
    entries = [entry for entry in reader.entries if entry.name or entry.papers or entry.repositories or entry.summary]
    question = _question(reader.before)
    if not entries and not (question and reader.asked):
        raise UsageError(f"line {_first(lines)}: {_EXPECTED}; found none of them. Is this the right file?")
    if len(entries) > MOST:
        raise UsageError(
            f"line {entries[MOST].line}: expected at most {MOST} sources, got {len(entries)}. Shorten the brief."
        )
    if not question:
        notes.append("No question was found.")
    notes += reader.notes
    links = [link for entry in entries for link in entry.papers + entry.repositories]
    for number, entry in enumerate(entries, 1):
        _settle_name(entry, number, links, notes)
    models = _merge([entry for entry in entries if entry.kind == "model"], "model", notes)
    papers = _merge([entry for entry in entries if entry.kind != "model"], "paper", notes)
    names = [source.name for source in models + papers]
    models, papers = (_judge(sources, links, names, notes) for sources in (models, papers))
    _note_missing(models, papers, notes)
    if outside(question, links, names):
        notes.append("The question holds a link or identifier that no source gives; it is not repeated.")
    return Brief(question, models, papers, tuple(dict.fromkeys(notes)))


def _lines(text: str | bytes, notes: list[str]) -> list[str]:
    if len(text) > LARGEST:
        raise UsageError(f"line 1: expected a brief of at most {LARGEST:,} characters, got {len(text):,}. Shorten it.")
    if isinstance(text, bytes):
        wide = text.startswith((b"\xff\xfe", b"\xfe\xff"))
        decoded = text.decode("utf-16" if wide else "utf-8", errors="replace")
        if "\ufffd" in decoded:
            notes.append("Some bytes are not UTF-8 text and are shown as �.")
        if decoded.count("\ufffd") * 20 > len(decoded) > 0:
            raise UsageError(f"line 1: expected UTF-8 text, got something else. {_EXPECTED}.")
        text = decoded
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise UsageError(f"line {number}: expected text, got binary data (a zero byte). {_EXPECTED}.")
    if not any(line.strip() for line in lines):
        raise UsageError(f"line 1: the brief is empty; {_EXPECTED}.")
    return lines


class _Reader:
    """Walks the lines once and collects the sources, and the lines that may hold the question."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.entries: list[_Entry] = []
        self.before: list[str] = []
        self.notes: list[str] = []
        self.asked = False
        self._section: Section | None = None
        self._current: _Entry | None = None
        self._fields = [field_of(line) for line in lines]
        self._following = self._next_text()
        self._last_start = max((i for i in range(len(lines)) if self._starts(i, running=True)), default=-1)

    def read(self) -> None:
        for index, line in enumerate(self.lines):
            found = self._fields[index]
            if found and found[0] == "answer" and index > self._last_start:
                if found[1] or self._following[index] is not None:
                    self.notes.append("Text after the final 'Answer:' was not read as part of the brief.")
                return
            self._take(index, line)

    def _take(self, index: int, line: str) -> None:
        section = self._heading(index, line)
        cue = CUE.match(line)
        if section or (cue and not self.asked):
            self._section = section if section in ("models", "papers") else "question"
            self._current = None
            if self._section == "question":
                self.asked = True
                self.before = [cue["rest"]] if cue else []
            return
        found = self._fields[index]
        if found and self._is_field(index, found):
            self._read_field(index, *found)
        elif self._current is not None:
            self._continue(line)
        elif self._section in (None, "question"):
            self.before.append(line)

    def _heading(self, index: int, line: str) -> Section | None:
        """The section that a line opens; while a source is read, without marks or in a summary, only if one follows."""
        section = _section(line)
        if section is None or (section == "question" and self.asked):
            return None
        following = self._following[index]
        if self._current is None or following is None or self._starts(following, running=True):
            return section
        marked = re.match(r"\s*(?:#|\*\*|__|={2})", line) is not None
        free = self._current.summary is None or section == "question" or is_missing(self.lines[following].strip())
        return section if marked and free else None

    def _starts(self, index: int, *, running: bool) -> bool:
        """Whether a line starts a source: ``Model:``, and while a summary is running, with a field line next."""
        found = self._fields[index]
        if not found or found[0] != "model":
            return False
        following = self._following[index]
        after = self._fields[following] if following is not None else None
        return not running or (after is not None and after[0] in ("paper", "github", "summary"))

    def _is_field(self, index: int, found: tuple[Label, str]) -> bool:
        label, value = found
        running = self._current is not None and self._current.summary is not None
        if label == "answer":
            return False
        if label == "model":
            return self._starts(index, running=running or self._section not in ("models", "papers"))
        if self._current is None:
            return self._section in ("models", "papers")
        if not running:
            return True
        if label == "summary" or self._unnamed(index, label):
            return self._unnamed(index, label)
        has = self._current.papers if label == "paper" else self._current.repositories
        return not has and bool(links_of(value) or is_missing(value))

    def _unnamed(self, index: int, label: Label) -> bool:
        """Whether, after a summary and a blank line, a field that the source has already starts one without a name."""
        following = self._following[index]
        after = self._fields[following] if following is not None else None
        blank = index > 0 and not self.lines[index - 1].strip()
        return blank and label == "paper" and after is not None and after[0] in ("github", "summary")

    def _read_field(self, index: int, label: Label, value: str) -> None:
        if (
            label == "model"
            or self._current is None
            or (self._current.summary is not None and self._unnamed(index, label))
        ):
            self._current = _Entry(_KINDS.get(self._section), index + 1)
            self.entries.append(self._current)
        if label == "model":
            self._current.name = value
        elif label == "summary":
            self._current.summary = [value] if not is_missing(value) else [""]
        elif not is_missing(value):
            links = links_of(value)
            (self._current.papers if label == "paper" else self._current.repositories).extend(links)
            if not links:
                self.notes.append(f"Line {index + 1}: expected a link after '{label.title()}:', found none.")
        self._current.kind = self._current.kind or ("paper" if label == "summary" else None)

    def _continue(self, line: str) -> None:
        entry = self._current
        assert entry is not None
        if entry.summary is not None:
            entry.summary.append(line)
        elif not line.strip() or entry.papers or entry.repositories or len(entry.name) > 300:
            return
        else:
            entry.name = f"{entry.name} {line.strip()}".strip()

    def _next_text(self) -> list[int | None]:
        """For each line, the index of the next line that is not blank."""
        following: list[int | None] = [None] * len(self.lines)
        upcoming = None
        for index in range(len(self.lines) - 1, -1, -1):
            following[index] = upcoming
            if self.lines[index].strip():
                upcoming = index
        return following


def _section(line: str) -> Section | None:
    """The section that the words of a line name."""
    if len(line) > 120:
        return None
    bare = re.sub(r"\s*\([^)]*\)", "", line.strip()).strip("#*_:=> -\t\xa0：").strip()
    return next((name for name, pattern in SECTIONS.items() if pattern.fullmatch(bare)), None)


def _question(lines: Sequence[str]) -> str:
    """The person's words among the lines before the sources: what is quoted, else what is no boilerplate."""
    end = next(
        (i for i, line in enumerate(lines) if i and BOILERPLATE.match(line) and any(map(str.strip, lines[:i]))), None
    )
    kept = "\n".join(line for line in lines[:end] if not BOILERPLATE.match(line)).strip()
    if not kept and end is not None:
        kept = "\n".join(line for line in lines[end:] if not BOILERPLATE.match(line)).strip()
    kept = kept.strip("*_` \t\n\r\xa0").removeprefix(">").strip()
    closing = _QUOTES.get(kept[:1])
    if closing is None or is_missing(kept):
        return "" if is_missing(kept) else kept
    ends = [m.start() for m in re.finditer(rf"[{re.escape(closing)}][.\s*_]*(?=\n\s*\n|\Z)", kept) if m.start()]
    if ends:
        return kept[1 : ends[0]].strip()
    inner = kept.rfind(closing[0], 1)
    return kept[1:inner].strip() if inner > 0 and kept[0] not in "'‘" else kept.lstrip(kept[0]).strip()


def _settle_name(entry: _Entry, number: int, links: Iterable[str], notes: list[str]) -> None:
    """Gives an entry its name without markdown, links and hidden characters, and its kind."""
    given = entry.name
    name = re.sub(r"!?\[([^\[\]]*)\]\([^()\s]*\)", r"\1", given)
    name = re.sub(r"<[^<>]{0,300}>|https?://\S+", " ", name, flags=re.IGNORECASE)
    name = re.sub(r"\*\*|__|~~|`", "", name)
    name = re.sub(r"(?<![\w*])\*(?=\S)([^*]+)\*(?![\w*])|(?<!\w)_(?=\S)([^_]+)_(?!\w)", r"\1\2", name)
    name = "".join(letter for letter in name if unicodedata.category(letter) not in ("Cf", "Cc") or letter.isspace())
    for mention in reversed(outside(name, links)):
        if mention.kind in ("link", "arxiv", "doi") or re.search(r"/|^www\.", mention.text):
            name = name.replace(mention.text, " ")
    entry.name = "" if is_missing(name.strip()) else re.sub(r"\s+", " ", name).strip()
    if not entry.name:
        entry.name = f"Unnamed source {number}"
        notes.append(f"Line {entry.line}: a source without a name is called '{entry.name}'.")
    if hidden(given) or {mention.text for mention in outside(given, links)} - {m.text for m in outside(name, links)}:
        notes.append(f"The name of '{entry.name}' held a link or hidden characters; they are left out.")
    if instructs(entry.name):
        notes.append(
            f"Line {entry.line}: the name of a source reads like an instruction; it is treated as a name only."
        )
    if entry.kind is None:
        entry.kind = "paper" if entry.summary else "model"


def _merge(entries: list[_Entry], kind: Kind, notes: list[str]) -> tuple[Source, ...]:
    """The entries as sources; those of one name, or of one repository and a like name, become one."""
    merged: list[Source] = []
    for entry in entries:
        summary = _summary(entry.summary or [])
        source = Source(kind, entry.name, _unique(entry.papers), _unique(entry.repositories), summary)
        twin = next((at for at, other in enumerate(merged) if _same(source, other)), None)
        if twin is None:
            merged.append(source)
            continue
        first = merged[twin]
        new = summary if key(summary) not in key(first.summary) else ""
        merged[twin] = replace(
            first,
            papers=_unique(first.papers + source.papers),
            repositories=_unique(first.repositories + source.repositories),
            summary="\n".join(part for part in (first.summary, new) if part),
        )
        notes.append(f"'{first.name}' is listed more than once; its entries are read as one.")
    return tuple(merged)


def _summary(lines: list[str]) -> str:
    """The lines as one text, without the blank lines, rules and fences that end a source."""
    kept = len(lines)
    while kept and not lines[kept - 1].strip(" \t\xa0-*_=`"):
        kept -= 1
    return "\n".join(lines[:kept]).strip()


def _same(one: Source, other: Source) -> bool:
    if key(one.name) == key(other.name):
        return key(one.name) != "" or one.name == other.name
    if not {_repository(link) for link in one.repositories} & {_repository(link) for link in other.repositories}:
        return False
    if one.papers and other.papers and not set(one.papers) & set(other.papers):
        return False
    words = [{word[:6] for word in re.findall(r"[^\W_]+", name.casefold())} for name in (one.name, other.name)]
    return words[0] <= words[1] or words[1] <= words[0]


def _repository(link: str) -> str:
    return re.sub(r"^https?://(?:www\.)?", "", link.casefold()).rstrip("/").removesuffix(".git")


def _unique(links: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(links))


def _judge(sources: Sequence[Source], links: list[str], names: list[str], notes: list[str]) -> tuple[Source, ...]:
    """The sources with the untrusted parts of their summaries marked."""
    judged = []
    for source in sources:
        spans = list(suspicious(source.summary, links, names)) if source.summary else []
        planted = next((start for start, line in _numbered(source.summary) if _is_planted(line)), None)
        if planted is not None:
            spans = [(start, min(end, planted)) for start, end in spans if start < planted]
            spans.append((planted, len(source.summary)))
        if spans:
            notes.append(
                f"Part of the summary of '{source.name}' gives orders or links to other places; it is not used."
            )
        judged.append(replace(source, untrusted=tuple(spans)))
    return tuple(judged)


def _numbered(text: str) -> Iterable[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _is_planted(line: str) -> bool:
    """Whether a summary's line plays the end of the brief, or a section of it."""
    found = field_of(line)
    return (found is not None and found[0] == "answer") or (
        line.lstrip().startswith("#") and _section(line) is not None
    )


def _note_missing(models: Sequence[Source], papers: Sequence[Source], notes: list[str]) -> None:
    for what, lacking in (
        ("paper link", [source for source in (*models, *papers) if not source.papers]),
        ("GitHub link", [source for source in models if not source.repositories]),
        ("summary", [source for source in papers if not source.summary]),
    ):
        if lacking:
            notes.append(f"No {what} is given for {', '.join(repr(source.name) for source in lacking)}.")


def _first(lines: Sequence[str]) -> int:
    return next(number for number, line in enumerate(lines, 1) if line.strip())
