"""The ImageMagick door: the last resort, for the few types that nothing else here reads.

It is there only where the machine has the MagickWand library; no wheel brings it, the container image does. The format
is always said, never guessed; `policy.xml` beside this file allows reading these formats and nothing else, no program
is started and no address opened; size, memory and time are bounded; and all of it in a process of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media.errors import DamagedFileError
from media.tools import enclosure
from media.tools.enclosure import GIGABYTE, Bitmap, bitmap_of

FORMATS: Final[dict[str, str]] = {
    "image/x-exr": "EXR",
    "image/vnd.radiance": "HDR",
    "image/x-xcf": "XCF",
    "image/vnd.adobe.photoshop": "PSD",
}
TYPES: Final = frozenset({"image/x-exr", "image/vnd.radiance", "image/x-xcf"})
"""Photoshop documents come here only where Pillow cannot read theirs: see `media.images.fallback`."""

TIMEOUT: Final = 60.0
MEMORY: Final = 4 * GIGABYTE


@dataclass(frozen=True, slots=True)
class MagickHeader:
    width: int
    height: int


def open_header(path: Path, mime: str, megapixels: float) -> MagickHeader:
    """Raises UnsupportedTypeError where ImageMagick is missing, DamagedFileError, TooLargeError."""
    words = (FORMATS[mime], repr(megapixels))
    facts = enclosure.ask("magick_header", path, *words, timeout=TIMEOUT, memory=MEMORY).facts
    width, height = int(facts["width"]), int(facts["height"])
    if min(width, height) < 1:
        raise DamagedFileError("The picture is damaged and cannot be read. Upload it again.")
    return MagickHeader(width, height)


def decode(path: Path, mime: str, megapixels: float, *, timeout: float = TIMEOUT) -> Bitmap:
    """All layers as one picture, in sRGB. The caller has checked the limits on the header."""
    words = (FORMATS[mime], repr(megapixels))
    return bitmap_of(enclosure.ask("magick_decode", path, *words, timeout=timeout, memory=MEMORY))


def is_here() -> bool:
    """Whether this machine has ImageMagick."""
    return enclosure.report()["wand"] is not None
