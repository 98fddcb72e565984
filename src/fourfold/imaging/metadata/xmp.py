"""XMP packets: parsed, updated to match the written picture, merged, and given more properties.

What need not change stays byte for byte: new properties go in as text before the end of the packet.

Source: XMP specification parts 1 and 3; Metadata Working Group guidelines 2.0.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from fourfold.core.image import Text

FAILURES = (ValueError, ExpatError, RecursionError)
"""What damaged packets raise."""

LONGEST_RECIPE = 1600
"""Bytes of JSON that say how a picture was made; with the XMP around it, it stays under 2 KB."""

TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
BASIC, PHOTOSHOP = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/photoshop/1.0/"
CORE, EXTENSION = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
DUBLIN, NOTE = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xmp/note/"
RDF, XML, XMLNS = (
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/",
)  # fmt: skip
TEXT, _RECIPE = "urn:fourfold:text:1#", "urn:fourfold:recipe:1#"
CAMERA, PANORAMA = "http://ns.google.com/photos/1.0/camera/", "http://ns.google.com/photos/1.0/panorama/"

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # xml.sax.saxutils would load half of urllib
_IN_ATTRIBUTES = str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})
_LONGEST, _MOST_TAGS = 1 << 24, 100_000
_EMPTY = (
    f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
# Thumbnails, how the old file was made, and descriptions of data appended to it that the new one does not have:
# extended packets, depth maps, gain maps, motion pictures.
_STALE_SPACES = {
    NOTE,
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/container/",
    _RECIPE,
}
_STALE_NAMES = {(BASIC, "Thumbnails")}

Node = minidom.Element | minidom.Attr
Form = Literal["alt", "bag", "seq", "plain"]
"""How a property holds its values: by language, unordered, in order, or a single one."""


class Property(NamedTuple):
    """A property to be added: its namespace, its name in it, its form, and its values with their languages."""

    space: str
    name: str
    form: Form
    values: tuple[tuple[str, str], ...]


def in_utf8(packet: bytes) -> bytes:
    """A packet in UTF-8 as it is, or one in UTF-16 changed into that.

    Raises:
        ValueError: it is damaged.
    """
    utf16 = packet[:2] in (b"\xff\xfe", b"\xfe\xff")
    return packet.decode("utf-16").encode() if utf16 else packet


def parsed(packet: bytes) -> minidom.Document:
    """The document of a packet.

    Raises:
        ValueError, ExpatError, RecursionError: it is damaged, holds entities, or is larger than 16 MB or 100,000 tags.
    """
    text = in_utf8(packet).decode("utf-8-sig")
    large = len(packet) > _LONGEST or text.count("<") > _MOST_TAGS
    if large or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("an XMP packet has no document type, no entities, and is small")
    return minidom.parseString(text.encode())  # noqa: S318 - document types and entities are refused above


def empty() -> minidom.Document:
    """A document without properties."""
    return parsed(_EMPTY.encode())


def packed(document: minidom.Document) -> bytes:
    """The packet of a document."""
    return "".join(node.toxml() for node in document.childNodes).encode()


def nodes(document: minidom.Document) -> Iterator[tuple[minidom.Element, Node]]:
    """Every element and every attribute, each with the element that it is or belongs to."""
    for element in list(document.getElementsByTagName("*")):
        yield element, element
        for node in list(element.attributes.values()):
            if isinstance(node, minidom.Attr):
                yield element, node


def name_of(node: Node) -> tuple[str, str]:
    """The namespace and the local name of an element or attribute."""
    return node.namespaceURI or "", node.localName or ""


def remove(element: minidom.Element, node: Node) -> None:
    """Take an element, or an attribute of it, out of its document."""
    if isinstance(node, minidom.Attr):
        element.removeAttributeNode(node)
    elif node.parentNode is not None:
        node.parentNode.removeChild(node)


def renewed(packet: bytes, size: tuple[int, int]) -> bytes:
    """The packet for a written picture of ``size`` (height, width); as it was where nothing has to change.

    Raises:
        ValueError, ExpatError, RecursionError: it is damaged.
    """
    document = parsed(packet)
    new = {
        (TIFF, "Orientation"): "1",
        (TIFF, "ImageWidth"): str(size[1]),
        (TIFF, "ImageLength"): str(size[0]),
        (EXIF, "PixelXDimension"): str(size[1]),
        (EXIF, "PixelYDimension"): str(size[0]),
    }
    new |= _panorama(document, size)
    changed = False
    for element, node in nodes(document):
        name = name_of(node)
        if _stale(name):
            remove(element, node)
        elif name in new and text_of(node) != new[name]:
            _set_text(node, new[name])
        else:
            continue
        changed = True
    return packed(document) if changed else packet


def _panorama(document: minidom.Document, size: tuple[int, int]) -> dict[tuple[str, str], str]:
    """The pixels that a panorama states, of the new picture instead of the old one."""
    new = {}
    for side, start, length in (("Height", "Top", size[0]), ("Width", "Left", size[1])):
        names = [f"CroppedAreaImage{side}Pixels", f"FullPano{side}Pixels", f"CroppedArea{start}Pixels"]
        values = [text for name in names for _, text in values_of(document, PANORAMA, name)[:1]]
        if len(values) == len(names) and all(value.isdecimal() for value in values) and int(values[0]):
            factor = length / int(values[0])
            for name, value in zip(names, values, strict=True):
                new[PANORAMA, name] = str(round(int(value) * factor))
    return new


def _stale(name: tuple[str, str]) -> bool:
    space, local = name
    moving = space == CAMERA and local.startswith(("MicroVideo", "MotionPhoto"))
    return space in _STALE_SPACES or name in _STALE_NAMES or moving


def text_of(node: minidom.Node) -> str:
    """All text in a node."""
    if isinstance(node, minidom.Attr):
        return str(node.value)
    if isinstance(node, minidom.Text):
        return str(node.data)
    return "".join(text_of(child) for child in node.childNodes)


def _set_text(node: Node, text: str) -> None:
    if isinstance(node, minidom.Attr):
        node.value = text
        return
    while node.firstChild is not None:
        node.removeChild(node.firstChild)
    document = node.ownerDocument
    assert document is not None
    node.appendChild(document.createTextNode(text))


def values_of(document: minidom.Document, space: str, name: str) -> tuple[tuple[str, str], ...]:
    """Languages and values of a property; the language is empty where none is stated, and ``x-default`` is none."""
    for _, node in nodes(document):
        if name_of(node) == (space, name):
            items = [] if isinstance(node, minidom.Attr) else list(node.getElementsByTagNameNS(RDF, "li"))
            found = [(_language(item), text_of(item).strip()) for item in items] or [("", text_of(node).strip())]
            named = {text for language, text in found if language}
            return tuple((language, text) for language, text in found if text and (language or text not in named))
    return ()


def _language(item: minidom.Element) -> str:
    stated = item.getAttributeNS(XML, "lang")
    return "" if stated == "x-default" else stated


def orientation(packet: bytes) -> int:
    """The orientation that a packet states, 1 to 8; 1 if it states none or is damaged."""
    if b"Orientation" not in packet.replace(b"\0", b""):
        return 1
    try:
        stated = [text for _, text in values_of(parsed(packet), TIFF, "Orientation")]
    except FAILURES:
        return 1
    return int(stated[0]) if stated and stated[0] in {*"12345678"} else 1


def merged(packet: bytes, extended: bytes) -> bytes:
    """A packet with the properties of its extension, which a JPEG keeps in other segments.

    Raises:
        ValueError, ExpatError, RecursionError: one of them is damaged.
    """
    document, more = parsed(packet) if packet else empty(), parsed(extended)
    roots = document.getElementsByTagNameNS(RDF, "RDF")
    if not roots:
        raise ValueError("an XMP packet holds an RDF element")
    for root in more.getElementsByTagNameNS(RDF, "RDF"):
        for child in [node for node in root.childNodes if isinstance(node, minidom.Element)]:
            copy = document.importNode(child, True)
            declare(copy, root)
            roots[0].appendChild(copy)
    return packed(document)


def declare(copy: minidom.Element, around: minidom.Node | None, only: set[str] | None = None) -> None:
    """Give an element that moved the prefixes that stand around it, of all namespaces or ``only`` of some."""
    while isinstance(around, minidom.Element):
        for attribute in around.attributes.values():
            wanted = attribute.namespaceURI == XMLNS and (only is None or attribute.value in only)
            if wanted and not copy.hasAttribute(attribute.name):
                copy.setAttributeNS(XMLNS, attribute.name, attribute.value)
        around = around.parentNode


def halved(packet: bytes, room: int) -> tuple[bytes, bytes]:
    """The packet cut in two: what fits into ``room`` bytes, and a second packet with the largest properties.

    Raises:
        ValueError, ExpatError, RecursionError: it is damaged, or what has to stay is larger than the room.
    """
    document, more = parsed(packet), empty()
    into = more.getElementsByTagNameNS(RDF, "RDF")[0]
    for home, node in sorted(_properties(document), key=lambda pair: len(text_of(pair[1])), reverse=True):
        shell = more.createElementNS(RDF, "rdf:Description")
        shell.setAttributeNS(RDF, "rdf:about", home.getAttributeNS(RDF, "about"))
        if isinstance(node, minidom.Attr):
            moved = more.createElementNS(node.namespaceURI, node.name)
            moved.appendChild(more.createTextNode(node.value))
        else:
            moved = more.importNode(node, True)
        shell.appendChild(moved)
        declare(shell, home)
        into.appendChild(shell)
        remove(home, node)
        if len(first := packed(document)) <= room:
            assert more.documentElement is not None
            return first, more.documentElement.toxml().encode()
    raise ValueError(f"expected properties that can be moved out of a packet of {len(packet)} bytes")


def _properties(document: minidom.Document) -> Iterator[tuple[minidom.Element, Node]]:
    """The properties of a packet, not of its structures, each with the description that it stands in."""
    for home in document.getElementsByTagNameNS(RDF, "Description"):
        if home.parentNode is not None and home.parentNode.localName == "RDF":
            yield from ((home, node) for node in home.childNodes if isinstance(node, minidom.Element))
            for node in list(home.attributes.values()):
                if node.namespaceURI not in (RDF, XMLNS, XML):
                    yield home, node


def with_properties(packet: bytes, properties: Iterable[Property]) -> bytes:
    """The packet, or a new one, with more properties; everything else in it stays byte for byte.

    Raises:
        ValueError, ExpatError, RecursionError: the packet is damaged, or it has no place for them.
    """
    lines = "".join(map(_line, properties))
    return _inserted(packet, lines) if lines else packet


def _line(given: Property) -> str:
    def item(language: str, text: str) -> str:
        mark = f" xml:lang={_quoted(language or 'x-default')}" if given.form == "alt" else ""
        return f"<rdf:li{mark}>{_escaped(text)}</rdf:li>"

    values = list(given.values)
    if given.form == "plain":
        inner = _escaped(values[0][1])
    else:
        if given.form == "alt" and all(language for language, _ in values):
            values.insert(0, ("", values[0][1]))
        kind = given.form.capitalize()
        inner = f'<rdf:{kind} xmlns:rdf="{RDF}">' + "".join(item(*value) for value in values) + f"</rdf:{kind}>"
    return f'<fourfold:{given.name} xmlns:fourfold="{given.space}">{inner}</fourfold:{given.name}>'


def _escaped(text: str) -> str:
    """Text for XML, without the control characters that XML cannot hold."""
    kept = "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    return kept.translate(_ENTITIES | {ord("\r"): "&#13;"})


def _quoted(value: str) -> str:
    """An attribute's value for XML, with its quotes."""
    return f'"{value.translate(_ENTITIES | _IN_ATTRIBUTES)}"'


