"""The page of an answer that was carried out on a photo: text, pictures and figures in one file that works offline.

The text is the answer's own markdown, line by line as it passed the guard; this module adds the marks to each line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from fourfold.pages.report import BeforeAfter, asset, comparison, data_uri, page

HEADLINES = ("output_size", "seconds_model", "gmacs", "consistency_psnr", "added_detail", "phone_psnr")
"""The figures that are shown large, by the last part of their field; all others follow in a table."""

_WIDE, _HIGH, _GAP = 152, 78, 36


@dataclass(frozen=True)
class Mark:
    """What stands behind a sentence: the words of a source, or the place of its figures in the run's manifest.

    Attributes:
        text: the sentence, or for a ``weak`` mark a part of one, which counts where no other mark fits.
        evidence: a quote, or fields; origin: the source's name, empty for a measured sentence.
    """

    text: str
    kind: Literal["cited", "measured"]
    evidence: str
    origin: str = ""
    weak: bool = False


@dataclass(frozen=True)
class Box:
    """A step of the workflow as drawn: its name, its node, its networks joined by " + ", the steps it takes from."""

    name: str
    node: str
    model: str
    after: tuple[str, ...]


@dataclass(frozen=True)
class TileMap:
    """A photo of ``size`` (width, height) and its tiles, each with the word for the network that answered."""

    picture: bytes
    size: tuple[int, int]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A figure of the run: its name, how it is written, and its field in the manifest."""

    label: str
    text: str
    field: str


@dataclass(frozen=True)
class AnswerPage:
    """Everything on the page.

    Attributes:
        language: ISO 639-1 code of the text; words: the page's own, see the tables ``page`` of the scientist's prose.
        question: of the person; markdown: the answer; links: those that may be opened from it.
        marks: for its sentences; section: heading under which workflow, tile map and figures stand.
    """

    language: str
    words: Mapping[str, str]
    question: str
    markdown: str
    section: str
    links: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    pairs: tuple[BeforeAfter, ...] = ()
    boxes: tuple[Box, ...] = ()
    tiles: TileMap | None = None
    figures: tuple[Figure, ...] = ()


def html(answer: AnswerPage) -> str:
    """The page.

    Raises:
        InvalidInput: a picture is of none of the formats.
    """
    words = answer.words
    body = f"""<header><p class="brand">fourfold</p><h1>{escape(words["title"])}</h1>
<blockquote class="question">{escape(answer.question)}</blockquote></header>
{main(answer)}
<footer><p>{escape(words["foot"])}</p></footer>"""
    style = asset("report.css") + asset("answer.css")
    return page(escape(words["title"]), body, style, asset("report.js") if answer.pairs else "", answer.language)


def main(answer: AnswerPage) -> str:
    """The page without what stands around the answer, to be shown within another page: the short answer comes first.

    Raises:
        InvalidInput: a picture is of none of the formats.
    """
    words = answer.words
    names = words["before"], words["after"], words["slide"]
    pairs = [comparison(pair, number, names) for number, pair in enumerate(answer.pairs)]
    first, *others = _sections(answer)
    return f"""<main lang="{answer.language}">
{first.replace('class="part"', 'class="part lead"', 1)}{"".join(pairs)}{_headlines(answer)}{"".join(others)}
<p class="note">{escape(words["legend"])}</p>
</main>"""


def _headlines(answer: AnswerPage) -> str:
    large = {one.field.rpartition(".")[2]: one for one in answer.figures}
    items = "".join(
        f"<div><dt>{escape(one.label)}</dt><dd>{escape(one.text)}</dd></div>"
        for name in HEADLINES
        if (one := large.get(name))
    )
    return f'<section class="headlines"><dl>{items}</dl></section>\n' if items else ""


