import io

import numpy as np
import picture_charts as charts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageCms

from fourfold.core.image import Image
from fourfold.imaging import color, files
from fourfold.imaging.resize import bicubic

WIDE = pytest.mark.parametrize(
    ("space", "gamma"),
    [(charts.P3, None), (charts.ADOBE, 2.19921875)],
    ids=["Display P3", "Adobe RGB"],
)


def in_srgb(values: np.ndarray, profile: bytes) -> np.ndarray:
    """8-bit sRGB of values in 0..1 under a profile, by LittleCMS."""
    picture = Pillow.fromarray(np.rint(values * 255).astype(np.uint8))
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), picture.mode, "RGB")
    return np.asarray(ImageCms.applyTransform(picture, transform)).astype(int)


@WIDE
@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("depth", [8, 16])
def test_wide_gamut_charts_come_back(
    space: charts.Chromaticities, gamma: float | None, version: int, name: str, depth: int
) -> None:
    profile = charts.icc_rgb(space, gamma, version)
    target = io.BytesIO()
    files.write(Image(charts.chart(), depth=depth, profile=profile), target, name)
    back = files.read(target.getvalue())
    assert back.profile == profile
    assert back.notes == ()
    expected = charts.lab(charts.patches_of(charts.chart()), space, gamma)
    got = charts.lab(charts.patches_of(back.pixels), space, gamma)
    assert charts.delta_e(got, expected).max() < 1
    as_srgb = charts.lab(charts.patches_of(back.pixels), color.SRGB_CHROMATICITIES, None)
    assert charts.delta_e(as_srgb, expected).max() > 3  # the test would notice a lost profile


