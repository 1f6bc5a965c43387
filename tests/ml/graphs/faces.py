"""Two tiny graphs with the contracts of SCRFD and ArcFace, and pictures of "people" that they know.

A person is an upright square of one bright colour on black: the detector tells where such squares are, and the
recogniser tells colours apart (the same: cosine 1, two primary ones: -1/3). Squares of 20 to 280 pixels in the
picture of 640 are seen, where nothing else is within 180 pixels of their middle.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ml.registry.specs import ModelFile, ModelSpec

Pixels = NDArray[np.uint8]

DETECTOR, RECOGNISER = "tiny-faces.onnx", "tiny-embeddings.onnx"
MODELS: Final = (
    ModelSpec(
        "tiny-faces",
        "faces",
        "Bright squares",
        (
            ModelFile("detector", DETECTOR, DETECTOR, minimum_size=100),
            ModelFile("recogniser", RECOGNISER, RECOGNISER, minimum_size=100),
        ),
        licence="CC0-1.0",
        contract="scrfd+arcface",
        default=True,
    ),
)
OTHER_MODELS: Final = (
    ModelSpec(
        "other-faces",
        "faces",
        "Bright squares, by another name",
        MODELS[0].files,
        licence="CC0-1.0",
        contract="scrfd+arcface",
        default=True,
    ),
)
"""The next model of the operator: same files, another id."""

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
YELLOW, CYAN, PINK = (255, 255, 0), (0, 255, 255), (255, 0, 255)
PEOPLE: Final = (RED, GREEN, BLUE)
"""Who is told apart with certainty."""

WINDOW, STEP = 320, 32
LANDMARKS: Final = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
"""Of a face that looks straight on, as shares of its square."""
SCORE: Final = 0.9
BRIGHT: Final = 0.6
"""Of the strongest colour, as the model sees it: -1 is black."""


def write(folder: Path) -> Path:
    """Both files, as if they had been fetched."""
    folder.mkdir(exist_ok=True)
    onnx.save(detector(), folder / DETECTOR)
    onnx.save(recogniser(), folder / RECOGNISER)
    return folder


def scene(
    people: Iterable[tuple[tuple[int, int, int], tuple[int, int, int]]], size: tuple[int, int] = (640, 480)
) -> Pixels:
    """Squares (left, top, side) of a colour on black; the size is width and height."""
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    for color, (left, top, side) in people:
        pixels[top : top + side, left : left + side] = color
    return pixels


class Drawing:
    """Collects the nodes of a graph; `add` gives back the name of what a node makes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operation: str, *inputs: Any, out: str = "", **options: Any) -> str:
        name = out or f"n{len(self.nodes)}"
        given = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        self.nodes.append(helper.make_node(operation, given, [name], **options))
        return name

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def model(self, name: str, shape: list[Any], outputs: dict[str, list[Any]]) -> onnx.ModelProto:
        told = [helper.make_tensor_value_info(one, TensorProto.FLOAT, axes) for one, axes in outputs.items()]
        taken = [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, name, taken, told, self.constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made)
        return made


