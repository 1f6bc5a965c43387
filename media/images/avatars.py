"""Pure: from any picture to the little square that stands for a person: upright, sRGB, WebP without metadata."""

import tempfile
from pathlib import Path
from typing import Final

from media.errors import PermanentError, RequestError
from media.images import transform
from media.images.decoded import ENDLESS, Box, Decoded
from media.images.encoding import encoded
from media.sniffing import sniff_path
from media.tools.vips import Image, PixelLimits

SIDE: Final = 512
"""Pixels. A smaller picture stays as small as it is."""
QUALITY: Final = 85
CONTENT_TYPE: Final = "image/webp"


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
        source = Path(name) / "source"
        source.write_bytes(content)
        try:
            found = decode(source, limits)
            return encoded(square(found.image), "webp", QUALITY, deadline=found.deadline)
        except PermanentError as error:
            raise NoPictureError(error.message, code=error.code, detail=error.detail) from error


def decode(source: Path, limits: PixelLimits) -> Decoded:
    """The first frame, its shorter side no longer than SIDE. By content: names are never asked."""
    sniffed = sniff_path(source)
    if sniffed.kind != "image":
        raise NoPictureError("This is no picture. Choose a JPEG, PNG, WebP or HEIC.")
    found = transform.decode(source, sniffed.mime, Box(ENDLESS, SIDE), limits)
    width, height = found.size
    if width < height == SIDE:
        # Upright: it is the width that counts, and it was made smaller than it need be.
        found = transform.decode(source, sniffed.mime, Box(SIDE, ENDLESS), limits)
    if found.partial:
        # Half a face is none: whoever uploads is there and can choose again.
        raise NoPictureError(
            "This picture is damaged and shows only a part. Choose another one.", code="damaged_file"
        )
    return found


def square(image: Image) -> Image:
    side = min(image.width, image.height)
    return image.crop((image.width - side) // 2, (image.height - side) // 2, side, side)
