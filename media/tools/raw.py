"""The camera RAW door: LibRaw through rawpy, in a process of its own (see `media.tools.enclosure`).

A RAW holds what the sensor saw and, in all but a few, a JPEG that the camera made of it. The header says the size and
the orientation of the sensor's picture; the preview comes as it lies in the file, with or without a tag of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from media.errors import DamagedFileError
from media.tools import enclosure
from media.tools.enclosure import GIGABYTE, Bitmap, bitmap_of

TYPES: Final = frozenset(
    {
        "image/x-adobe-dng",
        "image/x-canon-cr2",
        "image/x-canon-cr3",
        "image/x-nikon-nef",
        "image/x-sony-arw",
        "image/x-olympus-orf",
        "image/x-panasonic-rw2",
        "image/x-fuji-raf",
        "image/x-pentax-pef",
        "image/x-samsung-srw",
        "image/x-hasselblad-3fr",
        "image/x-sigma-x3f",
    }
)
TIMEOUT: Final = 30.0
DEVELOP_TIMEOUT: Final = 90.0
MEMORY: Final = 4 * GIGABYTE
"""Address space. 100 megapixels take 0.2 GB of sensor data, 0.8 GB in the works and 0.3 GB as a result."""


@dataclass(frozen=True, slots=True)
class RawHeader:
    """The picture of the sensor: stored size, and the EXIF orientation (1 to 8) that sets it upright."""

    width: int
    height: int
    orientation: int
    raw_width: int
    raw_height: int

    @property
    def displayed(self) -> tuple[int, int]:
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a RAW says of itself and the camera's own picture of it: a JPEG file, bare pixels, or None."""

    header: RawHeader
    preview: bytes | Bitmap | None


def open_header(path: Path) -> RawHeader:
    """Raises UnsupportedTypeError or DamagedFileError."""
    return header_of(enclosure.ask("raw_header", path, timeout=TIMEOUT, memory=MEMORY).facts)


def read_preview(path: Path, *, timeout: float = TIMEOUT) -> Embedded:
    """The header and the largest embedded picture. A RAW without one is no error."""
    answer = enclosure.ask("raw_preview", path, timeout=timeout, memory=MEMORY)
    kind = answer.facts.get("preview")
    preview = None if kind is None else bytes(answer.data) if kind == "jpeg" else bitmap_of(answer)
    return Embedded(header_of(answer.facts), preview)


def develop(path: Path, *, half: bool, timeout: float = DEVELOP_TIMEOUT) -> Bitmap:
    """The sensor's picture: upright, sRGB. The caller has checked the limits on the header."""
    size = "half" if half else "full"
    return bitmap_of(enclosure.ask("raw_develop", path, size, timeout=timeout, memory=MEMORY))


def header_of(facts: dict[str, Any]) -> RawHeader:
    header = RawHeader(**{name: int(facts[name]) for name in RawHeader.__slots__})
    if min(header.width, header.height) < 1:
        raise DamagedFileError("The picture is damaged and cannot be read. Upload it again.")
    return header
