import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from fourfold.core.errors import InvalidInput
from fourfold.pages.report import BeforeAfter, added_sentence, consistency_sentence, html, phone_sentence, text_table

ENTRY = {
    "input": "in/photo.jpg",
    "output": "out/photo_x4.jpg",
    "input_size": [640, 480],
    "output_size": [2560, 1920],
    "model": "some-network-x4",
    "style": "faithful",
    "style_reason": "clean <enough>",
    "runtime": "openvino",
    "precision": "bf16",
    "seconds": 1.9123,
    "seconds_model": 1.5,
    "megapixels_per_second": 2.57,
    "gmacs": 1234.5,
    "tiles": {"total": 12, "little": 9, "big": 3},
    "peak_memory_mb": 512,
    "consistency_psnr": 47.23,
    "added_detail": 3.21,
    "bicubic_psnr": 31.4,
    "phone_psnr": 41.6,
    "warnings": ["the profile was <assumed>"],
}
VOID = {"meta", "img", "input", "wbr"}


class Page(HTMLParser):
    """Checks nesting while collecting elements and text."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    def text(self):
        return " ".join("".join(data for tag, data in self.texts if tag not in ("style", "script")).split())


def picture(kind):
    stream = io.BytesIO()
    Pillow.new("RGB", (8, 8), "teal").save(stream, kind)
    return stream.getvalue()


def test_every_figure_of_the_run_is_on_the_page():
    page = Page(html({"files": [ENTRY], "failed": []}))
    text = page.text()
    for expected in (
        "1 photo upscaled",
        "photo_x4.jpg",
        "640×480 → 2560×1920 pixels",
        "47.2 dB",
        "1.1 of 255 levels",
        "Added 3.2 levels",
        "On a phone 41.6 dB",
        "31.4 dB away at full size",
        "some-network-x4, faithful",
        "Faithful style: clean <enough>",
        "openvino, bf16",
        "1.91 s",
        "1.5 s",
        "12 (9 little, 3 big)",
        "2.57 megapixels/s",
        "1,234 GMAC",
        "512 MB",
        "the profile was <assumed>",
        "in/photo.jpg",
    ):
        assert expected in text
    assert page.all("html") == [{"lang": "en"}]
    assert [name for name, _ in page.elements if re.fullmatch(r"h\d", name)] == ["h1", "h2", "h3", "h3", "h3", "h3"]


def test_several_files_and_failures_are_counted_and_listed():
    page = Page(html({"files": [ENTRY, ENTRY], "failed": [{"input": "bad.png", "error": "not a picture"}]}))
    assert page.all("title")
    assert "2 photos upscaled, 1 failed" in page.text()
    assert len(page.all("article")) == 2
    assert "bad.png not a picture" in page.text()


@given(st.text(min_size=1), st.text(min_size=1))
def test_nothing_in_a_report_becomes_markup(name, note):
    hostile = ENTRY | {
        "input": f'<img src=x>"{name}',
        "output": f"</h2><script>{name}",
        "model": "<b>",
        "warnings": [note],
    }
    page = Page(html({"files": [hostile], "failed": [{"input": f"<i>{name}", "error": f"&amp;<u>{note}"}]}))
    assert not page.all("img") + page.all("script") + page.all("b") + page.all("i") + page.all("u")
    assert "&amp;<u>" in page.text()


def test_the_page_loads_nothing_and_runs_only_what_it_was_made_with():
    page = html({"files": [ENTRY], "failed": []}, [BeforeAfter("a", picture("PNG"), picture("JPEG"))])
    policy = Page(page).all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?://|//[a-z]|@import|url\(", page)
    assert " style=" not in page
    assert len(page) < 12_000


def test_before_and_after_get_a_labelled_slider_that_works_by_keyboard():
    pairs = [
        BeforeAfter("a <detail>", picture("WEBP"), picture("AVIF")),
        BeforeAfter("b", picture("PNG"), picture("PNG")),
    ]
    page = Page(html({"files": [ENTRY], "failed": []}, pairs))
    assert [image["src"].partition(";")[0] for image in page.all("img")[:2]] == ["data:image/webp", "data:image/avif"]
    assert [image["alt"] for image in page.all("img")[:2]] == ["a <detail>: Before", "a <detail>: After"]
    sliders = page.all("input")
    assert [(slider["type"], slider["min"], slider["max"]) for slider in sliders] == 2 * [("range", "0", "100")]
    assert page.text().count("Slide to compare") == len(page.all("label")) == len(page.all("script")) + 1 == 2


def test_other_bytes_are_refused():
    with pytest.raises(InvalidInput, match="PNG, JPEG, WebP or AVIF"):
        html({"files": [], "failed": []}, [BeforeAfter("a", b"<svg onload=alert(1)>", picture("PNG"))])


@pytest.mark.parametrize("report", [{"files": 3}, {"files": ["name"]}, {"failed": [None]}])
def test_a_report_of_another_form_is_refused(report):
    with pytest.raises(InvalidInput, match="expected a list of objects"):
        html(report)


def test_what_was_not_measured_is_left_out():
    page = Page(html({"files": [{"output": "x.png", "gmacs": None}]}))
    assert "x.png" in page.text()
    assert "GMAC" not in page.text()
    assert not page.all("meter") + page.all("section")


@pytest.mark.parametrize("exact", [None, float("inf")])
def test_an_exact_result_says_so(exact):
    assert consistency_sentence(exact).endswith("are exactly the same.")
    page = Page(html({"files": [ENTRY | {"consistency_psnr": exact}]}))
    assert "Kept exact" in page.text()
    assert page.all("meter")[0]["value"] == "60.0"


def test_the_sentence_gets_sterner_as_the_figure_falls():
    sentences = [consistency_sentence(decibel) for decibel in (60, 45, 44.9, 38, 37, 30, 29, -5)]
    kinds = [sentence.split("levels")[1] for sentence in sentences]
    assert [kinds.index(kind) for kind in kinds] == [0, 0, 2, 2, 4, 4, 6, 6]
    assert "1.4 of 255" in sentences[1]


def test_a_tiny_difference_is_not_called_none():
    assert "by less than 0.1 of 255 levels" in consistency_sentence(76.1)


def test_added_detail_is_weighed_for_a_person():
    assert "next to nothing could be invented" in added_sentence(0.3)
    assert "3.2 of 255 levels" in added_sentence(3.21)


def test_what_a_phone_shows_is_weighed_for_a_person():
    assert phone_sentence(None, None) == "On a phone's screen it looks exactly like a plain enlargement."
    assert "no wider than a phone's screen" in phone_sentence(31.4, 31.4)
    meanings = [phone_sentence(31.4, phone).partition("screen: ")[2] for phone in (50, 45, 44, 38, 37, 32)]
    assert [meanings.index(meaning) for meaning in meanings] == [0, 0, 2, 2, 4, 4]


def test_text_tables_are_aligned_with_figures_to_the_right():
    table = text_table([["name", "x"], ["a", "10.5"], ["longer", "9"]])
    assert table == "name       x\n──────  ────\na       10.5\nlonger     9"
