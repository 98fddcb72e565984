"""Sentences with figures from a run: how a figure is written, and a check that a sentence holds no other figures.

A field names a figure by step, output and key, as in ``restored.report.seconds_model``; ``lookup`` finds it in the
record of a run. ``shown`` is the only way to write it, so a sentence can be compared with the record to the character.
Under the step ``constant`` stand the figures of ``constants.toml``, the same in every run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fourfold.scientist.lexicon import table
from fourfold.scientist.trust import ELLIPSIS, QUOTED, normal, quoted
from fourfold.scientist.values import Measured

Record = Mapping[str, Any]
"""One entry of ``runs`` in the manifest of a workflow."""

CONSTANT = "constant"

_FIGURE = re.compile(r"(?<![A-Za-z\d])\d+(?:[.,]\d+)*(?![A-Za-z_\d])")  # "3D" and "x4" are words
_HEADING = re.compile(r"(?m)^\W*\d\.(?=\W)")
_CALL = re.compile(r"(?m)^- Asked once, [\d.]+ s(?:, \d+ tokens read, \d+ written)?\.$")  # of a language model
_FENCE = re.compile(r"(?ms)^```.*?^```")


def lookup(record: Record, field: str) -> Any:
    """The value of a field.

    Raises:
        KeyError: the run has no such field.
    """
    step, _, rest = field.partition(".")
    if step == CONSTANT and rest in table("constants.toml"):
        return table("constants.toml")[rest]["text"]
    try:
        value = record["steps"][step]["outputs"]
        for key in rest.split("."):
            value = value[key]
    except (KeyError, TypeError, IndexError) as error:
        raise KeyError(field) from error
    return value


def shown(field: str, value: Any) -> str:
    """A figure as every sentence and table writes it; empty for nothing."""
    name = field.rpartition(".")[2]
    if value is None or value == []:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {number}" for key, number in value.items() if number)
    if isinstance(value, list):
        return "×".join(str(side) for side in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if name.startswith("seconds"):
        return f"{1000 * value:.0f} ms" if value < 10 else f"{value:.1f} s"
    if name == "bytes":
        return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.0f} kB"
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")
    digits = f"{value:.1f}" if unit == " dB" else str(value) if isinstance(value, int) else f"{value:.3g}"
    return digits + unit


_UNITS = {
    "psnr": " dB",
    "psnr_y": " dB",
    "_db": " dB",
    "gmacs": " GMAC",
    "_mb": " MB",
    "megapixels_per_second": " MP/s",
    "added_detail": "/255",
    "consistency_worst": "/255",
}


def keeps_size(task: str) -> bool:
    """Whether the picture that comes out of a task has the size of the one that goes in."""
    return task.startswith("image-to-image/") and task != "image-to-image/super-resolution"


def mismatch(record: Record, task: str) -> str:
    """What a run gave that its task does not give: a picture of another size; "" if it is as it should be."""
    sizes = [
        output["size"] for step in record["steps"].values() for output in step["outputs"].values() if "size" in output
    ]
    saved = [step["outputs"]["report"] for step in record["steps"].values() if step.get("node") == "save"]
    if not sizes or not saved or "output_size" not in saved[-1]:
        return ""
    first, last = list(sizes[0]), list(saved[-1]["output_size"])
    larger = all(after > before for before, after in zip(first, last, strict=True))
    wrong = (keeps_size(task) and last != first) or (task == "image-to-image/super-resolution" and not larger)
    return f"{shown('size', first)} pixels became {shown('size', last)}" if wrong else ""


def faults(sentence: Measured, record: Record) -> Iterator[str]:
    """What in a measured sentence the run does not give, in the order of the sentence."""
    rest, at = sentence.text, 0
    for field in sentence.fields:
        try:
            figure = shown(field, lookup(record, field))
        except KeyError:
            yield f"the run has no figure {field}"
            continue
        found = rest.find(figure, at)
        if found < 0:
            yield f"{field} is {figure or 'nothing'} in the run"
            continue
        rest = rest[:found] + rest[found + len(figure) :]
        at = found
    yield from (f"no figure of the run is {digits}" for digits in _FIGURE.findall(rest))


def _holds(quotable: str, quote: str) -> bool:
    """Whether a text holds a quote, or every piece of one that leaves something out."""
    return all(normal(piece) in quotable for piece in ELLIPSIS.split(quote))


def stray(markdown: str, permitted: Iterable[str], names: Iterable[str], quotable: str) -> list[str]:
    """Figures in a text that no permitted passage, no source's name and no quote holds.

    Args:
        markdown: the text; the numbers of its headings, and in diagrams those of names, are not counted.
        permitted: passages that may stand there word for word, with the figures in them.
        names: of the sources.
        quotable: all that “quotation marks” may enclose, as ``trust.normal`` writes it.
    """
    text = markdown
    for passage in sorted({*permitted, *names}, key=len, reverse=True):
        text = text.replace(passage, " ") if passage else text
    named = set(_FIGURE.findall(" ".join(names)))
    inside = {figure for fence in _FENCE.findall(text) for figure in _FIGURE.findall(fence)} - named
    text = _CALL.sub("", _HEADING.sub("", _FENCE.sub("", text)))
    text = QUOTED.sub(lambda quote: " " if _holds(quotable, quoted(quote)) else quote[0], text)
    return [*sorted(inside), *_FIGURE.findall(text)]
