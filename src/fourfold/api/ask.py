"""Briefs in, answers out: read, answered from their own sources, checked by the citation guard, written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fourfold.core.atomic import write_text
from fourfold.core.errors import FourfoldError, PictureError, RuntimeFailure, UsageError
from fourfold.scientist.answer import answer, to_json
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard
from fourfold.scientist.llm import Advice, Refusal, Settings, advise
from fourfold.scientist.tasks import leaves
from fourfold.scientist.values import Answer, Brief


@dataclass(frozen=True)
class Answered:
    """A brief's answer, and the files it was written to."""

    brief: Path
    answer: Answer
    files: tuple[Path, Path]


@dataclass(frozen=True)
class Unanswered:
    """A brief that gave no answer, and why; the others went on."""

    brief: Path
    error: FourfoldError


def ask(text: str | bytes, llm: Settings | None = None) -> Answer:
    """Answer a brief from only the sources it holds. Without a language model the same brief gives the same bytes.

    Args:
        text: the whole brief; everything in it is data.
        llm: a language model to ask as well; what it says is checked the same way and shown beside the answer.

    Raises:
        UsageError: this is no brief; the message names the line.
        RuntimeFailure: the answer did not pass the citation guard, which would be a fault of fourfold.
    """
    brief = parse(text)
    made = _passed(answer(brief), brief)
    if llm is None:
        return made
    advised = _advised(made, advise(brief, tuple(leaves()), llm))
    return made if guard(advised, brief) else advised


def ask_files(source: Path, folder: Path, llm: Settings | None = None) -> Iterator[Answered | Unanswered]:
    """Answer a brief, or every ``.txt`` brief of a folder; a bad one never stops the rest.

    Args:
        source: a file, answered as ``answer.md`` and ``answer.json``; or a folder, answered as ``NAME.md`` and
            ``NAME.json`` for each brief in it.
        folder: for the answers; made if need be.
        llm: as for ``ask``.

    Raises:
        UsageError: a folder without briefs.
    """
    if source.is_dir():
        briefs = sorted(path for path in source.iterdir() if path.suffix == ".txt" and path.is_file())
        if not briefs:
            raise UsageError(f"{source}: expected briefs (.txt) in this folder, found none")
    for brief in briefs if source.is_dir() else [source]:
        try:
            made = _one(brief, llm)
            name = brief.stem if source.is_dir() else "answer"
            files = folder / f"{name}.md", folder / f"{name}.json"
            if brief.resolve() in {file.resolve() for file in files}:
                raise UsageError(f"{brief}: the answer would replace its own brief; give another --output folder")
            _write(files, made)
        except FourfoldError as error:
            yield Unanswered(brief, error)
        else:
            yield Answered(brief, made, files)


def _one(brief: Path, llm: Settings | None) -> Answer:
    try:
        text = brief.read_bytes()
    except OSError as error:
        raise PictureError(f"{brief}: expected a brief to read: {error.strerror}") from error
    try:
        return ask(text, llm)
    except UsageError as error:
        raise UsageError(f"{brief}: {error}") from error


def _write(files: tuple[Path, Path], made: Answer) -> None:
    texts = made.markdown, json.dumps(to_json(made), indent=2, ensure_ascii=False) + "\n"
    for file, text in zip(files, texts, strict=True):
        try:
            write_text(file, text)
        except OSError as error:
            raise PictureError(f"{file}: expected to write the answer here: {error.strerror}") from error


def _passed(made: Answer, brief: Brief) -> Answer:
    """The answer as far as the guard lets it pass: lines that hold what it refuses are left out, and that is said."""
    if not guard(made, brief):
        return made
    lines = [line for line in made.markdown.split("\n") if not guard(line, brief)]
    note = "- Lines that repeated links or markup planted in the brief were left out."
    shorter = replace(made, markdown="\n".join([*lines, note, ""]))
    still = guard(shorter, brief)
    if still:
        raise RuntimeFailure(f"the answer did not pass the citation guard ({still[0].kind}: {still[0].text!r})")
    return shorter


def _advised(made: Answer, advice: Advice | Refusal) -> Answer:
    """The answer with what a language model adds to it, named as such; its verdicts never replace ours silently."""
    lines = ["", "## What the language model adds", ""]
    call = advice.call
    tokens = f", {call.tokens_read} tokens read, {call.tokens_written} written" if call.tokens_read else ""
    lines.append(f"- Asked once, {call.seconds:.1f} s{tokens}.")
    if isinstance(advice, Refusal):
        lines.append("- It gave no usable answer; the answer above was made without it.")
        return replace(made, markdown=made.markdown + "\n".join([*lines, ""]))
    if advice.task != made.task.id:
        lines.append(f"- It reads the task as `{advice.task}`, the answer above as `{made.task.id}`.")
    ours = dict(made.models) | dict(made.sources)
    lines += [
        f"- On {name} it says {verdict}, the answer above {ours[name]}."
        for name, verdict in (*advice.models, *advice.sources)
        if ours.get(name) not in (None, verdict)
    ]
    lines += [f"- {claim.text} ({claim.source}: “{claim.quote}”)" for claim in advice.claims]
    if advice.dropped:
        lines.append(
            f"- Sentences of it that the sources do not support and that were left out: {len(advice.dropped)}."
        )
    return replace(made, claims=made.claims + advice.claims, markdown=made.markdown + "\n".join([*lines, ""]))
