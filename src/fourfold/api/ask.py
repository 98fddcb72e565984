"""Answer briefs from their own sources, checked by the citation guard; with a photo, also run the task on it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourfold.catalog import load as catalog
from fourfold.core.atomic import write_document
from fourfold.core.errors import FourfoldError, PictureError, RuntimeFailure, UsageError
from fourfold.scientist.answer import to_json, written
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard
from fourfold.scientist.llm import Advice, Refusal, Settings, advise
from fourfold.scientist.measured import Record
from fourfold.scientist.plan import Plan, plan
from fourfold.scientist.run import Run
from fourfold.scientist.tasks import leaves
from fourfold.scientist.values import Answer, Brief

if TYPE_CHECKING:
    from fourfold.api.photo_answer import PhotoRunner
    from fourfold.api.workflows import Watch


@dataclass(frozen=True)
class Answered:
    """A brief's answer, and the files it was written to."""

    brief: Path
    answer: Answer
    files: tuple[Path, ...]


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
        UsageError: the text is not a brief; the message names the line.
        RuntimeFailure: the answer did not pass the citation guard, which would be a fault of fourfold.
    """
    return _answered(parse(text), llm)


def ask_as_html(text: str | bytes) -> tuple[Answer, str]:
    """Answer a brief as ``ask`` does, and show it as HTML for another page, with what stands behind each sentence.

    Raises:
        UsageError, RuntimeFailure: as for ``ask``.
    """
    from fourfold.api.photo_answer import PhotoAnswer

    brief = parse(text)
    made = _answered(brief, None)
    return made, PhotoAnswer().part(brief, made)


def _answered(brief: Brief, llm: Settings | None, run: Run | None = None, planned: Plan | None = None) -> Answer:
    planned, record = planned or plan(brief), run.record if run else None
    made = _passed(written(brief, planned, run), brief, record)
    if llm is None:
        return made
    asks = [one.wanted.text for one in planned.answers]
    advice = advise(brief, tuple(leaves()), llm, asks)
    if isinstance(advice, Advice) and advice.answers:
        better = written(brief, planned, run, advice.answers)
        made = made if guard(better, brief, record) else better
    advised = _advised(made, advice)
    added = advised.markdown.removeprefix(made.markdown)
    return made if guard(added, brief) or guard(replace(advised, markdown="", measured=()), brief) else advised


def explain(question: str, report: Mapping[str, Any], photo: Path, result: Path) -> tuple[Answer, str]:
    """Answer a question about a photo that was upscaled already, from the figures of that very run.

    Args:
        question: of the person, in any language; or a whole brief. A question alone is answered from the cards of the
            networks that ran.
        report: of the run, as ``upscale --json`` prints it; photo, result: its files.

    Returns:
        The answer, and the page that shows it with the pictures.

    Raises:
        UsageError: there is no question. PictureError: a picture cannot be read.
    """
    from fourfold.api.photo_answer import already_done

    try:
        brief = parse(question)
    except UsageError:
        brief = parse(_brief(question, str(report["model"]).split(" + ")))
    if not (brief.models or brief.papers):
        brief = parse(_brief(brief.question, str(report["model"]).split(" + ")))
    done = already_done(brief, report, photo, result)
    made = _answered(brief, None, done.run)
    return made, done.page(brief, made)


def _brief(question: str, networks: Iterable[str]) -> str:
    """A brief whose sources are the cards of networks."""
    cards = [catalog.card(name) for name in networks]
    asked = " ".join(question.replace('"', "'").split())
    lines = [f'A user has asked the following question:\n"{asked}"\n\n### Recommended AI Models:']
    lines += [f"Model: {card.id}" for card in cards]
    lines.append("\n### Related Papers:")
    for card in cards:
        task = card.task.rpartition("/")[2]
        summary = f"{card.id} is a network for {task} that enlarges a photo {card.scale} times. {card.summary}"
        lines.append(f"Model: {card.id}\nSummary: {summary}\n")
    return "\n".join(lines)


def ask_files(
    source: Path,
    folder: Path,
    llm: Settings | None = None,
    photo: Path | None = None,
    watch: "Watch | None" = None,
    overwrite: bool = False,
) -> Iterator[Answered | Unanswered]:
    """Answer a brief, or every ``.txt`` brief of a folder; a bad one never stops the rest.

    Args:
        source: a file, answered as ``answer.md`` and ``answer.json``; or a folder, answered as ``NAME.md`` and
            ``NAME.json`` for each brief in it.
        folder: for the answers; made if need be.
        llm: as for ``ask``.
        photo: to carry the brief's task out on: the answer then reports the outcome, the result and the run's
            ``manifest.json`` are written to the folder, and ``answer.html`` (or ``NAME.html``) shows it all.
        watch: called with every event of such a run and the photo's name.
        overwrite: whether a picture may be replaced that is not of the very same run before.

    Raises:
        UsageError: a folder without briefs.
    """
    if source.is_dir():
        briefs = sorted(path for path in source.iterdir() if path.suffix == ".txt" and path.is_file())
        if not briefs:
            raise UsageError(f"{source}: expected briefs (.txt) in this folder, found none")
    with ExitStack() as pipes:
        runner = None
        if photo is not None:
            from fourfold.api.photo_answer import PhotoRunner  # numpy and the networks only where one is run
            from fourfold.api.targets import reread

            runner = PhotoRunner(pipes.enter_context(reread(photo)), folder, watch, overwrite)
        for brief in briefs if source.is_dir() else [source]:
            try:
                name = brief.stem if source.is_dir() else "answer"
                files = tuple(folder / f"{name}.{kind}" for kind in ("md", "json", *(["html"] if runner else [])))
                if brief.resolve() in {file.resolve() for file in files}:
                    raise UsageError(f"{brief}: the answer would replace its own brief; give another --output folder")
                made, texts = _one(brief, llm, runner)
                for file, text in zip(files, texts, strict=True):
                    write_document(file, text, "the answer")
            except FourfoldError as error:
                yield Unanswered(brief, error)
            else:
                yield Answered(brief, made, files)


def _one(path: Path, llm: Settings | None, runner: "PhotoRunner | None") -> tuple[Answer, list[str]]:
    """A brief's answer, and what is written of it: markdown, JSON and, where it was carried out, the page."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: expected a brief to read: {error.strerror}. Check its name") from error
    try:
        brief = parse(text)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    planned = plan(brief)
    done = runner.run(planned) if runner else None
    made = _answered(brief, llm, done.run if done else None, planned)
    texts = [made.markdown, json.dumps(to_json(made), indent=2, ensure_ascii=False) + "\n"]
    return made, [*texts, done.page(brief, made)] if done else texts


