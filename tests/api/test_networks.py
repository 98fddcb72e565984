from dataclasses import replace

import numpy as np
import pytest
import skimage.data
from PIL import Image as Pillow

from fourfold import Session
from fourfold.api.networks import choose_cards, choose_style
from fourfold.api.reports import write_document
from fourfold.bench.artefacts import artefacts
from fourfold.catalog import load
from fourfold.core.errors import UsageError
from fourfold.core.options import UpscaleOptions
from fourfold.imaging import degrade
from fourfold.imaging.metrics import ssim_y
from fourfold.imaging.resize import bicubic
from fourfold.methods.condition import Condition


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(skimage.data.astronaut()[:130, 100:260])


@pytest.fixture(scope="module")
def session():
    return Session(UpscaleOptions(style="faithful", threads=1))


def options(**given):
    return UpscaleOptions(**given)


def test_auto_routes_from_the_little_network_of_the_style_to_its_big_one():
    for style in ("faithful", "natural"):
        little, big = choose_cards(options(), style)
        assert (little.tier, big.tier, little.style, big.style) == ("little", "big", style, style)
        assert big.gate.little == little.id
    assert [card.tier for card in choose_cards(options(route="big"), "natural")] == ["big"]
    named = load.find("image-to-image/super-resolution", 4, "little", "natural")
    assert choose_cards(options(model=named.id), "natural") == (named,)


@pytest.mark.parametrize("given", [{"route": "little"}, {"route": "big"}])
def test_a_budget_needs_a_choice(given):
    with pytest.raises(UsageError, match="leave --route and --model on auto"):
        choose_cards(options(time_budget=2.0, **given), "faithful")


def test_the_style_is_as_asked_or_as_the_condition_says():
    clean, degraded = Condition("sharp", 1.0, 0.5, 0.0, False), Condition("compressed", 0.9, 0.5, 0.1, True)
    assert choose_style(clean, options())[0] == "faithful"
    assert choose_style(degraded, options())[0] == "natural"
    assert choose_style(degraded, options(style="faithful")) == ("faithful", "asked for")
    big = load.find("image-to-image/super-resolution", 4, "big", "natural")
    assert choose_style(clean, options(model=big.id))[0] == "natural"


def test_the_report_says_what_was_found_and_which_workflow_suits(session, photo):
    small = np.ascontiguousarray(skimage.data.astronaut()[:256, 100:356])
    noisy = degrade.noise(small, 20, np.random.default_rng(1))
    found = session.upscale(noisy, style=None, route="little").report
    assert (found.condition.kind, found.condition.name, found.style) == ("noisy", "a noisy photo", "natural")
    assert found.condition.certainty > 0.6
    assert found.condition.recogniser == load.recogniser().id
    assert found.condition.workflow == ""
    enlarged = bicubic(bicubic(small, (64, 64)), (256, 256))
    assert session.upscale(enlarged, route="little").report.condition.workflow == "upscale-enlarged"


def test_the_tile_map_says_who_answered(session, photo):
    report = session.upscale(photo).report
    tiles, routing = report.tiles, report.routing
    assert tiles["total"] == tiles["little"] + tiles["big"] == sum(map(len, routing.big))
    assert tiles["big"] == sum(map(sum, routing.big)) > 0
    for expected, measured, big in zip(
        sum(routing.expected, ()), sum(routing.measured, ()), sum(routing.big, ()), strict=True
    ):
        assert big == (expected < routing.threshold) or abs(expected - routing.threshold) < 0.11
        assert (measured is not None) == big
    assert routing.seconds_little + routing.seconds_big == pytest.approx(report.seconds_model, abs=2e-4)
    assert " + " in report.model


def test_the_colours_that_transparency_hides_change_nothing(session, photo):
    shown = np.zeros((*photo.shape[:2], 1), np.uint8)
    shown[20:110, 30:130] = 255
    noise = np.random.default_rng(1).integers(0, 256, photo.shape, np.uint8)
    first, second = (
        session.upscale(np.dstack([np.where(shown, photo, hidden), shown]), style=None) for hidden in (0 * photo, noise)
    )
    np.testing.assert_array_equal(first.image, second.image)
    assert first.report.routing.expected == second.report.routing.expected
    assert first.report.condition == second.report.condition
    assert first.report.style == second.report.style


