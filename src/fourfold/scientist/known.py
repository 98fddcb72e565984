"""What a brief permits an answer to say: links, names, words, what may be quoted, and what was planted."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fourfold.scientist.tasks import leaves
from fourfold.scientist.trust import mentions, normal
from fourfold.scientist.values import Brief, Source

NAME_LIKE = re.compile(r"\b[A-Za-z]*[A-Z][A-Za-z]*[A-Z0-9]\w*")
COMMON = frozenset(
    re.findall(
        r"\w+",
        "AI ML CPU GPU RAM RGB JPEG JPG PNG GIF PDF CSV JSON API URL GitHub arXiv ArXiv PSNR SSIM ID IDs HD UHD FPS "
        "LLM OCR ASR TTS VQA NER NLP MP3 MP4 WAV TV PC USB HTML CNN GAN GANs OK USA EU UK DOI README",
    )
)
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")


class Known:
    """What a brief permits, prepared once for all texts of an answer."""

    def __init__(self, brief: Brief) -> None:
        self.asked, self.question = brief.question, normal(brief.question)
        self.titles = {source.name for source in brief.sources}
        self.shown = [re.sub(r"[*|]", lambda mark: "/" if mark[0] == "|" else "", name) for name in self.titles]
        self.sources = brief.sources
        names = [(source.name, source.short) for source in brief.sources]
        self.names = tuple(dict.fromkeys(name for pair in names for name in pair))
        self.notes = brief.notes
        links = self.given = tuple(dict.fromkeys(link for source in brief.sources for link in source.links))
        self.links = (*links, *_identifiers(links))
        self.trusted = {source: _trusted(source) for source in brief.sources}
        texts = [text for parts in self.trusted.values() for text in parts]
        self.haystack = "\n".join([*texts, self.question])
        slashes = [mention for text in texts for mention in mentions(text, every_slash=True)]
        slashes = [mention for mention in slashes if mention.kind == "repository"]
        asked = {mention.text for mention in mentions(self.question)}
        slashes += [mention for mention in mentions(self.question, every_slash=True) if mention.text not in asked]
        self.slashes = {mention.text for mention in slashes} | leaves().keys()
        self.words = set(re.findall(r"\w+", "\n".join([self.haystack, *links])))
        self.planted = _planted(brief, self.haystack)


def _identifiers(links: Iterable[str]) -> Iterator[str]:
    """``owner/name``, arXiv ids and DOIs that a given link holds: other ways to write that very link."""
    for link in links:
        if slug := re.fullmatch(r"https?://(?:www\.)?(?:github|gitlab)\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", link):
            yield slug[1]
        for arxiv in re.finditer(r"arxiv\.org/(?:abs|pdf|html)/((\d{4}\.\d{4,5})(?:v\d+)?)", link):
            yield from arxiv.groups()
        if doi := re.search(r"doi\.org/(10\.\d{4,9}/\S+)", link):
            yield doi[1]


def _trusted(source: Source) -> tuple[str, ...]:
    """What may be quoted of a source, normalised: its name, links, and the parts of its summary that are trusted."""
    pieces, at = [], 0
    for start, end in source.untrusted:
        pieces.append(source.summary[at:start])
        at = end
    pieces.append(source.summary[at:])
    return tuple(text for text in (normal(piece) for piece in (source.name, *source.links, *pieces)) if text)


@dataclass(frozen=True)
class Planted:
    """Word runs and names that stand only in untrusted text."""

    runs: frozenset[tuple[str, ...]]
    words: frozenset[str]

    @property
    def sizes(self) -> set[int]:
        """How many words the runs have."""
        return {len(run) for run in self.runs}


def _planted(brief: Brief, haystack: str) -> Planted:
    trusted = [word.casefold() for word in WORD.findall(haystack)]
    runs: set[tuple[str, ...]] = set()
    names: set[str] = set()
    for source in brief.sources:
        for start, end in source.untrusted:
            words = WORD.findall(normal(source.summary[start:end]))
            names |= {word for word in words if NAME_LIKE.fullmatch(word) and len(word) > 3} - COMMON
            lowered = [word.casefold() for word in words]
            size = 10 if words and "\u3040" <= words[0] <= "\u9fff" else 5
            size = min(size, len(words))
            if size >= 3:
                runs |= {tuple(lowered[at : at + size]) for at in range(len(words) - size + 1)}
    for size in {len(run) for run in runs}:
        runs -= {tuple(trusted[at : at + size]) for at in range(len(trusted) - size + 1)}
    return Planted(frozenset(runs), frozenset(names - set(WORD.findall(haystack))))
