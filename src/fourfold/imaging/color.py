"""Colour: ICC profiles, conversion into sRGB where there is no other way, and colours under transparent pixels.

Sources: ICC.1:2022 (profile format), ITU-T H.273 (code points of primaries and transfer), IEC 61966-2-1 (sRGB),
ITU-R BT.2100-2 (PQ and HLG), BT.2408 (reference white).
"""

import io
import re
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

from fourfold.core.contract import Levels

Transfer = Literal["sdr", "linear", "pq", "hlg"]
"""How values stand for light: like sRGB (``sdr``), in proportion, or as one of the two HDR curves."""

SRGB_CHROMATICITIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290))
_P3, _REC2020 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_D65, _DCI_WHITE = (0.3127, 0.3290), (0.314, 0.351)
_D50_XYZ = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_CURVE_POINTS, _REFERENCE_WHITE, _HLG_PEAK = 1024, 203.0, 1000.0  # luminances in cd/m²
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@dataclass(frozen=True)
class CodePoints:
    """Colour primaries and transfer characteristics by their numbers in ITU-T H.273 (PNG cICP, HEIF and AVIF nclx)."""

    primaries: int
    transfer: int


def consistent(profile: bytes) -> bytes:
    """A profile that is as long as it says, all tags inside: readers refuse others without a word.

    What follows its end goes, and so do tags that lie beyond it, where the file was cut.
    """
    stated, count = (int.from_bytes(profile[at : at + 4], "big") for at in (0, 128))
    data = profile[:stated] if 132 <= stated < len(profile) else profile
    table = [data[at : at + 12] for at in range(132, min(132 + 12 * count, len(data) - 11), 12)]
    inside = [row for row in table if sum(struct.unpack(">II", row[4:])) <= len(data)]
    if (stated == len(profile) and len(inside) == count) or len(data) < 132:
        return profile
    end = 132 + 12 * len(table)
    rows = (struct.pack(">I", len(inside)) + b"".join(inside)).ljust(end - 128, b"\0")
    return struct.pack(">I", len(data)) + data[4:128] + rows + data[end:]


def usable(profile: bytes, channels: int) -> str:
    """Why a profile cannot describe pixels of 1 (grey), 3 (RGB) or 4 (CMYK) channels; empty if it can."""
    expected, mode = {1: (b"GRAY", "L"), 3: (b"RGB ", "RGB"), 4: (b"CMYK", "CMYK")}[channels]
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return "it is damaged"
    if profile[16:20] != expected:
        return f"it is made for {profile[16:20].decode('ascii', 'replace').strip()} pictures"
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")  # what this needs may be missing
    except (OSError, ImageCms.PyCMSError):
        return "it is damaged"
    return ""


def transfer(profile: bytes) -> Transfer:
    """The kind of transfer curve a usable profile stands for, from its ``cicp`` tag or else its description."""
    code = _tag(profile, b"cicp")
    if len(code) >= 10:
        return _transfer(code[9])
    text = description(profile)
    for pattern, kind in ((r"\bPQ\b|\b2084\b", "pq"), (r"\bHLG\b", "hlg"), (r"\blinear\b|g10\b", "linear")):
        if re.search(pattern, text, re.IGNORECASE):
            return kind  # type: ignore[return-value]
    return "sdr"


def description(profile: bytes) -> str:
    """The name that a profile has for a person; empty if it has none."""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except ImageCms.PyCMSError:
        return ""


def _transfer(code: int) -> Transfer:
    return {8: "linear", 16: "pq", 18: "hlg"}.get(code, "sdr")  # type: ignore[return-value]