def _passed(made: Answer, brief: Brief, record: Record | None) -> Answer:
    """The answer as far as the guard lets it pass: lines that hold what it refuses are left out, and that is said."""
    if not guard(made, brief, record):
        return made
    lines = [line for line in made.markdown.split("\n") if not guard(line, brief)]
    note = "- Lines that repeated links or markup planted in the brief were left out."
    markdown = "\n".join([*lines, note, ""])
    kept = tuple(one for one in made.inferences if one.text in markdown)
    measured = tuple(one for one in made.measured if one.text in markdown)
    shorter = replace(made, markdown=markdown, inferences=kept, measured=measured)
    still = guard(shorter, brief, record)
    if still:
        raise RuntimeFailure(
            "expected an answer that passes the citation guard, it did not; please report it "
            f"({still[0].kind}: {still[0].text!r})"
        )
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
    said = {claim.text for claim in made.claims}
    lines += [f"- {claim.text} ({claim.source}: “{claim.quote}”)" for claim in advice.claims if claim.text not in said]
    if advice.dropped:
        lines.append(
            f"- Sentences of it that the sources do not support and that were left out: {len(advice.dropped)}."
        )
    return replace(made, claims=made.claims + advice.claims, markdown=made.markdown + "\n".join([*lines, ""]))
