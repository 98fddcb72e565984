"""The page in a real browser, as a phone: on the server, and then with the server gone."""

import io
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from test_answer_in_browser import BRIEF, CHROMIUM, FLAGS

import fourfold
from fourfold.serve.page import assets
from serve_it import Server

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the browser chromium: apt-get install chromium")
WIDTH, HEIGHT = 300, 200  # 0.06 megapixels
SEVERAL = 3
TOO_SMALL = """
[...document.querySelectorAll('button, a, select, textarea, summary, label.button, fieldset label, ' +
  'input[type=range], input[type=number]')]
  .filter((one) => one.checkVisibility()).map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
  .filter(([, box]) => box.height < 44 || box.width < 44).map(([text, box]) => `${text} ${box.width}x${box.height}`)
"""
NAMELESS = """
[...document.querySelectorAll('input, select, textarea, button')]
  .filter((one) => !one.labels?.length && !one.ariaLabel && !one.textContent).length
"""
UNSAID = "[...document.querySelectorAll('[data-word]')].filter((one) => one.textContent === one.dataset.word).length"


def photo(path: Path, width=WIDTH, height=HEIGHT, seed=0) -> Path:
    """A photo with soft and with sharp parts, without loss, so that every decoder gives the same pixels."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    rows = np.dstack([x, 0.5 + 0.5 * np.sin(60 * x * y + seed), (x * 8 % 1 > 0.5) * 0.8]) * 255
    Image.fromarray(rows.astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("service"), ("--max-megapixels", "4")).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def phone(browser, service, scheme):
    """The page on a phone, with all it asked for and said."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2,
        color_scheme=scheme, accept_downloads=True,
    )  # fmt: skip
    page = context.new_page()
    page.asked, page.said = [], []
    context.on("request", lambda one: page.asked.append(one.url))
    page.on("console", lambda one: page.said.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda one: page.said.append(str(one)))
    page.goto(service.url)
    ready(page)
    yield page
    assert page.said == []
    outside = [url for url in page.asked if not url.startswith((service.url, "blob:", "data:"))]
    assert outside == []
    context.close()


def ready(page):
    page.wait_for_selector("html[data-ready]", timeout=30_000)


def fits(page):
    """Nothing is wider than the phone, and whatever is to be touched is large enough for a finger."""
    scrolled, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scrolled == seen == 390
    assert page.evaluate(TOO_SMALL) == []


