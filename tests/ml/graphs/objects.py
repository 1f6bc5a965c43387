"""A tiny graph with the contract of YOLO26, and pictures of "objects" that it knows.

An object is an upright rectangle of one bright colour: red is a person, green a dog, blue a car. The score is how
bright it is. Of each colour there is one in a picture, from its first to its last pixel.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ml.objects.coco import LABELS
from ml.registry.specs import ModelFile, ModelSpec

Pixels = NDArray[np.uint8]

NAME: Final = "tiny-objects.onnx"
MODELS: Final = (
    ModelSpec(
        "tiny-objects",
        "objects",
        "Bright rectangles",
        (ModelFile("model", NAME, NAME, minimum_size=100),),
        licence="CC0-1.0",
        contract="yolo26",
        default=True,
    ),
)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
KNOWN: Final = {0: "person", 16: "dog", 2: "car"}
"""Class of each channel, in their order."""
ROWS: Final = 300
BRIGHT: Final = 0.25
"""Of a channel, with the other two below it."""
DARK: Final = 0.2


def write(
    folder: Path,
    *,
    names: Sequence[str] | str | None = LABELS,
    batch: int | str = "n",
    classes: Sequence[int] = tuple(KNOWN),
    columns: int = 6,
    side: int = 640,
) -> Path:
    """The file, as if it had been fetched. Everything else than the defaults breaks the contract in some way."""
    folder.mkdir(exist_ok=True)
    onnx.save(detector(names, batch, classes, columns, side), folder / NAME)
    return folder


def scene(
    things: Iterable[tuple[tuple[int, int, int], tuple[int, int, int, int]]],
    size: tuple[int, int] = (320, 180),
) -> Pixels:
    """Rectangles (left, top, right, bottom) of a colour on black; the size is width and height."""
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    for color, (left, top, right, bottom) in things:
        pixels[top:bottom, left:right] = color
    return pixels


def detector(
    names: Sequence[str] | str | None, batch: int | str, classes: Sequence[int], columns: int, side: int
) -> onnx.ModelProto:
    drawing = Drawing()
    rows = [drawing.row(channel, number) for channel, number in enumerate(classes)]
    found = drawing.add("Concat", rows, axis=1)
    padded = drawing.add("Pad", [found, drawing.constant([0, 0, 0, 0, ROWS - len(rows), columns - 6])])
    drawing.add("Identity", [padded], name="output0")
    shape = [batch, 3, side, side]
    graph = helper.make_graph(
        drawing.nodes,
        "tiny-objects",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [batch, ROWS, columns])],
        drawing.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names is not None:
        told = names if isinstance(names, str) else str(dict(enumerate(names)))
        helper.set_model_props(model, {"names": told})
    onnx.checker.check_model(model)
    return model


class Drawing:
    """Nodes and constants under way to a graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: type = np.int64) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        name = name or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def row(self, channel: int, number: int) -> str:
        """[n, 1, 6] of one colour."""
        own = self.channel(channel)
        others = self.add("Max", [self.channel(other) for other in range(3) if other != channel])
        bright = self.add("Greater", [own, self.constant(BRIGHT, np.float32)])
        alone = self.add("Less", [others, self.constant(DARK, np.float32)])
        mask = self.add("Cast", [self.add("And", [bright, alone])], to=TensorProto.FLOAT)
        shown = self.add("Mul", [mask, own])
        across = self.add("ReduceMax", [mask], axes=[1], keepdims=0)
        down = self.add("ReduceMax", [mask], axes=[2], keepdims=0)
        score = self.add("ReduceMax", [shown], axes=[1, 2], keepdims=1)
        score = self.add("Reshape", [score, self.constant([-1, 1])])
        kind = self.add(
            "Add", [self.add("Mul", [score, self.constant(0, np.float32)]), self.constant(number, np.float32)]
        )
        corners = [self.edge(across, last=0), self.edge(down, last=0)]
        corners += [self.edge(across, last=1), self.edge(down, last=1)]
        row = self.add("Concat", [*corners, score, kind], axis=1)
        return self.add("Unsqueeze", [row, self.constant([1])])

    def channel(self, number: int) -> str:
        """[n, side, side]"""
        return self.add("Gather", ["images", self.constant(number)], axis=1)

    def edge(self, line: str, *, last: int) -> str:
        """[n, 1]: the first pixel of a line that is set, or the one behind the last."""
        place = self.add("ArgMax", [line], axis=1, keepdims=1, select_last_index=last)
        place = self.add("Cast", [place], to=TensorProto.FLOAT)
        return self.add("Add", [place, self.constant(float(last), np.float32)])
