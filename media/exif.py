"""Pure: from EXIF tags to what we keep of a photograph: when, where, with what. Nothing here raises.

Tag numbers are those of the EXIF 2.32 standard (CIPA DC-008). Values a camera cannot mean (month 13, latitude
200, the null island at 0,0) are left out rather than guessed.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Tags = Mapping[int, Any]

# (date, sub-seconds, offset): when the shutter opened, else when the picture was digitised. ModifyDate (306)
# is when a program last wrote the file and says nothing of the picture; at most it confirms the others.
DATES: Final = ((0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012))
MODIFIED, MODIFIED_FRACTION, MODIFIED_OFFSET = 0x0132, 0x9290, 0x9010
MAKE, MODEL, DESCRIPTION, RATING = 0x010F, 0x0110, 0x010E, 0x4746
LENS_MODEL, ISO, ISO_SPEED, F_NUMBER, EXPOSURE, FOCAL_LENGTH = 0xA434, 0x8827, 0x8833, 0x829D, 0x829A, 0x920A
ORIENTATION, COLOR_SPACE, INTEROP = 0x0112, 0xA001, 0xA005
WINDOWS_TITLE, WINDOWS_KEYWORDS = 0x9C9B, 0x9C9E
GPS_TIME, GPS_DATE = 7, 29
APPLE_BURST, APPLE_CONTENT = 0x000B, 0x0011
TEXT_LIMIT: Final = 300
CAPTION_LIMIT: Final = 20_000
HIGHEST: Final = 100_000
"""Metres above or below the sea."""
LONGEST_OFFSET: Final = 14 * 60
CAMERA_SPEECH: Final = frozenset(
    {"olympus digital camera", "sony dsc", "dcim", "konica minolta digital camera", "samsung camera pictures"}
)
"""What some cameras write as the description of every picture they take."""


@dataclass(frozen=True, slots=True)
class Location:
    """WGS 84 degrees; altitude in metres above the sea, negative below."""

    latitude: float
    longitude: float
    altitude: float | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """What a clock showed, and how many minutes it was east of UTC where it said so."""

    wall: datetime
    """Naive."""
    offset: int | None = None


FIRST_YEAR, LAST_YEAR = 1826, 2199
"""From the first photograph there is to a clock that is merely wrong. Some others no database can keep."""


@dataclass(frozen=True, slots=True)
class Camera:
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    iso: int | None = None
    f_number: float | None = None
    exposure_seconds: float | None = None
    focal_length_mm: float | None = None


DATE: Final = re.compile(
    r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,20}))?)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?"
)


def clocks_of(exif: Tags) -> list[Clock]:
    """The dates of the picture, best first."""
    found = [clock_of(*(text_of(exif.get(tag)) for tag in tags)) for tags in DATES]
    return [clock for clock in found if clock is not None]


def modified_of(main: Tags, exif: Tags) -> Clock | None:
    """When the file was last written. Where that is the moment of the picture, its offset is the picture's."""
    tags = exif.get(MODIFIED_FRACTION), exif.get(MODIFIED_OFFSET)
    return clock_of(text_of(main.get(MODIFIED)), *(text_of(value) for value in tags))


def clock_of(value: str | None, fraction: str | None = None, offset: str | None = None) -> Clock | None:
    """`YYYY:MM:DD HH:MM:SS`, or ISO 8601 with its own fraction and offset. Blank, zero and impossible is None."""
    found = DATE.match((value or "").strip())
    if not found or not FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
        return None
    digits = (found[7] or fraction or "").strip()
    micro = int(digits[:6].ljust(6, "0")) if digits.isascii() and digits.isdigit() else 0
    try:
        wall = datetime(*(int(part or 0) for part in found.groups()[:6]), microsecond=micro)  # type: ignore[misc,arg-type] # noqa: DTZ001 - The zone comes from elsewhere.
    except ValueError:
        return None
    return Clock(wall, minutes_of(found[8] or offset))


def minutes_of(offset: str | None) -> int | None:
    """`+02:00`, `-0330` or `Z` as minutes east of UTC."""
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", (offset or "").strip())
    if not found:
        return 0 if offset == "Z" else None
    minutes = int(found[2]) * 60 + int(found[3])
    if minutes > LONGEST_OFFSET or int(found[3]) > 59:
        return None
    return -minutes if found[1] == "-" else minutes


def color_space_of(exif: Tags) -> str | None:
    """What cameras say without a profile: sRGB by EXIF, Adobe RGB by the index of DCF."""
    interop = exif.get(INTEROP)
    if isinstance(interop, Mapping) and text_of(interop.get(1)) == "R03":
        return "Adobe RGB (1998)"
    return "sRGB" if first(exif.get(COLOR_SPACE)) == 1 else None


