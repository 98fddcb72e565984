"""Aligned text tables, and the report of a run as one HTML page that works offline."""

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import count
from pathlib import PurePath

from fourfold.core.errors import InvalidInput
from fourfold.pages import tilemap

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypavif", 4, "image/avif"),
)

_KEPT = (
    (45.0, "match: they differ by {} of 255 levels on average, hardly to be seen."),
    (38.0, "are close: they differ by {} of 255 levels on average, visible where one is laid over the other."),
    (30.0, "differ by {} of 255 levels on average: parts of the photo were changed, so look at it closely."),
    (-math.inf, "differ by {} of 255 levels on average: in places this is no longer the same picture."),
)
"""Least consistency in dB, and what it means; the average is the root mean square over all pixels."""

_PHONE = (
    (45.0, "hardly anyone sees a difference: what seems clear there, the small screen makes clear."),
    (38.0, "a close look tells the two apart; much of what seems clear there is the small screen's doing."),
    (-math.inf, "the difference shows, too."),
)
"""Least PSNR in dB between the result and a plain enlargement, both as wide as a phone's screen, and what it means."""

_LIKENESS = (
    "How alike a small vision network finds the photo and the result shrunk to its size, place by place: 1 is "
    "the same, 0 nothing in common."
)


@dataclass(frozen=True)
class BeforeAfter:
    """One thing before and after, PNG, JPEG, WebP or AVIF, with a caption."""

    caption: str
    before: bytes
    after: bytes


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned lines, the first row being the header: first column to the left, others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def consistency_sentence(decibel: float | None) -> str:
    """What a consistency in dB says about a result, for a person; None or infinity is an exact match."""
    start = "Shrunk back to its first size, the result and the photo "
    if decibel is None or math.isinf(decibel):
        return f"{start}are exactly the same."
    meaning = next(text for least, text in _KEPT if decibel >= least)
    apart = 255 * 10 ** (-decibel / 20)
    return start + meaning.format(f"{apart:.1f}" if apart >= 0.1 else "less than 0.1")


def added_sentence(levels: float) -> str:
    """What an amount of added detail, RMS in levels, says about a result, for a person."""
    if levels < 0.5:
        return "Next to nothing is finer than the photo itself, so next to nothing could be invented."
    return (
        f"Detail finer than the photo itself moves its pixels by {levels:.1f} of 255 levels on average. Nothing in the "
        "photo says whether it is true. Plain enlargement adds none; in 39 sharp pictures whose truth is known, true "
        "detail makes up 6 to 26."
    )


def phone_sentence(full: float | None, phone: float | None) -> str:
    """What the distances of a result from a plain enlargement say, in dB at full size and on a phone; None is equal."""
    if phone is None:
        return "On a phone's screen it looks exactly like a plain enlargement."
    meaning = next(text for least, text in _PHONE if phone >= least)
    if full is None or full == phone:
        return f"It is no wider than a phone's screen, and {phone:.1f} dB from a plain enlargement: {meaning}"
    return (
        f"From a plain enlargement it is {full:.1f} dB away at full size, and {phone:.1f} dB with both shrunk to a "
        f"phone's screen: {meaning}"
    )


def html(report: Mapping[str, object], pairs: Sequence[BeforeAfter] = ()) -> str:
    """The report of one or several upscaled photos as one self-contained page.

    Args:
        report: the document that ``upscale --json`` prints: ``files`` and ``failed``.
        pairs: pictures, each shown with a slider between before and after.

    Raises:
        InvalidInput: the report has no lists of files, or the pictures are of none of these formats.
    """
    files, failed = _entries(report, "files"), _entries(report, "failed")
    title = f"{_count(len(files), 'photo')} upscaled" + (f", {len(failed)} failed" if failed else "")
    parts = [*map(comparison, pairs, count()), *map(_file, files), _failures(failed)]
    body = "\n".join(part for part in parts if part)
    return page(
        title,
        f"""<header><p class="brand">fourfold</p><h1>{title}</h1></header>
<main>
{body}
</main>
<footer><p>Made on this computer; nothing was sent anywhere. Detail finer than the photo itself is the network's
estimate, not evidence.</p></footer>""",
        asset("report.css"),
        asset("report.js") if pairs else "",
    )


