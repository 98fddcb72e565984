"""The answer in words: three parts, what is not covered, and reading notes; every claim with its quote."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fourfold.scientist.check import clean
from fourfold.scientist.index import Profile
from fourfold.scientist.lexicon import fold
from fourfold.scientist.plan import Model, Paper, Plan, Quote, Wish, plan
from fourfold.scientist.run import Run, Told, told
from fourfold.scientist.tasks import NONE, Leaf, leaves
from fourfold.scientist.trust import hidden, mentions
from fourfold.scientist.values import Answer, Brief, Claim, Gap, GapKind, Source
from fourfold.scientist.wording import Words

Key = tuple[str, str, int]
"""Which claim: "model", "paper" or "wish", the source's name or the wish's, and a number."""

_ENDS_A_LINK = re.compile(r"[\s<>\"')\]]")
"""Where programs that look for links in a text take one to end, so that it would be followed cut short."""
_SHORT = re.compile(r"[^\W_]+(?:[\s-][^\W_]+){0,2}|[\d]+×|×[\d]+")
_VERB = re.compile(r"^(\w+)( that)?$")


def answer(brief: Brief, run: Run | None = None) -> Answer:
    """The answer to a brief from its sources alone, and from a run of its task on a photo: same input, same bytes.

    What the citation guard does not pass is left out, and the gap is said.
    """
    made = plan(brief)
    words = Words(made.reading.language)
    claims = _claims(made, words)
    gaps = _gaps(made, words)
    models = tuple((model.profile.source.name, model.match) for model in made.models)
    papers = tuple((paper.profile.source.name, paper.relevance) for paper in made.papers)
    draft = Answer(made.reading.language, made.reading.task, models, papers, tuple(claims.values()), gaps)
    kept = clean(draft, brief)
    claims = {key: claim for key, claim in claims.items() if claim in kept.claims}
    page = _Page(brief, made, words, claims, kept.gaps)
    done = None if run is None else told(run, words, made.reading.leaf.named(words.spoken))
    return replace(kept, markdown=page.text(done), measured=done.measured if done else ())


def to_json(made: Answer) -> dict[str, Any]:
    """The answer as plain values: task, models, sources, claims with offsets, gaps, language, and what was measured."""
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
    } | ({"measured": measured} if measured else {})


def _shown(name: str) -> str:
    """A source's name on one line, without links and marks that show nothing, should someone have put them in."""
    for mention in reversed(mentions(name)):
        if mention.kind != "repository":
            name = name[: mention.start] + name[mention.end :]
    plain = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return " ".join(plain.split()) or "—"


def _named(names: Iterable[str]) -> str:
    return "; ".join(f"**{_shown(name)}**" for name in names)


def _spoken(quote: Quote, words: Words) -> str:
    """A claim sentence: the verb the authors give it, and the quote."""
    lead, that = words("says"), ""
    if match := _VERB.match(quote.verb):
        lead = words(f"verb_{match[1]}")
        that = words("that") if match[2] else ""
    colon = ":" if words.spoken == "ko" else ""
    said = " ".join(quote.text.split())
    return f"{lead}{' ' + that if that else ''}{colon} “{said}”."


def _claims(made: Plan, words: Words) -> dict[Key, Claim]:
    found: dict[Key, Claim] = {}
    for model in made.models:
        name = model.profile.source.name
        if len(name) >= 4 and _shown(name) == name and model.match != "unknown":
            found["model", name, 0] = Claim(f"“{name}”", name, name)
    for wish in made.wishes:
        if wish.quote is not None:
            text = _spoken(wish.quote, words)
            found["wish", wish.name, 0] = Claim(text, wish.source, wish.quote.text, wish.quote.start)
    for paper in made.papers:
        name = paper.profile.source.name
        for number, quote in enumerate(paper.quotes):
            found["paper", name, number] = Claim(_spoken(quote, words), name, quote.text, quote.start)
        if not paper.quotes and _shown(name) == name:
            found["paper", name, 0] = Claim(f"{words('title_is')} “{name}”.", name, name)
    return found


