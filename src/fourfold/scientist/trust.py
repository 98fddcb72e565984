"""Find links, identifiers and instructions in a text: pure functions, shared by reading and checking.

Nothing here decides what to do with a finding. The patterns are bounded or anchored, so long lines stay linear.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

MentionKind = Literal["link", "arxiv", "doi", "domain", "repository"]

HOLE = "\ufffc"
"""Stands for each character of a permitted link or name that `without` took out."""

ELLIPSIS = re.compile(r"\[?(?:…|\.\.\.)\]?")
"""Stands in a quote for what it leaves out."""

QUOTED = re.compile(r"“([^“”\n]*)”|„([^„“\n]*)“|«([^«»\n]*)»|「([^「」\n]*)」")
"""Words within the quotation marks of any language that answers are written in."""

_TLDS = frozenset(
    [
        "com",
        "org",
        "net",
        "io",
        "ai",
        "dev",
        "app",
        "edu",
        "gov",
        "mil",
        "info",
        "biz",
        "xyz",
        "co",
        "uk",
        "de",
        "fr",
        "cn",
        "kr",
        "jp",
        "ru",
        "eu",
        "site",
        "online",
        "tech",
        "cloud",
        "gg",
        "link",
        "page",
        "blog",
        "shop",
        "top",
        "club",
        "live",
        "example",
        "test",
        "invalid",
        "local",
        "internal",
        "localhost",
        "onion",
        "icu",
    ]
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:\s?/{2}[^\s<>\"]*", re.IGNORECASE)
_LINK = re.compile(
    r"\b(?:java|vb)script\s?:\s?\S[^\s<>\"]*|\bdata:[a-z]+/[a-z][^\s<>\"]*|"
    r"\bmailto:[^\s<>\"]+|\bwww\.[^\s<>\"]+",
    re.IGNORECASE,
)
_ARXIV = re.compile(r"\b(arxiv[\s:_-]{0,3})?(?<![\d.])(\d\d(\d\d)\.\d{4,5})(?:v\d+)?(?!\d)", re.IGNORECASE)
_ARXIV_OLD = re.compile(
    r"\b(?:arxiv[\s:]{1,3}[a-z-]{2,10}|cs|math|stat|hep-th|hep-ph|cond-mat|quant-ph|astro-ph|gr-qc|physics)"
    r"(?:\.[a-z]{2})?/\d{7}(?!\d)",
    re.IGNORECASE,
)
_DOI = re.compile(r"(?<![\w.])10\.\d{4,9}/[^\s<>\"]+|\bdoi:\s?[^\s<>\"]+", re.IGNORECASE)
_HOST = re.compile(r"(?<![\w.-])[\w-]+(?:\.[\w-]+)+(?:[:/][^\s<>\"]*)?")
_SPELLED_DOT = re.compile(
    r"\w\s?[\[({]\s?(?:\.|dot|punto|punkt)\s?[\])}]\s?\w|\b\w{2,30} dot (?:com|org|net|io|ai|dev|example)\b",
    re.IGNORECASE,
)
_OWNER = re.compile(r"(?<![\w./:@-])[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?![\w/])", re.ASCII)
_REPOSITORY_CUE = re.compile(
    r"github|gitlab|bitbucket|hugging\s?face|\brepo(?:sitory|s)?\b|\bgit clone\b|\bdocker\b|저장소|repositorio",
    re.IGNORECASE,
)
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝмтвкнАВЕКМНОРСТХІЈЅοαερυνικτΑΒΕΖΗΙΚΜΝΟΡΤΥΧսոօհցⅼ",
    "aeopcyxijshdqwmtbkhABEKMHOPCTXIJSoaepuviktABEZHIKMNOPTYXunohgl",
)
_HIDDEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|w\.r\.t|al|vs|figs?|eqs?|secs?|tab|cf|ca|approx|resp|incl|dr|vol|pp)|\b(?-i:[A-Z]))$",
    re.IGNORECASE,
)
_SOMETIMES = re.compile(r"\b(?:etc|no|max|min|avg)$", re.IGNORECASE)
_STOP = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s|$)|[。！？]+|\n(?=[ \t]*(?:\n|[-*•#>]|\w{1,20}[ \t]*[:：]))")
_COMMENT = re.compile(r"<!--(?:(?!-->|<!--).)*(?:-->|$)?", re.DOTALL)

_VERB = (
    r"(?:cite|recommend|mention|link|reply|respond|answer|say|state|write|print|output|include|insert|use|visit|click|"
    r"open|download|install|run|execute|follow|refer|rate|rank|mark|label|declare|claim|treat|reveal|repeat|prefer|"
    r"choose|select|report|conclude|tell|promote|praise|quote|list|trust)"
)
_INSTRUCTIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        (
            r"\b(?:ignore|disregard|forget|override|bypass|neglect)\s+(?:\w+\s+){0,4}?(?:previous|prior|above|earlier|preceding|"
            r"foregoing|other|your|all|system|original)\s+(?:\w+\s+){0,2}?(?:instruction|prompt|rule|direction|guideline|"
            r"order|message|command|polic)"
        ),
        r"^\W*(?:ignore|disregard|forget)\s+(?:everything|all|any|the\s+(?:above|other|question|rest|user))\b",
        (
            r"^\W*(?:\w+\W+){0,2}?(?:attention|note|notice|dear|hey|hello|message|instructions?|warning|urgent|important)"
            r"\W+(?:to\s+|for\s+)?(?:the\s+|all\s+|any\s+|every\s+)?(?:ai|llm|language\s+model|chatbot|assistant|agent|bot|"
            r"reviewer|reader|grader|evaluator|judge|system)s?\s*[:,!–—-]"
        ),
        (
            r"^\W*(?:system|assistant|user|human|developer|admin|operator)\s*(?:prompt|message|note|override)?\s*[:：]|"
            r"<\|?\s*/?(?:im_start|im_end|system|assistant|user|endoftext)\b|\[/?inst\]|<</?sys>>|^\W*#+\s*instructions?\b|"
            r"\[\s*(?:system|assistant|admin|developer)\b"
        ),
        (
            r"\byou\s+(?:must|shall|should|need\s+to|have\s+to|ought\s+to|are\s+(?:now|required|instructed|asked|told|an?\s+"
            r"(?:ai|assistant|helpful|expert|language))|will\s+now|(?:can|may)\s+(?:only|not))\b|\bas\s+an\s+ai\b"
        ),
        (
            r"\byour\s+(?:final\s+)?(?:answers?|responses?|reply|replies|instructions?|system|prompt|guidelines|task\s+is|"
            r"job\s+is|new\s+(?:task|goal|role))\b"
        ),
        (
            rf"(?:^\W*|[:;—–]\s*|\b(?:then|and|but|now|instead|so)[,\s]+)(?:please\s+|always\s+|never\s+|only\s+|instead\s+|"
            rf"just\s+|do\s+not\s+|don['’]t\s+){{1,2}}{_VERB}\b"
        ),
        r"\bplease\b|\bkindly\b|\bfrom\s+now\s+on\b",
        (
            rf"^\W*(?:now\s+|then\s+|and\s+|also\s+|instead,?\s+)?{_VERB}\s+(?:to\s+)?(?:only|this|these|that|the\s+following|"
            r"exactly|instead|always|me|us|our|my|it|no\s+other|nothing|none|with\s+(?:only|the\s+word|exactly)|"
            r"the\s+(?:user|reader|link|url|word|phrase|sentence))\b"
        ),
        (
            r"\b(?:this|our|the)\s+(?:paper|model|work|source|method|entry|link|repository)\s+(?:must|should|has\s+to|shall)\s+"
            r"(?:always\s+)?be\s+(?:cited|recommended|mentioned|listed|ranked|chosen|preferred|used|rated|marked|trusted)"
        ),
        (
            rf"\b(?:assistants?|ai|chatbots?|llm|answers?|responses?|readers?|reviewers?)\s+(?:must|should|shall|has\s+to|"
            rf"have\s+to)\s+(?:always\s+|only\s+|not\s+)?{_VERB}\b"
        ),
        (
            r"\b(?:must|should|shall)\s+(?:always\s+|only\s+)?(?:cite|mention|recommend)\b|\bend\s+of\s+(?:the\s+)?(?:summary|"
            r"document|data|prompt)\b|\bprompt\s+injection\s*:|\bjailbreak\s*:"
        ),
        r"^\W*(?:act|behave)\s+as\b|^\W*pretend\b|\b(?:reveal|print|repeat|show)\s+(?:your|the)\s+(?:system\s+)?prompt\b",
        (
            r"이전.{0,12}무시|(?:지시|지침|명령|프롬프트|규칙).{0,8}무시|무시하(?:고|세요|라|십시오)|"
            r"(?:인용|추천|출력|대답|답변|언급|방문)\s?(?:하세요|하십시오|해라|하라|해\s?주세요|하시오)|(?:어시스턴트|비서)\s?[:,]"
        ),
        (
            r"\bignor(?:a|e|ar|en|ad)\s+(?:\w+\s+){0,3}(?:instruccion|indicacion|instruç|reglas|anterior)|"
            r"\b(?:debes|deberás|tienes\s+que|debe\s+usted)\s+\w+|\b(?:cita|recomienda|responde|menciona|usa|visita|di)\s+(?:solo|"
            r"sólo|únicamente|siempre|que|con)\b|\bpor\s+favor\b|^\W*(?:atención|asistente|sistema)\W+(?:asistente|ia)?\s*[:,]"
        ),
        (
            r"\bignore[rz]?\s+(?:\w+\s+){0,3}(?:instructions|consignes)|\bvous\s+devez\b|\bignorier\w*\s+(?:\w+\s+){0,4}"
            r"(?:anweisung|regel|vorgabe)|\b(?:du\s+musst|sie\s+müssen)\b|\bигнорируй\w*|\bignor\w+\s+(?:\w+\s+){0,2}istruzioni"
        ),
        (
            r"(?:忽略|无视|無視).{0,10}(?:指令|指示|说明|提示|规则|命令|して)|(?:指示|命令).{0,6}無視|请(?:引用|推荐|回答|只)|"
            r"你(?:必须|应该|现在)|(?:引用|推薦|回答)してください"
        ),
    )
)


@dataclass(frozen=True)
class Mention:
    """A link or identifier found in a text, with its offsets."""

    kind: MentionKind
    text: str
    start: int
    end: int


def normal(text: str) -> str:
    """NFC, with every run of white space as one space: the form in which quotes are compared."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def quoted(match: re.Match[str]) -> str:
    """What a match of ``QUOTED`` encloses."""
    return next(group for group in match.groups() if group is not None).strip()


