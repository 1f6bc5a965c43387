"""A step: where the faces of a picture are, by a model of the SCRFD contract.

The picture is made so large that its longer side has 640 pixels, padded with black at the right and at the bottom,
and given as RGB (px - 127.5) / 128. The model answers for grids of 8, 16 and 32 pixels, with two anchors a cell: a
score, the distances from the cell to the four sides of the box, and those to five landmarks (eyes, nose, mouth).
Source: Guo et al., "Sample and Computation Redistribution for Efficient Face Detection" (2021), and the reader of
its authors, `insightface/model_zoo/scrfd.py`.

A picture full of small faces is looked at once more in twice the size: what is eight pixels wide at 640 is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.errors import ModelError
from ml.faces import resizing
from ml.runtime.client import OnnxModel
from ml.runtime.shades import Shades

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

SIDE: Final = 640
FINE_SIDE: Final = 2 * SIDE
STRIDES: Final = (8, 16, 32)
ANCHORS: Final = 2
OVERLAP: Final = 0.4
"""Intersection over union above which two boxes are one face."""
MOST: Final = 2000
"""Boxes that are compared with each other: the best ones."""

MANY: Final = 6
SMALL: Final = 32
"""Pixels of a face in the picture of 640. So many so small ones are worth a second look."""
WORTH: Final = 1.5
"""Times 640 that the picture must be long: what would only be enlarged shows nothing new."""
LARGE: Final = 0.25
"""Of the picture's longer side. Faces from here on are taken from the first look."""


@dataclass(frozen=True, slots=True)
class Faces:
    """n faces, the best first. Pixels of the picture that was looked at, from its top left corner."""

    boxes: Floats
    """n x 4: left, top, right, bottom."""
    landmarks: Floats
    """n x 5 x 2: left eye, right eye, nose, left and right corner of the mouth, as the viewer sees them."""
    scores: Floats
    """n, from 0 to 1."""

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, which: NDArray[Any] | slice) -> "Faces":
        """Those of these places, in this order, or those of which the mask is true."""
        return Faces(self.boxes[which], self.landmarks[which], self.scores[which])

    def scaled(self, factor: float) -> "Faces":
        return Faces(self.boxes * factor, self.landmarks * factor, self.scores)

    def moved(self, right: float, down: float) -> "Faces":
        """Pixels of a picture of which this one is a part."""
        by = np.array([right, down], dtype=np.float32)
        return Faces(self.boxes + np.tile(by, 2), self.landmarks + by, self.scores)

    def turned_back(self, quarters: int, width: int, height: int) -> "Faces":
        """In a picture of width x height, which was turned by so many quarters against the clock for a look."""
        corners = unturned(self.boxes.reshape(-1, 2, 2), quarters, width, height)
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        return Faces(boxes, unturned(self.landmarks, quarters, width, height), self.scores)

    def within(self, width: int, height: int) -> "Faces":
        """Boxes cut to the picture; what lies outside of it is gone."""
        boxes = self.boxes.clip(0, np.array([width, height, width, height], dtype=np.float32))
        cut = Faces(boxes, self.landmarks, self.scores)
        return cut.only((boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1))

    @property
    def sides(self) -> Floats:
        """The shorter side of each box."""
        sides: Floats = (self.boxes[:, 2:] - self.boxes[:, :2]).min(axis=1)
        return sides


def unturned(points: Floats, quarters: int, width: int, height: int) -> Floats:
    """Places (x, y) where they were before `numpy.rot90` turned the picture of width x height so many times."""
    x, y = points[..., 0], points[..., 1]
    places = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))
    return np.stack(places[quarters % 4], axis=-1)


