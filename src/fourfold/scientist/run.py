"""Choose the network to run for a plan's task, and put the results of the run in words."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

from fourfold.catalog.card import Card, Entry, Reference
from fourfold.scientist.lexicon import table
from fourfold.scientist.measured import CONSTANT, Record, keeps_size, lookup, shown
from fourfold.scientist.plan import Plan
from fourfold.scientist.tasks import NONE, Leaf, leaves
from fourfold.scientist.trust import key
from fourfold.scientist.values import Measured, Source
from fourfold.scientist.wording import Words

_LONGEST = 40
"""Letters of a figure that is a name; anything longer is no figure for a table."""


@dataclass(frozen=True)
class Proposal:
    """What to run for a plan.

    Attributes:
        task: of the taxonomy; empty where nothing here carries it out.
        model: the network that the brief recommends and that is installed, by id, None to choose one of the catalog;
        name: what the brief calls it.
        missing: recommended models that are not installed, each with the licence that is the reason, "" if unknown;
            without those that do another task, unless the catalog knows them.
    """

    task: str
    model: str | None
    name: str
    missing: tuple[tuple[str, str], ...]


Outcome = Literal["done", "sharp", "nothing"]
"""Whether a task was carried out, had nothing to do on the photo, or is done by nothing here."""


@dataclass(frozen=True)
class Run:
    """A proposal carried out.

    Attributes:
        record: of its run, None if nothing ran; outcome: why not, "done" if it did.
        suits: the condition of the photo that the workflow was chosen for, "" for any.
    """

    proposal: Proposal
    record: Record | None
    outcome: Outcome = "done"
    suits: str = ""


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
        if not isinstance(entry, Card) and (model.match != "no" or entry is not None)
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
class RunText:
    """A run in words: what it adds to the short answer, a section, and the measured sentences in both."""

    lead: str
    markdown: str
    measured: tuple[Measured, ...]


def describe(run: Run, words: Words, asked: Leaf) -> RunText:
    """What was run for a task that was asked, on whose recommendation, and what it showed."""
    says, proposal, record = words.table("run"), run.proposal, run.record
    missing = [
        words.filled(says["known" if licence else "unknown"], {"name": name, "licence": licence})
        for name, licence in proposal.missing
    ]
    task = asked.named(words.spoken)
    if record is None:
        nothing = words.filled(says["sharp" if run.outcome == "sharp" else "nothing"], {"task": task})
        return RunText(nothing, _section(says["heading"], missing) if missing else "", ())
    models = tuple(_models(record))
    network = words.listed(shown(path, lookup(record, path)) for path in models)
    text = words.filled(says["inside" if proposal.name else "outside"], {"name": proposal.name, "model": network})
    choice = Measured(text, models)
    measured = sentences(record, words, proposal.task)
    first, others = measured[:1], measured[1:]
    lines = [*missing, choice.text]
    if proposal.task != asked.id and proposal.task in leaves():
        lines.insert(
            0, words.filled(says["other"], {"done": leaves()[proposal.task].named(words.spoken), "task": task})
        )
    if run.suits == "enlarged":
        lines.append(says["enlarged"])
    lines += [one.text for one in others]
    if "soft" in _blurs(record):
        lines.append(says["soft"])
    lines.append(says["guess_same" if keeps_size(proposal.task) else "guess"])
    return RunText(" ".join(one.text for one in first), _section(says["heading"], lines), (*first, choice, *others))


def _section(heading: str, lines: Iterable[str]) -> str:
    return f"### {heading}\n\n{' '.join(lines)}"


def sentences(record: Record, words: Words, task: str) -> tuple[Measured, ...]:
    """What a run of a task shows, in words: first its size, then every sentence whose figures the run has."""
    fields = dict(_fields(record)) | {name: f"{CONSTANT}.{name}" for name in table("constants.toml")}
    templates, found = words.table("measured"), []
    for name in _chosen(record, fields, task):
        wanted = [field for _, field, _, _ in Formatter().parse(templates[name]) if field]
        if any(field not in fields for field in wanted):
            continue
        paths = tuple(fields[field] for field in wanted)
        figures = {field: shown(fields[field], lookup(record, fields[field])) for field in wanted}
        if all(figures.values()) != name.endswith("_exact"):
            found.append(Measured(words.filled(templates[name], figures), paths))
    return tuple(found)


def _chosen(record: Record, fields: Mapping[str, str], task: str) -> Iterator[str]:
    """The sentences that a run calls for, by name, in order."""
    same = keeps_size(task)
    yield "kept" if same else "size"
    if "motion" in _blurs(record):
        yield "blur" if same else "blur_first"
    if same:
        return
    if "tiles.total" in fields:
        yield "both" if "tiles.big" in fields else "little"
    yield "consistency_low" if _low(record, fields, "consistency_psnr") else "consistency"
    yield "consistency_exact"
    plain = "phone_low" if _low(record, fields, "phone_psnr") else "phone"
    yield "phone_whole" if _same(record, fields, "bicubic_psnr", "phone_psnr") else plain
    yield "phone_exact"


def _low(record: Record, fields: Mapping[str, str], name: str) -> bool:
    """Whether a PSNR of a run is one at which a difference shows."""
    value = lookup(record, fields[name]) if name in fields else None
    least = float(table("constants.toml")["hardly_seen"]["text"].removesuffix(" dB"))
    return value is not None and value < least


def _blurs(record: Record) -> set[str]:
    """The kinds of blur that steps of a run found."""
    return {str(step["outputs"].get("report", {}).get("blur", "")) for step in record["steps"].values()}


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
    for step, entry in record["steps"].items():
        if entry["outputs"].get("report", {}).get("model"):
            yield f"{step}.report.model"


def _fields(record: Record) -> Iterator[tuple[str, str]]:
    """Every figure's name and field; of two of one name, the first."""
    seen: set[str] = set()
    for step, entry in record["steps"].items():
        for name, _ in _flat(entry["outputs"].get("report", {})):
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
