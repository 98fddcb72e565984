"""The words and forms of a brief's lines: field labels, section headings, boilerplate, links in a value."""

import re
from typing import Literal

Label = Literal["model", "paper", "github", "summary", "answer"]
Section = Literal["models", "papers", "question"]
_LABELS: dict[Label, str] = {
    "model": r"model|model\s+name|name|title|modelo|nombre|título|titulo|modèle|modell|모델|모델명|제목|モデル|模型",
    "paper": r"papers?|paper\s+link|arxiv|pdf|paper\s+url|artículo|articulo|artigo|논문|論文|论文",
    "github": r"git\s?hub(?:\s+(?:link|repo(?:sitory)?))?|code|repo(?:sitory)?|c[óo]digo|repositorio|깃허브|코드|代码",
    "summary": r"summary|abstract|description|resumen|resumo|résumé|zusammenfassung|요약|초록|概要|要約|摘要",
    "answer": r"answer|response|respuesta|réponse|antwort|답변|답|回答",
}
_FIELD = re.compile(
    r"\s{0,20}(?:[>•*+-]\s+|#{1,6}\s*|\d{1,2}[.)]\s+){0,3}(?P<mark>[*_`]{0,3})(?:"
    + "|".join(f"(?P<{label}>{words})" for label, words in _LABELS.items())
    + r")(?P<close>[*_`]{0,3})\s{0,20}[:：](?P<tail>[*_`]{0,3})(?P<value>.*)",
    re.IGNORECASE | re.DOTALL,
)
_FILLER = (
    r"(?:the|recommended|suggested|provided|given|available|candidate|relevant|related|supporting|further|list\s+of|ai|ml|"
    r"and|of|&|research|recomendad[oa]s|relacionad[oa]s|de|ia|추천|관련|おすすめ|関連|推荐|推薦|相关|相關|recommandés|associés|"
    r"empfohlene|verwandte|ki)"
)
_SECTION_WORDS: dict[Section, str] = {
    "models": r"models?|tools?|modelos?|modèles|modelle|ki-modelle|모델(?:들)?|モデル|模型",
    "papers": (
        r"papers?|works?|literature|articles?|publications?|references|reading|sources|artículos|articulos|artigos|"
        r"publicaciones|literatura|trabajos|논문(?:들)?|연구|문헌|論文|论文|文献|travaux|arbeiten|artikel"
    ),
    "question": r"(?:user(?:['’]s)?\s+)?question|pregunta|질문|質問|问题",
}
SECTIONS = {
    name: re.compile(
        rf"(?:\d{{1,2}}[.)]\s*)?(?:{_FILLER}[\s-]*){{0,6}}(?:{words})(?:\s+{_FILLER}){{0,4}}", re.IGNORECASE
    )
    for name, words in _SECTION_WORDS.items()
}
CUE = re.compile(
    r"[\s#>*_-]{0,12}(?:(?:a|the|one)\s+(?:user|person|customer)\s+(?:has\s+)?ask(?:ed|s)\s+(?:the\s+following|this|a)\s+"
    r"question|(?:the\s+)?(?:user(?:['’]s)?\s+)?question|pregunta(?:\s+del\s+usuario)?|un\s+usuario\s+ha\s+(?:hecho|planteado)"
    r"[^:：]{0,30}pregunta|(?:사용자\s*)?질문|[^:：]{0,30}다음\s*질문[^:：]{0,20}|質問|问题)[\s*_]{0,8}[:：][\s*_]{0,8}(?P<rest>.*)",
    re.IGNORECASE,
)
BOILERPLATE = re.compile(
    r"[\s#>*_-]{0,12}(?:you\s+are\s+an?\s+ai\b|based\s+on\s+the\s+(?:following|recommended|models)|use\s+\W{0,4}only\W|"
    r"\d[.)]\s*(?:what\s+task|how\s+(?:the|would)|list\s+(?:the\s+)?relevant)|eres\s+un|basándote\s+en|con\s+base\s+en|"
    r"(?:당신은|다음)\s.{0,40}(?:과학자|모델|바탕|기반)|do\s+not\s+refer\s+to)",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"[\s\"'*_(\[]*(?:n\s?/?\s?a|none|nil|null|missing|not\s+(?:available|provided|given)|unavailable|unknown|tbd|[-–—?.]+|"
    r"no\s+disponible|ningun[oa]|없음|無し?|无|なし)?[\s\"'*_)\].]*",
    re.IGNORECASE,
)
_URL = re.compile(r"https?://[^\s<>\"`]+", re.IGNORECASE)
_BARE_LINK = re.compile(
    r"(?:arxiv\s?:\s?)?\d{4}\.\d{4,5}(?:v\d+)?|(?:doi\s?:\s?)?10\.\d{4,9}/\S+|(?:[\w-]+\.)+[a-z]{2,}/\S+|[\w.-]+/[\w.-]+",
    re.IGNORECASE,
)


def field_of(line: str) -> tuple[Label, str] | None:
    """The label and value of a field line."""
    match = _FIELD.match(line)
    if match is None:
        return None
    label = next(label for label in _LABELS if match[label])
    value = match["value"].strip()
    if not match["mark"] and match["tail"] and match["tail"] in value:
        value = match["tail"] + value
    return label, value


def is_missing(value: str) -> bool:
    """Whether a value stands for none: empty, ``N/A``, ``-``, ``none`` …"""
    return len(value) <= 60 and _MISSING.fullmatch(value) is not None


def links_of(value: str) -> list[str]:
    """Every link of a field's value, verbatim, unwrapped from ``<…>``, ``[x](…)`` and commas."""
    found: list[str] = []
    for run in _URL.finditer(value):
        for part in re.split(r"[,;|\])}]*(?:\]\(|[,;|](?=https?://))", run.group(), flags=re.IGNORECASE):
            link = _balanced(part)
            if re.match(r"https?://.", link, re.IGNORECASE):
                found.append(link)
    if not found and (bare := _BARE_LINK.fullmatch(value.strip("<>`*, "))):
        found.append(bare.group())
    return list(dict.fromkeys(found))


def _balanced(link: str) -> str:
    """The link without what closes the text around it: sentence marks, and brackets that it did not open."""
    opened = 0
    for index, letter in enumerate(link):
        opened += (letter in "([{") - (letter in ")]}")
        if opened < 0:
            link = link[:index]
            break
    return link.rstrip(".,;:!*'’”")
