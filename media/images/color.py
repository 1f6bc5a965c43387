"""To 8-bit sRGB with 3 bands or 4, whatever the decoder gave. Embedded profiles have been applied by the decoder."""

from typing import Final

from media.tools import vips
from media.tools.vips import Image

WHITE: Final = (255, 255, 255)


def to_srgb(image: Image) -> Image:
    """16-bit, grey and Lab end as 8-bit sRGB."""
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


def flatten(image: Image) -> Image:
    """On white, where there is alpha."""
    return image.flatten(background=list(WHITE)) if image.hasalpha() else image
