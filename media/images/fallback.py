"""The one other decoder: for types that libvips lacks, chosen by type and never by guess.

    camera RAW      the embedded preview where it is large enough, else developed       media.tools.raw
    PDF             the first page, drawn at the size that is wanted                     media.tools.pdf
    JPEG XL         ffmpeg                                                               media.tools.jxl
    HEIC, PSD ...   Pillow                                                               media.tools.pillow
    EXR, HDR, XCF   ImageMagick, where it is installed                                   media.tools.magick

Every way checks the limits on a header before the first pixel. A limit is on what is decoded: the preview of a RAW
whose sensor has more pixels than may be decoded is shown. What comes out is upright and in sRGB.
"""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from media.errors import DamagedFileError, PermanentError, TimedOutError, UnsupportedTypeError
from media.images import cicp, previews
from media.images.cicp import Coding
from media.images.decoded import Box
from media.tools import heif, icons, jxl, magick, pdf, pillow, raw, vips
from media.tools.enclosure import Bitmap
from media.tools.vips import FOREVER, Image, PixelLimits

LONGEST: Final = 90.0
"""Seconds, for callers without a deadline."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One call: what is to be decoded, how large it is needed, and what it may cost."""

    path: Path
    mime: str
    box: Box
    limits: PixelLimits
    deadline: float

    @property
    def seconds(self) -> float:
        """What is left, for a process that is started now."""
        return max(0.0, min(LONGEST, self.deadline - time.monotonic()))

    def check(self, width: int, height: int, frames: int = 1) -> None:
        vips.check_limits(width, height, frames, self.limits)

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """A picture of this size made to fit the box, never larger."""
        factor = min(1.0, self.box.width / width, self.box.height / height)
        return max(1, round(width * factor)), max(1, round(height * factor))


def decode(path: Path, mime: str, box: Box, limits: PixelLimits, deadline: float = FOREVER) -> Image:
    """The first picture of the file, at least as large as `box` asks where the file has that much, often larger.

    Raises TooLargeError before any pixel is decoded, DamagedFileError, UnsupportedTypeError, TimedOutError.
    """
    wanted = Wanted(path, mime, box, limits, deadline)
    for types, way in WAYS:
        if mime in types:
            try:
                return way(wanted)
            except TimedOutError as error:
                # The doors speak of programs, which are nobody's business but the operator's.
                raise vips.too_slow(error.message) from error
    raise UnsupportedTypeError(
        "This machine has no decoder for this type of picture. Convert it to JPEG, PNG or WebP.",
        code="decoder_missing",
    )


def by_pillow(wanted: Wanted) -> Image:
    if is_beyond_pillow(wanted):
        return by_magick(wanted)
    if wanted.mime in icons.TYPES:
        icons.check(wanted.path, wanted.limits)
    header = pillow.open_header(wanted.path, wanted.mime)
    wanted.check(header.width, header.height, header.frames)
    if wanted.mime in heif.TYPES and not is_whole(wanted.path):
        raise DamagedFileError("The picture is cut off. Upload it again.", code="cut_off")
    pixels = pillow.decode(wanted.path, wanted.mime, wanted.fitted(header.width, header.height))
    image = vips.from_pixels(pixels.data, pixels.width, pixels.height, pixels.bands)
    coding = Coding(*pixels.coding) if pixels.coding else None
    if coding is None or coding.is_srgb:
        return vips.srgb_from(image, pixels.profile)
    # Many megapixels of floating point are dear: made small first.
    small = vips.shrink(image, wanted.box.width, wanted.box.height, deadline=wanted.deadline)
    return cicp.to_srgb(small, coding)


def is_beyond_pillow(wanted: Wanted) -> bool:
    """Photoshop's large documents (PSB), and those of more than 8 bits a channel."""
    if wanted.mime != "image/vnd.adobe.photoshop":
        return False
    with wanted.path.open("rb") as reader:
        head = reader.read(24)
    if len(head) < 24:
        return False
    version, height, width, bits = struct.unpack(">H8xIIH", head[4:])
    wanted.check(width, height)
    return bool(version == 2 or bits > 8)


