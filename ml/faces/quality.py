"""A step: how good a face is for telling who it is, from 0 to 1. Pure.

Four things count, each from 0 to 1, as a weighted geometric mean: what is bad in one of them is no good face.

    size        the shorter side of the box against the 112 pixels that the model sees
    sharpness   the variance of the Laplacian of the aligned face (Pech-Pacheco et al., 2000)
    frontality  where the nose lies between the eyes, and between the eyes and the mouth
    score       how sure the detector is
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.images.choosing import edges
from ml.faces.arcface import SIDE

Pixels: TypeAlias = NDArray[np.uint8]
Points: TypeAlias = NDArray[np.float64]

WEIGHTS: Final = {"size": 0.25, "sharpness": 0.2, "frontality": 0.35, "score": 0.2}
LUMA: Final = np.array([0.299, 0.587, 0.114])
SHARP: Final = 60.0
"""Variance of the Laplacian, of values up to 255, at which a face counts as half sharp."""
BLURRED: Final = 1.0
"""Variance of the second differences along the blurrier axis, of values up to 255, below which a face tells nobody.

Measured on the faces of the tests, made worse by lenses, movement and distance: of those below, half are less like
themselves (cosine) than faces of one person must be; of those above, one in twenty-five.
"""
PROFILE: Final = 0.5
"""Eye distances that the nose lies beside the middle of the eyes where a face is seen from the side."""
LEVEL: Final = 0.5
"""Of the way from the eyes down to the mouth: where the nose of a face lies that looks straight on."""
TILTED: Final = 0.4
"""By how much it lies elsewhere in a face that looks up or down as far as it can."""


def quality(face: Pixels, landmarks: NDArray[np.floating], side: float, score: float) -> float:
    """Of an aligned face, its landmarks and the shorter side of its box (pixels of the picture) and its score."""
    parts = {
        "size": min(1.0, max(0.0, side / SIDE)),
        "sharpness": sharpness(face),
        "frontality": frontality(landmarks.astype(np.float64)),
        "score": min(1.0, max(0.0, score)),
    }
    return float(np.prod([value ** WEIGHTS[name] for name, value in parts.items()]))


def sharpness(face: Pixels) -> float:
    variance = float(edges(face.astype(np.float64) @ LUMA).var())
    return variance / (variance + SHARP)


def is_blurred(face: Pixels) -> bool:
    """Whether an aligned face is too blurred to tell whose it is; by movement, along one axis, too.

    Not by `quality`: faces from the side are poor by that, and like themselves all the same.
    """
    luma = face.astype(np.float64) @ LUMA
    across, down = (float(np.diff(luma, 2, axis=axis).var()) for axis in (1, 0))
    return min(across, down) < BLURRED


def frontality(landmarks: Points) -> float:
    """1 straight on, 0 from the side or where the points make no face; whichever way up the face is."""
    left, right, nose, *mouth = landmarks
    across, middle = right - left, (left + right) / 2
    down = (mouth[0] + mouth[1]) / 2 - middle
    wide, tall = float(across @ across), float(down @ down)
    if wide < 1e-6 or tall < 1e-6:
        return 0.0
    beside = abs(float((nose - middle) @ across)) / wide
    below = float((nose - middle) @ down) / tall
    return max(0.0, 1 - beside / PROFILE) * max(0.0, 1 - abs(below - LEVEL) / TILTED)
