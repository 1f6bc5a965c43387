"""A picture for models."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.derivers.base import Context
from media.images import pixels
from media.tools.vips import PixelLimits

Pixels: TypeAlias = NDArray[np.uint8]


def upright(context: Context, longest_side: int) -> Pixels:
    """Rows x columns x RGB, upright, sRGB, no side longer than asked for and never enlarged. One decode.

    Of a damaged picture the part that is there. Raises PermanentError for what cannot be decoded, TimedOutError.
    """
    limits = PixelLimits.from_environment()
    return pixels.upright(context.source_path(), context.subject.mime, longest_side, limits).pixels