def _inserted(packet: bytes, lines: str) -> bytes:
    """The packet with a description more that holds these elements."""
    text = packet.decode("utf-8-sig") if packet else _EMPTY
    roots = parsed(text.encode()).getElementsByTagNameNS(RDF, "RDF")
    end = f"</{roots[0].tagName}>" if roots else ""
    if not end or end not in text:
        raise ValueError("an XMP packet holds an RDF element")
    before, after = text.rsplit(end, 1)
    prefix = roots[0].tagName.removesuffix("RDF")
    abouts = [part.getAttributeNS(RDF, "about") for part in roots[0].getElementsByTagNameNS(RDF, "Description")]
    about = _quoted(next(iter(abouts), ""))
    return f"{before}<{prefix}Description {prefix}about={about}>{lines}</{prefix}Description>{end}{after}".encode()


def with_texts(packet: bytes, texts: Iterable[Text]) -> bytes:
    """The packet with keyed texts in a list of our own, which ``split_texts`` finds again.

    Raises:
        ValueError, ExpatError, RecursionError: the packet is damaged, or it has no place for them.
    """
    items = "".join(
        '<rdf:li rdf:parseType="Resource">'
        + "".join(
            f"<fourfold:{name}>{_escaped(value)}</fourfold:{name}>"
            for name, value in (("keyword", text.keyword), ("text", text.text), ("language", text.language))
            if value
        )
        + "</rdf:li>"
        for text in texts
    )
    whole = f'<fourfold:texts xmlns:fourfold="{TEXT}"><rdf:Bag xmlns:rdf="{RDF}">{items}</rdf:Bag></fourfold:texts>'
    return _inserted(packet, whole) if items else packet