def key(name: str) -> str:
    """Letters and digits of a name, lower-cased: the form in which names are compared."""
    return re.sub(r"[^\w]+|_", "", unicodedata.normalize("NFKC", name)).casefold()


def reveal(text: str) -> str:
    """The text as a reader's software might show it: entities, percent signs, wide forms and look-alikes undone."""
    if text.isascii() and not re.search("[&%]", text):
        return text
    for _ in range(2):
        text = unicodedata.normalize("NFKC", unquote(html.unescape(text)))
    kept = "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cf")
    return kept.translate(_LOOKALIKES)


def hidden(text: str) -> bool:
    """Whether it holds characters that show nothing: zero-width spaces, direction marks, tags."""
    return _HIDDEN.search(text) is not None


def sentences(text: str) -> list[tuple[int, int]]:
    """Offsets of the sentences, without the white space around them; abbreviations and decimals do not end one."""
    found, start = [], 0
    for stop in _STOP.finditer(text):
        if stop.group()[0] == ".":
            before, after = (max(start, stop.start() - 12), stop.start()), text[stop.end() : stop.end() + 2].strip()
            abbreviated = _SOMETIMES.search(text, *before) and (after.islower() or after.isdigit())
            if abbreviated or _ABBREVIATION.search(text, *before):
                continue
        found.append((start, stop.end()))
        start = stop.end()
    found.append((start, len(text)))
    trimmed = [_trim(text, *span) for span in found]
    return [span for span in trimmed if span[0] < span[1]]


