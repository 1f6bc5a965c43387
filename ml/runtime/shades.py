"""Pixels on their way to a model. They travel as bytes: as the numbers that a model takes they are four times as many.

Pure; client and host both know it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Shades:
    """Numbers from 0 to 255 in the layout of an input, which takes each as (number - minus) / over."""

    numbers: NDArray[np.uint8]
    minus: float
    over: float

    def floats(self) -> NDArray[np.float32]:
        """As the model takes them."""
        found = np.subtract(self.numbers, np.float32(self.minus), dtype=np.float32)
        found /= np.float32(self.over)
        return found


def told(feeds: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """By input what is to be done with the bytes that are sent for it; JSON."""
    return {name: (feed.minus, feed.over) for name, feed in feeds.items() if isinstance(feed, Shades)}


def applied(
    arrays: Mapping[str, Array], shades: Mapping[str, tuple[float, float]], types: Mapping[str, str | None]
) -> dict[str, Array]:
    """What was sent, with the bytes as the numbers that were meant, of the type that the input takes."""
    return {
        name: np.asarray(Shades(array, *shades[name]).floats(), types.get(name)) if name in shades else array
        for name, array in arrays.items()
    }