def page(title: str, body: str, style: str, script: str, language: str = "en") -> str:
    """A page that can load nothing but what is written in it; ``title`` is escaped already."""
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title} – fourfold</title>
<style>{style}</style>
</head>
<body>
{body}
{f"<script>{script}</script>" if script else ""}</body>
</html>
"""


def _entries(report: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    found = report.get(key, ())
    if not isinstance(found, Sequence) or not all(isinstance(entry, Mapping) for entry in found):
        raise InvalidInput(f"expected a list of objects under {key!r} in the report, got {found!r:.80}")
    return list(found)


def asset(name: str) -> str:
    """A style sheet or script of this folder."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """A content security policy under which the page can load nothing but what is written in it."""
    sources = f"style-src {_digest(style)}; script-src " + (_digest(script) if script else "'none'")
    return f"default-src 'none'; img-src data:; {sources}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def comparison(
    pair: BeforeAfter, number: int, words: tuple[str, str, str] = ("Before", "After", "Slide to compare")
) -> str:
    """A pair as a section, with a slider between its pictures that works by touch and by keyboard.

    Args:
        pair: shown at the size of the picture after; number: of the slider, its own on the page.
        words: for before, for after, and for the slider.

    Raises:
        InvalidInput: the pictures are of none of the formats.
    """
    before, after, slide = map(escape, words)
    caption, name = escape(pair.caption), f"cut{number}"
    pictures = "\n".join(
        f'<div class="{side}"><img src="{data_uri(data)}" alt="{caption}: {word}"><span>{word}</span></div>'
        for side, data, word in (("before", pair.before, before), ("after", pair.after, after))
    )
    slider = f'<label for="{name}">{slide}</label><input id="{name}" type="range" min="0" max="100" value="50">'
    return f"""<section class="pair"><h2>{caption}</h2><figure class="compare">
