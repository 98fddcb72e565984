"""Translate texts between formats by name (``Title`` in PNG is ``dc:title`` in XMP), so that none is lost.

Source: Metadata Working Group guidelines 2.0, section 5; IPTC Photo Metadata Standard 2023.1, appendix; PNG (third
edition), section 11.3.3.2.
"""

import re
from dataclasses import replace
from typing import NamedTuple

from fourfold.core.image import Metadata, Text
from fourfold.imaging.formats import Format
from fourfold.imaging.metadata import exif, iptc, xmp


class Field(NamedTuple):
    """One meaning: PNG's keyword, the data set of IPTC's application record, and the property of XMP."""

    keyword: str
    dataset: int
    space: str
    name: str
    form: xmp.Form


FIELDS = (
    Field("Title", 5, xmp.DUBLIN, "title", "alt"),
    Field("Description", 120, xmp.DUBLIN, "description", "alt"),
    Field("Author", 80, xmp.DUBLIN, "creator", "seq"),
    Field("Copyright", 116, xmp.DUBLIN, "rights", "alt"),
    Field("Software", 65, xmp.BASIC, "CreatorTool", "plain"),
    Field("", 25, xmp.DUBLIN, "subject", "bag"),
    Field("", 10, xmp.PHOTOSHOP, "Urgency", "plain"),
    Field("", 15, xmp.PHOTOSHOP, "Category", "plain"),
    Field("", 20, xmp.PHOTOSHOP, "SupplementalCategories", "bag"),
    Field("", 40, xmp.PHOTOSHOP, "Instructions", "plain"),
    Field("", 55, xmp.PHOTOSHOP, "DateCreated", "plain"),
    Field("", 85, xmp.PHOTOSHOP, "AuthorsPosition", "plain"),
    Field("", 90, xmp.PHOTOSHOP, "City", "plain"),
    Field("", 92, xmp.CORE, "Location", "plain"),
    Field("", 95, xmp.PHOTOSHOP, "State", "plain"),
    Field("", 100, xmp.CORE, "CountryCode", "plain"),
    Field("", 101, xmp.PHOTOSHOP, "Country", "plain"),
    Field("", 103, xmp.PHOTOSHOP, "TransmissionReference", "plain"),
    Field("", 105, xmp.PHOTOSHOP, "Headline", "plain"),
    Field("", 110, xmp.PHOTOSHOP, "Credit", "plain"),
    Field("", 115, xmp.PHOTOSHOP, "Source", "plain"),
    Field("", 122, xmp.PHOTOSHOP, "CaptionWriter", "plain"),
)
"""Every text that formats hold under different names."""

COMMENT = "Comment"
_TIME_OF_DATE = {55: 60}
_ABOUT_ITSELF = {(2, 0), (2, 60)}  # the version of the record, and what is written with its date
_LONGEST_KEYWORD, _LONGEST_COMMENT = 79, 65533


def held(metadata: Metadata, kind: Format) -> Metadata:
    """The metadata as a format can hold it, translated where it must be; its notes name what could not be."""
    try:
        return _translated(metadata, kind)
    except xmp.FAILURES as error:
        lost = "IPTC fields and texts" if metadata.iptc or metadata.texts else "The XMP packet"
        note = f"{lost} were left out: {kind.name} holds them in XMP, which is damaged ({error})."
        return replace(metadata, iptc=b"", texts=(), notes=(*metadata.notes, note))


def _translated(metadata: Metadata, kind: Format) -> Metadata:
    packet, notes, texts = metadata.xmp, list(metadata.notes), metadata.texts
    if metadata.iptc and (kind.texts == "all" or not kind.iptc):
        packet, others = _iptc_in_xmp(packet, iptc.datasets(metadata.iptc))
        if not kind.iptc:
            texts += tuple(Text(f"IPTC {one.record}:{one.number:02}", one.text) for one in others if one.text)
            lost = ", ".join(f"{one.record}:{one.number:02}" for one in others if not one.text)
            notes += [f"{kind.name} has no place for the IPTC fields {lost}; they were left out."] if lost else []
    if kind.texts == "all":
        texts = (*texts, *_texts_of_xmp(packet, texts))
    else:
        own = [text for text in texts if kind.texts == "comment" and _fits_a_comment(text)]
        packet = _texts_in_xmp(packet, [text for text in texts if text not in own])
        texts = tuple(own)
    block = metadata.exif
    if metadata.dpi and not kind.dpi:
        block = exif.with_resolution(block, metadata.dpi)
    if metadata.aspect and not kind.dpi:
        notes.append(
            f"{kind.name} has no place for pixels that are not square ({'×'.join(map(str, metadata.aspect))})."
        )
    if kind.name == "TIFF":
        names = ", ".join(exif.not_in_tiff(block))
        notes += [f"TIFF has no place for the EXIF fields {names}; they were left out."] if names else []
    return replace(
        metadata, exif=block, xmp=packet, iptc=metadata.iptc if kind.iptc else b"", texts=texts, notes=tuple(notes)
    )


