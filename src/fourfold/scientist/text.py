"""Write a plan as text: short answer, task, workflow with what was asked, sources, what is open, and a next step."""

import re
from collections.abc import Iterable, Iterator, Sequence

from fourfold.scientist.evidence import Quote, ideas_in, mechanism, works
from fourfold.scientist.index import Profile
from fourfold.scientist.judge import Answered
from fourfold.scientist.lead import Lead
from fourfold.scientist.lexicon import fold, table
from fourfold.scientist.replies import Replies, length
from fourfold.scientist.speaker import Speaker, shown
from fourfold.scientist.tasks import NONE, leaves
from fourfold.scientist.trust import hidden, mentions
from fourfold.scientist.values import Claim, Gap, GapKind, Source
from fourfold.scientist.verdicts import Model, Paper

_ENDS_A_LINK = re.compile(r"[\s<>\"')\]|]")
"""Where programs that look for links in a text take one to end, so that it would be followed cut short."""
_SHORT = re.compile(r"[^\W_]+(?:[\s-][^\W_]+){0,2}|[\d]+×|×[\d]+")
_WHOLE = 450
"""About how many words an answer may have; a table row and the parts after the table have these."""

_TABLE_ROW, _REST = 13, 75
_MOST_PAPERS = 2
_NOTES = {
    "listed more than once": "note_twice",
    "gives orders": "note_orders",
    "question holds a link": "note_link",
    "held a link or hidden": "note_name",
    "reads like an instruction": "note_name",
    "expected a link": "note_other",
    "without a name": "note_other",
    "not UTF-8": "note_other",
    "after the final": "note_other",
}
"""Words of the notes on reading a brief, and the sentence that says the same; what is missing shows in the table."""


