"""From the facts of a probe to the typed columns of an Original. Only what the columns can keep passes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

EARLIEST, LATEST = datetime(1826, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""From the first photograph there is to a clock that is merely wrong."""

LARGEST_SIDE = 2**31 - 1
"""What the columns hold. A header may promise more, or nothing."""

PRIVATE = frozenset({"location", "taken_zone", "raw", "regions"})
"""Facts that say, or may say, where a picture was taken and who is on it: for members of the library alone."""


def columns_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Column -> value, for every column that the metadata decides."""
    camera, location = facts.get("camera") or {}, facts.get("location") or {}
    return {
        "width": believable_side(facts.get("width")),
        "height": believable_side(facts.get("height")),
        "duration": facts.get("duration"),
        "captured_at": plausible(facts.get("taken_at")),
        "captured_offset": minutes_of(facts.get("taken_offset")),
        "captured_zone": text(facts.get("taken_zone"), 64),
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "altitude": location.get("altitude"),
        "camera_make": text(camera.get("make"), 120),
        "camera_model": text(camera.get("model"), 120),
        "lens": text(camera.get("lens"), 200),
        "iso": camera.get("iso"),
        "f_number": camera.get("f_number"),
        "exposure_seconds": camera.get("exposure_seconds"),
        "focal_length_mm": camera.get("focal_length_mm"),
        "orientation": facts.get("orientation"),
        "color_profile": text(facts.get("color_profile"), 120),
        "title": text(facts.get("title"), 300),
        "caption": text(facts.get("caption"), 20_000),
        "keywords": [word[:200] for word in facts.get("keywords") or ()],
        "rating": facts.get("rating"),
        "content_id": text(facts.get("content_id"), 64),
        "burst_id": text(facts.get("burst_id"), 64),
    }


def plausible(moment: str | None) -> datetime | None:
    """A time that can be true and that Postgres and Python can both keep, else None."""
    taken = datetime.fromisoformat(moment) if moment else None
    return taken if taken is not None and EARLIEST <= taken < LATEST else None


def minutes_of(offset: str | None) -> int | None:
    """`+02:00` as minutes east of UTC."""
    if offset is None:
        return None
    hours, _, rest = offset[1:].partition(":")
    minutes = int(hours) * 60 + int(rest)
    return -minutes if offset.startswith("-") else minutes


def believable_side(pixels: int | None) -> int | None:
    return pixels if pixels is not None and 0 < pixels <= LARGEST_SIDE else None


def text(value: str | None, limit: int) -> str:
    return (value or "")[:limit]


def public(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """The facts that operators who are no members may see."""
    return {name: value for name, value in (facts or {}).items() if name not in PRIVATE}
