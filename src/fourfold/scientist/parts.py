"""The parts of an answer, from any of its forms, and the violations that a check of it can report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fourfold.scientist.values import Answer, Ask, Claim, Evidence, Inference, Measured

ViolationKind = Literal[
    "outside link",
    "outside identifier",
    "disguised link",
    "link form",
    "hidden text",
    "unknown source",
    "unknown name",
    "no quote",
    "quote not found",
    "untrusted quote",
    "number not in quote",
    "figure not in run",
    "planted text",
    "unfounded answer",
    "unmarked inference",
    "completeness claimed",
    "another task done",
    "malformed",
]


@dataclass(frozen=True)
class Violation:
    """A breach of the rules: which one, the words that break it, and where or why."""

    kind: ViolationKind
    text: str
    detail: str


@dataclass(frozen=True)
class Parts:
    """An answer's parts, whichever form it came in."""

    models: tuple[str, ...]
    papers: tuple[str, ...]
    claims: tuple[Claim, ...]
    gaps: tuple[str, ...]
    markdown: str
    measured: tuple[Measured, ...] = ()
    malformed: tuple[str, ...] = ()
    relevance: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[Ask, ...] = ()
    inferences: tuple[Inference, ...] = ()
    language: str = "en"
    done: str = ""
    whole: bool = True


def parts_of(answer: Answer | Mapping[str, object] | str) -> Parts:
    """An answer's parts; what is not of the JSON form is noted in ``malformed``."""
    if isinstance(answer, str):
        return Parts((), (), (), (), answer, whole=False)
    if isinstance(answer, Answer):
        models, papers = (tuple(name for name, _ in pairs) for pairs in (answer.models, answer.sources))
        gaps = tuple(gap.text for gap in answer.gaps)
        return Parts(
            models, papers, answer.claims, gaps, answer.markdown, answer.measured, (), dict(answer.sources),
            answer.asks, answer.inferences, answer.language, answer.done,
        )  # fmt: skip
    bad: list[str] = []
    claims = []
    for item in _items(answer, "claims", bad):
        start = item.get("start", -1)
        text, source, quote = (_string(item, name, bad) for name in ("text", "source", "quote"))
        claims.append(Claim(text, source, quote, start if isinstance(start, int) else -1))
    models = tuple(_string(item, "name", bad) for item in _items(answer, "models", bad))
    papers = tuple(_string(item, "title", bad) for item in _items(answer, "sources", bad))
    gaps = tuple(_string(item, "text", bad) for item in _items(answer, "gaps", bad))
    measured = tuple(
        Measured(_string(item, "text", bad), _strings(item, "fields", bad)) for item in _items(answer, "measured", bad)
    )
    markdown, language, done = (_string(answer, name, bad) for name in ("markdown", "language", "done"))
    labels = {_string(item, "title", bad): _string(item, "relevance", bad) for item in _items(answer, "sources", bad)}
    asks = tuple(_ask(item, bad) for item in _items(answer, "asks", bad))
    inferences = tuple(
        Inference(_string(item, "text", bad), _strings(item, "sources", bad))
        for item in _items(answer, "inferences", bad)
    )
    return Parts(
        models, papers, tuple(claims), gaps, markdown, measured, tuple(bad), labels, asks, inferences, language, done
    )


def _ask(item: Mapping[str, object], bad: list[str]) -> Ask:
    span, status = item.get("span"), _string(item, "status", bad)
    if not (isinstance(span, list) and len(span) == 2 and all(isinstance(at, int) for at in span)):
        bad.append("'span' is no pair of offsets")
        span = [0, 0]
    evidence = []
    for one in _items(item, "evidence", bad):
        start = one.get("start", -1)
        figures = _strings(one, "figures", bad) if "figures" in one else ()
        by, source, quote = (_string(one, name, bad) for name in ("by", "source", "quote"))
        evidence.append(Evidence(by, source, quote, start if isinstance(start, int) else -1, figures))  # type: ignore[arg-type]
    return Ask(_string(item, "text", bad), span[0], span[1], status, tuple(evidence))  # type: ignore[arg-type]


def _items(answer: Mapping[str, object], name: str, bad: list[str]) -> list[Mapping[str, object]]:
    listed = answer.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(item, Mapping) for item in listed):
        bad.append(f"'{name}' is no list of objects")
        return []
    return listed


def _string(item: Mapping[str, object], name: str, bad: list[str]) -> str:
    value = item.get(name, "")
    if not isinstance(value, str):
        bad.append(f"'{name}' is no text")
        return ""
    return value


def _strings(item: Mapping[str, object], name: str, bad: list[str]) -> tuple[str, ...]:
    value = item.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        bad.append(f"'{name}' is no list of texts")
        return ()
    return tuple(value)