def test_the_page_of_a_routed_run_shows_the_photo_tinted_if_it_is_still_there(session, photo, tmp_path):
    Pillow.fromarray(photo).save(tmp_path / "photo.png")
    routed = session.upscale(photo).report
    for name, pictures in (("photo.png", 1), ("gone.png", 0)):
        report = replace(routed, input=str(tmp_path / name), output=str(tmp_path / "none.png"))
        write_document(tmp_path / "page.html", [report], [])
        assert (tmp_path / "page.html").read_text().count("data:image/webp") == pictures
        write_document(tmp_path / "report.json", [report], [])
        assert "tinted" not in (tmp_path / "report.json").read_text()


def test_the_threshold_goes_from_the_little_network_to_the_big_one(session, photo):
    little, big = (session.upscale(photo, route=route).image for route in ("little", "big"))
    np.testing.assert_array_equal(session.upscale(photo, route_threshold=0.0).image, little)
    every = session.upscale(photo, route_threshold=100.0)
    assert every.report.tiles["little"] == 0
    assert np.abs(every.image.astype(int) - big).mean() < 0.5
    assert np.abs(every.image.astype(int) - big).mean() < np.abs(little.astype(int) - big).mean() / 4


def test_a_routed_picture_has_no_step_at_the_borders_that_it_has_not_inside(session, photo):
    routed = session.upscale(photo).image.astype(int)
    big = session.upscale(photo, route="big").image.astype(int)
    little = session.upscale(photo, route="little").image.astype(int)
    for axis in (0, 1):
        step = np.abs(np.diff(routed, axis=axis))
        own = np.maximum(np.abs(np.diff(big, axis=axis)), np.abs(np.diff(little, axis=axis)))
        assert np.percentile(step - own, 99.9) <= 4


def test_a_budget_keeps_tiles_little_and_says_when_it_is_too_short(session, photo):
    short = session.upscale(photo, time_budget=0.01).report
    assert short.tiles["big"] == 0
    assert any("the little network alone needs about" in note for note in short.warnings)
    ample = session.upscale(photo, time_budget=600.0).report
    assert ample.tiles == session.upscale(photo).report.tiles
    assert not ample.warnings


def test_strength_goes_from_faithful_to_photo(session, photo):
    faithful, strong = (session.upscale(photo, style=style, route="little").image for style in ("faithful", "natural"))
    half = session.upscale(photo, style="natural", strength=0.5, route="little")
    np.testing.assert_allclose(half.image, (faithful.astype(float) + strong) / 2, atol=0.51)
    none = session.upscale(photo, style="natural", strength=0.0, route="little")
    np.testing.assert_array_equal(none.image, faithful)
    assert (none.report.style, none.report.style_reason) == ("faithful", "strength 0")
    whole = session.upscale(photo, style="natural", route="little")
    assert half.report.gmacs == pytest.approx(2 * whole.report.gmacs, abs=2e-3)
    assert (half.report.style, half.report.strength) == ("natural", 0.5)
    assert (faithful != strong).mean() > 0.3


def test_the_natural_style_repairs_what_faithful_enlarges(session):
    """Where the photo is smooth its noise is gone; where it has edges, they stay."""
    truth = np.ascontiguousarray(skimage.data.astronaut()[:256, 64:320])
    low = degrade.jpeg(degrade.noise(bicubic(truth, (64, 64)), 10, np.random.default_rng(2)), 60)
    faithful, natural = (session.upscale(low, style=style).image for style in ("faithful", "natural"))
    left, its = (artefacts(one, truth)[0].noise for one in (faithful, natural))
    assert its < 0.5 * left
    assert ssim_y(natural, truth) > ssim_y(faithful, truth) + 0.04
