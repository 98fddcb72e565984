"""The short answer: two or three sentences that could stand alone."""

from collections.abc import Iterator

from fourfold.scientist.evidence import ideas_in, works
from fourfold.scientist.speaker import Speaker, shown
from fourfold.scientist.tasks import NONE


class Lead:
    """Writes the short answer of a plan."""

    def __init__(self, speaker: Speaker) -> None:
        self.say, self.words, self.plan = speaker, speaker.words, speaker.plan
        self.leaf, self.name = speaker.leaf, speaker.name

    def text(self, done: str) -> str:
        """The short answer; ``done`` is what a run adds to it."""
        said = " ".join(part for part in [*self._leads(), done] if part)
        return f"**{self.words('short')}** {said}"

    def _leads(self) -> Iterator[str]:
        words, made = self.words, self.plan
        if not self.plan.reading.listed:
            yield words("lead_unlisted", words=self.say.own_words())
            return
        if self.leaf.id == NONE:
            yield words("lead_none")
            return
        main = next((one.wanted for one in made.answers if one.wanted.main), None)
        explained = self._explained()
        yield "" if made.fitting else explained
        yield from self._on_models(bool(main and main.polar))
        yield explained if made.fitting else ""
        yield from self._on_papers(bool(explained))

    def _on_models(self, polar: bool) -> Iterator[str]:
        words, models = self.words, self.plan.models
        fits = self.plan.fitting
        near = [model for model in models if model.match == "partial"]
        if fits:
            given, result = words.given(self.leaf), words.result(self.leaf)
            first, *others = [shown(model.profile.source.name) for model in fits]
            yield words("yes") if polar else ""
            yield words("lead_fits", model=first, given=given, result=result)
            if others:
                yield words("lead_fits_more", models=words.listed(f"**{name}**" for name in others))
        elif near and near[0].offers:
            yield words("partly") if polar else ""
            offers = near[0].offers.named(words.spoken)
            name = shown(near[0].profile.source.name)
            sentence = "lead_language" if near[0].offers.id == self.leaf.id else "lead_near"
            yield words(sentence, model=name, offers=offers, difference=self.say.difference(near[0].offers))
        elif not models:
            yield words("lead_no_model")
        else:
            yield from self._none_fits(polar)

    def _none_fits(self, polar: bool) -> Iterator[str]:
        words, models = self.words, self.plan.models
        known = [(shown(model.profile.source.name), model.offers) for model in models]
        if all(offers is None for _, offers in known):
            yield words("lead_unknown", model=words.listed((name for name, _ in known), last="list_or"))
            return
        yield words("no") if polar and all(offers for _, offers in known) else ""
        name, offers = known[0]
        if len(known) > 1 or offers is None:
            verdicts = (
                words("verdict_unknown", model=name)
                if offers is None
                else words("verdict", model=name, offers=offers.named(words.spoken))
                for name, offers in known
            )
            yield words("lead_no_many", verdicts=words.listed(verdicts))
        elif words.result(offers) == words.result(self.leaf):
            yield words("lead_no_same", model=name, offers=offers.named(words.spoken))
        else:
            yield words("lead_no", model=name, offers=offers.named(words.spoken), given=words.result(offers))

    def _explained(self) -> str:
        """What a how or why comes to, in plain words: the ideas of up to two sources that it is explained from."""
        words, made = self.words, self.plan
        if not any(one.wanted.kind in ("how", "why") and one.quote for one in made.answers):
            return ""
        relevant = made.ranked("relevant")
        quotes = [(paper.profile.source.name, quote) for paper in relevant[:2] for quote in paper.quotes]
        quotes = quotes or [(one.source, one.quote) for one in made.answers if one.quote]
        named: dict[str, str] = {}
        for source, quote in quotes:
            for idea in ideas_in(quote.text, "gloss")[:1]:
                if source not in named.values():
                    named.setdefault(idea, source)
        if not named:
            return ""
        plain = words.table("plainly")
        named = dict(sorted(named.items(), key=lambda one: list(plain).index(one[0])))
        self.say.explained = set(list(named)[:2])
        parts = [
            f"{plain[idea].rstrip('.。')} (*{self.say.short(source)}*)" for idea, source in list(named.items())[:2]
        ]
        sentence = "lead_how" if relevant else "lead_how_carried" if len(parts) > 1 else "lead_how_carried_one"
        text = words(sentence, ideas="; ".join(parts), task=self.name)
        return self.say.infers(text, *named.values())

    def _on_papers(self, explained: bool) -> Iterator[str]:
        words, made = self.words, self.plan
        relevant = [paper.profile.source.name for paper in made.ranked("relevant")]
        if not relevant:  # then a fitting model's own paper, which is about more than the task
            served = {model.profile.served for model in made.fitting}
            relevant = [paper.profile.source.name for paper in made.ranked("partial") if paper.profile.source in served]
        leaning = dict.fromkeys(one.source for one in made.answers if one.status == "inferred" and one.quote)
        if relevant:
            how = self._mechanism()
            yield how
            if not (how and made.fitting):
                yield words("lead_explained" if made.fitting else "lead_papers", papers=self.say.named(relevant[:3]))
        elif not made.papers:
            yield words("lead_no_papers")
        elif made.fitting:
            yield words("lead_unexplained")
        elif explained:
            return
        elif leaning:
            sentence = "lead_ideas" if len(leaning) > 1 else "lead_idea"
            text = words(sentence, task=self.name, papers=self.say.named(leaning))
            yield self.say.infers(text, *leaning)
        else:
            yield words("lead_nothing", task=self.name)

    def _mechanism(self) -> str:
        """How it works, in a quote of the first paper on the task."""
        for paper in self.plan.ranked("relevant")[:1]:
            for quote in paper.quotes[-1:]:
                if works(paper.profile, quote) and (said := self.say.quote(paper.profile.source.name, quote)):
                    return self.words("lead_quote", said=said)
        return ""
