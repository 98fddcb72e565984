"""Plan an answer: which sources fit, which of their words say so, and how each thing asked is answered."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fourfold.scientist.asks import asked, sayable
from fourfold.scientist.evidence import Quote
from fourfold.scientist.index import Profile, profiles
from fourfold.scientist.judge import Answered, Judge
from fourfold.scientist.lexicon import table
from fourfold.scientist.tasks import NONE, Leaf, Reading, leaves, read
from fourfold.scientist.values import Brief, Claim, Relevance, Status
from fourfold.scientist.verdicts import Model, Paper, model_of, of_a_fitting, paper_of


@dataclass(frozen=True)
class Plan:
    """Everything an answer says, before it is put in words.

    Attributes:
        reading: the question's task; models, papers: the sources with verdicts; answers: everything asked.
        chains: names of two sources where the first one's output is the second one's input, and it ends at the task.
    """

    reading: Reading
    models: tuple[Model, ...]
    papers: tuple[Paper, ...]
    answers: tuple[Answered, ...]
    chains: tuple[tuple[str, str], ...]

    @property
    def fitting(self) -> tuple[Model, ...]:
        """The recommended models that do the task."""
        return tuple(model for model in self.models if model.match == "yes")

    def ranked(self, *labels: Relevance) -> tuple[Paper, ...]:
        """The papers of some labels, first those that describe a fitting model."""
        served = {model.profile.served for model in self.fitting}
        found = [paper for paper in self.papers if paper.relevance in labels]
        return tuple(sorted(found, key=lambda paper: paper.profile.source not in served))


def plan(brief: Brief) -> Plan:
    """Reads the question, profiles the sources, judges them against the task, and answers each thing asked."""
    known = profiles(brief)
    reading = read(brief.question, _offered(brief, known))
    wanted = tuple(one for one in asked(brief.question, reading) if sayable(one))
    slots = tuple(dict.fromkeys(one.name for one in wanted if one.kind == "wish"))
    papers = tuple(paper_of(known[source.name], reading.leaf, slots, brief.question) for source in brief.papers)
    spoken = {reading.language, *(one.name for one in wanted if one.kind == "language")}
    models = tuple(model_of(known[source.name], reading.leaf, spoken) for source in brief.models)
    papers = tuple(of_a_fitting(paper, models, reading.leaf) for paper in papers)
    answers = Judge(brief.question, reading, models, papers).answers(wanted)
    papers = tuple(_found_to_bear(paper, answers, reading.listed) for paper in papers)
    return Plan(reading, models, papers, answers, _chains(models, papers, reading.leaf))


def _offered(brief: Brief, known: Mapping[str, Profile]) -> Counter[str]:
    """How many works of a brief offer each task; a model and the paper that describes it are one."""
    models = [known[model.name] for model in brief.models]
    described = {model.served for model in models}
    papers = [known[paper.name] for paper in brief.papers if paper not in described]
    return Counter(id_ for profile in (*models, *papers) for id_ in profile.does if not leaves()[id_].is_method)


def _found_to_bear(paper: Paper, answers: Iterable[Answered], listed: bool) -> Paper:
    """A paper that speaks of something asked bears on the question in part, if its subject or the task is not known."""
    quoted = any(one.quote and one.source == paper.profile.source.name for one in answers)
    known = listed and paper.profile.first is not None
    if paper.relevance != "irrelevant" or known or not quoted:
        return paper
    return replace(paper, relevance="partial", why="wish")


def advised(made: Plan, answers: Mapping[str, Claim]) -> Plan:
    """A plan in which a language model's sentences, by the words of asks, answer what they were given for."""
    labels = {paper.profile.source.name: paper.relevance for paper in made.papers}
    found = []
    for one in made.answers:
        claim = answers.get(one.wanted.text)
        if claim is None or claim.source not in labels or one.wanted.main:
            found.append(one)
            continue
        status: Status = "answered" if labels[claim.source] == "relevant" else "inferred"
        found.append(Answered(one.wanted, status, "advice", claim.source, Quote(claim.quote, claim.start)))
    return replace(made, answers=tuple(found))


def _chains(models: Iterable[Model], papers: Iterable[Paper], leaf: Leaf) -> tuple[tuple[str, str], ...]:
    sources = [model.profile for model in models]
    sources += [paper.profile for paper in papers if not (paper.why == "mention" or leaf.id == NONE)]
    ends = [profile for profile in sources if leaf.id in profile.does]
    starts = [
        profile
        for profile in sources
        if leaf.id not in profile.does
        and any(leaf.id in table("neighbours.toml")["feeds"].get(id_, ()) for id_ in profile.does)
    ]
    return tuple((start.source.name, end.source.name) for start in starts[:1] for end in ends[:1])
