"""The one other decoder, for types that libvips lacks: Pillow and pi-heif, handed on as pixels in memory."""

import struct
from pathlib import Path
from typing import Final

from media.errors import DamagedFileError
from media.tools import pillow, vips
from media.tools.vips import Image, PixelLimits

BOXED: Final = frozenset({"image/heic", "image/heif"})


def decode(path: Path, mime: str, limits: PixelLimits) -> Image:
    """Full size, upright, sRGB. The limits are checked on the header first."""
    header = pillow.open_header(path, mime)
    vips.check_limits(header.width, header.height, header.frames, limits)
    if mime in BOXED and not is_whole(path):
        raise DamagedFileError("The picture is cut off. Upload it again.", code="cut_off")
    pixels = pillow.decode(path, mime)
    image = vips.from_pixels(pixels.data, pixels.width, pixels.height, pixels.bands)
    return vips.srgb_from(image, pixels.profile)


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
