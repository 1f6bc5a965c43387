"""Pictures that cameras put into their RAW files: whether one is good enough, and setting it upright exactly once.

Cameras do not agree on how they store them. Most keep the sensor's position and tag the JPEG, some tag only the RAW,
some turn the pixels and leave the tags. So the shape decides where it can: the RAW's header says how the picture is to
be seen, and a preview that has that shape already is not turned by a quarter again.
"""

from dataclasses import dataclass
from typing import Final

from media.errors import MediaError
from media.images import profiles
from media.images.decoded import Box
from media.tools import vips
from media.tools.enclosure import Bitmap
from media.tools.raw import Embedded, RawHeader
from media.tools.vips import Image, PixelLimits

ENOUGH: Final = 0.9
"""Of the size that is wanted. Cameras round and crop: 1616 x 1080 is as good as 1620 x 1080."""
ALIKE: Final = 0.1
"""By how much two shapes may differ, as a part of them."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview that can be decoded: its bytes, what it is, and the orientation that sets it upright."""

    picture: bytes | Bitmap
    width: int
    height: int
    orientation: int
    profiled: bool = False
    adobe: bool = False
    """Adobe RGB, without a profile that says so."""


def find(found: Embedded, limits: PixelLimits) -> Preview | None:
    """None where there is none, or none that may be or can be decoded."""
    picture = found.preview
    if picture is None:
        return None
    if isinstance(picture, Bitmap):
        turn = orientation_of(found.header, picture.width, picture.height, None)
        return Preview(picture, picture.width, picture.height, turn) if picture.bands == 3 else None
    try:
        header = vips.open_header_of_bytes(picture)
        vips.check_limits(header.width, header.height, header.pages, limits)
    except MediaError:
        return None
    turn = orientation_of(found.header, header.width, header.height, header.orientation)
    return Preview(picture, header.width, header.height, turn, header.profiled, header.adobe_rgb)


def orientation_of(raw: RawHeader, width: int, height: int, tag: int | None) -> int:
    """The EXIF orientation that sets a preview of this size upright. `tag` is its own."""
    told = [one for one in (tag,) if one is not None]
    # A square says nothing by its shape, and of half a turn no shape does: there the preview's own tag is believed.
    by_shape = raw.orientation >= 5 and not alike(raw.width, raw.height, raw.height, raw.width)
    order = [raw.orientation, *told, 1] if by_shape else [*told, raw.orientation, 1]
    shown = raw.displayed
    fitting = (one for one in order if alike(*turned_size(width, height, one), *shown))
    return next(fitting, raw.orientation)


def alike(width: int, height: int, other_width: int, other_height: int) -> bool:
    """Whether two rectangles have nearly the same shape."""
    return abs(width * other_height / (height * other_width) - 1) <= ALIKE


def turned_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if orientation >= 5 else (width, height)


def covers(preview: Preview, need: tuple[int, int]) -> bool:
    """Whether it is as good as a picture of this size. The longer side decides: cameras crop the other."""
    return max(preview.width, preview.height) >= ENOUGH * max(need)


def load(preview: Preview, box: Box, deadline: float) -> Image:
    """Upright, in sRGB through its profile."""
    picture = preview.picture
    if isinstance(picture, Bitmap):
        image = vips.from_pixels(picture.data, picture.width, picture.height, picture.bands)
        return vips.upright(image, preview.orientation)
    image = vips.load_bytes(
        picture,
        box.width,
        box.height,
        orientation=preview.orientation,
        profiled=preview.profiled,
        deadline=deadline,
    )
    return vips.srgb_from(image, profiles.adobe_rgb()) if preview.adobe else image