def mentions(text: str, *, every_slash: bool = False) -> list[Mention]:
    """Every link, domain, arXiv id, DOI and repository in a text, whoever it belongs to.

    Args:
        text: one sentence or a whole page.
        every_slash: also take ``owner/name`` with capitals or digits where no word such as "GitHub" stands near.
    """
    found = [_mention("link", match) for match in _LINK.finditer(text)]
    if "//" in text:
        found += [_mention("link", match) for match in _SCHEME.finditer(text)]
    found += [_mention("domain", match) for match in _SPELLED_DOT.finditer(text)]
    found += [_mention("domain", match) for match in _HOST.finditer(text) if _is_host(match.group())]
    found += [_mention("arxiv", match) for match in _ARXIV.finditer(text) if match[1] or 1 <= int(match[3]) <= 12]
    found += [_mention("arxiv", match) for match in _ARXIV_OLD.finditer(text)]
    found += [_mention("doi", match) for match in _DOI.finditer(text)]
    found += [_mention("repository", match) for match in _OWNER.finditer(text) if _is_repository(match, every_slash)]
    return sorted(found, key=lambda mention: (mention.start, mention.end))


def without(text: str, links: Iterable[str], names: Iterable[str] = ()) -> str:
    """The text, of the same length, with `HOLE` in place of every permitted link and name: what is left may hold none.

    A link counts only as a whole: followed by white space, a bracket or quotation mark, or the punctuation that ends
    a sentence. Longer or shorter forms of it stay in.
    """
    text = text.replace(HOLE, " ")
    given = "|".join(re.escape(link) for link in sorted(set(links), key=len, reverse=True) if link)
    if given:
        ending = r"(?=$|[\s<>]|[\"')\]](?![A-Za-z0-9/?#&=%_~+-])|[.,;:]+(?:$|[\s<>\"')\]]))"
        text = re.sub(rf"(?<=\]\()(?:{given})(?=[)\s])|(?<![A-Za-z0-9/._%-])(?:{given}){ending}", _hole, text)
    called = "|".join(re.escape(name) for name in sorted(set(names), key=len, reverse=True) if len(name) > 1)
    return re.sub(rf"(?<![\w/.@-])(?:{called})(?![\w/@-]|\.\w)", _hole, text) if called else text


