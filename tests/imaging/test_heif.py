"""HEIC as phones write it: the picture is whole and upright at its depth, and what is beside it is named."""

import heif_files as heif
import numpy as np
import pytest

from fourfold.core.errors import PictureError
from fourfold.imaging import files

PICTURE = heif.picture()


def far(levels: np.ndarray, picture: files.Image) -> float:
    """Mean distance in levels of 255."""
    return float(np.abs(255 * picture.pixels - levels).mean())


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("quarters", range(4))
def test_a_grid_is_one_picture(bits: int, quarters: int) -> None:
    data = heif.heic(heif.grid(PICTURE, 64, bits, (heif.turned(quarters),)))
    wanted = np.rot90(PICTURE, quarters)
    picture = files.read(data)
    header = files.probe(data)
    assert (header.height, header.width, header.pages) == (*wanted.shape[:2], 1)
    assert header.depth == picture.depth == (8 if bits == 8 else 16)
    assert picture.size == wanted.shape[:2]
    assert picture.notes == ()
    assert far(wanted, picture) < 1.5


def beside(urn: str, bits: int = 8) -> list[heif.Item]:
    """A grid, and what is of use for it."""
    items = heif.grid(PICTURE, 64, bits)
    small = heif.coded(PICTURE[:64, :64])
    small.properties.append(heif.auxiliary(urn))
    small.refers[b"auxl"] = [1]
    return [*items, small]


@pytest.mark.parametrize(
    ("urn", "word"), [(heif.GAIN_MAP, "gain map"), (heif.DEPTH, "depth map"), (heif.MATTE, "Masks")]
)
def test_what_is_beside_a_grid_is_no_picture_and_is_named(urn: str, word: str) -> None:
    picture = files.read(heif.heic(beside(urn)))
    assert far(PICTURE, picture) < 1.5
    assert picture.alpha is None
    (note,) = picture.notes
    assert word in note
    assert "not carried over" in note
    assert files.probe(heif.heic(beside(urn))).pages == 1


def test_an_iso_gain_map_is_named_and_the_base_picture_is_taken() -> None:
    items = [heif.coded(PICTURE), heif.coded(PICTURE[:46, :76], hidden=True)]
    items.append(heif.Item(b"tmap", bytes(30), [heif.size(*PICTURE.shape[:2])], {b"dimg": [1, 2]}))
    group = heif.box(b"grpl", heif.full(b"altr", bytes([0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1])))
    picture = files.read(heif.heic(items, group))
    assert far(PICTURE, picture) < 1.5
    assert picture.notes == ("The gain map for HDR screens is not carried over.",)


def test_a_thumbnail_is_no_second_picture() -> None:
    small = heif.coded(PICTURE[::2, ::2].copy(), refers={b"thmb": [1]})
    picture = files.read(heif.heic([*heif.grid(PICTURE, 64), small]))
    assert picture.notes == ()
    assert far(PICTURE, picture) < 1.5


@pytest.mark.parametrize(("code", "name"), [(16, "PQ"), (18, "HLG")])
@pytest.mark.parametrize("bits", [10, 12])
def test_hdr_keeps_its_depth_and_colour_space_and_says_so(code: int, name: str, bits: int, tmp_path) -> None:
    items = heif.grid(PICTURE, 64, bits, (heif.colours(9, code),))
    picture = files.read(heif.heic(items))
    assert picture.depth == 16
    assert picture.profile is not None
    assert bytes([9, code]) in picture.profile
    (note,) = picture.notes
    assert f"({name})" in note
    assert "keep" in note
    target = tmp_path / "a.png"
    files.write(picture, target, "PNG")
    back = files.read(target)
    assert (back.depth, back.profile, back.notes) == (16, picture.profile, picture.notes)


def zeroed(item: heif.Item, place: float) -> None:
    at = int(len(item.data) * place)
    item.data = item.data[:at].ljust(len(item.data), b"\0")


def test_tiles_that_are_missing_are_said_with_their_extent() -> None:
    items = heif.grid(PICTURE, 64)  # of six tiles
    whole = files.read(heif.heic(items))
    zeroed(items[3], 0)
    zeroed(items[4], 0.3)
    picture = files.read(heif.heic(items))
    (note,) = picture.notes
    stated = int(note.split("about ")[1].split(" %")[0])
    assert 20 < stated < 34
    assert np.array_equal(picture.pixels[:64, :128], whole.pixels[:64, :128])
    for item in items[1:]:
        zeroed(item, 0.1)
    with pytest.raises(PictureError, match=r"about \d+ % of its pixels are missing.*--damaged accept"):
        files.read(heif.heic(items))


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8, 0.95])
def test_a_file_that_is_cut_says_so(share: float) -> None:
    data = heif.heic(heif.grid(PICTURE, 64))
    cut = data[: int(len(data) * share)]
    if share > 0.5:
        assert "parts of it are missing" in files.read(cut).notes[0]
        return
    with pytest.raises(PictureError, match="expected a whole HEIF file"):
        files.read(cut)


def test_a_grid_without_one_of_its_tiles_is_refused() -> None:
    items = heif.grid(PICTURE, 64)
    items[0].refers[b"dimg"].pop()
    with pytest.raises(PictureError, match="expected a whole HEIF file"):
        files.read(heif.heic(items))


def test_a_burst_without_a_picture_is_refused_as_one() -> None:
    data = heif.box(b"ftyp", b"msf1\0\0\0\0msf1hevc") + heif.box(b"moov", bytes(100))
    with pytest.raises(PictureError, match="only a video or a burst, which is not read here"):
        files.probe(data)


@pytest.mark.parametrize("kind", [b"vvc1", b"j2k1", b"jpeg", b"unci", b"av01", b"evc1"])
def test_other_codecs_in_the_same_boxes_are_not_called_damaged(kind: bytes) -> None:
    item = heif.coded(PICTURE)
    item.kind = kind
    item.properties = [one for one in item.properties if b"hvcC" not in one[:8]]
    with pytest.raises(PictureError, match="Convert it") as refused:
        files.read(heif.heic([item]))
    assert "damaged" not in str(refused.value)