def satellite_of(gps: Tags) -> datetime | None:
    """The clock of the satellites: UTC, whatever the camera was set to."""
    day, parts = clock_of(text_of(gps.get(GPS_DATE))), gps.get(GPS_TIME)
    if day is None or not isinstance(parts, tuple | list) or len(parts) != 3:
        return None
    hours, minutes, seconds = (number(part) for part in parts)
    if hours is None or minutes is None or seconds is None:
        return None
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61):
        return None
    midnight = day.wall.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def orientation_of(main: Tags) -> int | None:
    """1 to 8; what is outside of that says nothing."""
    told = whole(first(main.get(ORIENTATION)))
    return told if told is not None and told <= 8 else None


def camera_of(main: Tags, exif: Tags) -> Camera | None:
    camera = Camera(
        make=text_of(main.get(MAKE)),
        model=text_of(main.get(MODEL)),
        lens=text_of(exif.get(LENS_MODEL)),
        iso=iso_of(exif),
        f_number=positive(exif.get(F_NUMBER), top=1000, digits=2),
        exposure_seconds=positive(exif.get(EXPOSURE), top=86400, digits=9),
        focal_length_mm=positive(exif.get(FOCAL_LENGTH), top=10_000, digits=2),
    )
    return None if camera == Camera() else camera


def iso_of(exif: Tags) -> int | None:
    """65535 means that the number did not fit; it then stands in a tag of its own."""
    iso = whole(first(exif.get(ISO)))
    return iso if iso is not None and iso < 65_535 else whole(first(exif.get(ISO_SPEED)))


def location_of(gps: Tags) -> Location | None:
    """Tags 1 to 6: references and values. Without its reference a position is read as north and east."""
    latitude = degrees(gps.get(2), text_of(gps.get(1)), negative="S", top=90)
    longitude = degrees(gps.get(4), text_of(gps.get(3)), negative="W", top=180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return Location(latitude, longitude, altitude_of(gps))


def altitude_of(gps: Tags) -> float | None:
    height = number(gps.get(6))
    if height is None or abs(height) > HIGHEST:
        return None
    below = first(gps.get(5)) in {1, b"\x01", "1"}
    return round(-abs(height) if below else height, 2)


def degrees(value: Any, reference: str | None, *, negative: str, top: float) -> float | None:
    parts = [number(part) for part in value] if isinstance(value, tuple | list) else [number(value)]
    if not parts or len(parts) > 3 or any(part is None for part in parts):
        return None
    total = sum((part or 0.0) / 60**power for power, part in enumerate(parts))
    if (reference or "").upper().startswith(negative):
        total = -total
    return round(total, 7) if abs(total) <= top else None


def number(value: Any) -> float | None:
    """A finite number or None. Rationals of 0/0 come as NaN or raise when divided; XMP writes `28/10`."""
    try:
        if isinstance(value, str) and "/" in value:
            above, _, below = value.partition("/")
            value = float(above) / float(below)
        result = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def positive(value: Any, *, top: float, digits: int) -> float | None:
    result = number(first(value))
    return round(result, digits) if result is not None and 0 < result <= top else None


def whole(value: Any) -> int | None:
    result = number(value)
    return int(result) if result is not None and 1 <= result < 100_000_000 else None


def first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else value


def text_of(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """A clean string: no control characters, no halves of characters, no padding."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return None
    cleaned = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]+", " ", value[: 4 * limit]).strip()[:limit].strip()
    return cleaned or None


def title_of(main: Tags) -> str | None:
    return windows_text(main.get(WINDOWS_TITLE))


def caption_of(main: Tags, limit: int) -> str | None:
    told = text_of(main.get(DESCRIPTION), limit)
    return None if told is None or told.lower() in CAMERA_SPEECH else told


def keywords_of(main: Tags) -> list[str]:
    return (windows_text(main.get(WINDOWS_KEYWORDS)) or "").split(";")


def rating_of(main: Tags) -> int | None:
    stars = number(main.get(RATING))
    return int(stars) if stars is not None and 0 <= stars <= 5 else None


def windows_text(value: Any) -> str | None:
    """Windows writes its own tags as UTF-16."""
    if isinstance(value, tuple | list) and all(isinstance(part, int) and 0 <= part < 256 for part in value):
        value = bytes(value)
    return text_of(value.decode("utf-16-le", errors="replace")) if isinstance(value, bytes) else None


def readable(tags: Tags, names: Mapping[int, str]) -> dict[str, Any]:
    """All that can be read as text and numbers, by name. What only a program can read is left out."""
    found = ((names.get(tag, f"0x{tag:04x}"), plain(value)) for tag, value in tags.items())
    return {name: value for name, value in found if value is not None}


def plain(value: Any) -> Any:
    """A value that JSON and Postgres both keep, or None."""
    if isinstance(value, bool | int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, bytes):
        return text_of(value) if value.isascii() and len(value) < 256 else None
    if isinstance(value, str):
        return text_of(value, LONGEST_TEXT)
    if isinstance(value, tuple | list):
        parts = [plain(part) for part in value] if len(value) <= LONGEST_LIST else [None]
        return None if any(part is None for part in parts) else parts
    return number(value)


LONGEST_TEXT, LONGEST_LIST = 1000, 64
