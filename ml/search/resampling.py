"""Pictures made smaller as the models were taught: by Pillow's bicubic or bilinear, with numpy. Pure.

The formulas are those of Pillow (github.com/python-pillow/Pillow, `src/libImaging/Resample.c`): the cubic with
a = -0.5 or a triangle, widened by the factor of the reduction, weights that add up to one, across first, then down,
each rounded to 8 bits (Pillow 13 began to choose the order by the shape; the models have learnt from the one before).
Others (libvips, ffmpeg) draw other curves, and embeddings of the same picture would drift apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""Rows x columns x RGB."""
Weights: TypeAlias = NDArray[np.float32]
A: Final = -0.5


def cubic(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weight of a pixel so far from the middle."""
    far = np.abs(at)
    near = ((A + 2) * far - (A + 3)) * far * far + 1
    outer = A * (((far - 5) * far + 8) * far - 4)
    return np.where(far < 1, near, np.where(far < 2, outer, 0.0))


def triangle(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, bilinear."""
    found: NDArray[np.float64] = np.maximum(1 - np.abs(at), 0.0)
    return found


@dataclass(frozen=True, slots=True)
class Kernel:
    """`reach`: on either side of the middle, in pixels of the smaller picture."""

    weigh: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    reach: float


BICUBIC: Final = Kernel(cubic, 2.0)
BILINEAR: Final = Kernel(triangle, 1.0)


@lru_cache(maxsize=32)
def weights(
    size: int, wanted: int, first: int = 0, count: int | None = None, kernel: Kernel = BICUBIC
) -> Weights:
    """Wanted x size: how much of each old pixel goes into each new one. `first` and `count` pick some of the new."""
    scale = size / wanted
    widened = max(scale, 1.0)
    places = np.arange(first, first + (wanted - first if count is None else count))
    middles = (places + 0.5) * scale
    lowest = np.maximum(np.floor(middles - kernel.reach * widened + 0.5), 0)
    highest = np.minimum(np.floor(middles + kernel.reach * widened + 0.5), size)
    pixels = np.arange(size)[None, :]
    inside = (pixels >= lowest[:, None]) & (pixels < highest[:, None])
    table = np.where(inside, kernel.weigh((pixels - middles[:, None] + 0.5) / widened), 0.0)
    found: Weights = (table / table.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def resized(pixels: Pixels, across: Weights, down: Weights) -> Pixels:
    """By the weights of both ways. Rows x columns (x bands) in and out."""
    planes = np.moveaxis(np.atleast_3d(pixels), 2, 0).astype(np.float32)
    if changes(across):
        planes = rounded(planes @ across.T)
    if changes(down):
        planes = rounded(down @ planes)
    found = np.moveaxis(planes, 0, 2).astype(np.uint8)
    return found if pixels.ndim == 3 else found[:, :, 0]


def changes(table: Weights) -> bool:
    """Whether any pixel becomes another."""
    rows, columns = table.shape
    return rows != columns or not np.array_equal(table, np.eye(rows, dtype=np.float32))


def rounded(values: NDArray[Any]) -> NDArray[Any]:
    return np.clip(np.floor(values + 0.5), 0, 255)


def squashed(pixels: Pixels, width: int, height: int, kernel: Kernel = BICUBIC) -> Pixels:
    """The whole picture in this size, whatever its shape."""
    rows, columns = pixels.shape[:2]
    return resized(pixels, weights(columns, width, kernel=kernel), weights(rows, height, kernel=kernel))


def centre(pixels: Pixels, side: int) -> Pixels:
    """The middle square of the picture whose shorter side has been brought to `side`. Only what is kept is computed."""
    rows, columns = pixels.shape[:2]
    short = min(rows, columns)
    width, height = side * columns // short, side * rows // short
    left, top = offset(width, side), offset(height, side)
    return resized(pixels, weights(columns, width, left, side), weights(rows, height, top, side))


def offset(length: int, side: int) -> int:
    """Where the middle begins; Python's rounding, as in torchvision's `center_crop`."""
    return round((length - side) / 2)


def enough(side: int) -> int:
    """The longer side at which a picture is decoded: large enough that this reduction decides how it looks."""
    return 4 * side
