"""How much of a JPEG is damaged, by what its decoder complains about.

Pillow keeps libjpeg's warnings to itself, so a file is decoded once more, brightness only, where they are heard. A
warning says that something is wrong, but not where; that is found from what is written into damaged files: the end of
the data, a marker that cannot stand there, or one byte over and over.

Source: ITU-T T.81, annexes B (markers) and F (entropy coding).
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from fourfold.core.errors import PictureError
from fourfold.imaging.codecs import bmff

END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RUN = re.compile(rb"(.)\1{63}", re.DOTALL)
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_AFTER_A_SCAN = {0xC4, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE}
_ENDS = {0xD9, 0xDC, *range(0xE0, 0xF0), 0xFE}
_BESIDE = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # all about the file but what libjpeg derives the colour space from
_PROGRESSIVE = {0xC2, 0xCA}
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_UNREADABLE = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical", 0xF7: "JPEG-LS"}
_UNREADABLE |= {0xCB: "lossless", 0xCD: "hierarchical", 0xCE: "hierarchical", 0xCF: "hierarchical"}
_NO_HEVC = re.compile(rb"\0\0[\0-\2]")
_PADDING = 16
NOTED = "The file is damaged"
"""How every note about damaged pixels begins."""

MOST = 0.5
"""The fraction of damaged pixels up to which a JPEG or HEIC is taken without being asked to."""


@dataclass(frozen=True)
class Damage:
    """What is wrong with the pixels of a file.

    Attributes:
        fraction: of the pixels that are missing or wrong, 0 to 1; None if that is unknown.
        what: is wrong, in words that fit into a sentence.
        sound: a JPEG up to where that begins, with an end mark.
    """

    fraction: float | None
    what: str
    sound: bytes = b""


def judged(damage: Damage, name: str, *, accept: bool, most: float = MOST) -> str:
    """A note about the damage of a file of a format.

    Args:
        damage: what is wrong; name: of the format.
        accept: whether to take the picture whatever is damaged.
        most: the fraction of damaged pixels up to which it is taken anyway.

    Raises:
        PictureError: more of it is damaged, or with ``most`` 0 nobody knows how much, and that is not to be accepted.
    """
    if damage.fraction == 0:
        return f"{NOTED} ({damage.what}), but none of its pixels are."
    if damage.fraction is None:
        part = "how many of its pixels are wrong cannot be known"
    else:
        part = f"about {max(1, round(100 * damage.fraction))} % of its pixels are missing or wrong"
    if not accept and (most == 0 if damage.fraction is None else damage.fraction > most):
        raise PictureError(
            f"expected a whole {name} file, but {part} ({damage.what}). Copy it again from where it comes from, or "
            "take it as it is with --damaged accept"
        )
    if damage.fraction is None:
        return f"{NOTED} ({damage.what}); {part}. Look at the result."
    return f"{NOTED} ({damage.what}): {part}."


@dataclass(frozen=True)
class _Outline:
    """A JPEG as its markers divide it.

    Attributes:
        data: what the pixels need: tables, frame, scans, up to the end mark if there is one.
        start: of the compressed data in it; scans: where the second and later scans begin.
        frame: the marker that begins the frame; colours: its number of components.
        ends: whether there is an end mark; odd: where a marker stands that cannot stand there.
    """

    data: bytes
    start: int
    scans: tuple[int, ...]
    frame: int
    colours: int
    ends: bool
    odd: int | None


def check_kind(stream: BinaryIO) -> None:
    """Look at the frame of a JPEG, which begins where the stream stands.

    Raises:
        PictureError: it is of a kind that is not read.
    """
    stream.seek(2, 1)
    while (head := stream.read(4))[:1] == b"\xff" and len(head) == 4:
        if head[1] == 0xFF:  # any number of them may stand before a marker
            stream.seek(-3, 1)
            continue
        if head[1] in _FRAMES:
            bits = (stream.read(1) or b"\x08")[0]
            kind = _UNREADABLE.get(head[1]) or (f"{bits}-bit" if bits != 8 else "")
            if not kind:
                return
            raise PictureError(
                f"expected a JPEG of the usual kind with 8 bits a channel, got one that is {kind}, which is not read "
                "here. Convert it to PNG or TIFF, for example with ImageMagick or the program it comes from"
            )
        if head[1] == 0xDA:
            return
        stream.seek(int.from_bytes(head[2:], "big") - 2, 1)


def find_in_heif(stream: BinaryIO, properties: list[tuple[bytes, bytes]]) -> Damage | None:
    """What is wrong with the pixels of a HEIC file, of which libheif leaves out tiles without a word; None if nothing.

    Inside a unit of HEVC no two zero bytes are followed by one below 3 (ITU-T H.265, 7.4.1.1), as where a file was cut
    or filled with zeros.

    Raises:
        ValueError: its boxes are damaged.
    """
    kinds = dict(properties)
    if b"hvcC" not in kinds:
        return None
    wide = (kinds[b"hvcC"][21:22] or b"\3")[0] % 4 + 1
    parts = [_lost(data, size, wide) for data, size in bmff.coded(stream)]
    share = sum(parts) / max(len(parts), 1)
    return Damage(share, "parts of it are missing") if share else None


def _lost(data: bytes, whole: int, wide: int) -> float:
    """How much of a coded picture, in units each after its length in ``wide`` bytes, comes after the first flaw."""
    at = 0
    while at < whole:
        size = int.from_bytes(data[at : at + wide], "big")
        unit = data[at + wide : at + wide + size]
        flaw = _NO_HEVC.search(unit)
        if not size or len(unit) < size or flaw:
            return 1 - (at + (flaw.start() if flaw else 0)) / whole
        at += wide + size
    return 0 if whole else 1


def find(data: bytes) -> Damage | None:
    """What is wrong with the pixels of a JPEG file, None if nothing is."""
    outline = _outlined(data)
    if outline is None:
        return None
    complaint = _complaint(outline.data, outline)
    if not complaint and outline.ends:
        return None
    if not outline.ends and not _complaint(outline.data + END, outline):
        return Damage(0, "its end mark is missing", outline.data + END)
    places = [(outline.odd, "a marker stands where none can be")]
    run = _RUN.search(outline.data, outline.start)
    places.append((run.start() if run else None, "one byte fills a part of it"))
    places.append((None if outline.ends else len(outline.data), "it ends early"))
    found = sorted((place, what) for place, what in places if place is not None)
    if not found:
        spare = re.search(r"(\d+) extraneous bytes before marker 0xd9", complaint)
        if spare and int(spare[1]) <= _PADDING:
            return Damage(0, f"{spare[1]} bytes too many before its end mark", outline.data)
        return Damage(None, "its compressed data is not consistent", outline.data)
    place, what = found[0]
    sound = outline.data[:place] + END
    if outline.scans and place > outline.scans[0] and outline.frame in _PROGRESSIVE:
        return Damage(None, f"{what}; of its {len(outline.scans) + 1} layers of detail not all are whole", sound)
    reached, rows = _reached(outline, place)
    again = None if place == len(outline.data) else _RESTART.search(outline.data, place + 64)
    beyond = rows if again is None else _reached(outline, again.start())[0]
    return Damage(max(beyond - reached, 1) / rows, what, sound)


def _reached(outline: _Outline, place: int) -> tuple[int, int]:
    """How many rows the data up to a place fills, and of how many: libjpeg gives the others one colour."""
    rows = _brightness(outline.data[:place] + END, outline, strict=False)
    different = np.flatnonzero((rows != rows[-1, -1]).any(axis=(1, 2)))
    return (int(different[-1]) + 1 if different.size else 0), len(rows)


def _complaint(data: bytes, outline: _Outline) -> str:
    try:
        _brightness(data, outline, strict=True)
    except ValueError as error:
        return str(error)
    return ""


def _brightness(data: bytes, outline: _Outline, *, strict: bool) -> NDArray[np.uint8]:
    space = "CMYK" if outline.colours == 4 else "GRAY"
    levels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colorspace=space, fastdct=True, fastupsample=True, strict=strict
    )
    return levels


def _segments(data: bytes) -> list[tuple[int, int]]:
    """Marker and place of the length of every segment up to the first scan, which is the last."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        found.append((marker, at + 2))
        if marker == 0xDA:
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return found


