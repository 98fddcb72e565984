"""Answering by doing: which network is run for a plan's task, and what its run shows, in words."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from fourfold.catalog.card import Card, Entry, Reference
from fourfold.scientist.lexicon import table
from fourfold.scientist.measured import CONSTANT, Record, lookup, shown
from fourfold.scientist.plan import Plan
from fourfold.scientist.tasks import NONE
from fourfold.scientist.trust import key
from fourfold.scientist.values import Measured, Source
from fourfold.scientist.wording import Words

_LONGEST = 40
"""Letters of a figure that is a name; anything longer is no figure for a table."""


@dataclass(frozen=True)
class Proposal:
    """What is run for a plan.

    Attributes:
        task: of the taxonomy; empty where nothing here carries it out.
        model: the network that the brief recommends and that is installed, by id, None to choose one of the catalog;
        name: what the brief calls it.
        missing: recommended models that are not installed, each with the licence that is the reason, "" if unknown.
    """

    task: str
    model: str | None
    name: str
    missing: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Run:
    """A proposal carried out: the record of its run, None if there was nothing to run."""

    proposal: Proposal
    record: Record | None


def propose(made: Plan, entries: Iterable[Entry], tasks: Iterable[str]) -> Proposal:
    """What to run for a plan: the recommended model that fits, if it is installed, else what the catalog offers.

    Args:
        made: the plan.
        entries: of the catalog, networks and references.
        tasks: those that a workflow carries out.
    """
    known = list(entries)
    found = [(model, _entry(model.profile.source, known)) for model in made.models]
    missing = tuple(
        (model.profile.source.name, "" if entry is None else entry.licence)
        for model, entry in found
        if not isinstance(entry, Card)
    )
    task = made.reading.leaf.id
    offered = task != NONE and task in tasks and any(isinstance(one, Card) and one.task == task for one in known)
    for model, entry in found:
        if offered and isinstance(entry, Card) and entry.task == task and model.match == "yes":
            return Proposal(task, entry.id, model.profile.source.name, missing)
    return Proposal(task if offered else "", None, "", missing)


def _entry(source: Source, entries: Iterable[Entry]) -> Entry | None:
    """The catalog's entry for a source of the brief: of the same name, or with the same link."""
    for entry in entries:
        links = {entry.paper, entry.repository} - {""} if isinstance(entry, Reference) else set()
        if key(source.name) in {key(entry.id), key(entry.title)} or links & set(source.links):
            return entry
    return None


@dataclass(frozen=True)
class Told:
    """A run in words: a section of the answer, and the measured sentences in it."""

    markdown: str
    measured: tuple[Measured, ...]


def told(run: Run, words: Words, task: str) -> Told:
    """What was run, on whose recommendation, and what it showed; ``task`` is the name of the task in words."""
    proposal, record = run.proposal, run.record
    lines = [
        words("run_known" if licence else "run_unknown", name=name, licence=licence)
        for name, licence in proposal.missing
    ]
    measured: tuple[Measured, ...] = ()
    if record is None:
        lines.append(words("run_nothing", name=task))
    else:
        choice = "run_inside" if proposal.name else "run_outside"
        models = tuple(_models(record))
        network = " + ".join(shown(path, lookup(record, path)) for path in models)
        first = Measured(words(choice, name=proposal.name, model=network, task=task), models)
        measured = (first, *sentences(record, words))
        lines += [one.text for one in measured]
    bullets = "\n".join(f"- {line}" for line in lines)
    return Told(f"### {words('run_heading')}\n\n{bullets}", measured)


def sentences(record: Record, words: Words) -> tuple[Measured, ...]:
    """What a run shows, in words: every sentence of the prose whose figures the run has."""
    fields = dict(_fields(record)) | {name: f"{CONSTANT}.{name}" for name in table("constants.toml")}
    whole = _same(record, fields, "bicubic_psnr", "phone_psnr")
    found = []
    for name, template in words.table("measured").items():
        if name == ("phone" if whole else "phone_whole"):
            continue  # on a screen that shows all of it, both figures are one
        wanted = [field for _, field, _, _ in Formatter().parse(template) if field]
        paths = tuple(fields[field] for field in wanted if field in fields)
        if len(paths) < len(wanted):
            continue
        figures = {field: shown(fields[field], lookup(record, fields[field])) for field in wanted}
        if all(figures.values()) != name.endswith("_exact"):
            found.append(Measured(words.filled(template, figures), paths))
    return tuple(found)


def _same(record: Record, fields: Mapping[str, str], one: str, other: str) -> bool:
    """Whether a run has two figures, and they are written the same."""
    found = [shown(fields[name], lookup(record, fields[name])) for name in (one, other) if name in fields]
    return len(found) == len(set(found)) + 1


def rows(record: Record, words: Words) -> tuple[tuple[str, Measured], ...]:
    """Every figure of a run with its name, for a table; names come from the prose, or else from the field."""
    labels, found = words.table("figures"), []
    for field, path in _fields(record):
        figure = shown(path, lookup(record, path))
        if figure and len(figure) <= _LONGEST and "." not in field:
            label = labels.get(field) or re.sub(r"[_-]+", " ", field).capitalize()
            found.append((label, Measured(figure, (path,))))
    return tuple(found)


def _models(record: Record) -> Iterator[str]:
    """The fields that name networks, in the order in which these were run."""
    for step, told in record["steps"].items():
        if told["outputs"].get("report", {}).get("model"):
            yield f"{step}.report.model"


def _fields(record: Record) -> Iterator[tuple[str, str]]:
    """Every figure's name and field; of two of one name, the first."""
    seen: set[str] = set()
    for step, told in record["steps"].items():
        for name, _ in _flat(told["outputs"].get("report", {})):
            if name not in seen:
                seen.add(name)
                yield name, f"{step}.report.{name}"


def _flat(report: Any) -> Iterator[tuple[str, Any]]:
    for name, value in report.items():
        if isinstance(value, list) and not all(isinstance(one, int) for one in value):
            continue  # sentences and maps are no figures
        yield name, value
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items() if one)