class Text:
    """Puts a plan in words. What it says of its own, and which claims it used, is noted by its speaker."""

    def __init__(self, speaker: Speaker) -> None:
        self.say, self.words, self.plan, self.brief = speaker, speaker.words, speaker.plan, speaker.brief
        self.reading, self.leaf, self.name = speaker.reading, speaker.leaf, speaker.name
        self.replies = Replies(speaker)
        self.served: set[str] = set()
        self.gaps = tuple(self._gaps())

    def markdown(self, done: Sequence[str] = ("", "")) -> str:
        """The whole answer; ``done`` is what a run adds to the short answer, and its section."""
        lead, section = done
        parts = [Lead(self.say).text(lead), self._task()]
        parts += [self._workflow(length(" ".join(parts))), section, self._sources()]
        parts += [self._uncovered(), self._next(), self._notes()]
        return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"

    # the task

    def _task(self) -> str:
        words, leaf = self.words, self.leaf
        heading = f"## {words('part1')}"
        if not self.reading.listed:
            said = [words("task_unlisted", words=self.say.own_words())]
        elif leaf.id == NONE:
            said = [words("task_none")]
        else:
            said = [words("task", name=self.name, meaning=leaf.meaning(words.spoken), id=leaf.id)]
            if phrases := self._telling():
                said.append(words("task_why", words=words.listed(words.quoted(word) for word in phrases)))
        if refused := [one for one in self.plan.answers if one.wanted.kind == "refused"]:
            said.append(words("task_not", asks=self.say.asked(refused)))
        if other := self.reading.runner_up:
            said.append(words("task_unsure", name=other.named(words.spoken), meaning=other.meaning(words.spoken)))
        return f"{heading}\n\n{' '.join(said)}"

    def _telling(self) -> list[str]:
        """Up to three words of the question that indicate its task best, in their order: only short runs of letters."""
        question = self.brief.question[:3000]
        if len(fold(question)) != len(question):
            return []
        spans = [span for name in self.reading.telling for span in self.reading.stated[name]]
        outer = [(a, b) for a, b in spans if not any(c < b and a < d and (b - a, -a) < (d - c, -c) for c, d in spans)]
        plain = {span: question[slice(*span)].strip() for span in outer}
        short = [span for span, word in plain.items() if _SHORT.fullmatch(word) and not mentions(word)]
        first = list(dict.fromkeys(plain[span] for span in sorted(short[:3])))
        return [word for word in first if not any(word in other for other in first if other != word)]

    # the workflow

    def _workflow(self, before: int) -> str:
        """Diagram, models, how they work, and what was asked; ``before``: how many words stand before it."""
        words = self.words
        blocks = [f"## {words('part2')}"]
        if self.leaf.id == NONE:
            blocks += [words("no_workflow")] if not self.reading.listed else []
        else:
            blocks.append(self._diagram())
        blocks += list(self._models()) or [words("no_model")]
        for first, second in self.plan.chains:
            blocks.append(words("chain", first=f"*{self.say.short(first)}*", second=f"*{self.say.short(second)}*"))
        blocks.append(self._how())
        after = _TABLE_ROW * len(self.brief.sources) + _REST
        blocks.append("\n".join(self.replies.lines(_WHOLE - before - length(" ".join(blocks)) - after)))
        blocks.append(self._on_task())
        return "\n\n".join(block for block in blocks if block)

    def _diagram(self) -> str:
        words, leaf, rows = self.words, self.leaf, []
        for model in self.plan.models:
            name = shown(model.profile.source.name)
            if model.match in ("yes", "unknown"):
                rows.append((words.given(leaf), name, words.result(leaf) if model.match == "yes" else "?"))
            elif model.offers:
                rows.append((words.given(model.offers), name, words.result(model.offers)))
        if not self.plan.fitting:
            rows.append((words.given(leaf), f"? {words('missing_model', name=self.name)}", words.result(leaf)))
        lines = [f"{first} ──▶ [ {name} ] ──▶ {last}" for first, name, last in rows]
        return "\n".join(["```text", *lines, "```"])

    def _models(self) -> Iterator[str]:
        """A paragraph on each recommended model; of several of a kind the last ones only name their evidence."""
        words, many = self.words, len(self.plan.models) > 1
        for model in self.plan.models:
            name = shown(model.profile.source.name)
            if model.offers is None:
                yield words("unknown", model=name)
                continue
            parts = {
                "model": name, "name": self.name, "offers": model.offers.named(words.spoken),
                "meaning": model.offers.meaning(words.spoken), "basis": self._basis(model),
                "difference": self.say.difference(model.offers) if many and self.leaf.id != NONE else "",
            }  # fmt: skip
            if self.leaf.id == NONE:
                yield words("offers_none" if self.reading.listed else "fits", **parts | {"name": parts["offers"]})
            elif model.match == "partial" and model.offers.id == self.leaf.id:
                yield f"{words('fits', **parts)} {self.say.difference(model.offers)}"
            elif model.match == "partial" and self.leaf.id in model.profile.names:
                yield words("mention", **parts)
            else:
                yield words("fits" if model.match == "yes" else "offers", **parts)

    def _basis(self, model: Model) -> str:
        if (served := model.profile.served) is not None:
            text = self.words("basis_served", paper=self.say.short(served.name))
            again = text in self.served
            self._name(model)
            self.served.add(text)
            return "" if again else text
        part = model.named_by.replace("`", "")
        claim = Claim(self.words.quoted(part), model.profile.source.name, part)
        if part and shown(part) == part and self.say.permitted(claim):
            self.say.claims[claim.source, part] = claim
            return self.words("basis_part", part=part)
        self._name(model)
        return self.words("basis_name")

    def _name(self, model: Model) -> None:
        """Notes a model's name, which indicates what it is for, as a claim."""
        name = model.profile.source.name
        claim = Claim(self.words.quoted(name), name, name)
        if shown(name) == name and self.say.permitted(claim):
            self.say.claims[name, name] = claim

    def _how(self) -> str:
        """How a model for the task works, from the papers on it; without one, from the paper nearest to it."""
        said: list[str] = []
        quotes: list[Quote] = []
        for number, paper in enumerate(self.plan.ranked("relevant")[:_MOST_PAPERS]):
            source, fresh = paper.profile.source.name, []
            for quote in [*(one for one in paper.quotes[:-1] if one.verb and number == 0), *paper.quotes[-1:]]:
                if (source, quote.text) in self.say.claims:
                    quotes.append(quote)
                elif quote.verb or works(paper.profile, quote):
                    fresh.append(quote)
            for at, quote in enumerate(fresh):
                if text := self.say.quote(source, quote):
                    said.append(text if at == 0 else self.words("said_too", quote=self.words.quoted(quote.text)))
                    quotes.append(quote)
        if not self.plan.ranked("relevant"):
            return self._near()
        if glosses := self._glosses(quotes):
            said.append(glosses)
        return f"**{self.words('how')}** {' '.join(said)}" if said else ""

    def _on_task(self) -> str:
        """What the first papers on the task say that stands nowhere yet, of papers that are not quoted yet."""
        cited = {source for source, text in self.say.claims if text != source}
        papers = [paper for paper in self.plan.ranked("relevant")[:_MOST_PAPERS] if paper.quotes]
        papers = [paper for paper in papers if paper.profile.source.name not in cited]
        said = [self.say.quote(paper.profile.source.name, paper.quotes[-1]) for paper in papers]
        return f"**{self.words('on_task')}** {' '.join(filter(None, said))}" if any(said) else ""

    def _near(self) -> str:
        """What the paper on the nearest other task says, and that carrying it over is ours."""
        used = {one.source for one in self.plan.answers}
        near = [paper for paper in self.plan.ranked("partial") if paper.why in ("kin", "mention") and paper.quotes]
        near = [paper for paper in near if paper.profile.source.name not in used]
        if self.plan.fitting:  # its own paper, which is about more than this
            served = {model.profile.served for model in self.plan.fitting}
            near = [paper for paper in self.plan.ranked("partial") if paper.profile.source in served and paper.quotes]
        if not near:
            return ""
        paper = near[0]
        quote = mechanism(paper.profile) or paper.quotes[0]
        return self.replies.said(paper, quote, apart=True)

    def _glosses(self, quotes: Iterable[Quote]) -> str:
        """Up to two ideas of the quotes in plain words."""
        names = dict.fromkeys(
            name for quote in quotes for name in ideas_in(quote.text, "gloss") if name not in self.say.explained
        )
        plain = [self.words.table("plainly")[name] for name in list(names)[:2]]
        if not plain:
            return ""
        text = self.words("plain", ideas=_sentences(plain))
        return self.say.infers(text)

    # the sources

    def _sources(self) -> str:
        words = self.words
        lines = [f"## {words('part3')}", ""]
        lines.append(f"| {words('head_source')} | {words('head_use')} | {words('head_links')} |")
        lines.append("|---|---|---|")
        lines += [self._row(model.profile, self._use_of_model(model)) for model in self.plan.models]
        lines += [self._row(paper.profile, self._use_of_paper(paper)) for paper in self.plan.papers]
        if not self.plan.papers:
            lines += ["", words("no_papers")]
        return "\n".join(lines)

    def _use_of_model(self, model: Model) -> str:
        words = self.words
        if model.offers is None:
            return words("use_unknown")
        name = model.offers.named(words.spoken)
        if not self.reading.listed:
            return words("use_unlisted", name=name)
        if model.match == "partial" and model.offers.id == self.leaf.id:
            return words("use_language")
        sentence = {"yes": "use_fits", "partial": "use_near"}.get(model.match, "use_other")
        return words(sentence, name=name)

    def _use_of_paper(self, paper: Paper) -> str:
        words, about = self.words, leaves().get(paper.about)
        if paper.why == "kin" and about:
            return words("use_kin", name=about.named(words.spoken))
        if paper.why == "wish":
            asked = [one for one in self.plan.answers if one.source == paper.profile.source.name]
            asked = asked or [one for one in self.plan.answers if one.wanted.name == paper.about]
            return words("use_wish", words=self.say.asked(sorted(asked, key=lambda one: len(one.wanted.text))[:1]))
        sentence = {"task": "use_task", "backbone": "use_backbone", "mention": "use_mention"}.get(paper.why)
        if sentence:
            return f"{words(sentence)}{self._few(paper)}"
        about = about or paper.profile.first
        if about is None:
            return words("use_plain")
        return words("use_none" if self.reading.listed else "use_unlisted", name=about.named(words.spoken))

    def _few(self, paper: Paper) -> str:
        """The words with which a paper names the task, unless they stand above."""
        quote, source = paper.phrase, paper.profile.source.name
        if quote is None or any(
            quote.text in said.quote for (name, _), said in self.say.claims.items() if name == source
        ):
            return ""
        claim = Claim(self.words.quoted(quote.text), source, quote.text, quote.start)
        if not self.say.permitted(claim):
            return ""
        self.say.claims[source, quote.text] = claim
        return f": {claim.text}"

    def _row(self, profile: Profile, use: str) -> str:
        source: Source = profile.source
        plain = [link for link in source.links if not hidden(link)]
        links = [link for link in plain if not _ENDS_A_LINK.search(link)]
        cell = [*links, *([self.words("link_broken")] if len(links) < len(plain) else [])]
        return f"| {shown(source.name)} | {use} | {' · '.join(cell) or self.words('link_none')} |"

    # what is open

    def _gaps(self) -> Iterator[Gap]:
        words, leaf, made = self.words, self.leaf, self.plan
        if leaf.id == NONE:
            yield Gap("out_of_scope", words("gap_out_of_scope" if self.reading.listed else "gap_unlisted"))
        fits = bool(made.fitting)
        if leaf.id != NONE and not fits:
            yield Gap("no_matching_model", words("gap_no_matching_model", name=self.name))
        if not made.papers:
            yield Gap("no_related_papers", words("gap_no_related_papers"))
        elif leaf.id != NONE and not made.ranked("relevant"):
            kind: GapKind = "no_related_papers" if fits else "no_relevant_source"
            sentence = "gap_no_related_papers_off" if fits else "gap_no_relevant_source"
            yield Gap(kind, words(sentence, name=self.name))

    def _uncovered(self) -> str:
        words, made = self.words, self.plan
        lines = [gap.text for gap in self.gaps]
        if self.leaf.id != NONE:
            lines += self._unsaid([one for one in made.answers if one.status == "open"])
        bare = [model for model in made.models if model.profile.served is None and self.leaf.id != NONE]
        if bare:
            names = words.listed(f"**{shown(model.profile.source.name)}**" for model in bare)
            lines.append(words("gap_inside", models=names))
        if made.fitting and self._speaks():
            lines.append(words("gap_language"))
        elif made.fitting:
            lines.append(words("gap_quality"))
        return "\n".join([f"## {words('gaps')}", "", *(f"- {line}" for line in lines)])

    def _unsaid(self, open_: Iterable[Answered]) -> Iterator[str]:
        """What was asked and no source says: by what it is about where that is known, else in the person's words."""
        pictures = {"image", "video"} & {*self.leaf.output}
        about = {name: text for name, text in self.words.table("unsaid").items() if pictures or name != "realism"}
        named: dict[str, list[Answered]] = {}
        for one in open_:
            named.setdefault(one.wanted.name if one.wanted.name in about else "", []).append(one)
        rest = named.pop("", [])
        spans = {(one.wanted.start, one.wanted.end) for asks in named.values() for one in asks}
        rest = [one for one in rest if (one.wanted.start, one.wanted.end) not in spans]
        yield from (self.words.filled(about[name], {"asks": self.say.asked(asks)}) for name, asks in named.items())
        if rest:
            yield self.words("gap_asks", asks=self.say.asked(rest))

    def _speaks(self) -> bool:
        """Whether the task is one on language, in a language that is not English and not asked for in words."""
        kinds = {*self.leaf.input, *self.leaf.output}
        spoken_ = any(one.wanted.kind == "language" for one in self.plan.answers)
        apart = self.leaf.id in table("neighbours.toml")["no_language"]
        return bool(kinds & {"text", "audio"}) and self.words.code != "en" and not spoken_ and not apart

    def _next(self) -> str:
        return f"**{self.words('next')}** {' '.join(self._steps())}"

    def _steps(self) -> Iterator[str]:
        words, made = self.words, self.plan
        shape = {"given": words.given(self.leaf), "result": words.result(self.leaf), "name": self.name}
        if self.leaf.id == NONE:
            yield words("next_none" if self.reading.listed else "next_unlisted")
        elif made.fitting:
            model = shown(made.fitting[0].profile.source.name)
            open_ = [one for one in made.answers if one.status == "open" and one.wanted.kind in ("wish", "language")][
                :1
            ]
            yield (
                words("next_try_ask", model=model, ask=self.say.asked(open_))
                if open_
                else words("next_try", model=model)
            )
        elif made.models and all(model.offers is None for model in made.models):
            yield words("next_unknown", model=shown(made.models[0].profile.source.name), **shape)
        else:
            yield from self._again(shape)

    def _again(self, shape: dict[str, str]) -> Iterator[str]:
        """Another recommendation, or the code of a paper on the task; and what the model here is still good for."""
        words, made = self.words, self.plan
        relevant = made.ranked("relevant")
        code = [paper for paper in relevant if paper.profile.source.repositories]
        if code:
            yield words("next_code", paper=self.say.short(code[0].profile.source.name))
        elif relevant:
            yield words("next_paper", name=self.name, paper=self.say.short(relevant[0].profile.source.name))
        else:
            yield words("next_again", **shape)
        feeds = table("neighbours.toml")["feeds"]
        for model in made.models:
            if model.offers and self.leaf.id in feeds.get(model.offers.id, ()):
                name = shown(model.profile.source.name)
                yield words("next_keep", model=name, offers=model.offers.named(words.spoken))
                return

    def _notes(self) -> str:
        words = self.words
        found = [name for note in self.brief.notes for part, name in _NOTES.items() if part in note]
        said = [words(name) for name in dict.fromkeys(found)]
        return f"*{words('notes')} {'; '.join(said)}.*" if said else ""


def _sentences(parts: Iterable[str]) -> str:
    """Sentences in a row, all but the first beginning with a capital."""
    first, *others = parts
    return " ".join([first, *(other[:1].upper() + other[1:] for other in others)])
