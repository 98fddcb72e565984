"""Remove where a photo was taken: only metadata that is known to be harmless is kept.

A list of fields that reveal a place is never complete: makers of drones, phones and programs add their own. So these
are lists of fields that reveal none. Blocks are rewritten from what is kept; no byte between its parts survives.

Captions, titles and comments are a person's own words and are kept, unless they read as coordinates or as the address
of a map.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from xml.dom import minidom

from fourfold.core.image import Metadata
from fourfold.imaging.codecs import ifd
from fourfold.imaging.metadata import exif, iptc, xmp

_TEXT = {
    *(0x010D, 0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
    *(0x8824, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9286, 0x9290, 0x9291, 0x9292, 0xA420, 0xA430, 0xA431),
    *(0xA433, 0xA434, 0xA435, 0xA436, 0xA437, 0xA438, 0xA439, 0xA43A, 0xA43B, 0xA43C),
}  # fmt: skip
_NUMBERS = {
    *(0x0100, 0x0101, 0x0112, 0x011A, 0x011B, 0x0128, 0x013E, 0x013F, 0x0211, 0x0213, 0x0214, 0x4746, 0x4749),
    *(0x829A, 0x829D, 0x8822, 0x8827, 0x8830, 0x8831, 0x8832, 0x8833, 0x8834, 0x8835, 0x9000, 0x9101, 0x9102),
    *range(0x9201, 0x920B), *(0xA000, 0xA001, 0xA002, 0xA003, 0xA20E, 0xA20F, 0xA210, 0xA215, 0xA217, 0xA300, 0xA301),
    *range(0xA401, 0xA40B), *(0xA40C, 0xA432, 0xA460, 0xA461, 0xA500),
}  # fmt: skip
_INTEROPERABILITY = {1, 2}
_LONGEST_NUMBER = 48  # bytes of six fractions, the longest that the standard has
_UNDEFINED, _LETTERS = 7, (2, 129)
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso2022_jp", "shift_jis", "euc_jp", "gb18030", "euc_kr")
_OTHER_TEXT = {ifd.USER_COMMENT, *range(0x9C9B, 0x9CA0)}  # in an encoding of its own, in UTF-16

_NAMES = {
    xmp.DUBLIN: "contributor creator date description format identifier language publisher relation rights subject"
    " title type source",
    xmp.BASIC: "CreateDate CreatorTool Identifier Label MetadataDate ModifyDate Nickname Rating",
    "http://ns.adobe.com/xap/1.0/rights/": "Certificate Marked Owner UsageTerms WebStatement",
    "http://ns.adobe.com/xap/1.0/mm/": "DocumentID InstanceID OriginalDocumentID DerivedFrom History",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "action changed instanceID softwareAgent when",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#": "documentID instanceID originalDocumentID",
    "http://ns.adobe.com/xap/1.0/sType/Dimensions#": "w h unit",
    "http://ns.adobe.com/xmp/sType/Area#": "x y w h d unit",
    "http://www.metadataworkinggroup.com/schemas/regions/": "AppliedToDimensions Area Description Name RegionList"
    " Regions Type",
    xmp.TIFF: "Artist BitsPerSample Compression Copyright DateTime ImageDescription ImageLength ImageWidth Make Model"
    " NativeDigest Orientation PhotometricInterpretation PlanarConfiguration PrimaryChromaticities ReferenceBlackWhite"
    " ResolutionUnit SamplesPerPixel Software TransferFunction WhitePoint XResolution YCbCrCoefficients"
    " YCbCrPositioning YCbCrSubSampling YResolution",
    xmp.EXIF: "ApertureValue BrightnessValue ColorSpace ComponentsConfiguration CompressedBitsPerPixel Contrast"
    " CustomRendered DateTimeDigitized DateTimeOriginal DigitalZoomRatio ExifVersion ExposureBiasValue ExposureIndex"
    " ExposureMode ExposureProgram ExposureTime FNumber FileSource Fired Flash FlashEnergy FlashpixVersion FocalLength"
    " FocalLengthIn35mmFilm FocalPlaneResolutionUnit FocalPlaneXResolution FocalPlaneYResolution Function GainControl"
    " ISOSpeedRatings ImageUniqueID LightSource MaxApertureValue MeteringMode Mode NativeDigest"
    " PixelXDimension PixelYDimension"
    " RedEyeMode Return Saturation SceneCaptureType SceneType SensingMethod Sharpness ShutterSpeedValue"
    " SpectralSensitivity SubjectDistance SubjectDistanceRange UserComment WhiteBalance",
    "http://cipa.jp/exif/1.0/": "BodySerialNumber CameraOwnerName Gamma ISOSpeed InteroperabilityIndex LensMake"
    " LensModel LensSerialNumber LensSpecification PhotographicSensitivity RecommendedExposureIndex SensitivityType",
    "http://ns.adobe.com/exif/1.0/aux/": "ApproximateFocusDistance Firmware FlashCompensation ImageNumber Lens LensID"
    " LensInfo LensSerialNumber OwnerName SerialNumber",
    xmp.PHOTOSHOP: "AuthorsPosition CaptionWriter Category ColorMode Credit DateCreated Headline ICCProfile"
    " Instructions Source SupplementalCategories TransmissionReference Urgency",
    xmp.CORE: "AltTextAccessibility CiEmailWork CiUrlWork CreatorContactInfo ExtDescrAccessibility IntellectualGenre"
    " Scene SubjectCode",
    xmp.EXTENSION: "DigImageGUID DigitalSourceType MaxAvailHeight MaxAvailWidth ModelAge OrganisationInImageName"
    " PersonInImage",
    "http://ns.microsoft.com/photo/1.0/": "LensManufacturer LensModel Rating",
    "http://ns.useplus.org/ldf/xmp/1.0/": "CopyrightOwner CopyrightOwnerName CreditLineRequired DataMining ImageCreator"
    " ImageCreatorName LicensorEmail LicensorURL",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "AlreadyApplied Blacks2012 CameraProfile Clarity2012 Contrast2012"
    " Dehaze Exposure2012 HasCrop HasSettings Highlights2012 ProcessVersion Saturation Shadows2012 Sharpness"
    " BlueHue BlueSaturation Brightness ColorNoiseReduction Contrast Exposure GreenHue GreenSaturation"
    " LuminanceSmoothing RedHue RedSaturation ShadowTint Shadows VignetteAmount VignetteMidpoint"
    " Temperature Texture Tint ToneCurveName2012 Version Vibrance WhiteBalance Whites2012",
    xmp.PANORAMA: "CaptureSoftware CroppedAreaImageHeightPixels CroppedAreaImageWidthPixels CroppedAreaLeftPixels"
    " CroppedAreaTopPixels FullPanoHeightPixels FullPanoWidthPixels ProjectionType SourcePhotosCount"
    " StitchingSoftware UsePanoramaViewer",
    "http://www.dji.com/drone-dji/1.0/": "CamReverse CameraSerialNumber DroneModel DroneSerialNumber FlightPitchDegree"
    " FlightRollDegree FlightYawDegree GimbalPitchDegree GimbalReverse GimbalRollDegree GimbalYawDegree ImageSource"
    " ProductName ShutterCount ShutterType WhiteBalanceCCT",
}
_SPACES = {*_NAMES, xmp.RDF}
_RDF_ELEMENTS = {(xmp.RDF, name) for name in ("Description", "Bag", "Seq", "Alt", "li", "value")}
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_PROPERTIES = {(space, name) for space, names in _NAMES.items() for name in names.split()}

_IPTC = {
    (1, 90),
    *((2, number) for number in (0, 3, 4, 5, 7, 8, 10, 12, 15, 20, 22, 25, 30, 35, 37, 38, 40, 42, 47, 55, 60, 62, 63)),
    *((2, number) for number in (65, 70, 75, 80, 85, 103, 105, 110, 115, 116, 120, 121, 122, 130, 131, 135)),
}
_LONGEST_CODE = 4  # bytes of a version, or of the name of an encoding
_KEYWORDS = {
    *("Title", "Author", "Description", "Copyright", "Creation Time", "Software", "Disclaimer", "Warning", "Source"),
    *("tiff:alpha", "tiff:endian", "tiff:photometric", "tiff:rows-per-strip", "tiff:software", "tiff:timestamp"),
    *("icc:copyright", "icc:description", "icc:manufacturer", "icc:model", "comment"),
    *("Comment", "date:create", "date:modify", "date:timestamp", "parameters", "prompt", "workflow", "Dream"),
    *("sd-metadata", "invokeai_metadata", "invokeai_graph", "invokeai_workflow", "generation_data", "fooocus_scheme"),
}

_NUMBER = r"[-+]?\d{1,3}(?:\.\d+)?"
_READS_AS_A_PLACE = re.compile(
    r"\d\s*(?:°|º|deg(?:rees?)?\b)\s*(?:\d+(?:\.\d+)?\s*['′’]|[\d\s.'′’\"″”]*[NSEWO]\b)"
    r"|[-+]?\d{1,3}\.\d{4,}\s*[NS]?\s*[,;/|\s]\s*[-+]?\d{1,3}\.\d{4,}"
    r"|[+-]\d{2,6}\.\d+[+-]\d{3,7}\.\d+"
    r"|\d{1,3}(?:\.\d+)?\s*[NS]\b\W{0,3}\d{1,3}(?:\.\d+)?\s*[EWO]\b"
    rf"|\b(?:gps|lat|lon|lng|alt|geo|coord)[a-z_]*\W{{1,4}}{_NUMBER}"
    r"|\bgeo:|\bmaps?[./]|openstreetmap|what3words|plus\.codes",
    re.IGNORECASE,
)


def without_places(metadata: Metadata) -> Metadata:
    """The metadata with only what is known to reveal no place; a note names all the rest.

    A damaged part is left out.
    """
    gone: list[str] = []
    kept = replace(
        metadata,
        exif=_exif(metadata.exif, gone),
        xmp=_xmp(metadata.xmp, gone),
        iptc=_iptc(metadata.iptc, gone),
        texts=tuple(text for text in metadata.texts if _stays(text.keyword, text.text, text.language, gone)),
    )
    return replace(kept, notes=(*metadata.notes, _note(gone))) if gone else kept


def _note(gone: Iterable[str], most: int = 12) -> str:
    names = list(dict.fromkeys(gone))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"Left out, as it may tell where the photo was taken: {', '.join(names[:most])}{more}."


def _place(text: str) -> bool:
    """Whether a text reads as a place, as it is or with letters and digits of full width as the usual ones."""
    return any(_READS_AS_A_PLACE.search(form) for form in (text, unicodedata.normalize("NFKC", text)))


def _stays(keyword: str, text: str, language: str, gone: list[str]) -> bool:
    known = keyword in _KEYWORDS and (not language or _LANGUAGE.fullmatch(language))
    if known and not _place(text):
        return True
    gone.append(f"text {keyword[:40]}")
    return False


def _exif(block: bytes, gone: list[str]) -> bytes:
    if not block:
        return b""
    try:
        _, tree = exif.opened(block)
    except ValueError:
        gone.append("a damaged EXIF block")
        return b""
    kept = _harmless(tree, _TEXT | _NUMBERS, gone)
    for tag, inner in tree.nested.items():
        if tag == ifd.EXIF:
            kept.nested[tag] = _harmless(inner, _TEXT | _NUMBERS, gone)
            if ifd.INTEROP in inner.nested:
                more = _harmless(inner.nested[ifd.INTEROP], _INTEROPERABILITY, gone)
                kept.nested[tag].nested[ifd.INTEROP] = more
        else:
            gone.append("EXIF GPS" if tag == ifd.GPS else "EXIF interoperability")
    return exif.encoded(kept)


def _harmless(directory: ifd.Directory, allowed: set[int], gone: list[str]) -> ifd.Directory:
    kept = ifd.Directory()
    for tag, entry in directory.entries.items():
        if tag in allowed and _sound(tag, entry):
            kept.entries[tag] = entry
        elif entry.data and tag not in exif.OF_THE_PIXELS:
            gone.append(f"EXIF {exif.tag_name(tag)}")
    return kept


def _sound(tag: int, entry: ifd.Entry) -> bool:
    """Whether an entry is of the kind that its tag has, and its text, if any, reads as no place."""
    if tag not in _TEXT:
        short = len(entry.data) <= (4 if entry.kind in (1, _UNDEFINED, *_LETTERS) else _LONGEST_NUMBER)
        return short and not (tag > 2 and entry.kind in _LETTERS)
    if entry.kind not in _LETTERS and not (tag in _OTHER_TEXT and entry.kind in (1, _UNDEFINED)):
        return False
    text = entry.data[8:] if tag == ifd.USER_COMMENT else entry.data
    return not any(_place(text.decode(code, "ignore")) for code in _ENCODINGS)


def _xmp(packet: bytes, gone: list[str]) -> bytes:
    if not packet:
        return b""
    try:
        pruned, names = _pruned(packet)
    except xmp.FAILURES:
        gone.append("a damaged XMP packet")
        return b""
    gone.extend(f"XMP {name}" for name in names)
    return pruned


def _pruned(packet: bytes) -> tuple[bytes, list[str]]:
    """The packet with only the properties that are known to be harmless, and the names of those that went.

    Only elements, attributes and texts that RDF itself needs are kept beside them: no comments, no processing
    instructions but those around the packet, and nothing outside the RDF element.
    """
    document, clean = xmp.parsed(packet), xmp.empty()
    into = clean.getElementsByTagNameNS(xmp.RDF, "RDF")[0]
    gone: list[str] = []
    for root in document.getElementsByTagNameNS(xmp.RDF, "RDF")[:1]:
        for child in root.childNodes:
            if isinstance(child, minidom.Element) and xmp.name_of(child) == (xmp.RDF, "Description"):
                copy = _kept(clean, child, gone)
                xmp.declare(copy, root, _SPACES)
                into.appendChild(copy)
    return xmp.packed(clean), gone


def _known(name: tuple[str, str], text: str) -> bool:
    return name in _PROPERTIES and not _place(text)


def _kept(document: minidom.Document, element: minidom.Element, gone: list[str]) -> minidom.Element:
    """A copy of an element for another document, with what is known to be harmless of it."""
    copy = document.createElementNS(element.namespaceURI, element.tagName)
    for node in element.attributes.values():
        name = xmp.name_of(node)
        if name[0] == xmp.XMLNS:
            if node.value in _SPACES:
                copy.setAttributeNS(xmp.XMLNS, node.name, node.value)
        elif name == (xmp.RDF, "about"):
            copy.setAttributeNS(xmp.RDF, node.name, "")
        elif _plain_mark(name, node.value) or _known(_owner(element, name), node.value):
            copy.setAttributeNS(node.namespaceURI, node.name, node.value)
        else:
            gone.append(node.name)
    own = xmp.name_of(element)
    for child in element.childNodes:
        if isinstance(child, minidom.Text) and (own[0] != xmp.RDF or own[1] in ("li", "value")):
            copy.appendChild(document.createTextNode(child.data))
        elif isinstance(child, minidom.Element):
            name = xmp.name_of(child)
            if name in _RDF_ELEMENTS or _known(name, xmp.text_of(child)):
                copy.appendChild(_kept(document, child, gone))
            else:
                gone.append(child.tagName)
    return copy


def _owner(element: minidom.Element, name: tuple[str, str]) -> tuple[str, str]:
    """The property whose value an attribute is: itself, or the element for ``rdf:resource``."""
    return xmp.name_of(element) if name == (xmp.RDF, "resource") else name


def _plain_mark(name: tuple[str, str], value: str) -> bool:
    """Whether an attribute says how a value is to be read: its language, or that it has fields."""
    if name == (xmp.XML, "lang"):
        return _LANGUAGE.fullmatch(value) is not None
    return name == (xmp.RDF, "parseType") and value in ("Resource", "Literal", "Collection")


def _iptc(stream: bytes, gone: list[str]) -> bytes:
    found = iptc.datasets(stream)
    known = [one for one in found if one[:2] in _IPTC and (one.text or len(one.value) <= _LONGEST_CODE)]
    kept = [one for one in known if not _place(one.text)]
    gone.extend(f"IPTC {one.record}:{one.number:02}" for one in found if one not in kept and one.value)
    return iptc.encode(kept)
