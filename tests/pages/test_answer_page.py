"""The page of an answer: nothing in it becomes markup, nothing is loaded, and every mark shows its evidence."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_html_report import Page, picture

from fourfold.pages.answer import AnswerPage, Box, Figure, Mark, TileMap, html
from fourfold.pages.report import BeforeAfter
from fourfold.scientist.wording import Words

WORDS = Words("en").table("page")
MARKDOWN = """## 1. The task

You want **it** as `a-b`.

## 2. The way

As a diagram:

```text
a small picture ──▶ [ ? no net ] ──▶ a large picture
```

### Done on your photo

- It took 5 ms.

## 3. Sources

**Some Net** is *about* this. It shows “a <b>thing</b>”. It is short.

| Source | Links |
|---|---|
| Some Net | http://example.org/a.pdf http://example.org/a.pdf.evil javascript:alert(1) |
"""
ANSWER = AnswerPage(
    language="en",
    words=WORDS,
    question="What is <this>?",
    markdown=MARKDOWN,
    section="Done on your photo",
    links=("http://example.org/a.pdf", "javascript:alert(1)"),
    marks=(
        Mark("It shows “a <b>thing</b>”.", "cited", "a <b>thing</b>", "Some Net"),
        Mark("It took 5 ms.", "measured", "restored.report.seconds", "manifest.json"),
        Mark("Some Net", "cited", "Some Net", "http://example.org/a.pdf", weak=True),
    ),
    pairs=(
        BeforeAfter("Whole", picture("PNG"), picture("JPEG")),
        BeforeAfter("Closer", picture("PNG"), picture("JPEG")),
    ),
    boxes=(
        Box("in", "load", "", ()),
        Box("big", "restore", "some-net + other-net", ("in",)),
        Box("out", "save", "", ("big", "in")),
    ),
    tiles=TileMap(picture("JPEG"), (100, 50), (("little", "big"), ("little", "odd"))),
    figures=(Figure("Consistency", "60.0 dB", "restored.report.consistency_psnr"), Figure("Odd", "3", "a.report.odd")),
)


def marks(page):
    """Of each mark its kind and what it shows when opened."""
    found = re.findall(r'<details class="mark (\w+)"><summary>(\w+)</summary><div>(.*?)</div></details>', page)
    return [(kind, word, re.sub(r"<[^>]+>", "", shown)) for kind, word, shown in found]


def test_every_mark_shows_its_evidence():
    page = html(ANSWER)
    assert marks(page) == [
        ("measured", "measured", "restored.report.seconds manifest.json"),
        ("cited", "cited", "“a &lt;b&gt;thing&lt;/b&gt;” Some Net"),
    ]


def test_a_mark_stands_right_after_its_sentence():
    assert re.search(r"a &lt;b&gt;thing&lt;/b&gt;”\. <details .*?</details> It is short\.", html(ANSWER))


def test_the_short_answer_stands_before_the_pictures():
    made = html(replace(ANSWER, markdown=f"**Short answer.** Yes.\n\n{MARKDOWN}"))
    assert made.index("Short answer.") < made.index('class="pair"') < made.index("1. The task")


def test_tiles_lie_on_the_photo_where_they_are():
    made = html(replace(ANSWER, tiles=TileMap(picture("JPEG"), (910, 50), (("little", "big") * 10,))))
    assert '<rect class="big" x="864.5" y="0" width="45.5" height="50"/>' in made


def test_parts_pictures_workflow_tiles_and_figures_are_there():
    page = Page(html(ANSWER))
    text = page.text()
    for expected in (
        "What is <this>?",
        "1. The task",
        "60.0 dB",
        "a.report.odd",
        "some-net",
        "little network: 2",
        "odd: 1",
    ):
        assert expected in text
    assert [one["id"] for one in page.all("input")] == ["cut0", "cut1"]
    assert [one["for"] for one in page.all("label")] == ["cut0", "cut1"]
    assert len(page.all("section")) == 2 + 1 + 3
    assert sum(one.get("class") == "edge" for one in page.all("path")) == 3
    assert [one["class"] for one in page.all("rect") if "class" in one] == ["little", "big", "little", "odd"]
    assert "──▶" not in text
    assert '<b class="lacking">no net</b>' in html(ANSWER)
    assert "<em>about</em>" in html(ANSWER)


def test_what_was_done_stands_under_its_heading():
    page = html(ANSWER)
    assert (
        page.index("Done on your photo") < page.index("It took 5 ms.") < page.index("<svg") < page.index("3. Sources")
    )


def test_only_links_of_the_brief_can_be_opened_and_whole():
    page = Page(html(ANSWER))
    assert [one["href"] for one in page.all("a")] == ["http://example.org/a.pdf"]


@given(st.text(min_size=1))
def test_nothing_becomes_markup(text):
    hostile = f"<img src=x onerror=alert(1)>{text}</section><script>"
    page = Page(
        html(
            AnswerPage(
                language="en",
                words=WORDS,
                question=hostile,
                markdown=f"## {hostile}\n\n- {hostile}\n",
                section="x",
                marks=(Mark(hostile, "cited", hostile, hostile),),
                boxes=(Box(hostile, hostile, hostile, ()),),
                figures=(Figure(hostile, hostile, hostile),),
            )
        )
    )
    assert not page.all("img") + page.all("script")


def test_the_page_can_load_nothing_and_runs_only_what_it_was_made_with():
    page = html(ANSWER)
    policy = Page(page).all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert " style=" not in page
    assert not re.search(r"@import|url\((?!#)|<link|<iframe", page)


def test_an_answer_without_a_run_is_text_alone():
    page = html(AnswerPage("ko", WORDS, "?", "## 1. x\n\ny\n", "Done"))
    assert '<html lang="ko">' in page
    assert not Page(page).all("img") + Page(page).all("script") + Page(page).all("svg")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_steps_stand_below_all_they_take_from(count):
    boxes = [Box("a", "load", "", ()), *(Box(f"b{n}", "resize", "", ("a",)) for n in range(count))]
    boxes.append(Box("z", "blend", "", ("a", *(f"b{n}" for n in range(count)))))
    page = html(AnswerPage("en", WORDS, "?", MARKDOWN, "Done on your photo", boxes=tuple(boxes)))
    tops = [float(top) for top in re.findall(r'<rect x="[\d.-]+" y="([\d.]+)"', page)]
    assert tops[0] < tops[1] == tops[count] < tops[-1]
