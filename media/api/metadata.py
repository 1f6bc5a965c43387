"""What files say of themselves, as the API tells it: for members of the library, like every answer about its files."""

from typing import Any

from media.models import Original

LISTED_CAPTION, LISTED_KEYWORDS = 300, 20
"""Lists are for choosing; the details of one file have all."""


def tellable(original: Original) -> Original:
    """Itself; in place of one that is set aside an empty one, of which there is nothing to be told."""
    return original if original.held_at is None else Original()


def listed(original: Original) -> dict[str, Any]:
    """The typed metadata, short enough for pages of 200 files."""
    return {
        "capturedAt": original.captured_at,
        "capturedOffset": original.captured_offset,
        "capturedZone": original.captured_zone or None,
        "camera": camera(original),
        "location": location(original),
        "orientation": original.orientation,
        "colorProfile": original.color_profile or None,
        "title": original.title or None,
        "caption": original.caption[:LISTED_CAPTION] or None,
        "keywords": original.keywords[:LISTED_KEYWORDS],
        "rating": original.rating,
    }


def whole(original: Original) -> dict[str, Any]:
    """Where the details have more than lists: the rest of the words, and the probe with all that is in it."""
    original = tellable(original)
    return {
        "caption": original.caption or None,
        "keywords": original.keywords,
        "probe": original.probe,
    }


def camera(original: Original) -> dict[str, Any] | None:
    found = {
        "make": original.camera_make or None,
        "model": original.camera_model or None,
        "lens": original.lens or None,
        "iso": original.iso,
        "fNumber": original.f_number,
        "exposureSeconds": original.exposure_seconds,
        "focalLengthMm": original.focal_length_mm,
    }
    return found if any(value is not None for value in found.values()) else None


def location(original: Original) -> dict[str, Any] | None:
    if original.latitude is None:
        return None
    return {
        "latitude": original.latitude,
        "longitude": original.longitude,
        "altitude": original.altitude,
    }