def _sections(answer: AnswerPage) -> Iterator[str]:
    """The answer's parts; the run stands under its own heading."""
    inside: list[str] = []
    marked: set[Mark] = set()
    heading = cell = False
    title = ""
    for token in MarkdownIt("zero").enable(["heading", "list", "fence", "table"]).parse(answer.markdown):
        if token.type == "heading_open" and title == answer.section:
            inside.append(_done(answer))
            title = ""
        if token.type == "heading_open" and token.tag == "h2" and inside:
            yield f'<section class="part">{"".join(inside)}</section>\n'
            inside, marked = [], set()
        heading = token.type == "heading_open" or (heading and token.type != "heading_close")
        cell = token.type in ("th_open", "td_open") or (cell and token.type not in ("th_close", "td_close"))
        title = token.content if heading else title
        if token.type == "inline":
            inside.append(_line(token.content, answer, None if cell else marked))
        else:
            inside.append(_token(token))
    if title == answer.section:
        inside.append(_done(answer))
    yield f'<section class="part">{"".join(inside)}</section>\n'


def _token(token: Token) -> str:
    if token.type == "fence":
        return "".join(map(_flow, token.content.splitlines()))
    tag = {"p": "div"}.get(token.tag, token.tag)
    if token.nesting == 1:
        return '<div class="line">' if tag == "div" else f"<{tag}>"
    return f"</{tag}>"


def _line(text: str, answer: AnswerPage, marked: set[Mark] | None) -> str:
    """One line of the answer, each sentence with its mark; weak marks once in a part, none if ``marked`` is None.

    It may hold **bold**, *italic* and `code`.
    """
    strong = [mark for mark in answer.marks if not mark.weak and mark.text in text] if marked is not None else []
    weak = [mark for mark in answer.marks if mark.weak and mark.text in text][:1] if marked is not None else []
    found = list(dict.fromkeys(strong or [mark for mark in weak if mark not in (marked or ())]))
    (marked if marked is not None else set()).update(found)
    for number, mark in enumerate(found):
        at = text.find(mark.text) + len(mark.text) if not mark.weak else len(text)
        at += len(text[at:]) - len(text[at:].lstrip(".。"))
        text = f"{text[:at]}\x00{number}\x01{text[at:]}"
    shown = escape(text)
    shown = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", shown)
    shown = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"<em>\1</em>", shown)
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", shown)
    links = [re.escape(escape(one)) for one in sorted(answer.links, key=len, reverse=True) if one.startswith("http")]
    if links:
        shown = re.sub(rf"(?<![\w/])(?:{'|'.join(links)})(?=[.,;:)]?(?:\s|$))", r'<a href="\g<0>">\g<0></a>', shown)
    return re.sub("\x00(\\d+)\x01", lambda match: _mark(found[int(match[1])], answer.words), shown)


def _mark(mark: Mark, words: Mapping[str, str]) -> str:
    evidence = f"<code>{escape(mark.evidence)}</code>" if mark.kind == "measured" else f"“{escape(mark.evidence)}”"
    origin = f" <cite>{escape(mark.origin)}</cite>" if mark.origin else ""
    return (
        f' <details class="mark {mark.kind}"><summary>{escape(words[mark.kind])}</summary>'
        f"<div>{evidence}{origin}</div></details>"
    )


def _flow(line: str) -> str:
    """A line of the answer's diagram: input ──▶ [ model ] ──▶ output."""
    parts = [part.strip() for part in line.split("──▶")]
    if len(parts) != 3:
        return f"<pre>{escape(line)}</pre>"
    model = parts[1].removeprefix("[").removesuffix("]").strip()
    lacking = ' class="lacking"' if model.startswith("? ") else ""
    return (
        f'<div class="flow"><span>{escape(parts[0])}</span><b{lacking}>{escape(model.removeprefix("? "))}</b>'
        f"<span>{escape(parts[2])}</span></div>"
    )


def _done(answer: AnswerPage) -> str:
    """The workflow that ran, the tile map and the table of figures."""
    words, parts = answer.words, []
    if answer.boxes:
        parts.append(f"<figure><h4>{escape(words['ran'])}</h4>{_drawn(answer.boxes)}</figure>")
    if answer.tiles:
        parts.append(f"<figure><h4>{escape(words['tiles'])}</h4>{_tiles(answer.tiles, words)}</figure>")
    if answer.figures:
        rows = "".join(
            f"<div><dt>{escape(one.label)}<code>{escape(one.field)}</code></dt><dd>{escape(one.text)}</dd></div>"
            for one in answer.figures
        )
        parts.append(f'<details class="all"><summary>{escape(words["figures"])}</summary><dl>{rows}</dl></details>')
    return "".join(parts)