def suspicious(text: str, links: Iterable[str], names: Iterable[str] = ()) -> tuple[tuple[int, int], ...]:
    """Offsets of what in a summary is no description: instructions, hidden text, links outside ``links``.

    Args:
        text: the summary.
        links: every link the brief gives in a field; names: its sources' names.
    """
    rest = without(text, links, names)
    foreign = [mention.start for mention in mentions(rest)]
    spans = [match.span() for match in _COMMENT.finditer(text)]
    for start, end in sentences(text):
        shown = reveal(rest[start:end])
        disguised = shown != rest[start:end] and bool(mentions(shown))
        planted = any(start <= at < end for at in foreign)
        if planted or disguised or hidden(text[start:end]) or instructs(text[start:end]):
            spans.append((start, end))
    return _merged(spans, text)


def instructs(sentence: str) -> bool:
    """Whether a sentence gives its reader orders instead of describing something."""
    shown = reveal(sentence)
    pieces = re.split(r"(?<=[.!?])\s+|\n", shown)
    return any(pattern.search(piece) for pattern in _INSTRUCTIONS for piece in (shown, *pieces[1:]))


def outside(sentence: str, links: Iterable[str], names: Iterable[str] = ()) -> list[Mention]:
    """Links and identifiers in a sentence, plain or disguised, that are not exactly one of ``links`` or in a name."""
    rest = without(sentence, links, names)
    return mentions(rest) or mentions(reveal(rest))


def _hole(match: re.Match[str]) -> str:
    return HOLE * len(match.group())


def _mention(kind: MentionKind, match: re.Match[str]) -> Mention:
    text = match.group().rstrip(".,;:!?)]}'\"")
    return Mention(kind, text, match.start(), match.start() + len(text))


def _is_host(text: str) -> bool:
    host, slash, path = re.match(r"([^:/]*)([:/]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    labels = [re.split(r"[^A-Za-z]", label)[0] for label in host.split(".")[1:]]
    known = any(label.lower() in _TLDS and (label.islower() or label.isupper()) for label in labels)
    return known or (slash == "/" and bool(path) and len(labels[-1]) > 1 and labels[-1].islower())


def _is_repository(match: re.Match[str], every_slash: bool) -> bool:
    owner, name = match.group().rstrip(".").split("/")
    if len(owner) < 2 or len(name) < 2 or name.replace(".", "").isdigit() or owner.replace(".", "").isdigit():
        return False
    if every_slash and re.search(r"[A-Z0-9_]", owner + name) and not (owner.isupper() and name.isupper()):
        return True
    around = match.string[max(0, match.start() - 80) : match.end() + 40]
    return _REPOSITORY_CUE.search(around) is not None


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _merged(spans: list[tuple[int, int]], text: str) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and not text[merged[-1][1] : start].strip():
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