class Detector:
    """One model. Cheap to make: the model itself is loaded where it runs."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self.side = fixed_side(model.inputs[0].shape)

    def find(self, pixels: Pixels, least: float) -> Faces:
        """Those with at least this score (0 to 1) in rows x columns x RGB; many small ones are looked at twice."""
        found = self.look(pixels, least, self.side or SIDE)
        longer = max(pixels.shape[:2])
        if self.side is not None or longer < WORTH * SIDE or not crowded(found.scaled(SIDE / longer)):
            return found
        return together(found, self.look(pixels, least, FINE_SIDE), longer)

    def look(self, pixels: Pixels, least: float, side: int) -> Faces:
        """One look at the picture with a longer side of so many pixels."""
        height, width = pixels.shape[:2]
        tensor, scale = prepared(pixels, side)
        outputs = self.model.run({self.model.inputs[0].name: tensor})
        return suppressed(read(outputs, side, least)).scaled(1 / scale).within(width, height)


def fixed_side(shape: tuple[int | str | None, ...]) -> int | None:
    """The only side that a model takes, or None. ModelError where it takes no square pictures of three colours."""
    sides = [axis for axis in shape[-2:] if isinstance(axis, int) and axis > 0]
    if len(shape) != 4 or len(set(sides)) > 1 or any(side % STRIDES[-1] for side in sides):
        raise ModelError(
            f"The face detector takes {list(shape)}, not [1, 3, 640, 640]. Choose another model."
        )
    return sides[0] if sides else None


def prepared(pixels: Pixels, side: int) -> tuple[Shades, float]:
    """1 x 3 x side x side as the model takes it, and by how much the picture was made larger (below 1: smaller)."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    square = np.zeros((1, 3, side, side), dtype=np.uint8)
    square[0, :, :rows, :columns] = resizing.resized(pixels, columns, rows).transpose(2, 0, 1)
    return Shades(square, 127.5, 128), scale


def read(outputs: Mapping[str, NDArray[Any]], side: int, least: float) -> Faces:
    """What the model says, in pixels of its square; faces may be told several times. ModelError: another contract."""
    scores, boxes, points = (answers(outputs, width) for width in (1, 4, 10))
    levels = zip(STRIDES, scores, boxes, points, strict=True)
    return joined([read_level(*level, side=side, least=least) for level in levels])


def answers(outputs: Mapping[str, NDArray[Any]], width: int) -> list[Floats]:
    """The outputs of this many columns for the strides, known by shape alone: files differ in the names."""
    found = [
        array.reshape(-1, width).astype(np.float32, copy=False)
        for array in outputs.values()
        if array.ndim >= 2 and array.shape[-1] == width
    ]
    if len(found) != len(STRIDES):
        raise ModelError(
            f"The face detector has {len(found)} outputs of {width} columns instead of {len(STRIDES)}. "
            "Choose another model."
        )
    return sorted(found, key=len, reverse=True)


def read_level(
    stride: int, scores: Floats, boxes: Floats, points: Floats, *, side: int, least: float
) -> Faces:
    centres = centres_of(side, stride)
    if not len(scores) == len(boxes) == len(points) == len(centres):
        raise ModelError(
            f"The face detector answers {len(scores)} times for a grid of {len(centres)} anchors. Choose another model."
        )
    good = np.flatnonzero(scores[:, 0] >= least)
    middle = centres[good]
    distances = boxes[good] * stride
    corners = np.concatenate([middle - distances[:, :2], middle + distances[:, 2:]], axis=1)
    landmarks = middle[:, None] + points[good].reshape(-1, 5, 2) * stride
    finite = np.isfinite(corners).all(axis=1) & np.isfinite(landmarks).all(axis=(1, 2))
    return Faces(corners, landmarks, scores[good, 0].clip(0, 1)).only(finite)


@lru_cache(maxsize=8)
def centres_of(side: int, stride: int) -> Floats:
    """n x 2: where each anchor stands, row by row, the anchors of a cell one after the other."""
    cells = np.arange(0, side, stride, dtype=np.float32)
    across, down = np.meshgrid(cells, cells)
    return np.repeat(np.stack([across.ravel(), down.ravel()], axis=1), ANCHORS, axis=0)


def joined(parts: list[Faces]) -> Faces:
    return Faces(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def suppressed(faces: Faces) -> Faces:
    """Of boxes that overlap by more than OVERLAP the one with the best score; best first."""
    left = np.argsort(-faces.scores, kind="stable")[:MOST]
    kept: list[int] = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[overlaps(faces.boxes[best], faces.boxes[left]) <= OVERLAP]
    return faces.only(np.array(kept, dtype=np.intp))


def overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box with n, corners given; 0 to 1."""
    inner = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = inner.clip(0).prod(axis=1)
    whole = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    found: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return found


def crowded(faces: Faces) -> bool:
    """Whether most of many faces are small; in pixels of the picture of 640."""
    return len(faces) >= MANY and float(np.median(faces.sides)) < SMALL


def together(coarse: Faces, fine: Faces, longer: int) -> Faces:
    """The finer look, and large faces that only the coarse one has seen whole."""
    large = np.flatnonzero(coarse.sides >= LARGE * longer)
    return suppressed(joined([fine, coarse.only(large)]))
