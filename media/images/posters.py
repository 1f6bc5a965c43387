"""Pure: a still that stands for a film or a recording, in its two sizes; and how any picture becomes one."""

from pathlib import Path
from typing import Any, Final

from media.errors import DamagedFileError, UnsupportedTypeError
from media.images import transform
from media.images.color import flatten
from media.images.decoded import ENDLESS, Box
from media.images.encoding import encode
from media.images.placeholders import placeholder_of
from media.sniffing import sniff_path
from media.tools.vips import FOREVER, Image, PixelLimits

LARGE: Final = 1280
"""The longer side of the source of all sizes."""
WIDTH: Final = 480
CANDIDATE: Final = 320
QUALITY: Final = 80
CONTENT_TYPE: Final = "image/webp"
SMALL_NAME, LARGE_NAME = "poster.webp", "poster-large.webp"


def write(picture: Image, folder: Path, deadline: float = FOREVER) -> dict[str, Any]:
    """Both files of a poster; returns what is to be known of them."""
    large = transform.fit(picture, Box(LARGE, LARGE), deadline)
    small = narrow(large, WIDTH, deadline)
    for name, image in ((SMALL_NAME, small), (LARGE_NAME, large)):
        encode(image, folder / name, "webp", QUALITY, deadline=deadline)
    return {
        "width": small.width,
        "height": small.height,
        "large_width": large.width,
        "large_height": large.height,
        **placeholder_of(small).as_facts(),
    }


def narrow(picture: Image, width: int, deadline: float = FOREVER) -> Image:
    """So wide at most, whatever the height."""
    return transform.fit(picture, Box(width, ENDLESS), deadline)


def read(path: Path, limits: PixelLimits) -> tuple[Image, float]:
    """A picture from outside, small enough to be a poster, and its deadline. The limits hold before a pixel is decoded.

    Raises PermanentError for what is no picture, too large, or damaged.
    """
    sniffed = sniff_path(path)
    if sniffed.kind != "image":
        raise UnsupportedTypeError("This is no picture. Choose a JPEG, PNG or WebP.", code="no_picture")
    found = transform.decode(path, sniffed.mime, Box(LARGE, LARGE), limits)
    if found.partial:
        raise DamagedFileError("This picture is damaged and shows only a part. Choose another one.")
    return flatten(found.image), found.deadline
