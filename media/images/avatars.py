"""Pure: from any picture to the little square that stands for a person: upright, sRGB, WebP without metadata."""

import tempfile
from pathlib import Path
from typing import Final

from media.errors import PermanentError, RequestError
from media.images import transform
from media.images.transform import Box, Decoded
from media.sniffing import sniff_path
from media.tools.vips import Image, PixelLimits

SIDE: Final = 512
"""Pixels. A smaller picture stays as small as it is."""
QUALITY: Final = 85
CONTENT_TYPE: Final = "image/webp"
ENDLESS: Final = 1_000_000
"""A side of a box that limits nothing."""


class NoPictureError(RequestError):
    """What came is no picture that could be decoded here."""

    code = "no_picture"


def normalise(content: bytes, folder: Path, limits: PixelLimits) -> bytes:
    """WebP of 512 x 512 pixels at most: the middle of the picture. NoPictureError for what cannot be one.

    The limits are checked on the header, before a pixel is decoded. `folder` is for what the decoders need as files.
    """
    if not content:
        raise NoPictureError("This picture is empty. Choose another one.", code="empty_file")
    with tempfile.TemporaryDirectory(dir=folder, prefix="avatar-") as name:
        source, out = Path(name) / "source", Path(name) / "avatar.webp"
        source.write_bytes(content)
        try:
            transform.encode(square(decode(source, limits)), out, "webp", QUALITY)
        except PermanentError as error:
            raise NoPictureError(error.message, code=error.code, detail=error.detail) from error
        return out.read_bytes()


def decode(source: Path, limits: PixelLimits) -> Image:
    """The first frame, its shorter side no longer than SIDE. By content: names are never asked."""
    mime = sniff_path(source).mime
    found = whole(transform.decode(source, mime, Box(ENDLESS, SIDE), limits))
    if found.width < found.height == SIDE:
        # Upright: it is the width that counts, and it was made smaller than it need be.
        found = whole(transform.decode(source, mime, Box(SIDE, ENDLESS), limits))
    return found


def whole(decoded: Decoded) -> Image:
    """Half a face is none: whoever uploads is there and can choose again."""
    if decoded.partial:
        raise NoPictureError(
            "This picture is damaged and shows only a part. Choose another one.", code="damaged_file"
        )
    return decoded.image


def square(image: Image) -> Image:
    side = min(image.width, image.height)
    return image.crop((image.width - side) // 2, (image.height - side) // 2, side, side)
