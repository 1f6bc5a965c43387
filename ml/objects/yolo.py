"""The contract of YOLO26: what its graph takes and gives. Pixels in, boxes out; only `Detector.find` asks the model.

    images     [n, 3, side, side] float, RGB, 0 to 1
    output0    [n, 300, 6] float: x1, y1, x2, y2 in the pixels of the input, score, class; no overlaps to clean up

Source: Ultralytics' export of end-to-end models (https://docs.ultralytics.com/models/yolo26/), which also writes the
names of the classes into the graph (`names`). The picture lies in the middle of the square, its shape kept, on the
grey that the model was trained with; the reference stretches it to the square, which makes people broad and horses
long. docs/understanding.md has what that is worth.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.images.pixels import fitted
from ml.errors import ModelError
from ml.objects.coco import LABELS
from ml.runtime.client import OnnxModel
from ml.runtime.shades import Shades

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

SIDE: Final = 640
GREY: Final = 114
"""Around the picture, as in training (Ultralytics' LetterBox)."""
COLUMNS: Final = 6
SMALLEST: Final = 1.0
"""Pixels of the input: a box that is thinner is none."""
AT_ONCE: Final = 4
"""Pictures of a batch: 5 MB each as numbers, and a hundred times that inside of a large model."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object. The box is in shares of the picture, from its top left corner; `score` is 0 to 1."""

    index: int
    label: str
    score: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture lies on the square: so many pixels from its left and top edge, so wide and high."""

    left: int
    top: int
    width: int
    height: int


class Detector:
    """A model of this contract, with the names of what it finds. ModelError where it is of another."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self.labels = labels_of(model)
        self.side = side_of(model)
        self.at_once = AT_ONCE if model.batches else 1

    def find(self, pictures: Sequence[Pixels], least: float, most: int) -> list[list[Detection]]:
        """Of each picture (rows x columns x RGB, of any size) what scores `least`, the surest first."""
        squares, places = zip(*(framed(pixels, self.side) for pixels in pictures), strict=True)
        rows = self.answer(np.stack(squares))
        return [
            read(found, place, self.labels, least)[:most] for found, place in zip(rows, places, strict=True)
        ]

    def answer(self, squares: Pixels) -> Floats:
        """[n, rows, 6]: in batches, or one by one where the model takes no more."""
        given = [
            self.model.run({self.model.inputs[0].name: Shades(squares[first : first + self.at_once], 0, 255)})
            for first in range(0, len(squares), self.at_once)
        ]
        rows = np.concatenate([np.asarray(one[self.model.outputs[0].name], np.float32) for one in given])
        if rows.ndim != 3 or rows.shape[0] != len(squares) or rows.shape[2] != COLUMNS:
            raise refusal(
                self.model, f"it gives {list(rows.shape)} instead of [{len(squares)}, 300, {COLUMNS}]"
            )
        return rows


def side_of(model: OnnxModel) -> int:
    """Of the square that it takes. ModelError for a graph that takes something else than pictures."""
    shape = model.inputs[0].shape
    if len(model.inputs) != 1 or len(shape) != 4 or shape[1] != 3:
        raise refusal(
            model, f"it takes {[list(one.shape) for one in model.inputs]} instead of [n, 3, 640, 640]"
        )
    high, wide = (one if isinstance(one, int) else SIDE for one in shape[2:])
    if high != wide:
        raise refusal(model, f"it takes pictures of {wide}x{high}, which are no squares")
    return high


def labels_of(model: OnnxModel) -> tuple[str, ...]:
    """What the graph says of itself, else COCO's. ModelError where it knows more or fewer things than COCO has."""
    told = model.metadata.get("names")
    if not told:
        return LABELS
    try:
        names = ast.literal_eval(told)
        listed = [names[key] for key in sorted(names)] if isinstance(names, dict) else list(names)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise refusal(model, "the names of its classes cannot be read") from error
    if len(listed) != len(LABELS):
        raise refusal(model, f"it knows {len(listed)} things and not the {len(LABELS)} of COCO")
    return tuple(str(name).replace("\0", "")[:64] for name in listed)


def refusal(model: OnnxModel, why: str) -> ModelError:
    return ModelError(
        f"The model {model.path.name} finds no objects as YOLO26 does: {why}. Choose another one.",
        detail=str(model.path),
    )


def framed(pixels: Pixels, side: int) -> tuple[Pixels, Place]:
    """The picture in the middle of a grey square, [3, side, side], and where it lies there.

    Small ones are made larger, as in training: a model of this kind overlooks what covers few pixels.
    """
    pixels = fitted(pixels, side)
    height, width = pixels.shape[:2]
    place = Place((side - width) // 2, (side - height) // 2, width, height)
    square = np.full((3, side, side), GREY, dtype=np.uint8)
    inside = square[:, place.top : place.top + height, place.left : place.left + width]
    inside[:] = pixels.transpose(2, 0, 1)
    return square, place


def read(rows: Floats, place: Place, labels: Sequence[str], least: float) -> list[Detection]:
    """Rows of the model as what is in the picture, the surest first. What is not in it, or no number, is left out."""
    rows = rows[np.isfinite(rows).all(axis=1)]
    rows = rows[rows[:, 4] >= least]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    left, right = np.clip(rows[:, [0, 2]] - place.left, 0, place.width).T
    top, bottom = np.clip(rows[:, [1, 3]] - place.top, 0, place.height).T
    kept = (right - left >= SMALLEST) & (bottom - top >= SMALLEST)
    sizes = np.array([place.width, place.height] * 2, dtype=np.float32)
    boxes = np.stack([left, top, right - left, bottom - top], axis=1) / sizes
    return list(told(rows[kept], boxes[kept], labels))


def told(rows: Floats, boxes: Floats, labels: Sequence[str]) -> Iterable[Detection]:
    for row, box in zip(rows, boxes, strict=True):
        index = round(float(row[5]))
        if not 0 <= index < len(labels):
            raise ModelError(
                f"The model of objects found something of class {index}, and has names for {len(labels)}. "
                "Choose another one."
            )
        x, y, width, height = (float(value) for value in box)
        yield Detection(index, labels[index], min(1.0, float(row[4])), x, y, width, height)