def from_code_points(code: CodePoints, *, grey: bool) -> tuple[bytes | None, Transfer]:
    """The profile for code points, None where they mean sRGB.

    That of PQ or HLG holds the code points themselves for readers that know HDR (its ``cicp`` tag, which a profile
    for grey may not have), and for all others a curve that shows everything up to the reference white.
    """
    kind = _transfer(code.transfer)
    known = {9: (*_REC2020, _D65), 11: (*_P3, _DCI_WHITE), 12: (*_P3, _D65)}
    space = SRGB_CHROMATICITIES if grey else known.get(code.primaries, SRGB_CHROMATICITIES)
    gamma = {4: 2.2, 5: 2.8, 8: 1.0}.get(code.transfer)
    name = f"H.273 primaries {code.primaries}, transfer {code.transfer}"
    if kind in ("pq", "hlg"):
        primaries = code.primaries if code.primaries in known else 1
        tag = b"" if grey else b"cicp\0\0\0\0" + bytes((primaries, code.transfer, 0, 1))
        return simple_profile(None if grey else space, None, f"{name} ({kind.upper()})", _hdr_curve(kind), tag), kind
    if space == SRGB_CHROMATICITIES and gamma is None:
        return None, kind
    return simple_profile(None if grey else space, gamma, name), kind


def _hdr_curve(kind: Transfer) -> bytes:
    """An ICC curve from PQ or HLG values to light, 1 at the reference white (BT.2408), above which it stays 1.

    PQ is the EOTF of BT.2100 table 4, HLG the inverse OETF of table 5 and its OOTF for a peak of 1000 cd/m², taken
    for each channel alone.
    """
    value = np.linspace(0, 1, _CURVE_POINTS)
    if kind == "pq":
        power = value ** (32 / 2523)
        light = 10000 * (np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (16384 / 2610)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = _HLG_PEAK * np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12) ** 1.2
    levels = np.rint(np.minimum(light / _REFERENCE_WHITE, 1) * 65535)
    return struct.pack(f">4sII{_CURVE_POINTS}H", b"curv", 0, _CURVE_POINTS, *levels.astype(int).tolist())


def simple_profile(
    chromaticities: tuple[tuple[float, float], ...] | None,
    gamma: float | None,
    name: str,
    curve: bytes = b"",
    code: bytes = b"",
) -> bytes:
    """An ICC version 4 display profile of one curve, and a matrix if it is for RGB.

    Args:
        chromaticities: CIE xy of red, green, blue and white; None makes a profile for grey.
        gamma: exponent from encoded values to light; None for the sRGB curve.
        name: description.
        curve: a ready ICC curve that takes the place of ``gamma``; code: a ready ``cicp`` tag.
    """
    if not curve:
        numbers = _SRGB_CURVE if gamma is None else (gamma,)
        curve = b"para\0\0\0\0" + struct.pack(">HH", 0 if gamma else 3, 0) + _fixed(*numbers)
    tags = {b"desc": _text(name), b"cprt": _text("No copyright, use freely"), b"wtpt": _xyz(_D50_XYZ)}
    if code:
        tags[b"cicp"] = code
    if chromaticities is None:
        tags[b"kTRC"] = curve
    else:
        light = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in chromaticities])
        matrix = light[:3].T * np.linalg.solve(light[:3].T, light[3])
        adapt = np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ _D50_XYZ / (_BRADFORD @ light[3])) @ _BRADFORD)
        tags[b"chad"] = b"sf32\0\0\0\0" + _fixed(*adapt.ravel())
        for letter, column in zip((b"r", b"g", b"b"), (adapt @ matrix).T, strict=True):
            tags |= {letter + b"XYZ": _xyz(column), letter + b"TRC": curve}
    table, data = b"", b""
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, 132 + 12 * len(tags) + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    space = b"RGB " if chromaticities else b"GRAY"
    head = struct.pack(">I4sI4s4s4s", 132 + len(table) + len(data), b"", 0x04400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s28s", 2026, 1, 1, 0, 0, 0, b"acsp", b"") + _fixed(*_D50_XYZ)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def rgb_from_grey(profile: bytes) -> bytes | None:
    """A profile under which R = G = B looks as grey did under ``profile``; None if that one is no simple curve."""
    curve = _tag(profile, b"kTRC")
    return simple_profile(SRGB_CHROMATICITIES, None, f"{description(profile)}, as RGB", curve) if curve else None


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(data), 28) + data


def _tag(profile: bytes, name: bytes) -> bytes:
    count = min(int.from_bytes(profile[128:132], "big"), 100)
    for row in range(count):
        tag, start, size = struct.unpack(">4sII", profile[132 + 12 * row : 144 + 12 * row].ljust(12, b"\0"))
        if tag == name:
            return profile[start : start + size]
    return b""


