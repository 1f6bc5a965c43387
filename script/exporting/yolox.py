"""Puts the steps before and after YOLOX into its graph, so that it keeps the contract of YOLO26.

Before: RGB 0 to 1 with side 640 becomes BGR 0 to 255 with the side of the graph. After: cells and strides become boxes
(Megvii/YOLOX, `yolox/utils/demo_utils.py`), overlapping ones of a class go, the surest 300 stay, padded with zeros.
"""

from typing import Any, Final

import numpy as np

from exporting import fail, need

SIDE: Final = 640
MOST: Final = 300
STRIDES: Final = (8, 16, 32)
OVERLAP: Final = 0.45
LEAST: Final = 0.01
CLASSES: Final = 80


class Wrapping:
    """New nodes and constants around the graph of a model, in its own opset (11 or 12)."""

    def __init__(self, model: Any) -> None:
        self.onnx = need("onnx")
        self.model = model
        self.before: list[Any] = []
        self.after: list[Any] = []
        self._count = 0

    def constant(self, value: Any, kind: type[np.generic]) -> str:
        self._count += 1
        name = f"alcoves_c{self._count}"
        tensor = self.onnx.numpy_helper.from_array(np.asarray(value, kind), name)
        self.model.graph.initializer.append(tensor)
        return name

    def node(self, nodes: list[Any], kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Returns the name of its output."""
        self._count += 1
        output = name or f"alcoves_{kind.lower()}{self._count}"
        nodes.append(self.onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output


def wrap(model: Any) -> Any:
    """The model itself, changed. Ends with a sentence where it is no YOLOX graph."""
    onnx = need("onnx")
    graph = model.graph
    side = check(model)
    wrapping = Wrapping(model)
    source, result = graph.input[0].name, graph.output[0].name
    rename(graph, source, "alcoves_pixels")
    lead_in(wrapping, side)
    lead_out(wrapping, result, side)
    nodes = [*wrapping.before, *graph.node, *wrapping.after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    floats = onnx.TensorProto.FLOAT
    graph.input.append(onnx.helper.make_tensor_value_info("images", floats, [1, 3, SIDE, SIDE]))
    graph.output.append(onnx.helper.make_tensor_value_info("output0", floats, [1, MOST, 6]))
    onnx.checker.check_model(model)
    return model


def check(model: Any) -> int:
    """Side of the pictures it takes."""
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        return fail(
            "A YOLOX graph has one input and one output. Export it with tools/export_onnx.py of YOLOX."
        )
    taken, given = (
        [dim.dim_value for dim in one.type.tensor_type.shape.dim] for one in (graph.input[0], graph.output[0])
    )
    opset = next((one.version for one in model.opset_import if not one.domain), 0)
    cells = sum((taken[-1] // stride) ** 2 for stride in STRIDES) if len(taken) == 4 else 0
    if given != [1, cells, 5 + CLASSES] or taken[:2] != [1, 3] or taken[2] != taken[3]:
        return fail(
            f"This takes {taken} and gives {given}; YOLOX takes 1x3xSxS and gives one row of 85 for each cell, not"
            " decoded. Export it with tools/export_onnx.py of YOLOX."
        )
    if not 11 <= opset <= 12:
        return fail(f"This graph is of opset {opset}. Export it again with --opset 11.")
    side: int = taken[2]
    return side


def rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new


def lead_in(wrapping: Wrapping, side: int) -> None:
    nodes = wrapping.before
    bright = wrapping.node(nodes, "Mul", "images", wrapping.constant(255.0, np.float32))
    turned = wrapping.constant([2, 1, 0], np.int64)
    if side == SIDE:
        wrapping.node(nodes, "Gather", bright, turned, name="alcoves_pixels", axis=1)
        return
    bgr = wrapping.node(nodes, "Gather", bright, turned, axis=1)
    nothing = wrapping.constant([], np.float32)
    size = wrapping.constant([1, 3, side, side], np.int64)
    wrapping.node(
        nodes,
        "Resize",
        *(bgr, nothing, nothing, size),
        name="alcoves_pixels",
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def lead_out(wrapping: Wrapping, result: str, side: int) -> None:
    boxes = corners(wrapping, result, side)
    scores = class_scores(wrapping, result)
    kept = wrapping.node(
        wrapping.after,
        "NonMaxSuppression",
        *(boxes, scores),
        wrapping.constant([MOST], np.int64),
        wrapping.constant([OVERLAP], np.float32),
        wrapping.constant([LEAST], np.float32),
    )
    surest(wrapping, boxes, scores, kept)


def columns(wrapping: Wrapping, result: str, first: int, last: int) -> str:
    bounds = [wrapping.constant([value], np.int64) for value in (first, last, 2)]
    return wrapping.node(wrapping.after, "Slice", result, *bounds)


def corners(wrapping: Wrapping, result: str, side: int) -> str:
    """1 x cells x 4: x1, y1, x2, y2 in pixels of side 640."""
    nodes, node = wrapping.after, wrapping.node
    grid, strides = cells_of(side)
    enlarged = wrapping.constant(strides * SIDE / side, np.float32)
    centre = node(
        nodes,
        "Mul",
        node(nodes, "Add", columns(wrapping, result, 0, 2), wrapping.constant(grid, np.float32)),
        enlarged,
    )
    size = node(nodes, "Mul", node(nodes, "Exp", columns(wrapping, result, 2, 4)), enlarged)
    half = node(nodes, "Mul", size, wrapping.constant(0.5, np.float32))
    first, last = node(nodes, "Sub", centre, half), node(nodes, "Add", centre, half)
    return node(nodes, "Concat", first, last, axis=2)


def cells_of(side: int) -> tuple[Any, Any]:
    """Left upper corner of each cell in cells, and its stride: 1 x cells x 2 and 1 x cells x 1."""
    grids, strides = [], []
    for stride in STRIDES:
        count = side // stride
        across, down = np.meshgrid(np.arange(count), np.arange(count))
        grids.append(np.stack([across, down], 2).reshape(1, -1, 2))
        strides.append(np.full((1, count * count, 1), float(stride)))
    return np.concatenate(grids, 1), np.concatenate(strides, 1)


def class_scores(wrapping: Wrapping, result: str) -> str:
    """1 x classes x cells: is there anything, times what it is."""
    nodes, node = wrapping.after, wrapping.node
    sure = node(nodes, "Mul", columns(wrapping, result, 4, 5), columns(wrapping, result, 5, 5 + CLASSES))
    return node(nodes, "Transpose", sure, perm=[0, 2, 1])


def surest(wrapping: Wrapping, boxes: str, scores: str, kept: str) -> None:
    """Rows of [batch, class, box] to 1 x 300 x 6, the surest first."""
    nodes, node = wrapping.after, wrapping.node
    which = node(nodes, "Gather", kept, wrapping.constant(2, np.int64), axis=1)
    kinds = node(nodes, "Gather", kept, wrapping.constant(1, np.int64), axis=1)
    flat = node(nodes, "Squeeze", boxes, axes=[0])
    padded = [
        node(nodes, "Concat", found, wrapping.constant(np.zeros(shape), np.float32), axis=0)
        for found, shape in (
            (node(nodes, "GatherND", scores, kept), (MOST,)),
            (node(nodes, "Gather", flat, which, axis=0), (MOST, 4)),
            (node(nodes, "Cast", kinds, to=wrapping.onnx.TensorProto.FLOAT), (MOST,)),
        )
    ]
    top, places = "alcoves_top", "alcoves_places"
    nodes.append(
        wrapping.onnx.helper.make_node(
            "TopK", [padded[0], wrapping.constant([MOST], np.int64)], [top, places], axis=0
        )
    )
    box = node(nodes, "Gather", padded[1], places, axis=0)
    kind = node(nodes, "Gather", padded[2], places, axis=0)
    pieces = [box, node(nodes, "Unsqueeze", top, axes=[1]), node(nodes, "Unsqueeze", kind, axes=[1])]
    row = node(nodes, "Concat", *pieces, axis=1)
    node(nodes, "Unsqueeze", row, name="output0", axes=[0])
