"""The page of an answer in a real browser, headless, as a phone and as a desk computer."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from fourfold.cli.main import main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    f"--{flag}"
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync",
    )
]  # fmt: skip
BRIEF = """A user has asked the following question:
"How can I make my 300 pixel wide holiday photo, which is a bit dull, four times as large without it getting blurred?"

### Recommended AI Models:
Model: Deblur-Some-Very-Long-Network-Name-Without-Any-Space-In-It-GoPro
Paper: https://example.org/a/rather/long/address/that/would/not/fit/into/the/width/of/a/phone/edsr.pdf

### Related Papers:
Model: A paper about enlarging
Paper: http://example.org/p.pdf
Summary: We introduce a network for single image super-resolution that enlarges a photo four times while keeping edges.

Answer:
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("answer")
    x, y = np.meshgrid(np.linspace(0, 1, 150), np.linspace(0, 1, 100))
    levels = (np.dstack([x, y, 0.5 + 0.5 * np.sin(90 * x * y)]) * 255).astype(np.uint8)
    Image.fromarray(levels).save(folder / "photo.jpg")
    (folder / "brief.txt").write_text(BRIEF)
    words = ["ask", str(folder / "brief.txt"), "--photo", str(folder / "photo.jpg"), "-o", str(folder), "--quiet"]
    assert main(words) == 0
    return (folder / "answer.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs the browser chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=[(390, 844), (1280, 800)], ids=["phone", "desk"])
def page(request, browser, address):
    """The page open in a window of its own, with every request that it made."""
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=True, is_mobile=width < 600, device_scale_factor=2
    )
    opened = context.new_page()
    opened.requests, opened.said = [], []
    opened.on("request", lambda one: opened.requests.append(one.url))
    opened.on("console", lambda one: opened.said.append(one.text))
    opened.on("pageerror", lambda one: opened.said.append(str(one)))
    opened.goto(address)
    yield opened
    context.close()


def widths(page):
    return page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")


def cut(page, number=0):
    """Where the slider stands; what is shown is cut there as well."""
    value, shown = page.evaluate(
        f"[document.getElementById('cut{number}').value,"
        f" document.querySelectorAll('.compare')[{number}].style.getPropertyValue('--cut')]"
    )
    assert shown == f"{value}%"
    return int(value)


def comes_to(page, number, percent):
    """Touches arrive a moment later."""
    near = re.compile(f"^({percent - 1}|{percent}|{percent + 1})$")
    expect(page.locator(f"#cut{number}")).to_have_value(near, timeout=20_000)
    assert near.match(str(cut(page, number)))


def touch(page, kind, *points):
    places = [{"x": x, "y": y} for x, y in points]
    page.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_also_with_everything_open(page, scheme):
    page.emulate_media(color_scheme=scheme)
    scrolled, seen = widths(page)
    assert scrolled == seen
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert widths(page) == [scrolled, seen]
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) < 200) == (scheme == "dark")


def test_no_request_leaves_the_machine_and_nothing_goes_wrong(page):
    for _ in range(5):
        page.mouse.wheel(0, 2000)
    page.wait_for_timeout(200)
    outside = [url for url in page.requests if not url.startswith(("file:", "data:"))]
    assert outside == []
    assert page.requests
    assert page.said == []


def test_the_short_answer_is_on_the_first_screen_above_the_pictures(page):
    lead = page.locator(".lead").bounding_box()
    assert lead["y"] + lead["height"] < page.viewport_size["height"]
    assert lead["y"] + lead["height"] < page.locator(".stage").first.bounding_box()["y"]


@pytest.mark.parametrize("number", [0, 1])
def test_the_slider_moves_by_arrow_keys(page, number):
    assert cut(page, number) == 50
    page.focus(f"#cut{number}")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    assert cut(page, number) == 57
    page.keyboard.press("ArrowLeft")
    assert cut(page, number) == 56
    assert cut(page, 1 - number) == 50


@pytest.mark.parametrize("number", [0, 1])
def test_the_slider_moves_by_touch(page, number):
    page.session = page.context.new_cdp_session(page)
    stage = page.locator(".stage").nth(number)
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    middle = box["y"] + box["height"] / 2
    touch(page, "touchStart", (box["x"] + 0.5 * box["width"], middle))
    for part in (0.4, 0.3, 0.2):
        touch(page, "touchMove", (box["x"] + part * box["width"], middle))
    comes_to(page, number, 20)
    touch(page, "touchEnd")
    touch(page, "touchStart", (box["x"] + 0.9 * box["width"], middle))
    touch(page, "touchEnd")
    comes_to(page, number, 90)
    page.session.detach()


def test_what_is_before_the_cut_covers_what_is_after(page):
    page.focus("#cut0")
    page.keyboard.press("Home")
    all_after = page.locator(".stage").first.screenshot()
    page.keyboard.press("End")
    all_before = page.locator(".stage").first.screenshot()
    assert all_before != all_after


def test_a_tap_shows_the_words_of_the_source_and_the_field(page):
    for kind, shown in (("cited", "“"), ("measured", "restored.report.")):
        mark = page.locator(f"details.{kind}").first
        assert not mark.locator("div").is_visible()
        mark.locator("summary").tap()
        assert mark.locator("div").is_visible()
        assert shown in mark.locator("div").inner_text()


def test_pictures_fill_the_same_place(page):
    for number in (0, 1):
        boxes = [page.locator(".stage").nth(number).locator("img").nth(side).bounding_box() for side in (0, 1)]
        assert boxes[0] == pytest.approx(boxes[1], abs=1)
        assert boxes[0]["width"] > 300
    assert Path(page.url.removeprefix("file://")).stat().st_size < 2_000_000