def detector() -> onnx.ModelProto:
    """Around each cell of 32 pixels: the middle and the size of what is bright, if it is one full square."""
    draw = Drawing()
    strongest = draw.add("ReduceMax", "input.1", axes=[1], keepdims=1)
    bright = draw.add("Cast", draw.add("Greater", strongest, BRIGHT), to=TensorProto.FLOAT)
    everywhere = draw.add("Add", draw.add("Mul", bright, 0.0), 1.0)
    places = {axis: counted(draw, everywhere, axis, first=0.5) for axis in (3, 2)}
    share = draw.add("Add", pooled(draw, bright), 1e-12)
    middles, sides, distances = {}, {}, {}
    for axis, place in places.items():
        middles[axis] = draw.add("Div", pooled(draw, draw.add("Mul", bright, place)), share)
        square = draw.add("Div", pooled(draw, draw.add("Mul", draw.add("Mul", bright, place), place)), share)
        variance = draw.add("Sub", square, draw.add("Mul", middles[axis], middles[axis]))
        # Evenly spread over a length of a the variance is a^2 / 12.
        sides[axis] = draw.add("Sqrt", draw.add("Mul", draw.add("Max", variance, 0.0), 12.0))
        cells = draw.add("Add", draw.add("Mul", share, 0.0), 1.0)
        cell = draw.add("Mul", counted(draw, cells, axis, first=0.0), float(STEP))
        distances[axis] = draw.add("Sub", middles[axis], cell)
    area = draw.add("Mul", sides[3], sides[2])
    fill = draw.add("Div", draw.add("Mul", share, float(WINDOW**2)), draw.add("Max", area, 1.0))
    conditions = [draw.add("Greater", fill, 0.9), draw.add("Greater", area, 300.0)]
    for distance in distances.values():
        conditions += [
            draw.add("GreaterOrEqual", distance, -STEP / 2),
            draw.add("Less", distance, STEP / 2),
        ]
    good = conditions[0]
    for condition in conditions[1:]:
        good = draw.add("And", good, condition)
    score = draw.add("Mul", draw.add("Cast", good, to=TensorProto.FLOAT), SCORE)
    x, y, wide, tall = distances[3], distances[2], sides[3], sides[2]
    box = [
        moved(draw, x, wide, -0.5),
        moved(draw, y, tall, -0.5),
        moved(draw, x, wide, 0.5),
        moved(draw, y, tall, 0.5),
    ]
    # Told as distances from the cell: to the left and to the top they count the other way.
    box[:2] = [draw.add("Neg", one) for one in box[:2]]
    points = [
        moved(draw, *given)
        for right, down in LANDMARKS
        for given in ((x, wide, right - 0.5), (y, tall, down - 0.5))
    ]
    outputs = levels(draw, bright, [score], box, points)
    return draw.model("bright squares", [1, 3, "height", "width"], outputs)


def counted(draw: Drawing, ones: str, axis: int, *, first: float) -> str:
    """`first`, then one more at each step along an axis of something that is 1 everywhere."""
    return draw.add("Sub", draw.add("CumSum", ones, np.array(axis, dtype=np.int64)), 1.0 - first)


def pooled(draw: Drawing, what: str) -> str:
    """The mean around each cell."""
    before, after = WINDOW // 2, WINDOW // 2 - STEP
    return draw.add(
        "AveragePool",
        what,
        kernel_shape=[WINDOW, WINDOW],
        strides=[STEP, STEP],
        pads=[before, before, after, after],
        count_include_pad=1,
    )


def moved(draw: Drawing, start: str, length: str, share: float) -> str:
    """In units of the stride."""
    return draw.add("Div", draw.add("Add", start, draw.add("Mul", length, share)), float(STEP))


def levels(
    draw: Drawing, bright: str, score: list[str], box: list[str], points: list[str]
) -> dict[str, list[Any]]:
    """Nine outputs by the names of det_10g; the finer grids have nothing to say."""
    names = {8: ("448", "451", "454"), 16: ("471", "474", "477"), 32: ("494", "497", "500")}
    for stride in (8, 16):
        pool = draw.add("AveragePool", bright, kernel_shape=[stride] * 2, strides=[stride] * 2)
        nothing = draw.add("Mul", pool, 0.0)
        for name, width in zip(names[stride], (1, 4, 10), strict=True):
            twice(draw, [nothing] * width, name, second=False)
    for name, parts in zip(names[32], (score, box, points), strict=True):
        twice(draw, parts, name, second=parts is not score)
    widths = (1, 4, 10)
    # In the order of the real file: scores, boxes, points.
    return {names[stride][kind]: ["n", widths[kind]] for kind in range(3) for stride in (8, 16, 32)}


def twice(draw: Drawing, parts: list[str], name: str, *, second: bool) -> None:
    """Rows of the parts for both anchors of each cell; the second anchor of a score says nothing."""
    again = parts if second else [draw.add("Mul", part, 0.0) for part in parts]
    channels = draw.add("Concat", *parts, *again, axis=1)
    rows = draw.add("Transpose", channels, perm=[0, 2, 3, 1])
    draw.add("Reshape", rows, np.array([-1, len(parts)], dtype=np.int64), out=name)


def recogniser() -> onnx.ModelProto:
    """The colour of the middle, spread over 512 numbers."""
    draw = Drawing()
    spans = [np.array(one, dtype=np.int64) for one in ([28, 28], [84, 84], [2, 3])]
    middle = draw.add("Slice", "input.1", *spans)
    color = draw.add("ReduceMean", middle, axes=[2, 3], keepdims=0)
    spread = np.zeros((3, 512), dtype=np.float32)
    for channel in range(3):
        spread[channel, channel::3] = 1
    draw.add("MatMul", color, spread, out="683")
    return draw.model("colours", ["batch", 3, 112, 112], {"683": ["batch", 512]})
