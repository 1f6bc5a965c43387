"""Pure: from an XMP packet (RDF in XML) to its properties, and from those to what we keep. Nothing here raises.

The packet is read by expat through defusedxml: document types, and with them entities, are refused. Properties
are named by the prefix that the standards give their namespace, whatever prefix the packet uses. A packet over
the limit, or one that is no XML, has no properties. Sources: ISO 16684-1, the MWG guidelines, Android's
Motion Photo 1.0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from media import exif
from media.exif import Clock, Location, number, text_of

Properties: TypeAlias = Mapping[str, Any]
"""`dc:title` -> text, list of values, or a mapping of the same kind."""

LARGEST: Final = 2 * 1024 * 1024
DEEPEST: Final = 12
MOST_PROPERTIES, MOST_ITEMS = 1000, 1000
LONGEST: Final = 100_000
NAMESPACES: Final = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://www.metadataworkinggroup.com/schemas/regions/": "mwg-rs",
    "http://ns.adobe.com/xmp/sType/Area#": "stArea",
    "http://ns.adobe.com/xap/1.0/sType/Dimensions#": "stDim",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://ns.google.com/photos/1.0/container/": "Container",
    "http://ns.google.com/photos/1.0/container/item/": "Item",
    "http://ns.adobe.com/xmp/note/": "xmpNote",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
    "http://ns.microsoft.com/photo/1.0/": "MicrosoftPhoto",
}
RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
XML: Final = "{http://www.w3.org/XML/1998/namespace}"
LISTS: Final = frozenset({f"{RDF}Bag", f"{RDF}Seq", f"{RDF}Alt"})
DATES: Final = ("exif:DateTimeOriginal", "photoshop:DateCreated", "exif:DateTimeDigitized", "xmp:CreateDate")
MAIN_TAGS: Final = {exif.MAKE: ("tiff:Make",), exif.MODEL: ("tiff:Model",)}
EXIF_TAGS: Final = {
    exif.LENS_MODEL: ("exifEX:LensModel", "aux:Lens"),
    exif.ISO: ("exif:ISOSpeedRatings", "exifEX:PhotographicSensitivity"),
    exif.F_NUMBER: ("exif:FNumber",),
    exif.EXPOSURE: ("exif:ExposureTime",),
    exif.FOCAL_LENGTH: ("exif:FocalLength",),
}


@dataclass(frozen=True, slots=True)
class Region:
    """A marked part of the picture. Centre and size as shares of the picture's width and height."""

    name: str
    kind: str | None
    x: float
    y: float
    width: float
    height: float


def properties_of(packet: bytes) -> Properties:
    """All properties of the packet, in UTF-8 or UTF-16. Empty where it cannot be read."""
    if not packet or len(packet) > LARGEST:
        return {}
    try:
        root = ElementTree.fromstring(trimmed(packet), forbid_dtd=True)
    except Exception:  # noqa: BLE001 - expat, the codecs and defusedxml each have errors of their own; none may cost the file.
        return {}
    found: dict[str, Any] = {}
    for description in descriptions(root):
        found |= members(description, 0)
        if len(found) > MOST_PROPERTIES:
            break
    return dict(list(found.items())[:MOST_PROPERTIES])


def trimmed(packet: bytes) -> bytes:
    """Padding, and the zeros that some writers put after a packet, are no XML."""
    if packet.startswith((b"\xff\xfe", b"\xfe\xff")):
        return packet
    return packet.strip(b"\0 \t\r\n")


def descriptions(root: Element) -> Iterable[Element]:
    found = root if root.tag == f"{RDF}RDF" else root.find(f".//{RDF}RDF")
    return () if found is None else found.findall(f"{RDF}Description")


def members(node: Element, depth: int) -> dict[str, Any]:
    """Attributes and elements mean the same in RDF."""
    found: dict[str, Any] = {}
    for name, value in node.attrib.items():
        if not name.startswith((RDF, XML)) and (text := clean(value)) is not None:
            found[named(name)] = text
    for child in node:
        value = value_of(child, depth + 1)
        if value is not None:
            found[named(child.tag)] = value
    return found


def value_of(node: Element, depth: int) -> Any:
    """Text, a list, or a mapping."""
    if depth > DEEPEST:
        return None
    first = node[0] if len(node) else None
    if first is not None and first.tag in LISTS:
        return list_of(first, depth + 1)
    if first is not None and first.tag == f"{RDF}Description":
        return members(first, depth + 1) or None
    found = members(node, depth)
    if found:
        return found.get(f"{RDF}value", found)
    return clean(node.attrib.get(f"{RDF}resource") or node.text)