@pytest.mark.parametrize(
    ("first", "second", "distance"),  # from the test data of Sharma, Wu and Dalal (2005)
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_of_these_tests(first: tuple[float], second: tuple[float], distance: float) -> None:
    assert charts.delta_e(np.array(first), np.array(second)) == pytest.approx(distance, abs=1e-4)


@WIDE
@pytest.mark.parametrize("version", [2, 4])
def test_profiles_made_here_agree_with_those_made_by_hand(
    space: charts.Chromaticities, gamma: float | None, version: int
) -> None:
    made = color.simple_profile(space, gamma, "Made here")
    assert color.usable(made, 3) == ""
    by_hand = charts.icc_rgb(space, gamma, version)
    assert np.abs(in_srgb(charts.chart(), made) - in_srgb(charts.chart(), by_hand)).max() <= 1


def test_png_gamma_and_chromaticities_become_a_profile() -> None:
    white_and_primaries = (charts.ADOBE[3], *charts.ADOBE[:3])
    numbers = [round(number * 100000) for pair in white_and_primaries for number in pair]
    extra = [
        (b"gAMA", round(100000 / 2.19921875).to_bytes(4, "big")),
        (b"cHRM", b"".join(number.to_bytes(4, "big") for number in numbers)),
    ]
    levels = np.rint(charts.chart() * 255).astype(np.uint8)
    picture = files.read(charts.png_file(levels, 8, 2, extra))
    assert picture.profile is not None
    expected = in_srgb(charts.chart(), charts.icc_rgb(charts.ADOBE, 2.19921875))
    assert np.abs(in_srgb(picture.pixels, picture.profile) - expected).max() <= 1
    assert np.array_equal(np.rint(picture.pixels * 255), levels)


@pytest.mark.parametrize(
    "extra",
    [
        [],
        [(b"sRGB", b"\0"), (b"gAMA", (100000).to_bytes(4, "big"))],
        [(b"gAMA", (45455).to_bytes(4, "big"))],
        [(b"gAMA", bytes(4)), (b"cHRM", bytes(32))],
        [(b"cHRM", b"\xff" * 32)],
        [(b"cICP", bytes([1, 13, 0, 1]))],
    ],
)
def test_png_that_says_srgb_or_nonsense_has_no_profile(extra: list[tuple[bytes, bytes]]) -> None:
    picture = files.read(charts.png_file(charts.gradient(4, 5, 3), 8, 2, extra))
    assert picture.profile is None
    assert picture.notes == ()


def test_grey_png_with_unusual_gamma_becomes_a_grey_profile() -> None:
    picture = files.read(charts.png_file(charts.gradient(4, 5, 1), 8, 0, [(b"gAMA", (55556).to_bytes(4, "big"))]))
    assert picture.profile is not None
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    assert np.abs(in_srgb(ramp, picture.profile) - in_srgb(ramp, charts.icc_grey(1.8))).max() <= 1


def test_code_points_of_png_and_avif_become_a_profile() -> None:
    levels = np.rint(charts.chart() * 255).astype(np.uint8)
    target = io.BytesIO()
    Pillow.fromarray(levels).save(target, "AVIF", quality=90, subsampling="4:4:4")
    avif = target.getvalue().replace(b"colrnclx\0\x01", b"colrnclx\0\x0c")
    for data in (charts.png_file(levels, 8, 2, [(b"cICP", bytes([12, 13, 0, 1]))]), avif):
        picture = files.read(data)
        assert picture.profile is not None
        expected = in_srgb(charts.chart(), charts.icc_rgb(charts.P3, None))
        assert np.abs(in_srgb(charts.chart(), picture.profile) - expected).max() <= 1


@pytest.mark.parametrize(("code", "word"), [(16, "PQ"), (18, "HLG"), (8, "linear")])
def test_hdr_and_linear_pictures_are_noted(code: int, word: str) -> None:
    levels = charts.gradient(4, 5, 3)
    by_chunk = files.read(charts.png_file(levels, 8, 2, [(b"cICP", bytes([9, code, 0, 1]))]))
    tagged = charts.icc(b"RGB ", {b"cicp": b"cicp\0\0\0\0" + bytes([9, code, 0, 1]), **charts.icc_names("x", 4)}, 4)
    assert any(word in note for note in by_chunk.notes)
    assert color.transfer(tagged) == word.lower()
    assert color.transfer(charts.icc_rgb(charts.P3, None, name=f"Rec. 2100 {word}")) == word.lower()
    assert color.transfer(charts.icc_rgb(charts.P3, None, name="Display P3")) == "sdr"


@pytest.mark.parametrize(
    ("code", "white"),  # BT.2408: the reference white of 203 cd/m², and 26 for grey of 18 %, at a value of 0.38 in both
    [(16, 0.58), (18, 0.75)],
    ids=["PQ", "HLG"],
)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("colours", [1, 3])
def test_hdr_pictures_keep_their_colour_space(code: int, white: float, name: str, colours: int) -> None:
    kind = 2 if colours == 3 else 0
    picture = files.read(charts.png_file(charts.gradient(4, 5, colours), 8, kind, [(b"cICP", bytes([9, code, 0, 1]))]))
    target = io.BytesIO()
    files.write(picture, target, name)
    back = files.read(target.getvalue())
    assert back.profile
    assert back.notes == picture.notes
    assert color.transfer(back.profile) == {16: "pq", 18: "hlg"}[code]
    if colours == 3:
        assert b"cicp\0\0\0\0" + bytes([9, code, 0, 1]) in back.profile
        white_and_grey = in_srgb(np.broadcast_to([[[white], [0.38]]], (1, 2, 3)), back.profile)
        expected = 255 * color.from_light(np.float32([1, 26 / 203]))
        assert np.abs(white_and_grey - expected[:, None]).max() <= 2


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        (charts.icc_grey(2.2), "GRAY"),
        (b"x" * 400, "damaged"),
        (charts.icc_rgb(charts.P3, None)[:100], "damaged"),
        (charts.icc_cmyk(), "CMYK"),
    ],
)
def test_profiles_that_do_not_fit_are_dropped_with_a_note(profile: bytes, reason: str) -> None:
    for name in ("JPEG", "PNG", "TIFF", "WEBP"):
        target = io.BytesIO()
        Pillow.fromarray(charts.gradient(6, 8, 3)).save(target, name, icc_profile=profile)
        picture = files.read(target.getvalue())
        assert picture.profile is None
        assert any(reason in note for note in picture.notes), picture.notes


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_a_profile_with_a_wrong_length_is_made_consistent(name: str) -> None:
    good = charts.icc_rgb(charts.P3, None)
    for odd in (good + bytes(9), b"\0\0\0\1" + good[4:]):
        picture = files.read(charts.file_of(name, charts.gradient(16, 24, 3), icc_profile=odd))
        assert picture.profile == good
        assert picture.notes == ()


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_a_profile_that_is_cut_off_is_dropped_with_a_note(name: str) -> None:
    good = charts.icc_rgb(charts.P3, None)
    for cut in (good[: len(good) // 2], good[:150]):
        picture = files.read(charts.file_of(name, charts.gradient(16, 24, 3), icc_profile=cut))
        assert picture.profile is None
        assert picture.notes == ("The colour profile was dropped: it is damaged.",)


def test_tags_beyond_the_end_of_a_profile_go() -> None:
    good = charts.icc_rgb(charts.P3, None)
    count = int.from_bytes(good[128:132], "big")
    more = (count + 1).to_bytes(4, "big") + good[132 : 132 + 12 * count] + b"what" + bytes([0, 1, 0, 0, 0, 0, 0, 9])
    rows = [good[at : at + 12] for at in range(132, 132 + 12 * count, 12)]
    moved = [row[:4] + (int.from_bytes(row[4:8], "big") + 12).to_bytes(4, "big") + row[8:] for row in rows]
    data = good[4:128] + more[:4] + b"".join(moved) + more[-12:] + good[132 + 12 * count :]
    odd = (len(data) + 4).to_bytes(4, "big") + data
    kept = color.consistent(odd)
    assert color.usable(kept, 3) == ""
    assert kept[128:132] == good[128:132]
    assert len(kept) == len(odd)
    assert color.consistent(kept) == kept


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF"])
def test_grey_profiles_stay_with_grey_pictures(name: str) -> None:
    grey = Image(charts.chart()[..., :1].copy(), profile=charts.icc_grey(1.8))
    target = io.BytesIO()
    files.write(grey, target, name)
    assert files.read(target.getvalue()).profile == grey.profile


@pytest.mark.parametrize("alpha", [False, True])
def test_grey_profiles_become_rgb_where_there_is_no_grey(alpha: bool) -> None:
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32), 16).reshape(64, 16, 1)
    cover = np.full((64, 16), 0.5, np.float32) if alpha else None
    target = io.BytesIO()
    files.write(Image(ramp, cover, profile=charts.icc_grey(1.8)), target, "WEBP", quality=100)
    back = files.read(target.getvalue())
    assert back.profile is not None
    expected = in_srgb(ramp[..., 0], charts.icc_grey(1.8))
    assert np.abs(in_srgb(back.pixels, back.profile) - expected).max() <= 1


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile(name: str) -> None:
    inks = np.zeros((16, 80, 4), np.uint8)
    for patch, ink in enumerate(([0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [255, 255, 0, 0])):
        inks[:, 16 * patch : 16 * patch + 16] = ink
    picture = Pillow.frombuffer("CMYK", (80, 16), inks.tobytes(), "raw", "CMYK", 0, 1)
    target = io.BytesIO()
    options = {"quality": 100, "subsampling": 0} if name == "JPEG" else {}
    picture.save(target, name, icc_profile=charts.icc_cmyk(), **options)
    back = files.read(target.getvalue())
    assert back.profile is None
    assert any("CMYK" in note for note in back.notes)
    white, cyan, magenta, yellow, blue = (back.pixels[8, 16 * patch + 8] for patch in range(5))
    assert white.min() > 0.98
    assert cyan[0] < 0.4 < cyan[2]
    assert magenta[1] < 0.4 < magenta[0]
    assert yellow[2] < 0.4 < yellow[0]
    assert blue.max() == blue[2]
    got = charts.lab(back.pixels[8, 8::16], color.SRGB_CHROMATICITIES, None)[[0, 2]]
    assert np.linalg.norm(got - [[100, 0, 0], [48, 59.2, -2.4]], axis=-1).max() < 3


def test_cmyk_without_a_profile_says_that_it_is_a_guess() -> None:
    target = io.BytesIO()
    Pillow.new("CMYK", (8, 8), (255, 0, 0, 0)).save(target, "TIFF")
    back = files.read(target.getvalue())
    assert any("guess" in note for note in back.notes)
    assert back.pixels[0, 0, 0] < 0.1 < 0.8 < back.pixels[0, 0, 2]


@st.composite
def sprites(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    alpha = rng.choice([0, 0, 0, 0.25, 1], size=(height, width)).astype(np.float32)
    return rng.random((height, width, draw(st.sampled_from([1, 3]))), dtype=np.float32), alpha


@given(sprites())
def test_bleed_touches_only_what_is_hidden(sprite: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, alpha = sprite
    before = pixels.copy()
    out = color.bleed(pixels, alpha)
    assert np.array_equal(pixels, before)
    assert out.dtype == np.float32
    assert out.shape == pixels.shape
    assert np.array_equal(out[alpha > 0], pixels[alpha > 0])
    if (alpha > 0).any():
        seen = pixels[alpha > 0]
        assert (out >= seen.min(axis=0) - 1e-5).all()
        assert (out <= seen.max(axis=0) + 1e-5).all()


@given(sprites())
def test_bleed_continues_one_colour_everywhere(sprite: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, alpha = sprite
    stray = np.where(alpha[..., None] > 0, np.float32(0.625), pixels)
    if (alpha > 0).any():
        assert np.allclose(color.bleed(stray, alpha), 0.625, atol=1e-5)


def test_bleed_returns_opaque_pictures_untouched() -> None:
    pixels = np.random.default_rng(0).random((5, 7, 3), dtype=np.float32)
    assert color.bleed(pixels, np.ones((5, 7), np.float32)) is pixels
    assert color.bleed(pixels, np.zeros((5, 7), np.float32)) is pixels


def test_an_enlarged_sprite_has_no_halo() -> None:
    y, x = np.mgrid[0:48, 0:48]
    alpha = np.clip(17.5 - np.hypot(y - 23.5, x - 23.5), 0, 1).astype(np.float32)
    red = np.broadcast_to(np.array([0.9, 0.2, 0.1], np.float32), (48, 48, 3))
    sprite = np.where(alpha[..., None] > 0, red, np.float32([0, 1, 0]))  # bright green where nobody sees it
    cover = np.clip(bicubic(alpha, (192, 192)), 0, 1)[..., None]

    def on_white(pixels: np.ndarray) -> np.ndarray:
        return np.clip(bicubic(pixels, (192, 192)), 0, 1) * cover + 1 - cover

    ideal = red[0, 0] * cover + 1 - cover
    assert np.abs(on_white(color.bleed(sprite, alpha)) - ideal).max() < 0.5 / 255
    assert np.abs(on_white(sprite) - ideal).max() > 20 / 255  # without it there is one


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([np.uint8, np.uint16]))
def test_straight_undoes_premultiplication(seed: int, kind: type) -> None:
    rng = np.random.default_rng(seed)
    top = np.iinfo(kind).max
    colour = rng.integers(0, top + 1, (6, 7, 3)).astype(np.float64)
    alpha = rng.integers(top // 2, top + 1, (6, 7, 1)).astype(np.float64)
    multiplied = np.concatenate([np.rint(colour * alpha / top), alpha], -1).astype(kind)
    back = color.straight(multiplied)
    assert back.dtype == kind
    assert np.abs(back[..., :3].astype(int) - colour).max() <= 2
    assert np.array_equal(back[..., 3:], multiplied[..., 3:])