def _gaps(made: Plan, words: Words) -> tuple[Gap, ...]:
    leaf = made.reading.leaf
    name = leaf.named(words.spoken)
    kinds: list[tuple[GapKind, str]] = []
    if leaf.id == NONE:
        kinds.append(("out_of_scope", words("gap_out_of_scope")))
    fits = any(model.match == "yes" or _same_task(model, leaf) for model in made.models)
    if leaf.id != NONE and not fits:
        verdicts = "; ".join(_verdict(model, words) for model in made.models)
        sentence = "gap_no_matching_model_named" if verdicts else "gap_no_matching_model"
        kinds.append(("no_matching_model", words(sentence, name=name, verdicts=verdicts)))
    if not made.papers:
        kinds.append(("no_related_papers", words("gap_no_related_papers")))
    relevant = [paper for paper in made.papers if paper.relevance == "relevant"]
    if leaf.id != NONE and made.papers and not relevant and fits:
        kinds.append(("no_related_papers", words("gap_no_related_papers_off", name=name)))
    if leaf.id != NONE and made.papers and not relevant and not fits:
        partly = any(paper.relevance == "partial" for paper in made.papers)
        sentence = "gap_no_relevant_source_partly" if partly else "gap_no_relevant_source"
        kinds.append(("no_relevant_source", words(sentence, name=name)))
    return tuple(Gap(kind, text) for kind, text in kinds)


def _same_task(model: Model, leaf: Leaf) -> bool:
    return model.offers is not None and model.offers.id == leaf.id


def _verdict(model: Model, words: Words) -> str:
    name = _shown(model.profile.source.name)
    if model.offers is None:
        return words("gap_verdict_unknown", model=name)
    return words("gap_verdict", model=name, offers=model.offers.named(words.spoken))


