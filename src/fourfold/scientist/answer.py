"""Answer a brief: plan the answer, put it in words, and leave out what the citation guard does not pass."""

from collections.abc import Iterator, Mapping
from typing import Any

from fourfold.scientist.check import permits
from fourfold.scientist.evidence import Quote
from fourfold.scientist.judge import Answered
from fourfold.scientist.plan import Plan, advised, plan
from fourfold.scientist.run import Run, describe
from fourfold.scientist.speaker import Speaker
from fourfold.scientist.text import Text
from fourfold.scientist.values import Answer, Ask, Brief, Claim, Evidence


def answer(brief: Brief, run: Run | None = None) -> Answer:
    """The answer to a brief from its sources alone, and from a run of its task on a photo: same input, same bytes.

    What the citation guard does not pass is left out, and the gap is said.
    """
    made = plan(brief)
    return written(brief, made, run)


def written(brief: Brief, made: Plan, run: Run | None = None, answers: Mapping[str, Claim] | None = None) -> Answer:
    """A plan in words, see ``answer``; ``answers`` are a language model's, by the words of asks, and permitted."""
    made = advised(made, answers) if answers else made
    speaker = Speaker(brief, made, permits(brief), answers)
    text = Text(speaker)
    done = None if run is None else describe(run, speaker.words, made.reading.leaf)
    markdown = text.markdown((done.lead, done.markdown) if done else ("", ""))
    models = tuple((model.profile.source.name, model.match) for model in made.models)
    papers = tuple((paper.profile.source.name, paper.relevance) for paper in made.papers)
    return Answer(
        made.reading.language, made.reading.task, models, papers, tuple(speaker.claims.values()), text.gaps, markdown,
        done.measured if done else (), tuple(_asks(made, speaker)), tuple(dict.fromkeys(speaker.inferences)),
        run.proposal.task if run and run.record else "",
    )  # fmt: skip


def _asks(made: Plan, speaker: Speaker) -> Iterator[Ask]:
    for one in made.answers:
        evidence = tuple(_evidence(one, made))
        kept = tuple(
            each
            for each in evidence
            if not each.quote or speaker.permitted(Claim("—", each.source, each.quote, each.start))
        )
        status = one.status if kept else "open"
        yield Ask(one.wanted.text, one.wanted.start, one.wanted.end, status, kept)


def _evidence(one: Answered, made: Plan) -> Iterator[Evidence]:
    if one.how in ("quote", "advice") and one.quote:
        yield Evidence("quote", one.source, one.quote.text, one.quote.start)
    elif one.how == "arithmetic":
        yield Evidence("arithmetic", figures=one.figures)
    elif one.how == "name":
        yield Evidence("name", one.source, one.figures[0])
    elif one.how == "each":
        yield Evidence("repeat")
    elif one.how == "question":
        yield Evidence("question")
    elif one.how == "type":
        yield Evidence("types")
    elif one.how == "verdict":
        yield Evidence("verdict", one.source)
        for paper in made.ranked("relevant")[:1]:
            if paper.quotes:
                first: Quote = paper.quotes[0]
                yield Evidence("quote", paper.profile.source.name, first.text, first.start)


def to_json(made: Answer) -> dict[str, Any]:
    """The answer as plain values: task, models, sources, claims with offsets, gaps, asks, and what was measured."""
    measured = [{"text": one.text, "fields": list(one.fields)} for one in made.measured]
    return {
        "language": made.language,
        "task": {"id": made.task.id, "input": list(made.task.input), "output": list(made.task.output)},
        "models": [{"name": name, "match": match} for name, match in made.models],
        "sources": [{"title": title, "relevance": relevance} for title, relevance in made.sources],
        "claims": [
            {"text": claim.text, "source": claim.source, "quote": claim.quote, "start": claim.start}
            for claim in made.claims
        ],
        "gaps": [{"kind": gap.kind, "text": gap.text} for gap in made.gaps],
        "asks": [_plain(ask) for ask in made.asks],
        "inferences": [{"text": one.text, "sources": list(one.sources)} for one in made.inferences],
    } | ({"measured": measured, "done": made.done} if measured else {})


def _plain(ask: Ask) -> dict[str, Any]:
    evidence = []
    for one in ask.evidence:
        entry: dict[str, Any] = {"by": one.by}
        entry |= {"source": one.source} if one.source else {}
        entry |= {"quote": one.quote, "start": one.start} if one.quote else {}
        entry |= {"figures": list(one.figures)} if one.figures else {}
        evidence.append(entry)
    return {"text": ask.text, "span": [ask.start, ask.end], "status": ask.status, "evidence": evidence}