def by_jxl(wanted: Wanted) -> Image:
    header = jxl.open_header(wanted.path)
    wanted.check(header.width, header.height)
    png = jxl.decode(wanted.path, pixels=jxl.padded(header), timeout=wanted.seconds)
    profiled = vips.open_header_of_bytes(png).profiled
    return vips.load_bytes(
        png, wanted.box.width, wanted.box.height, orientation=1, profiled=profiled, deadline=wanted.deadline
    )


def by_magick(wanted: Wanted) -> Image:
    most = wanted.limits.megapixels
    header = magick.open_header(wanted.path, wanted.mime, most)
    wanted.check(header.width, header.height)
    return from_bitmap(magick.decode(wanted.path, wanted.mime, most, timeout=wanted.seconds))


def by_pdf(wanted: Wanted) -> Image:
    """Drawn at the size that is wanted and no larger: a page has no pixels of its own."""
    header = pdf.open_header(wanted.path)
    width, height = header.displayed
    fitted = wanted.fitted(width, height)
    wanted.check(*fitted)
    scale = header.pixels_per_point * max(fitted[0] / width, fitted[1] / height)
    return from_bitmap(pdf.render(wanted.path, scale, timeout=wanted.seconds))


def by_raw(wanted: Wanted) -> Image:
    """The camera's own picture where it is large enough; else the sensor's, at half size where that is enough."""
    found = raw.read_preview(wanted.path, timeout=wanted.seconds)
    width, height = found.header.displayed
    need = wanted.fitted(width, height)
    preview = previews.find(found, wanted.limits)

    def develop() -> Image:
        wanted.check(found.header.raw_width, found.header.raw_height)
        half = width // 2 >= need[0] and height // 2 >= need[1]
        return from_bitmap(raw.develop(wanted.path, half=half, timeout=wanted.seconds))

    ways = [develop]
    if preview is not None:
        # A small picture is better than none: compressions that LibRaw lacks (JPEG XL in DNG), cut-off files.
        place = 0 if previews.covers(preview, need) else 1
        ways.insert(place, partial(previews.load, preview, wanted.box, wanted.deadline))
    return first_of(ways)


def first_of(ways: list[Callable[[], Image]]) -> Image:
    """The first that gives a picture; what went wrong with the first where none does."""
    problem: PermanentError | None = None
    for way in ways:
        try:
            return way()
        except PermanentError as error:
            problem = problem or error
    assert problem is not None  # noqa: S101 - There is at least one way.
    raise problem


def from_bitmap(bitmap: Bitmap) -> Image:
    return vips.from_pixels(bitmap.data, bitmap.width, bitmap.height, bitmap.bands)


WAYS: Final[tuple[tuple[frozenset[str], Callable[[Wanted], Image]], ...]] = (
    (raw.TYPES, by_raw),
    (pdf.TYPES, by_pdf),
    (jxl.TYPES, by_jxl),
    (magick.TYPES, by_magick),
    (pillow.DECODED, by_pillow),
)
TYPES: Final[frozenset[str]] = frozenset[str]().union(*(types for types, _ in WAYS))
"""Everything that is decoded here, so far as its library is on this machine."""


def is_whole(path: Path) -> bool:
    """Whether the boxes of an ISO file end where the file ends: libheif paints what is missing green."""
    size = path.stat().st_size
    position = 0
    with path.open("rb") as reader:
        while position + 8 <= size:
            reader.seek(position)
            (length,) = struct.unpack(">I", reader.read(8)[:4])
            if length == 1:
                (length,) = struct.unpack(">Q", reader.read(8).ljust(8, b"\0"))
            if length == 0:
                return True
            if length < 8:
                return False
            position += length
    return position <= size
