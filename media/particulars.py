"""Pure: what a picture says of itself beside its pixels: when, where, with what, and what people wrote into it.

One answer out of three sources that may contradict each other: EXIF is the camera's word, XMP that of the
program that came last, IPTC that of programs before XMP. docs/metadata.md has the table. Nothing here raises.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from media import exif, iptc, xmp, zones
from media.exif import CAPTION_LIMIT, Camera, Location
from media.tools import embedded
from media.tools.embedded import Embedded
from media.xmp import Region
from media.zones import Taken

KEYWORD_LIMIT, MOST_KEYWORDS = 200, 200
SECTION_LIMIT: Final = 16_000
"""Characters of JSON that are kept of each kind of raw tags."""


@dataclass(frozen=True, slots=True)
class Particulars:
    taken: Taken | None = None
    location: Location | None = None
    camera: Camera | None = None
    profile: str | None = None
    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    rating: int | None = None
    regions: tuple[Region, ...] = ()
    content_id: str | None = None
    burst_id: str | None = None
    film: tuple[int, int] | None = None
    """Of a motion photo: where its film begins, in bytes before the end of the file, and its length."""
    raw: dict[str, Any] = field(default_factory=dict)
    """Every tag that can be read as text or number: `exif`, `gps`, `xmp`, `iptc`."""


def particulars_of(found: Embedded) -> Particulars:
    told = xmp.properties_of(found.xmp)
    location = exif.location_of(found.gps) or xmp.location_of(told)
    main, exposure = xmp.tags_of(told)
    return Particulars(
        taken=taken_of(found, told, location),
        location=location,
        camera=exif.camera_of(main | found.main, exposure | found.exif),
        profile=profile_of(found),
        title=xmp.title_of(told) or iptc.title_of(found.iptc) or exif.title_of(found.main),
        caption=caption_of(found, told),
        keywords=keywords_of(found, told),
        rating=first_known(xmp.rating_of(told), exif.rating_of(found.main)),
        regions=xmp.regions_of(told),
        content_id=exif.text_of(found.apple.get(exif.APPLE_CONTENT), 64),
        burst_id=exif.text_of(found.apple.get(exif.APPLE_BURST), 64) or exif.text_of(xmp.burst_of(told), 64),
        film=xmp.film_from_end(told),
        raw=raw_of(found, told),
    )


def taken_of(found: Embedded, told: xmp.Properties, location: Location | None) -> Taken | None:
    """EXIF before XMP before IPTC; each lends the others its offset where they show the same time."""
    clocks = [*exif.clocks_of(found.exif), *xmp.clocks_of(told), *iptc.clocks_of(found.iptc)]
    modified = exif.modified_of(found.main, found.exif)
    return zones.settle(
        clocks,
        witnesses=[modified] if modified else [],
        satellite=exif.satellite_of(found.gps),
        location=location,
    )


def profile_of(found: Embedded) -> str | None:
    """A picture without a profile may still say what its colours are."""
    return exif.text_of(found.profile, 120) or exif.color_space_of(found.exif)


def caption_of(found: Embedded, told: xmp.Properties) -> str | None:
    for text in (xmp.caption_of(told), iptc.caption_of(found.iptc, CAPTION_LIMIT)):
        if text is not None:
            return text[:CAPTION_LIMIT]
    return exif.caption_of(found.main, CAPTION_LIMIT)


def keywords_of(found: Embedded, told: xmp.Properties) -> tuple[str, ...]:
    return merged([*xmp.keywords_of(told), *iptc.keywords_of(found.iptc), *exif.keywords_of(found.main)])


def merged(words: Iterable[str]) -> tuple[str, ...]:
    """Each once, whatever its case, in the order told; cut to a sane length and number."""
    known: dict[str, str] = {}
    for word in words:
        text = exif.text_of(word, KEYWORD_LIMIT)
        if text is not None and len(known) < MOST_KEYWORDS:
            known.setdefault(text.casefold(), text)
    return tuple(known.values())


def first_known(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def raw_of(found: Embedded, told: xmp.Properties) -> dict[str, Any]:
    sections = {
        "exif": exif.readable(found.main | found.exif, embedded.EXIF_NAMES),
        "gps": exif.readable(found.gps, embedded.GPS_NAMES),
        "xmp": {name: shortened(value) for name, value in told.items()},
        "iptc": iptc.readable(found.iptc),
    }
    return {name: kept for name, section in sections.items() if (kept := bounded(section))}


def shortened(value: Any) -> Any:
    """The same with every text cut: the columns keep what is long and matters."""
    if isinstance(value, str):
        return value[: exif.LONGEST_TEXT]
    if isinstance(value, list):
        return [shortened(one) for one in value]
    return {name: shortened(one) for name, one in value.items()}


def bounded(section: dict[str, Any]) -> dict[str, Any]:
    """As many entries as there is room for; one that is too long by itself is passed over."""
    room, kept = SECTION_LIMIT, {}
    for name, value in section.items():
        length = len(name) + len(json.dumps(value, ensure_ascii=False))
        if length <= room:
            kept[name] = value
            room -= length
    return kept