def to_srgb(picture: Pillow.Image, profile: bytes | None) -> tuple[Pillow.Image, str]:
    """A CMYK or L*a*b* picture as sRGB, with a sentence that says how it was converted.

    Args:
        picture: of Pillow's mode CMYK or LAB.
        profile: of a CMYK picture, if it carries a usable one.
    """
    if picture.mode == "CMYK" and not profile:
        return picture.convert("RGB"), "The CMYK colours came without a profile; their conversion to sRGB is a guess."
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
    done = ImageCms.profileToProfile(
        picture,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert done is not None
    space = "CMYK" if picture.mode == "CMYK" else "L*a*b*"
    return done, f"The {space} colours were converted to sRGB."


def to_light(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """SRGB values in 0..1 as what they stand for, in proportion to light (IEC 61966-2-1)."""
    return np.where(
        values <= 0.04045,
        values / np.float32(12.92),
        ((values + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4),
    )


def from_light(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of ``to_light``, of values in 0..1."""
    return np.where(
        light <= 0.0031308,
        light * np.float32(12.92),
        np.float32(1.055) * light ** np.float32(1 / 2.4) - np.float32(0.055),
    )


def straight(levels: Levels) -> Levels:
    """Divide the colours of ``H×W×C`` levels by their alpha, the last channel, which they were multiplied with."""
    top = float(np.iinfo(levels.dtype).max)
    alpha = levels[..., -1:].astype(np.float32)
    colour = np.rint(levels[..., :-1] * (np.float32(top) / np.maximum(alpha, 1)))
    return np.concatenate([np.minimum(colour, top).astype(levels.dtype), levels[..., -1:]], axis=2)


def bleed(pixels: NDArray[np.float32], alpha: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Replace the colours nobody sees, so that enlarging mixes no stray colour into visible edges.

    Where alpha is 0 the nearby visible colours are continued smoothly: averages weighted by alpha over ever larger
    squares, each pixel taking the smallest square that holds something visible (normalised convolution, Knutsson
    and Westin 1993, on a pyramid).

    Args:
        pixels: ``H×W×C`` in 0..1.
        alpha: ``H×W`` in 0..1, None where nothing is hidden.

    Returns:
        ``H×W×C``; pixels with alpha above 0 are unchanged. The very same array if nothing is, or everything is, hidden.
    """
    if alpha is None:
        return pixels
    hidden = alpha <= 0
    if not hidden.any() or hidden.all():
        return pixels
    weight = np.ascontiguousarray(alpha, dtype=np.float32)[..., None]
    coarse = _filled(_halved(pixels * weight), _halved(weight))
    out = pixels.copy()
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = out[top::2, left::2]
        np.copyto(part, coarse[: part.shape[0], : part.shape[1]], where=hidden[top::2, left::2, None])
    return out


def _filled(sums: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """``sums / weights``, and where the weight is 0 the same from a picture half as large, recursively."""
    empty = weights <= 0
    own: NDArray[np.float32] = np.divide(sums, np.where(empty, 1, weights), dtype=np.float32)
    if empty.any():
        coarse = _doubled(_filled(_halved(sums), _halved(weights)))
        np.copyto(own, coarse[: sums.shape[0], : sums.shape[1]], where=empty)
    return own


def _halved(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half the size, rounded up: sums of two by two, with nothing beyond the border."""
    x = np.pad(x, ((0, x.shape[0] % 2), (0, x.shape[1] % 2), (0, 0)))
    rows = x[::2] + x[1::2]
    return np.asarray(rows[:, ::2] + rows[:, 1::2], np.float32)


def _doubled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Twice the size, linear between the centres of the coarse pixels."""
    for axis in (0, 1):
        far = np.float32(0.75) * x
        near = np.pad(np.float32(0.25) * x, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode="edge")
        before, after = np.split(near, [x.shape[axis]], axis)[0], np.split(near, [2], axis)[1]
        pair = np.stack([far + before, far + after], axis + 1)
        x = pair.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
    return np.asarray(x, np.float32)
