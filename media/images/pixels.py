"""Pure: the pixels of a picture as an array, for models: upright, sRGB, decoded once and no larger than wanted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.images import transform
from media.images.color import flatten
from media.images.decoded import Box
from media.tools import vips
from media.tools.vips import PixelLimits


@dataclass(frozen=True, slots=True)
class Upright:
    """Rows x columns x RGB, 0 to 255. `partial`: the file is damaged, and this is the part that could be read."""

    pixels: NDArray[np.uint8]
    partial: bool


def upright(path: Path, mime: str, longest_side: int, limits: PixelLimits) -> Upright:
    """No side longer than `longest_side`, and never larger than the picture. Raises what `transform.decode` does.

    Transparent parts are on white, and an animation is its first frame, as in every still picture we make.
    """
    decoded = transform.decode(path, mime, Box(longest_side, longest_side), limits)
    image = flatten(decoded.image)
    pixels = np.frombuffer(vips.pixels_of(image), dtype=np.uint8)
    return Upright(pixels.reshape(image.height, image.width, image.bands), decoded.partial)


def fitted(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The same picture with its longer side exactly so long, larger or smaller. Bilinear, as detectors are trained."""
    height, width = pixels.shape[:2]
    if max(height, width) == side:
        return pixels
    image = vips.from_pixels(np.ascontiguousarray(pixels).data, width, height, 3)
    image = vips.scale(image, side / max(height, width))
    return np.frombuffer(vips.pixels_of(image), dtype=np.uint8).reshape(image.height, image.width, 3)