def comes_true(page, expression, seconds=60):
    """The page's own policy forbids the browser to wait for an expression by itself."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def chosen(page, *paths):
    page.set_input_files("#files", list(map(str, paths)))


def done(page, count=1):
    expect(page.locator("article.done")).to_have_count(count, timeout=120_000)


def saved(page, number=0) -> Image.Image:
    with page.expect_download() as download:
        page.get_by_text("Save").nth(number).tap()
    with Image.open(io.BytesIO(Path(download.value.path()).read_bytes())) as picture:
        return picture.convert("RGB")


def test_a_photo_is_made_large_on_the_server_compared_saved_and_explained(phone, tmp_path):
    fits(phone)
    phone.locator("#choose summary").tap()
    fits(phone)
    chosen(phone, photo(tmp_path / "flowers.png"))
    done(phone)
    fits(phone)
    assert phone.locator("article .note").get_attribute("data-where") == "server"
    assert "300×200 → 1200×800" in phone.locator("article .sizes").inner_text()
    stage, cut = phone.locator(".stage"), phone.locator(".compare input")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    phone.touchscreen.tap(box["x"] + 0.2 * box["width"], box["y"] + 60)
    expect(cut).to_have_value(re.compile("^(19|20|21)$"))
    cut.focus()
    phone.keyboard.press("ArrowRight")
    expect(cut).to_have_value(re.compile("^(20|21|22)$"))
    assert saved(phone).size == (1200, 800)
    phone.get_by_text("Why it looks sharp").tap()
    phone.get_by_text("Open the explanation").wait_for(timeout=60_000)
    with phone.context.expect_page() as opened:
        phone.get_by_text("Open the explanation").tap()
    page = opened.value
    page.wait_for_load_state()
    assert "1200×800" in page.inner_text("body")
    page.close()
    fits(phone)


def test_a_photo_is_deblurred_on_the_server_and_a_sharp_one_comes_back_as_it_is(phone, tmp_path):
    phone.locator("#choose summary").tap()
    phone.locator("[name=task][value=deblur]").check()
    expect(phone.locator("[name=style]").first).to_be_disabled()
    sharp = tmp_path / "flowers.png"
    squares = np.random.default_rng(2).integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(squares).save(sharp)
    chosen(phone, sharp)
    done(phone)
    note = phone.locator("article .note")
    assert note.get_attribute("data-where") == "server"
    expect(note).to_contain_text("There was no shake to undo")
    with Image.open(sharp) as before:
        assert saved(phone).tobytes() == before.convert("RGB").tobytes()
    assert phone.get_by_text("Why it looks sharp").count() == 0
    fits(phone)


def test_a_page_of_a_file_is_asked_for_by_number(phone, tmp_path):
    pages = [Image.new("RGB", (24, 20), (80 * number, 90, 60)) for number in range(3)]
    pages[0].save(tmp_path / "pages.webp", save_all=True, append_images=pages[1:], lossless=True)
    phone.locator("#choose summary").tap()
    phone.get_by_label("Page, of a file with several pictures").fill("2")
    chosen(phone, tmp_path / "pages.webp")
    done(phone)
    fits(phone)
    assert phone.locator("article .note").get_attribute("data-where") == "server"
    assert saved(phone).getpixel((40, 40)) == (80, 90, 60)
    phone.get_by_label("Page, of a file with several pictures").fill("4")
    chosen(phone, tmp_path / "pages.webp")
    expect(phone.locator("article.failed .note")).to_contain_text("no page of this number", timeout=60_000)
    fits(phone)


def test_two_fingers_and_a_double_tap_look_closer(phone, tmp_path):
    chosen(phone, photo(tmp_path / "flowers.png"))
    done(phone)
    phone.locator(".stage").scroll_into_view_if_needed()
    box = phone.locator(".stage").bounding_box()
    session = phone.context.new_cdp_session(phone)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def touch(kind, *far):
        points = [{"x": x + one, "y": y, "id": number} for number, one in enumerate(far)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -20, 20)
    for far in (30, 45, 60):
        touch("touchMove", -far, far)
    touch("touchEnd")
    scale = "Number(/scale\\((.*)\\)/.exec(document.querySelector('.after img').style.transform)?.[1] ?? 1)"
    comes_true(phone, f"{scale} > 2")
    assert phone.evaluate(scale) == pytest.approx(3, abs=0.5)
    for _ in range(20):  # two of them come soon enough after each other, also on a busy machine
        phone.touchscreen.tap(x - 60, y)
        if phone.evaluate(scale) == 1:
            break
    comes_true(phone, f"{scale} === 1")
    fits(phone)


def test_several_photos_one_of_them_none(phone, tmp_path):
    (tmp_path / "notes.png").write_text("not a photo")
    paths = [photo(tmp_path / f"{number}.png", 60, 40, number) for number in range(SEVERAL)]
    chosen(phone, *paths, tmp_path / "notes.png")
    done(phone, SEVERAL)
    failed = phone.locator("article.failed .note")
    expect(failed).to_have_text("This file is not a photo that can be read. Try another one, or save it as JPEG first.")
    expect(phone.locator("#state")).to_contain_text("3 of 4 photos done")
    fits(phone)
    phone.said[:] = [one for one in phone.said if "415" not in one]  # the browser tells of every refusal


def test_in_other_languages_and_with_the_keyboard_alone(phone):
    for language, title in (("ko", "작은 사진을 크고 선명하게"), ("es", "Una foto pequeña, grande y nítida")):
        phone.select_option("#language", language)
        expect(phone.locator("h1")).to_have_text(title)
        fits(phone)
        assert phone.evaluate("document.documentElement.lang") == language
        assert phone.evaluate(UNSAID) == 0
    phone.select_option("#language", "en")
    reached = []
    phone.locator("body").click(position={"x": 1, "y": 1})
    for _ in range(12):
        phone.keyboard.press("Tab")
        reached.append(phone.evaluate("document.activeElement.id || document.activeElement.tagName"))
    for wanted in ("language", "files", "camera", "SUMMARY", "brief", "ask"):
        assert wanted in reached
    assert phone.evaluate(NAMELESS) == 0


def test_a_question_is_answered(phone):
    phone.fill("#brief", "How can I make my small photo four times as large?")
    phone.get_by_role("button", name="Ask").tap()
    answer = phone.locator("#answer main")
    expect(answer).to_contain_text("super-resolution", timeout=30_000)
    expect(answer.locator("h2").first).to_be_visible()
    assert not re.search(r"^#|\*\*|```|mermaid", answer.inner_text(), re.MULTILINE)
    assert answer.evaluate("one => getComputedStyle(one).display") == "grid"  # in the style of the page of an answer
    fits(phone)
    phone.fill("#brief", "사진을 네 배로 크게 하려면?")
    phone.get_by_role("button", name="Ask").tap()
    expect(answer).to_have_attribute("lang", "ko")


def test_the_evidence_of_a_sentence_opens_at_a_touch_beside_its_mark(phone):
    phone.fill("#brief", BRIEF)
    phone.get_by_role("button", name="Ask").tap()
    mark = phone.locator("#answer .mark").first
    mark.wait_for()
    mark.scroll_into_view_if_needed()
    box = mark.locator("summary").bounding_box()
    phone.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 - 21)
    expect(mark).to_have_attribute("open", "")
    fits(phone)


def test_what_cannot_be_answered_is_said(phone):
    phone.route("**/v1/ask", lambda route: route.abort())
    phone.fill("#brief", "What is in this photo?")
    phone.get_by_role("button", name="Ask").tap()
    expect(phone.locator("#answer-note")).to_contain_text("The computer does not answer")
    expect(phone.locator("#answer")).to_be_hidden()
    phone.said.clear()  # the browser tells of the refusal


def test_a_question_of_several_lines_is_one(phone):
    phone.fill("#brief", 'I have a small photo, called "flowers".\n\nHow can I make it four times as large?')
    phone.get_by_role("button", name="Ask").tap()
    expect(phone.locator("#answer main")).to_contain_text("super-resolution", timeout=30_000)
    phone.said[:] = [one for one in phone.said if "422" not in one]  # the browser tells of every refusal


def test_a_cancel_while_the_result_comes_removes_the_photo_and_no_job(phone, tmp_path):
    held, removed = [], []
    phone.route("**/v1/jobs/*/result", lambda route: held.append(route))
    phone.on("request", lambda one: removed.append(one.url) if one.method == "DELETE" else None)
    chosen(phone, photo(tmp_path / "flowers.png", 60, 40))
    end = time.monotonic() + 60
    while not held:
        assert time.monotonic() < end
        phone.wait_for_timeout(50)
    phone.get_by_role("button", name="Cancel").tap()
    expect(phone.locator("article")).to_have_count(0)
    assert removed == []
    phone.unroute_all()
    chosen(phone, tmp_path / "flowers.png")
    done(phone)


def test_trying_again_begins_anew_also_after_a_cancel(phone, tmp_path):
    phone.route("**/v1/jobs", lambda route: route.fulfill(status=507, json={"type": "urn:fourfold:problem:not-enough"}))
    chosen(phone, photo(tmp_path / "flowers.png", 60, 40))
    expect(phone.locator("article.failed .note")).to_have_text("The computer's disk is full.")
    again = """async () => {
        const { Photo } = await import("/photo.js");
        const one = new Photo(new File([], "a.png"), {}, () => {});
        one.set("working");
        one.cancel();
        one.fail("device");
        one.again();
        return one.stop.signal.aborted;
    }"""
    assert phone.evaluate(again) is False
    phone.unroute_all()
    phone.get_by_role("button", name="Try again").tap()
    done(phone)
    phone.said[:] = [one for one in phone.said if "507" not in one]


def test_over_plain_http_nothing_is_promised_that_needs_the_server(browser, tmp_path):
    server = Server(tmp_path / "service", ("--lan",)).start()
    plain = browser.browser_type.launch(
        executable_path=CHROMIUM, args=[*FLAGS, "--host-resolver-rules=MAP computer.test 127.0.0.1"]
    )
    page = plain.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(f"{server.url.replace('127.0.0.1', 'computer.test')}/?token={server.token}")
    ready(page)
    assert page.evaluate("isSecureContext") is False
    server.kill()
    chosen(page, photo(tmp_path / "flowers.png", 60, 40))
    failed = page.locator("article.failed .note")
    expect(failed).to_contain_text("this browser has not kept what the device needs", timeout=90_000)
    there = any(name.startswith("vendor/") for name in assets())
    told = "this device cannot do without it" if there else "installed without the part that works on the device"
    expect(page.locator("#state")).to_contain_text(told)
    page.locator("#choose summary").tap()
    if there:
        page.get_by_text("On this device; nothing is uploaded").tap()
        page.get_by_role("button", name="Try again").tap()
        expect(failed).to_have_count(0)
        expect(failed).to_contain_text("this browser has not kept what the device needs", timeout=90_000)
    fits(page)
    plain.close()
    server.process.stderr.close()


def test_with_the_server_gone_the_device_does_it(browser, tmp_path):
    if not any(name.startswith("vendor/") for name in assets()):
        pytest.skip("needs the engine for browsers in the source tree: python hatch_build.py")
    server = Server(tmp_path / "service").start()
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
        color_scheme="dark",
    )
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda one: said.append(str(one)))
    context.on("request", lambda one: asked.append((one.method, one.url)))
    page.goto(server.url)
    ready(page)
    comes_true(page, "navigator.serviceWorker.controller !== null")
    server.kill()
    page.reload()
    ready(page)
    expect(page.locator("#state")).to_contain_text("on this device")
    path = photo(tmp_path / "flowers.png")
    chosen(page, path)
    done(page)
    fits(page)
    assert page.locator("article .note").get_attribute("data-where") == "device"
    here = np.asarray(saved(page)).astype(int)
    with Image.open(path) as small:
        options = {"route": "little", "style": "faithful", "precision": "fp32", "runtime": "onnxruntime"}
        there = np.asarray(fourfold.upscale(small, **options)).astype(int)
    assert here.shape == there.shape == (800, 1200, 3)
    assert np.abs(here - there).max() <= 2
    assert said == []
    assert {method for method, _ in asked} == {"GET"}
    assert [url for _, url in asked if not url.startswith((server.url, "blob:", "data:"))] == []
    context.close()
    server.process.stderr.close()