def list_of(node: Element, depth: int) -> list[Any] | None:
    """The values in their order; of alternatives the default language comes first."""
    items = list(node)[:MOST_ITEMS]
    if node.tag == f"{RDF}Alt":
        items.sort(key=lambda item: item.attrib.get(f"{XML}lang") != "x-default")
    values = [value_of(item, depth) for item in items]
    return [value for value in values if value is not None] or None


def named(tag: str) -> str:
    """`dc:title`; a namespace we do not know keeps its address."""
    address, _, local = tag.removeprefix("{").rpartition("}")
    prefix = NAMESPACES.get(address)
    return f"{prefix}:{local}" if prefix else tag[:200]


def clean(value: str | None) -> str | None:
    return text_of(value, LONGEST)


def single(value: Any) -> str | None:
    """The value of a property that should be one text."""
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else None


def several(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def clocks_of(found: Properties) -> list[Clock]:
    clocks = [exif.clock_of(single(found.get(name))) for name in DATES]
    return [clock for clock in clocks if clock is not None]


def location_of(found: Properties) -> Location | None:
    """`39,6.9N`: degrees, minutes and perhaps seconds, with the side of the world at the end."""
    tags: dict[int, Any] = {}
    for number_tag, side_tag, name in ((2, 1, "exif:GPSLatitude"), (4, 3, "exif:GPSLongitude")):
        text = single(found.get(name)) or ""
        tags[number_tag], tags[side_tag] = tuple(text[:-1].split(",")), text[-1:]
        if tags[side_tag] not in ("NS", "EW")[number_tag == 4]:
            return None
    tags[6], tags[5] = single(found.get("exif:GPSAltitude")), single(found.get("exif:GPSAltitudeRef"))
    return exif.location_of(tags)


def tags_of(found: Properties) -> tuple[dict[int, Any], dict[int, Any]]:
    """What XMP repeats of EXIF, under the numbers it has there: the first directory, and that of the exposure."""
    return picked(found, MAIN_TAGS), picked(found, EXIF_TAGS)


def picked(found: Properties, table: Mapping[int, tuple[str, ...]]) -> dict[int, Any]:
    texts = {
        tag: next(filter(None, (single(found.get(name)) for name in names)), None)
        for tag, names in table.items()
    }
    return {tag: text for tag, text in texts.items() if text is not None}


def title_of(found: Properties) -> str | None:
    return text_of(single(found.get("dc:title")))


def caption_of(found: Properties) -> str | None:
    return single(found.get("dc:description"))


def keywords_of(found: Properties) -> list[str]:
    """Hierarchies (`Places|Utah`) as the words they are made of."""
    levels = (part for path in several(found.get("lr:hierarchicalSubject")) for part in path.split("|"))
    return [*several(found.get("dc:subject")), *levels]


def rating_of(found: Properties) -> int | None:
    stars = number(single(found.get("xmp:Rating")))
    return round(stars) if stars is not None and -1 <= stars <= 5 else None


def regions_of(found: Properties, *, most: int = 200) -> tuple[Region, ...]:
    """Faces and other parts that people have named (Metadata Working Group)."""
    told = found.get("mwg-rs:Regions")
    items = told.get("mwg-rs:RegionList") if isinstance(told, Mapping) else None
    regions = [region_of(item) for item in (items if isinstance(items, list) else [])[:most]]
    return tuple(region for region in regions if region is not None)


def region_of(item: Any) -> Region | None:
    area = item.get("mwg-rs:Area") if isinstance(item, Mapping) else None
    if not isinstance(area, Mapping) or single(area.get("stArea:unit")) not in {None, "normalized"}:
        return None
    x, y, width, height = (share(area.get(f"stArea:{side}")) for side in "xywh")
    name = text_of(single(item.get("mwg-rs:Name")))
    if x is None or y is None or name is None:
        return None
    return Region(name, text_of(single(item.get("mwg-rs:Type"))), x, y, width or 0.0, height or 0.0)


def share(value: Any) -> float | None:
    found = number(single(value))
    return round(found, 6) if found is not None and 0 <= found <= 1 else None


def burst_of(found: Properties) -> str | None:
    return text_of(single(found.get("GCamera:BurstID")))


def film_from_end(found: Properties) -> tuple[int, int] | None:
    """Where a motion photo's film begins, in bytes before the end of the file, and its length."""
    items = found.get("Container:Directory")
    after = 0
    for item in reversed(items if isinstance(items, list) else []):
        told = item.get("Container:Item", item) if isinstance(item, Mapping) else None
        if not isinstance(told, Mapping):
            continue
        length = exif.whole(single(told.get("Item:Length"))) or 0
        if length and single(told.get("Item:Semantic")) == "MotionPhoto":
            return after + length, length
        after += length + (exif.whole(single(told.get("Item:Padding"))) or 0)
    old = exif.whole(single(found.get("GCamera:MicroVideoOffset")))
    return (old, old) if old else None