def _fits_a_comment(text: Text) -> bool:
    return text.keyword == COMMENT and not text.language and len(text.text.encode()) <= _LONGEST_COMMENT


def _iptc_in_xmp(packet: bytes, found: list[iptc.DataSet]) -> tuple[bytes, list[iptc.DataSet]]:
    """The packet with the IPTC fields that it lacks, and those that XMP has no name or another value for."""
    document = xmp.parsed(packet) if packet else None
    added: list[xmp.Property] = []
    done: set[iptc.DataSet] = set()
    for field in FIELDS:
        ours = [one for one in found if one[:2] == (2, field.dataset) and one.text]
        values = [one.text for one in ours]
        there = [value for _, value in xmp.values_of(document, field.space, field.name)] if document else []
        if field.dataset in _TIME_OF_DATE and values:
            values = [_moment(values[0], *(one.text for one in found if one[:2] == (2, _TIME_OF_DATE[field.dataset])))]
        if values and not there:
            values = ["; ".join(values)] if field.form in ("plain", "alt") else values
            added.append(xmp.Property(field.space, field.name, field.form, tuple(("", value) for value in values)))
        if not there or {*values} <= {*there}:
            done |= {*ours}
    others = [one for one in found if one.record > 1 and one.value and one not in done]
    return xmp.with_properties(packet, added), [one for one in others if one[:2] not in _ABOUT_ITSELF]


def _moment(date: str, time: str = "", *_: str) -> str:
    """An IPTC date and time as XMP writes them, for example 2026-11-29T10:00:00+01:00."""
    day = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", date)
    hour = re.sub(r"^(\d\d)(\d\d)(\d\d)([+-]\d\d)?(\d\d)?$", r"\1:\2:\3\4:\5", time).rstrip(":")
    return f"{day}T{hour}" if hour else day


def _texts_in_xmp(packet: bytes, texts: list[Text]) -> bytes:
    """The packet with texts: under the name of a property that it lacks, else in a list of our own."""
    document = xmp.parsed(packet) if packet else None
    free = {
        field.keyword: field
        for field in FIELDS
        if field.keyword and not (document and xmp.values_of(document, field.space, field.name))
    }
    added: dict[Field, dict[str, str]] = {}
    others = []
    for text in texts:
        field = free.get(text.keyword)
        there = added.get(field, {}) if field else {}
        single = field is not None and field.form != "alt" and (there or text.language)
        if field is None or single or text.language in there or not text.text or text.text != text.text.strip():
            others.append(text)
        else:
            added[field] = {**there, text.language: text.text}
    named = [xmp.Property(field.space, field.name, field.form, (*values.items(),)) for field, values in added.items()]
    return xmp.with_texts(xmp.with_properties(packet, named), others)


def _texts_of_xmp(packet: bytes, texts: tuple[Text, ...]) -> list[Text]:
    """What XMP says that PNG has a keyword for, where the texts do not say it."""
    if not packet:
        return []
    document = xmp.parsed(packet)
    there = {text.keyword for text in texts}
    return [
        Text(field.keyword, value, language)
        for field in FIELDS
        if field.keyword and field.keyword not in there
        for language, value in xmp.values_of(document, field.space, field.name)
    ]


def keyword_of(text: Text) -> str:
    """The keyword as PNG takes it: 1 to 79 characters of Latin-1 without control characters."""
    plain = "".join(c for c in text.keyword if " " <= c <= "~" or "\xa1" <= c <= "\xff")
    return " ".join(plain.split())[:_LONGEST_KEYWORD] or "Text"