def split_texts(packet: bytes) -> tuple[bytes, tuple[Text, ...]]:
    """The packet without the list that ``with_texts`` made, and the texts in it.

    Raises:
        ValueError, ExpatError, RecursionError: the packet is damaged.
    """
    if TEXT.encode() not in packet:
        return packet, ()
    document = parsed(packet)
    found = []
    for holder in document.getElementsByTagNameNS(TEXT, "texts"):
        for item in holder.getElementsByTagNameNS(RDF, "li"):
            parts = {name: item.getElementsByTagNameNS(TEXT, name) for name in ("keyword", "text", "language")}
            keyword, text, language = (text_of(part[0]) if part else "" for part in parts.values())
            found.append(Text(keyword, text, language))
        remove(holder, holder)
    return packed(document), tuple(found)


def with_recipe(packet: bytes, recipe: Mapping[str, Any], room: int) -> bytes:
    """The packet with a property that says how the picture was made; everything else in it stays byte for byte.

    Args:
        packet: empty if there is none.
        recipe: plain values; left out if they are longer than ``LONGEST_RECIPE`` as JSON.
        room: bytes above which a packet stays as it is, as does a damaged one.
    """
    text = json.dumps(recipe, separators=(",", ":"), sort_keys=True)
    if len(text) > LONGEST_RECIPE or len(packet) > room:
        return packet
    try:
        return with_properties(packet, [Property(_RECIPE, "recipe", "plain", (("", text),))])
    except FAILURES:
        return packet


def recipe_of(packet: bytes) -> dict[str, Any] | None:
    """What ``with_recipe`` put into a packet, None if there is nothing of the kind."""
    try:
        found = parsed(packet).getElementsByTagNameNS(_RECIPE, "recipe") if packet else []
        recipe = json.loads(text_of(found[0])) if found else None
    except FAILURES:
        return None
    return recipe if isinstance(recipe, dict) else None