def _drawn(boxes: Sequence[Box]) -> str:
    """The steps from top to bottom, each below all it takes something from, as an SVG picture."""
    depth: dict[str, int] = {}
    for box in boxes:
        depth[box.name] = max((depth[one] + 1 for one in box.after), default=0)
    ranks = [[box for box in boxes if depth[box.name] == level] for level in range(max(depth.values()) + 1)]
    width = max(map(len, ranks)) * (_WIDE + 16) + 48
    place = {
        box.name: (width / 2 + (at - (len(rank) - 1) / 2) * (_WIDE + 16), level * (_HIGH + _GAP) + 1)
        for level, rank in enumerate(ranks)
        for at, box in enumerate(rank)
    }
    lines = [_edge(place[one], place[box.name], width) for box in boxes for one in box.after]
    drawn = [_box(box, *place[box.name]) for box in boxes]
    height = len(ranks) * (_HIGH + _GAP) - _GAP + 2
    label = " → ".join(box.name for box in boxes)
    return (
        f'<svg class="drawn" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'role="img" aria-label="{escape(label)}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L8 4L0 8z"/></marker></defs>{"".join(lines)}{"".join(drawn)}</svg>'
    )


def _box(box: Box, x: float, y: float) -> str:
    lines = [(box.name, ' class="name"'), (box.node, ""), *((one, "") for one in box.model.split(" + ") if one)]
    top = y + _HIGH / 2 + 14 - 8.5 * len(lines)
    texts = "".join(
        f'<text x="{x:g}" y="{top + 17 * number:g}"{style}>{escape(_short(line, 22))}</text>'
        for number, (line, style) in enumerate(lines)
    )
    return f'<g><rect x="{x - _WIDE / 2:g}" y="{y:g}" width="{_WIDE}" height="{_HIGH}" rx="12"/>{texts}</g>'


def _edge(start: tuple[float, float], end: tuple[float, float], width: float) -> str:
    """An arrow to the step below; past steps in between it goes around on the side of its end."""
    (x, y), (to_x, to_y) = start, end
    if to_y - y < _HIGH + _GAP + 1:
        path = f"M{x:g} {y + _HIGH:g}C{x:g} {y + _HIGH + 20:g} {to_x:g} {to_y - 20:g} {to_x:g} {to_y:g}"
    else:
        side = -1 if to_x <= width / 2 else 1
        x, out = x + side * _WIDE / 2, to_x + side * 24
        path = f"M{x:g} {y + _HIGH / 2:g}C{out:g} {y + _HIGH / 2:g} {out:g} {to_y - 60:g} {to_x + side * 24:g} {to_y:g}"
    return f'<path class="edge" d="{path}" marker-end="url(#tip)"/>'


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _tiles(tiles: TileMap, words: Mapping[str, str]) -> str:
    """The photo under its tiles, and what their colours mean."""
    (width, height), rows = tiles.size, tiles.rows
    across, down = width / len(rows[0]), height / len(rows)
    cells = "".join(
        f'<rect class="{escape(word)}" x="{column * across:.6g}" y="{row * down:.6g}" '
        f'width="{across:.6g}" height="{down:.6g}"/>'
        for row, line in enumerate(rows)
        for column, word in enumerate(line)
    )
    kinds = list(dict.fromkeys(word for line in rows for word in line))
    legend = "".join(
        f'<li class="{escape(kind)}">{escape(words.get(kind, kind))}: {sum(line.count(kind) for line in rows)}</li>'
        for kind in kinds
    )
    return (
        f'<div class="tiles"><img src="{data_uri(tiles.picture)}" alt=""><svg viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none" aria-hidden="true">{cells}</svg></div><ul class="legend">{legend}</ul>'
    )
