"""The PDF door: the first page, by PDFium, in a process of its own (see `media.tools.enclosure`).

PDFium is not made for threads and reads what strangers wrote; this build of it knows no scripts. A page has a size in
points and no pixels: its picture is what a scan at 300 dots an inch would be, or less where it is a poster.
"""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

from media.errors import DamagedFileError
from media.tools import enclosure
from media.tools.enclosure import GIGABYTE, Bitmap, bitmap_of

TYPES: Final = frozenset({"application/pdf"})
PIXELS_PER_POINT: Final = 300 / 72
LARGEST_SIDE: Final = 8192
"""Pixels."""
TIMEOUT: Final = 30.0
MEMORY: Final = GIGABYTE * 5 // 4
"""Address space. The largest page takes 0.3 GB as it is drawn, 0.4 GB as a result, and what is drawn on it."""


@dataclass(frozen=True, slots=True)
class PdfHeader:
    """The first page as it is read (turned by its own rule), and how many there are."""

    points_wide: float
    points_high: float
    pages: int
    title: str = ""

    @property
    def pixels_per_point(self) -> float:
        return min(PIXELS_PER_POINT, LARGEST_SIDE / max(self.points_wide, self.points_high))

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height in pixels; PDFium draws the last pixel that is only touched."""
        scale = self.pixels_per_point
        return ceil(self.points_wide * scale), ceil(self.points_high * scale)


def open_header(path: Path) -> PdfHeader:
    """Raises DamagedFileError, with code `password_needed` for an encrypted document."""
    facts = enclosure.ask("pdf_header", path, timeout=TIMEOUT, memory=MEMORY).facts
    wide, high = float(facts["width"]), float(facts["height"])
    if not (0 < wide < 1e7 and 0 < high < 1e7):
        raise DamagedFileError("The first page of the document has no size. Export it again.")
    return PdfHeader(wide, high, int(facts["pages"]), facts["title"])


def render(path: Path, scale: float, *, timeout: float = TIMEOUT) -> Bitmap:
    """The first page on white paper; `scale` in pixels a point. The caller has checked the size."""
    return bitmap_of(enclosure.ask("pdf_render", path, repr(scale), timeout=timeout, memory=MEMORY))
