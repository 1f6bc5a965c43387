"""Pure: which of some frames makes the best poster: not black, not blown out, with contrast and sharp."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
LUMA: Final = np.array([0.2126, 0.7152, 0.0722])
DARK_MEAN: Final = 16.0
DARK_TOP: Final = 40.0
STEP_TO: Final = 320
"""Scores are taken on about so many columns: sharpness of a large frame would only cost time."""


@dataclass(frozen=True, slots=True, order=True)
class Score:
    """Compared field by field: first any frame that is not dark, then the better looking one."""

    visible: bool
    quality: float


def score(frame: Frame) -> Score:
    luma = luma_of(frame)
    contrast = min(1.0, float(luma.std()) / 64)
    sharpness = min(1.0, float(np.log1p(edges(luma).var())) / 8)
    blown = float((luma > 245).mean())
    return Score(not is_dark(luma), contrast * 0.6 + sharpness * 0.4 - max(0.0, blown - 0.5))


def is_dark(luma: NDArray[np.float64]) -> bool:
    """Black, or black with a few bright specks (a logo, noise)."""
    return bool(luma.mean() < DARK_MEAN or np.percentile(luma, 98) < DARK_TOP)


def luma_of(frame: Frame) -> NDArray[np.float64]:
    step = max(1, frame.shape[1] // STEP_TO)
    luma: NDArray[np.float64] = frame[::step, ::step].astype(np.float64) @ LUMA
    return luma


def edges(luma: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Laplacian: large where neighbours differ, near zero in blur and in flat areas."""
    if min(luma.shape) < 3:
        return np.zeros((1, 1))
    middle = luma[1:-1, 1:-1]
    return luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle
