"""A step: pixels in another size, for models. Smaller through libvips, which looks at every pixel; larger by lines."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.images.decoded import Box
from media.images.transform import fit
from media.tools import vips

Pixels: TypeAlias = NDArray[np.uint8]


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Rows x columns x RGB in exactly this size."""
    if pixels.shape[1] > width or pixels.shape[0] > height:
        pixels = shrunk(pixels, width, height)
    return pixels if pixels.shape[:2] == (height, width) else stretched(pixels, width, height)


def shrunk(pixels: Pixels, width: int, height: int) -> Pixels:
    """Fitted into this box; never larger."""
    if pixels.shape[1] <= width and pixels.shape[0] <= height:
        return pixels
    image = fit(image_of(pixels), Box(width, height))
    return np.frombuffer(vips.pixels_of(image), dtype=np.uint8).reshape(image.height, image.width, 3)


def image_of(pixels: Pixels) -> vips.Image:
    """The same for the encoders of `media.images`."""
    height, width = pixels.shape[:2]
    return vips.from_pixels(np.ascontiguousarray(pixels).data, width, height, 3)


def stretched(pixels: Pixels, width: int, height: int) -> Pixels:
    """Bilinear, with pixels as little squares: the corners of both pictures lie on each other."""
    upper, lower, down = between(pixels.shape[0], height)
    left, right, across = between(pixels.shape[1], width)
    down, across = down[:, None, None], across[:, None]
    tall = pixels[upper] * (1 - down) + pixels[lower] * down
    return np.rint(tall[:, left] * (1 - across) + tall[:, right] * across).astype(np.uint8)


def between(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of the new places the old ones before and behind it, and how far it is on the way, 0 to 1."""
    places = ((np.arange(new, dtype=np.float32) + 0.5) * (old / new) - 0.5).clip(0, old - 1)
    before = places.astype(np.intp)
    return before, np.minimum(before + 1, old - 1), (places - before).astype(np.float32)
