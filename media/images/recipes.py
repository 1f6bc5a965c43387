"""Pure: what may be asked of the image proxy, in one spelling, and the cache key that follows from it.

A recipe is a box, a quality and a format. Whatever the order of the parameters and however they are left out, one
picture has one recipe text and so one key. The web app builds the same addresses (static/js/images.js).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast
from urllib.parse import urlencode
from uuid import UUID

from media.errors import RequestError

Format: TypeAlias = Literal["jpeg", "webp", "avif", "png"]
FORMATS: Final[tuple[Format, ...]] = ("jpeg", "webp", "avif", "png")
CONTENT_TYPES: Final[dict[Format, str]] = {
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "png": "image/png",
}
MOST_SIDE: Final = 4096
"""Pixels. More is clamped to it: a crafted request must not fill the memory."""
MOST_QUALITY: Final = 100
DEFAULT_QUALITY: Final = 80
DEFAULT_FORMAT: Final[Format] = "jpeg"
VERSION_DIGITS: Final = 32
"""Hexadecimal digits of the source's SHA-256 that an address carries: 128 bits cannot be met by chance or by work."""
TURNS: Final = (0, 90, 180, 270)


class RecipeError(RequestError):
    """A query that says no picture."""

    http_status = 422


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of a picture. None for a side: no limit there. Never larger than the source."""

    width: int | None = None
    height: int | None = None
    quality: int = DEFAULT_QUALITY
    format: Format = DEFAULT_FORMAT

    @property
    def text(self) -> str:
        """The one spelling, safe in a key: `w720-h360-q82.jpeg`; 0 is no limit."""
        return f"w{self.width or 0}-h{self.height or 0}-q{self.quality}.{self.format}"

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.format]

    @classmethod
    def from_text(cls, text: str) -> "Recipe":
        """The inverse of `text`; for messages of our own only."""
        sides, _, form = text.rpartition(".")
        width, height, quality = (int(part[1:]) for part in sides.split("-"))
        return cls(width or None, height or None, quality, cast("Format", form))


def parse(given: Mapping[str, str], accept: str = "") -> Recipe:
    """The recipe of a query. Out of range is clamped; what is no number or no format raises RecipeError (422).

    `format=auto` takes the first of AVIF, WebP and JPEG that `accept` (the header) names.
    """
    return Recipe(
        width=side(given, "width"),
        height=side(given, "height"),
        quality=clamped(given, "quality", MOST_QUALITY) or DEFAULT_QUALITY,
        format=format_of(given.get("format", ""), accept),
    )


def side(given: Mapping[str, str], name: str) -> int | None:
    return clamped(given, name, MOST_SIDE)


def clamped(given: Mapping[str, str], name: str, most: int) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise RecipeError(f"{name} must be a whole number from 1 to {most}.", code=f"bad_{name}")
    if len(digits) > 9:
        return 1 if text.startswith("-") else most
    return max(1, min(most, int(text)))


def format_of(text: str, accept: str) -> Format:
    if not text:
        return DEFAULT_FORMAT
    if text == "auto":
        return negotiated(accept)
    if text == "jpg":
        return "jpeg"
    if text not in FORMATS:
        raise RecipeError(f"format must be one of {', '.join(FORMATS)} or auto.", code="bad_format")
    return text


def negotiated(accept: str) -> Format:
    """By what the client names itself; `*/*` promises nothing of new formats, `;q=0` refuses (RFC 9110, 12.4.2)."""
    named = set()
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if not any(one.startswith("q=") and not one[2:].strip("0.") for one in parameters):
            named.add(kind)
    if "image/avif" in named:
        return "avif"
    return "webp" if "image/webp" in named else "jpeg"


def version_of(sha256: str, rotation: int = 0) -> str:
    """What `v=` says: a prefix of the source's digest and how a person has turned the picture."""
    return sha256[:VERSION_DIGITS] + (f"-{rotation}" if rotation else "")


def cache_key(library_id: UUID | str, version: str, recipe: Recipe, *, registered: bool) -> str:
    """Where the picture lies in the `cache` store. Registry variants and free sizes are apart: only the latter age."""
    folder = "variants" if registered else "derived"
    return f"{folder}/{library_id}/{version[:2]}/{version}/{recipe.text}"


def query_of(recipe: Recipe, version: str = "", signature: str = "") -> str:
    """The query of an address, names sorted, so that equal pictures have equal addresses."""
    pairs = {
        "format": recipe.format,
        "height": recipe.height,
        "quality": recipe.quality,
        "s": signature,
        "v": version,
        "width": recipe.width,
    }
    return urlencode([(name, value) for name, value in pairs.items() if value])