class _Page:
    """Puts a plan in words: markdown, part by part."""

    def __init__(
        self, brief: Brief, made: Plan, words: Words, claims: Mapping[Key, Claim], gaps: tuple[Gap, ...]
    ) -> None:
        self.brief, self.plan, self.words, self.claims, self.gaps = brief, made, words, claims, gaps
        self.leaf = made.reading.leaf

    def text(self, done: Told | None) -> str:
        """The whole page, with what a run showed in its second part."""
        parts = [self._summary(), self._task(), self._workflow(), *([done.markdown] if done else []), self._sources()]
        parts += [self._uncovered(), self._notes()]
        return "\n\n".join(part.strip() for part in parts) + "\n"

    def _summary(self) -> str:
        """What the rest comes to, in a sentence or two."""
        words = self.words
        fits = [model.profile.source.name for model in self.plan.models if model.match == "yes"]
        labels = {paper.profile.source.name: paper.relevance for paper in self.plan.papers}
        about = [name for name, relevance in labels.items() if relevance == "relevant"]
        said = [words("short_fits", models=_named(fits))] if fits else [gap.text for gap in self.gaps[:1]]
        if about:
            said.append(words("short_papers", papers=_named(about)))
        elif labels and self.leaf.id != NONE:
            said.append(words("short_partly" if "partial" in labels.values() else "short_nothing"))
        text = " ".join(said)
        return f"**{words('short')}:** {text[:1].lower()}{text[1:]}"

    def _task(self) -> str:
        words, leaf = self.words, self.leaf
        lines = [f"## {words('part1')}", ""]
        if leaf.id == NONE:
            lines.append(words("task_none"))
        else:
            name, meaning = leaf.named(words.spoken), leaf.meaning(words.spoken)
            parts = {"input": words.types(leaf.input), "output": words.types(leaf.output)}
            lines.append(words("task", name=name, meaning=meaning, id=leaf.id, **parts))
            if told := self._told():
                lines += ["", words("task_why", words=", ".join(f"“{word}”" for word in told))]
        if other := self.plan.reading.runner_up:
            name, meaning = other.named(words.spoken), other.meaning(words.spoken)
            lines += ["", words("task_unsure", name=name, meaning=meaning)]
        return "\n".join(lines)

    def _told(self) -> list[str]:
        """The up to four words of the question that tell its task best, in their order: only short runs of letters."""
        question = self.brief.question[:3000]
        folded = fold(question)
        if len(folded) != len(question):
            return []
        reading = self.plan.reading
        spans = [span for name in reading.telling for span in reading.stated[name]]
        outer = [(a, b) for a, b in spans if not any(c <= a and b <= d and (a, b) != (c, d) for c, d in spans)]
        plain = {span: question[slice(*span)].strip() for span in outer}
        short = [span for span, word in plain.items() if _SHORT.fullmatch(word) and not mentions(word)]
        return list(dict.fromkeys(plain[span] for span in sorted(short[:4])))

    def _workflow(self) -> str:
        words, leaf = self.words, self.leaf
        blocks = [f"## {words('part2')}"]
        blocks += [self._model(model) for model in self.plan.models] or [words("no_model")]
        if leaf.id == NONE:
            return "\n\n".join([*blocks, words("no_workflow")])
        blocks += [words("workflow"), self._diagram(), self._mermaid()]
        if not any(model.match in ("yes", "partial", "unknown") for model in self.plan.models):
            blocks.append(words("none_fits", input=words.given(leaf), output=words.result(leaf)))
        for first, second in self.plan.chains:
            blocks.append(words("chain", first=_shown(first), second=_shown(second)))
        bearing = [self._bearing(wish) for wish in self.plan.wishes if ("wish", wish.name, 0) in self.claims]
        if bearing:
            blocks += [words("bearing"), "\n".join(bearing)]
        return "\n\n".join(blocks)

    def _bearing(self, wish: Wish) -> str:
        label = self.words.wish(wish.name)
        return f"- **{label[:1].upper()}{label[1:]}** — {_shown(wish.source)}: {self.claims['wish', wish.name, 0].text}"

    def _model(self, model: Model) -> str:
        words = self.words
        offers = model.offers or self.leaf
        unknown = model.offers is None
        lines = [f"**{_shown(model.profile.source.name)}**", ""]
        lines.append(f"- {words('input')}: {'?' if unknown else words.given(offers)}")
        does = "" if unknown else f" ({offers.named(words.spoken)})"
        lines.append(f"- {words('model')}: {_shown(model.profile.source.name)}{does}")
        lines.append(f"- {words('output')}: {'?' if unknown else words.result(offers)}")
        lines.append(f"- {words('fit')} {self._fit(model)}")
        return "\n".join(lines)

    def _fit(self, model: Model) -> str:
        words, leaf = self.words, self.leaf
        name = leaf.named(words.spoken)
        if model.offers is None:
            return words("fit_unknown")
        offers = model.offers.named(words.spoken)
        if leaf.id == NONE:
            return f"{words('fit_no_none', offers=offers)} {self._evidence(model)}"
        if model.match == "yes":
            served = model.profile.served
            if served is not None and not model.told_by:
                return words("fit_served", paper=_shown(served.name), name=name)
            return f"{words('fit_yes', name=name)} {self._evidence(model)}"
        if model.match == "partial" and leaf.id in model.profile.names:
            return f"{words('fit_mention', name=name)} {self._evidence(model)}"
        difference = self._difference(model.offers)
        if model.match == "partial":
            return f"{words('fit_near', offers=offers, name=name, difference=difference)} {self._evidence(model)}"
        meaning = model.offers.meaning(words.spoken)
        return f"{words('fit_no', offers=offers, meaning=meaning, difference=difference)} {self._evidence(model)}"

    def _evidence(self, model: Model) -> str:
        if model.profile.served is not None:
            return self.words("name_served", paper=_shown(model.profile.served.name))
        if model.told_by and _shown(model.told_by) == model.told_by:
            return self.words("name_says", part=model.told_by.replace("`", ""))
        return self.words("name_plain")

    def _difference(self, offers: Leaf) -> str:
        words, leaf = self.words, self.leaf
        if offers.output == leaf.output and {*offers.input} != {*leaf.input} and "image" in offers.input:
            if "text" in leaf.input and "text" not in offers.input:
                return words("differ_labels")
            if "text" in offers.input and "text" not in leaf.input:
                return words("differ_labels_reverse")
        if words.result(offers) != words.result(leaf):
            return words("differ_output", given=words.result(offers), asked=words.result(leaf))
        if words.given(offers) != words.given(leaf):
            return words("differ_input", given=words.given(offers), asked=words.given(leaf))
        return words("differ_kind")

    def _steps(self) -> list[tuple[str, str, str, str]]:
        """Input, model, output, and a word of warning for each row of the diagram."""
        words, leaf = self.words, self.leaf
        rows = []
        for model in self.plan.models:
            name = _shown(model.profile.source.name)
            if model.match == "unknown" or model.offers is None:
                rows.append((words.given(leaf), name, "?", ""))
            else:
                warning = words("arrow_no") if model.match == "no" else ""
                shape = leaf if model.match == "yes" else model.offers
                rows.append((words.given(shape), name, words.result(shape), warning))
        if not any(model.match == "yes" for model in self.plan.models):
            rows.append(
                (
                    words.given(leaf),
                    f"? {words('missing_model', name=leaf.named(words.spoken))}",
                    words.result(leaf),
                    "",
                )
            )
        return rows

    def _diagram(self) -> str:
        lines = [
            f"{first} ──▶ [ {name} ] ──▶ {last}{f'   ✗ {warning}' if warning else ''}"
            for first, name, last, warning in self._steps()
        ]
        return "\n".join(["```text", *lines, "```"])

    def _mermaid(self) -> str:
        lines = ["```mermaid", "flowchart LR"]
        for number, (first, name, last, warning) in enumerate(self._steps(), 1):
            name = re.sub(r'["`<>{}\[\]]', "'", name)
            arrow = f"-- {warning} -->" if warning else "-->"
            lines.append(f'  i{number}["{first}"] --> m{number}["{name}"] {arrow} o{number}["{last}"]')
        return "\n".join([*lines, "```"])

    def _sources(self) -> str:
        words = self.words
        blocks = [f"## {words('part3')}", f"### {words('models_heading')}"]
        listed = [self._listed(model.profile, self._short(model), "model", 1) for model in self.plan.models]
        blocks.append("\n".join(listed) if listed else words("no_model"))
        blocks.append(f"### {words('papers_heading')}")
        papers = [self._listed(paper.profile, self._role(paper), "paper", 2) for paper in self.plan.papers]
        blocks.append("\n".join(papers) if papers else words("no_papers"))
        return "\n\n".join(blocks)

    def _short(self, model: Model) -> str:
        if model.offers is None:
            return self.words("fit_unknown")
        sentence = {"yes": "role_relevant", "partial": "role_kin"}.get(model.match, "role_none")
        return self.words(sentence, name=model.offers.named(self.words.spoken))

    def _role(self, paper: Paper) -> str:
        words = self.words
        if paper.why in ("kin", "none") and paper.about:
            return words(f"role_{paper.why}", name=leaves()[paper.about].named(words.spoken))
        if paper.why == "wish":
            return words("role_wish", name=words.wish(paper.about))
        sentence = {"task": "role_relevant", "backbone": "role_backbone", "mention": "role_mention"}
        return words(sentence.get(paper.why, "role_none_plain"))

    def _listed(self, profile: Profile, role: str, kind: str, number: int) -> str:
        words = self.words
        source: Source = profile.source
        lines = [f"- **{_shown(source.name)}** — {role}"]
        if kind == "paper":
            above = {claim for key, claim in self.claims.items() if key[0] == "wish"}
            said = [claim for key, claim in self.claims.items() if key[:2] == (kind, source.name) and key[2] < number]
            lines += [f"  - {words('quoted_above') if claim in above else claim.text}" for claim in said]
        plain = [link for link in source.links if not hidden(link)]
        links = [link for link in plain if not _ENDS_A_LINK.search(link)]
        shown = [*links, *([words("link_broken")] if len(links) < len(plain) else [])]
        lines.append(f"  - {words('links')}: {'  '.join(shown) or words('link_none')}")
        return "\n".join(lines)

    def _uncovered(self) -> str:
        words = self.words
        lines = [f"- {gap.text}" for gap in self.gaps]
        for wish in self.plan.wishes:
            name = words.wish(wish.name)
            met = next((paper for paper in self.plan.papers if paper.profile.source.name == wish.source), None)
            if wish.quote is None:
                lines.append(f"- {words('gap_wish', name=name)}")
            elif met is not None and met.relevance != "relevant":
                lines.append(f"- {words('gap_wish_met', name=name, source=_shown(wish.source))}")
        bare = [model.profile.source.name for model in self.plan.models if model.profile.served is None]
        lines += [f"- {words('gap_model_text', model=_shown(name))}" for name in bare]
        return "\n".join([f"## {words('gaps')}", "", *(lines or [f"- {words('gap_none')}"])])

    def _notes(self) -> str:
        words = self.words
        lines = [f"- {note}" for note in self.brief.notes] or [f"- {words('note_none')}"]
        lines.append(f"- {words('note_quotes')}")
        if words.spoken != words.code:
            lines.append(f"- {words('note_language', code=words.code)}")
        return "\n".join([f"## {words('notes')}", "", *lines])