<div class="stage">
{pictures}
</div>
<figcaption>{slider}</figcaption>
</figure></section>
"""


def data_uri(data: bytes) -> str:
    """A picture as an address that holds it; raises ``InvalidInput`` for anything but PNG, JPEG, WebP and AVIF."""
    for magic, offset, kind in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return f"data:{kind};base64,{base64.b64encode(data).decode()}"
    raise InvalidInput(f"expected a PNG, JPEG, WebP or AVIF picture, got bytes beginning {data[:12]!r}")


def _file(entry: Mapping[str, object]) -> str:
    name = _breakable(PurePath(str(entry.get("output") or entry.get("input") or "picture")).name)
    sizes = [size for key in ("input_size", "output_size") if (size := _size(entry.get(key)))]
    parts = [f"<h2>{name}</h2>"]
    if len(sizes) == 2:
        parts.append(
            f'<p class="sizes">{sizes[0]} <span aria-label="to">→</span> <strong>{sizes[1]}</strong> pixels</p>'
        )
    if reason := entry.get("style_reason"):
        style = str(entry.get("style", "")).capitalize()
        parts.append(f"<p>{escape(f'{style} style: {reason}')}</p>")
    parts += [_kept(entry), _seen(entry), _added(entry), _phone(entry)]
    routing = entry.get("routing")
    if isinstance(routing, Mapping):
        tinted = entry.get("tinted")
        parts.append(tilemap.html(routing, tinted if isinstance(tinted, bytes) else None))
    parts += [_warnings(entry.get("warnings")), _facts(entry)]
    return "<article>\n" + "\n".join(part for part in parts if part) + "\n</article>"


def _kept(entry: Mapping[str, object]) -> str:
    if "consistency_psnr" not in entry:
        return ""
    decibel = _number(entry["consistency_psnr"])
    figure = "exact" if decibel is None else f"{decibel:.1f} dB"
    level = 60.0 if decibel is None else min(max(decibel, 20.0), 60.0)
    meter = f'<meter min="20" low="30" high="38" optimum="60" max="60" value="{level:.1f}">{figure}</meter>'
    return _measured("Kept", figure, consistency_sentence(decibel), meter)


def _seen(entry: Mapping[str, object]) -> str:
    likeness = _number(entry.get("likeness"))
    return "" if likeness is None else _measured("Seen alike", f"{likeness:.3f}", _LIKENESS)


def _added(entry: Mapping[str, object]) -> str:
    levels = _number(entry.get("added_detail"))
    return "" if levels is None else _measured("Added", f"{levels:.1f} levels", added_sentence(levels))


def _phone(entry: Mapping[str, object]) -> str:
    if "phone_psnr" not in entry:
        return ""
    full, phone = _number(entry.get("bicubic_psnr")), _number(entry["phone_psnr"])
    figure = "exact" if phone is None else f"{phone:.1f} dB"
    return _measured("On a phone", figure, phone_sentence(full, phone))


def _measured(title: str, figure: str, sentence: str, meter: str = "") -> str:
    return (
        f'<section class="honest"><h3>{title} <strong>{figure}</strong></h3>{meter}<p>{escape(sentence)}</p></section>'
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _warnings(value: object) -> str:
    sentences = [str(one) for one in value] if isinstance(value, Sequence) and not isinstance(value, str) else []
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(one)}</li>" for one in sentences)
    return f'<section class="warnings"><h3>{_count(len(sentences), "note")}</h3><ul>{items}</ul></section>'


def _facts(entry: Mapping[str, object]) -> str:
    model, engine = (
        ", ".join(str(entry[key]) for key in keys if entry.get(key))
        for keys in (("model", "style"), ("runtime", "precision"))
    )
    facts = {
        "Time": _figure(entry, "seconds", "s"),
        "of it in the network": _figure(entry, "seconds_model", "s"),
        "Network": model,
        "Looked like": _recognised(entry.get("condition")),
        "Engine": engine,
        "Tiles": _tiles(entry.get("tiles")),
        "Speed": _figure(entry, "megapixels_per_second", "megapixels/s"),
        "Arithmetic": _figure(entry, "gmacs", "GMAC"),
        "Memory, at most": _figure(entry, "peak_memory_mb", "MB"),
        "From": str(entry.get("input") or ""),
        "To": str(entry.get("output") or ""),
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{_breakable(value)}</dd></div>" for name, value in facts.items() if value)
    return f"<dl>{rows}</dl>" if rows else ""


def _recognised(value: object) -> str:
    if not isinstance(value, Mapping):
        return ""
    suits = f"; the workflow {value['workflow']} is made for such" if value["workflow"] else ""
    return f"{value['name']} ({value['certainty']:.0%}, by {value['recogniser']}){suits}"


def _failures(failed: Sequence[Mapping[str, object]]) -> str:
    if not failed:
        return ""
    items = "".join(
        f"<li><strong>{escape(str(one.get('input', '')))}</strong> {escape(str(one.get('error', '')))}</li>"
        for one in failed
    )
    return f'<section class="failed"><h2>Failed</h2><ul>{items}</ul></section>'


def _size(value: object) -> str:
    if isinstance(value, Sequence) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return f"{value[0]}×{value[1]}"
    return ""


def _figure(entry: Mapping[str, object], key: str, unit: str) -> str:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"


def _tiles(value: object) -> str:
    if not isinstance(value, Mapping):
        return ""
    parts = [f"{count} {name}" for name, count in value.items() if name != "total" and count]
    return f"{value.get('total', '')} ({', '.join(parts)})" if parts else str(value.get("total", ""))


def _breakable(text: str) -> str:
    """Escaped, with places where a long file name may go on in the next line."""
    return re.sub(r"([/\\_.-])(?=[^\W\d])", r"\1<wbr>", escape(text))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
