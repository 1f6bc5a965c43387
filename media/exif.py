"""Pure: from EXIF tags to what we keep of a photograph: when, where, with what. Nothing here raises.

Tag numbers are those of the EXIF 2.32 standard (CIPA DC-008). Values a camera cannot mean (month 13, latitude
200, the null island at 0,0) are left out rather than guessed.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

Tags = Mapping[int, Any]

# (date, sub-seconds, offset): when the shutter opened, else when the picture was digitised. ModifyDate (306)
# is when a program last wrote the file and says nothing of the picture.
DATES: Final = ((0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012))
MAKE, MODEL, MAIN_DESCRIPTION = 0x010F, 0x0110, 0x010E
LENS_MODEL, ISO, F_NUMBER, EXPOSURE, FOCAL_LENGTH = 0xA434, 0x8827, 0x829D, 0x829A, 0x920A
TEXT_LIMIT: Final = 300


@dataclass(frozen=True, slots=True)
class Location:
    """WGS 84 degrees; altitude in metres above the sea, negative below."""

    latitude: float
    longitude: float
    altitude: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A moment, with the offset the camera knew. Without one `at` is the camera's wall clock as if in UTC."""

    at: datetime
    offset: str | None


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


def taken_of(exif: Tags) -> Taken | None:
    for date_tag, fraction_tag, offset_tag in DATES:
        moment = date_of(text_of(exif.get(date_tag)), text_of(exif.get(fraction_tag)))
        if moment is None:
            continue
        offset = text_of(exif.get(offset_tag))
        zone = zone_of(offset)
        return Taken(moment.replace(tzinfo=zone or UTC), offset if zone else None)
    return None


def date_of(value: str | None, fraction: str | None) -> datetime | None:
    """`YYYY:MM:DD HH:MM:SS`; some writers use dashes. Blank, zero and impossible dates are None."""
    found = re.match(r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)[ T](\d\d):(\d\d):(\d\d)", value or "")
    if not found:
        return None
    digits = (fraction or "").strip()
    micro = int(digits[:6].ljust(6, "0")) if digits.isascii() and digits.isdigit() else 0
    if not FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
        return None
    try:
        return datetime(*map(int, found.groups()), microsecond=micro)  # type: ignore[misc,arg-type] # noqa: DTZ001 - The zone comes from another tag.
    except ValueError:
        return None


def zone_of(offset: str | None) -> timezone | None:
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", offset or "")
    if offset == "Z":
        return UTC
    if not found:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    if minutes > 14 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))


def camera_of(main: Tags, exif: Tags) -> Camera | None:
    camera = Camera(
        make=text_of(main.get(MAKE)),
        model=text_of(main.get(MODEL)),
        lens=text_of(exif.get(LENS_MODEL)),
        iso=whole(first(exif.get(ISO))),
        f_number=positive(exif.get(F_NUMBER), top=1000, digits=2),
        exposure_seconds=positive(exif.get(EXPOSURE), top=86400, digits=9),
        focal_length_mm=positive(exif.get(FOCAL_LENGTH), top=10_000, digits=2),
    )
    return None if camera == Camera() else camera


def location_of(gps: Tags) -> Location | None:
    """Tags 1 to 6: references and values. Without its reference a position is read as north and east."""
    latitude = degrees(gps.get(2), text_of(gps.get(1)), negative="S", top=90)
    longitude = degrees(gps.get(4), text_of(gps.get(3)), negative="W", top=180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return Location(latitude, longitude, altitude_of(gps))


def altitude_of(gps: Tags) -> float | None:
    height = number(gps.get(6))
    if height is None or abs(height) > 100_000:
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
    """A finite number or None. Rationals of 0/0 come as NaN or raise when divided."""
    try:
        result = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def positive(value: Any, *, top: float, digits: int) -> float | None:
    result = number(first(value))
    return round(result, digits) if result is not None and 0 < result <= top else None


def whole(value: Any) -> int | None:
    result = number(value)
    return int(result) if result is not None and 0 < result < 100_000_000 else None


def first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else value


def text_of(value: Any) -> str | None:
    """A clean short string: no control characters, no padding."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return None
    cleaned = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]+", " ", value).strip()[:TEXT_LIMIT]
    return cleaned or None
