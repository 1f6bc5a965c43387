"""From a picture file to smaller pictures: decode once, fit inside, encode as often as wanted.

The order of steps is the order of the functions. Everything that leaves `decode` is upright, in sRGB, 8 bits
a band, 3 bands or 4; nothing that leaves `encode` carries metadata.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media.errors import DamagedFileError, UnsupportedTypeError
from media.images import fallback
from media.images.recipes import Format
from media.tools import pillow, vips
from media.tools.vips import Image, PixelLimits

WHITE: Final = (255, 255, 255)
FLAT: Final = 0.5
"""Standard deviation below which what is left of a damaged picture is only the decoder's filling."""


@dataclass(frozen=True, slots=True)
class Box:
    """Fit inside this; never larger than the picture itself."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels in memory. `partial`: the file is damaged and this is the part that could be read."""

    image: Image
    partial: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return self.image.width, self.image.height


def decode(path: Path, mime: str, box: Box, limits: PixelLimits) -> Decoded:
    """The first frame, no larger than `box`.

    Raises TooLargeError before any pixel is decoded, DamagedFileError, UnsupportedTypeError.
    """
    if mime in vips.TYPES:
        header = vips.open_header(path)
        vips.check_limits(header.width, header.height, header.pages, limits)
        return as_far_as_possible(path, box, profiled=header.profiled)
    if mime in pillow.DECODED:
        image = fallback.decode(path, mime, limits)
        return Decoded(to_srgb(vips.shrink(image, box.width, box.height)))
    raise UnsupportedTypeError(
        "This machine has no decoder for this type of picture. Convert it to JPEG, PNG or WebP.",
        code="decoder_missing",
    )


def as_far_as_possible(path: Path, box: Box, *, profiled: bool) -> Decoded:
    """Whole pictures strictly; of a damaged one the part that is there, marked, unless nothing is."""
    try:
        return Decoded(
            to_srgb(vips.load_thumbnail(path, box.width, box.height, strict=True, profiled=profiled))
        )
    except DamagedFileError:
        image = to_srgb(vips.load_thumbnail(path, box.width, box.height, strict=False, profiled=profiled))
        if flatten(image).deviate() < FLAT:
            raise
        return Decoded(image, partial=True)


def to_srgb(image: Image) -> Image:
    """16-bit, grey and Lab end as 8-bit sRGB; a profile has been applied by the decoder."""
    if image.interpretation == "srgb" and image.format == "uchar" and image.bands in {3, 4}:
        return image
    with vips.translated():
        if image.interpretation != "srgb":
            image = image.colourspace("srgb")
        if image.format != "uchar":
            image = image.cast("uchar")
        if image.bands > 4:
            image = image.extract_band(0, n=4 if image.hasalpha() else 3)
        return image.copy_memory()


def fit(image: Image, box: Box) -> Image:
    """A smaller copy, or the picture itself where it fits already."""
    if image.width <= box.width and image.height <= box.height:
        return image
    return vips.shrink(image, box.width, box.height)


def flatten(image: Image) -> Image:
    return image.flatten(background=list(WHITE)) if image.hasalpha() else image


def encode(image: Image, out: Path, format: Format, quality: int = 80) -> None:  # noqa: A002 - Everybody's word.
    """Write a file without metadata. JPEG has no alpha: it is flattened on white."""
    with vips.translated():
        ENCODERS[format](image, out, quality)


def encode_jpeg(image: Image, out: Path, quality: int) -> None:
    flatten(image).jpegsave(str(out), Q=quality, optimize_coding=True, interlace=True, keep="none")


def encode_webp(image: Image, out: Path, quality: int) -> None:
    # Effort 0 takes a quarter of the time of the default 4 at the same quality; files are 5 to 30 % larger.
    image.webpsave(str(out), Q=quality, effort=0, keep="none")


def encode_avif(image: Image, out: Path, quality: int) -> None:
    image.heifsave(str(out), Q=quality, compression="av1", effort=3, keep="none")


def encode_png(image: Image, out: Path, quality: int) -> None:
    image.pngsave(str(out), compression=6, keep="none")


ENCODERS: Final[dict[Format, Callable[[Image, Path, int], None]]] = {
    "jpeg": encode_jpeg,
    "webp": encode_webp,
    "avif": encode_avif,
    "png": encode_png,
}


def thumbnail(
    path: Path,
    mime: str,
    box: Box,
    out: Path,
    *,
    format: Format = "webp",  # noqa: A002 - As above.
    quality: int = 80,
    limits: PixelLimits | None = None,
) -> tuple[int, int]:
    """Decode, fit and encode in one go. Returns the size of what was written."""
    decoded = decode(path, mime, box, limits or PixelLimits())
    encode(decoded.image, out, format, quality)
    return decoded.size
