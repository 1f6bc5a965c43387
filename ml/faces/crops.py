"""A step: the small square picture of a face, as pages show it. Upright like the picture it is cut from."""

from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.tools import pillow
from ml.faces import resizing
from ml.faces.boxes import Box

Pixels: TypeAlias = NDArray[np.uint8]

MARGIN: Final = 0.35
"""Of the longer side of the box, on each side: hair and chin belong to a face."""
SIDE: Final = 256
QUALITY: Final = 80
CONTENT_TYPE: Final = "image/webp"


def cut(pixels: Pixels, box: Box) -> Pixels:
    """The square around a face, at most 256 pixels long; moved into the picture, and smaller where it has to be."""
    height, width = pixels.shape[:2]
    longer = max(box.width * width, box.height * height)
    side = max(1, min(round(longer * (1 + 2 * MARGIN)), width, height))
    left = beginning((box.x + box.width / 2) * width, side, width)
    top = beginning((box.y + box.height / 2) * height, side, height)
    return resizing.shrunk(pixels[top : top + side, left : left + side], SIDE, SIDE)


def beginning(middle: float, side: int, length: int) -> int:
    """Where a span of `side` around `middle` begins that lies within `length`."""
    return int(min(max(0, round(middle - side / 2)), length - side))


def write(crop: Pixels, path: Path) -> None:
    """As WebP, without metadata. Pillow needs half the time of libvips for so small a picture."""
    pillow.write_webp(crop, path, QUALITY)
