"""A step: what tells one face from another, by a model of the ArcFace contract.

A face is turned, scaled and moved so that its five landmarks lie as near as can be to those of a template of
112 x 112 pixels; the model takes it as RGB (px - 127.5) / 127.5 and answers with 512 numbers. Made one long here,
the dot product of two is their cosine: near 1 for one person, near 0 for two.

Sources: the template is `arcface_dst` of `insightface/utils/face_align.py`; Deng et al., "ArcFace: Additive Angular
Margin Loss for Deep Face Recognition" (2019). The similarity is Umeyama, "Least-squares estimation of transformation
parameters between two point patterns" (1991), equations 40 to 43.
"""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.errors import ModelError
from ml.runtime.client import OnnxModel
from ml.runtime.shades import Shades

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Matrix: TypeAlias = NDArray[np.float64]

SIDE: Final = 112
LENGTH: Final = 512
BATCH: Final = 32
"""Faces given to the model at once: five megabytes."""
TEMPLATE: Final[Matrix] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where the eyes, the nose and the corners of the mouth belong."""


class Recogniser:
    """One model. Cheap to make: the model itself is loaded where it runs."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model

    def embed(self, faces: Sequence[Pixels]) -> list[Floats | None]:
        """For each aligned face 512 numbers of length 1; None where the model has nothing to say of it."""
        size = BATCH if self.model.batches else 1
        found: list[Floats | None] = []
        for start in range(0, len(faces), size):
            found += self.embed_batch(faces[start : start + size])
        return found

    def embed_batch(self, faces: Sequence[Pixels]) -> Iterator[Floats | None]:
        answer = self.model.run({self.model.inputs[0].name: prepared(faces)})
        vectors = next((one for one in answer.values() if one.shape == (len(faces), LENGTH)), None)
        if vectors is None:
            shapes = ", ".join(str(list(one.shape)) for one in answer.values())
            raise ModelError(
                f"The face model answers {shapes} for {len(faces)} faces, not {LENGTH} numbers for each. "
                "Choose another model."
            )
        return (unit(vector) for vector in vectors.astype(np.float32))


def prepared(faces: Sequence[Pixels]) -> Shades:
    """n x 3 x 112 x 112 as the model takes them."""
    return Shades(np.ascontiguousarray(np.stack(faces).transpose(0, 3, 1, 2)), 127.5, 127.5)


def unit(vector: Floats) -> Floats | None:
    """The same direction with length 1."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return vector / np.float32(length) if np.isfinite(length) and length > 0 else None


def aligned(pixels: Pixels, landmarks: NDArray[np.floating]) -> Pixels | None:
    """112 x 112 x RGB around these five landmarks (pixels); black beside the picture. None: they make no face."""
    matrix = similarity(landmarks.astype(np.float64), TEMPLATE)
    return None if matrix is None else warped(pixels, matrix)


def similarity(source: Matrix, target: Matrix) -> Matrix | None:
    """2 x 3: turn, scale and move that take n points nearest to n others. None where all points lie on one."""
    middle, other = source.mean(axis=0), target.mean(axis=0)
    around, beside = source - middle, target - other
    variance = (around**2).sum() / len(source)
    if not np.isfinite(variance) or variance < 1e-6:
        return None
    left, strengths, right = np.linalg.svd(beside.T @ around / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    turn = (left * signs) @ right
    scale = float((strengths * signs).sum() / variance)
    if scale <= 1e-6:
        return None
    return np.concatenate([scale * turn, (other - scale * turn @ middle)[:, None]], axis=1)


def warped(pixels: Pixels, matrix: Matrix) -> Pixels:
    """The picture seen through `matrix` (picture to template), 112 x 112.

    Each pixel is mixed of the four around its place. What would become less than half as large is first averaged
    over whole squares: else most of its pixels would not count.
    """
    scale = sqrt(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]))
    down, across = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    back = np.linalg.inv(matrix[:, :2])
    places = np.stack([across.ravel(), down.ravel()], axis=1) - matrix[:, 2]
    places = places @ back.T
    step = max(1, int(1 / scale))
    if step > 1:
        pixels, places = averaged(pixels, places, step)
    return mixed(pixels, places).reshape(SIDE, SIDE, 3)


def averaged(pixels: Pixels, places: Matrix, step: int) -> tuple[Pixels, Matrix]:
    """The part around `places`, `step` times smaller, and the places in it."""
    height, width = pixels.shape[:2]
    lowest = np.maximum(np.floor(places.min(axis=0)).astype(int) - step, 0)
    highest = np.minimum(np.ceil(places.max(axis=0)).astype(int) + 2 * step, [width, height])
    columns, rows = ((highest - lowest) // step).clip(0)
    if rows == 0 or columns == 0:
        return np.zeros((1, 1, 3), dtype=np.uint8), np.full_like(places, -2.0)
    part = pixels[lowest[1] : lowest[1] + rows * step, lowest[0] : lowest[0] + columns * step]
    squares = part.reshape(rows, step, columns, step, 3).mean(axis=(1, 3), dtype=np.float32)
    return np.rint(squares).astype(np.uint8), (places - lowest + 0.5) / step - 0.5


def mixed(pixels: Pixels, places: Matrix) -> Pixels:
    """n x RGB at n places (x, y), bilinear; black outside."""
    height, width = pixels.shape[:2]
    corner = np.floor(places).astype(np.intp)
    share = (places - corner).astype(np.float32)
    total = np.zeros((len(places), 3), dtype=np.float32)
    for right in (0, 1):
        for below in (0, 1):
            x, y = corner[:, 0] + right, corner[:, 1] + below
            weight = np.abs(1 - right - share[:, 0]) * np.abs(1 - below - share[:, 1])
            weight[(x < 0) | (y < 0) | (x >= width) | (y >= height)] = 0
            total += pixels[y.clip(0, height - 1), x.clip(0, width - 1)] * weight[:, None]
    return np.rint(total).astype(np.uint8)