def _outlined(data: bytes) -> _Outline | None:
    """None if there is no scan."""
    head, frame, colours, scan, together = bytearray(data[:2]), 0, 3, 0, False
    for marker, at in _segments(data):
        end = at + int.from_bytes(data[at : at + 2], "big")
        if marker in _FRAMES:
            frame, colours = marker, data[at + 7] if at + 7 < len(data) else 3
        if marker not in _BESIDE:
            head += data[at - 2 : end]
        scan = end if marker == 0xDA else 0
        together = data[at + 2 : at + 3] == bytes([colours])  # one scan holds everything
    if not scan or not frame:
        return None
    lawful = _ENDS if together and frame not in _PROGRESSIVE else _AFTER_A_SCAN
    shift, scans, odd, ends, at = len(head) - scan, [], None, False, scan
    while (match := _MARKER.search(data, at)) is not None:
        marker, at = data[match.start() + 1], match.end()
        if marker not in lawful:
            odd = odd or match.start() + shift
            continue
        if marker == 0xD9:
            ends = True
            break
        scans += [match.start() + shift] if marker == 0xDA else []
        at += int.from_bytes(data[at : at + 2], "big")
    whole = bytes(head) + data[scan : at if ends else len(data)]
    return _Outline(whole, len(head), tuple(scans), frame, colours, ends, odd)
