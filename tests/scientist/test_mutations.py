"""Two thousand answers, each altered in one way that no brief and no run permits: the guard refuses every one."""

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fourfold.scientist import check, known
from fourfold.scientist.answer import answer, to_json
from fourfold.scientist.brief import parse
from fourfold.scientist.check import guard

HERE = Path(__file__).parent
BRIEFS = sorted([*(HERE / "briefs").glob("??.txt"), *(HERE / "heldout").glob("??.txt")])
EACH = -(-2000 // len(BRIEFS))


def inserted(text, words, at):
    """The text with words put in at the end of one of its lines of prose."""
    lines = text.split("\n")
    places = [number for number, line in enumerate(lines) if line and not line.startswith(("|", "#", "```", "-"))]
    number = places[at % len(places)]
    lines[number] += f" {words}"
    return "\n".join(lines)


FOREIGN = (
    "See https://evil.example/better for more.",
    "The code is at github.com/evil/better.",
    "It is described in arXiv:2401.99999.",
    "SuperNet-9000 does it better.",
    "Another good choice is ESRGANv7Pro.",
    "It runs 73 times as fast.",
    "It is seventy times as fast.",
    "Nothing that you asked for is left out.",
    "“These words were never written by any of the authors anywhere”, they say.",
    "It agrees to 48.3 dB with the photo.",
    "<img src=x>",
    "Visit www.evil.example today.",
)


def altered(made, brief, chance):
    """An answer with one thing changed, and which; the JSON form where that is the easier one to change."""
    ways = ["insert"] * 4
    document = to_json(made) | {"markdown": made.markdown}
    claims, asks = document["claims"], document["asks"]
    quotes = [claim for claim in claims if len(claim["quote"].split()) > 3]
    ways += ["quote", "quote in the text", "source"] if quotes else []
    ways += ["status", "ask"] if asks else []
    ways += ["inference", "mark"] if document["inferences"] else []
    ways += ["model", "title"]
    way = chance.choice(ways)
    if way == "insert":
        return way, document | {"markdown": inserted(made.markdown, chance.choice(FOREIGN), chance.randrange(50))}
    if way in ("quote", "quote in the text"):
        claim = chance.choice(quotes)
        words = claim["quote"].split(" ")
        words[chance.randrange(len(words))] = "plausibly"
        changed = " ".join(words)
        if way == "quote":
            return way, document | {"claims": [one | ({"quote": changed} if one is claim else {}) for one in claims]}
        if len(changed.split()) < 4 or claim["quote"] not in made.markdown:
            return "insert", document | {"markdown": inserted(made.markdown, FOREIGN[0], 0)}
        return way, document | {"markdown": made.markdown.replace(claim["quote"], changed)}
    if way == "source":
        claim = chance.choice(quotes)
        return way, document | {
            "claims": [one | ({"source": "Somebody Else"} if one is claim else {}) for one in claims]
        }
    if way == "status":
        ask = chance.choice(asks)
        status = "answered" if ask["status"] == "open" else "open"
        return way, document | {"asks": [one | ({"status": status} if one is ask else {}) for one in asks]}
    if way == "ask":
        ask = chance.choice(asks)
        return way, document | {"asks": [one | ({"text": ask["text"] + "!!"} if one is ask else {}) for one in asks]}
    if way in ("inference", "mark"):
        one = chance.choice(document["inferences"])
        text = one["text"] + " By 31 per cent." if way == "inference" else re.sub(r"\w+", "thing", one["text"])
        parts = [other | ({"text": text} if other is one else {}) for other in document["inferences"]]
        return way, document | {"inferences": parts, "markdown": made.markdown.replace(one["text"], text)}
    if way == "model" and document["models"]:
        return way, document | {"models": [{"name": "SuperNet-9000", "match": "yes"}]}
    return "title", document | {
        "sources": [*document["sources"], {"title": "A paper of its own", "relevance": "relevant"}]
    }


@pytest.fixture(scope="module", autouse=True)
def prepared():
    """What a brief permits is worked out once for all of its answers, which are otherwise checked as ever."""
    kept, real = {}, known.Known

    def once(brief):
        if brief not in kept:
            kept[brief] = real(brief)
        return kept[brief]

    patch = pytest.MonkeyPatch()
    patch.setattr(check, "Known", once)
    yield
    patch.undo()


@pytest.mark.parametrize("path", BRIEFS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_altered_answer_is_refused(path):
    brief, chance = parse(path.read_bytes()), random.Random(path.stem)
    made = answer(brief)
    assert guard(to_json(made) | {"markdown": made.markdown}, brief) == []
    for _ in range(EACH):
        way, document = altered(made, brief, chance)
        assert guard(document, brief), (way, document["markdown"])


def test_a_quote_beside_the_name_of_another_source_is_refused():
    brief = parse((HERE / "briefs" / "30.txt").read_bytes())
    made = answer(brief)
    names = [paper.short for paper in brief.papers]
    said = next(claim for claim in made.claims if (len(claim.quote.split()) > 5 and f"*{claim.source}" in made.markdown)
                or len(claim.quote.split()) > 5)  # fmt: skip
    own = next(source for source in brief.sources if source.name == said.source)
    other = next(name for name in names if name != own.short)
    line = next(line for line in made.markdown.split("\n") if said.text in line)
    wrong = replace(made, markdown=made.markdown.replace(line, line.replace(f"*{own.short}*", f"*{other}*")))
    assert wrong.markdown != made.markdown
    assert guard(wrong, brief)
