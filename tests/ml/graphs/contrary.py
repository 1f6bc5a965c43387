"""A second model of objects: it sees what the first sees and names it otherwise, so that one knows which looked."""

from pathlib import Path
from typing import Final

import onnx

from ml.objects.coco import LABELS
from ml.registry.specs import ModelFile, ModelSpec
from tests.ml.graphs import objects

NAME: Final = "contrary-objects.onnx"
CLASSES: Final = (16, 2, 0)
"""Red is a dog, green a car, blue a person."""
MODELS: Final = (
    ModelSpec(
        "contrary-objects",
        "objects",
        "Rectangles, named otherwise",
        (ModelFile("model", NAME, NAME, minimum_size=100),),
        licence="CC0-1.0",
        contract="yolo26",
    ),
)


def write(folder: Path) -> Path:
    """The file, as if it had been fetched."""
    folder.mkdir(exist_ok=True)
    onnx.save(objects.detector(LABELS, "n", CLASSES, 6, 640), folder / NAME)
    return folder
