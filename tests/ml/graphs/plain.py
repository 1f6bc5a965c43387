"""Tiny graphs for the runtime itself: quick, slow, large, broken."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 17
FLOATS = TensorProto.FLOAT
Shape = list[Any]


def save(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], *, held: Any = (), **told: str
) -> Path:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializer=list(held))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9
    for name, text in told.items():
        model.metadata_props.add(key=name, value=text)
    onnx.save(model, path)
    return path


def value(name: str, shape: Shape, kind: int = FLOATS) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def doubling(
    path: Path, *, factor: float = 2.0, batch: Any = "batch", kind: int = FLOATS, **told: str
) -> Path:
    """`y` is so many times `x`, `z` its sum. Three numbers a row."""
    times = numpy_helper.from_array(np.array(factor, helper.tensor_dtype_to_np_dtype(kind)), "times")
    nodes = [
        helper.make_node("Mul", ["x", "times"], ["y"]),
        helper.make_node("ReduceSum", ["y"], ["z"], keepdims=0),
    ]
    outputs = [value("y", [batch, 3], kind), value("z", [], kind)]
    return save(path, nodes, [value("x", [batch, 3], kind)], outputs, held=[times], **told)


def slow(path: Path, *, side: int = 64, factor: float = 1.0) -> Path:
    """Multiplies a matrix with itself `turns` times; `y` is `factor`."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "before"], ["product"]),
            helper.make_node("Tanh", ["product"], ["after"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "turn",
        [
            value("number", [], TensorProto.INT64),
            value("go", [], TensorProto.BOOL),
            value("before", [side, side]),
        ],
        [value("on", [], TensorProto.BOOL), value("after", [side, side])],
    )
    held = [
        numpy_helper.from_array(np.full((side, side), 0.5, np.float32), "start"),
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.array([0], np.float32), "nothing"),
        numpy_helper.from_array(np.array([factor], np.float32), "factor"),
    ]
    nodes = [
        helper.make_node("Loop", ["turns", "yes", "start"], ["end"], body=body),
        helper.make_node("ReduceMax", ["end"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "factor"], ["y"]),
    ]
    return save(path, nodes, [value("turns", [], TensorProto.INT64)], [value("y", [1])], held=held)


def large(path: Path, megabytes: int) -> Path:
    """Weights of so many megabytes, which a run has to hold."""
    side = 1024
    weights = np.zeros((megabytes * 1024 * 1024 // 4 // side, side), np.float32)
    nodes = [helper.make_node("MatMul", ["weights", "x"], ["y"])]
    held = [numpy_helper.from_array(weights, "weights")]
    return save(path, nodes, [value("x", [side, 1])], [value("y", [len(weights), 1])], held=held)


def choosy(path: Path) -> Path:
    """Fails in its work, and not before: `number` has to be one of its three rows."""
    table = numpy_helper.from_array(np.eye(3, dtype=np.float32), "table")
    nodes = [helper.make_node("Gather", ["table", "number"], ["y"])]
    return save(path, nodes, [value("number", [1], TensorProto.INT64)], [value("y", [1, 3])], held=[table])


def wordy(path: Path) -> Path:
    """Takes words instead of numbers."""
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    return save(path, nodes, [value("x", [1], TensorProto.STRING)], [value("y", [1], TensorProto.STRING)])


def outside(path: Path, location: str) -> Path:
    """Its weights are said to lie in another file: a hundred numbers from the beginning of `location`."""
    held = TensorProto(name="weights", data_type=FLOATS, dims=[100], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", "0"), ("length", "400")):
        held.external_data.add(key=key, value=text)
    nodes = [helper.make_node("Add", ["x", "weights"], ["y"])]
    graph = helper.make_graph(nodes, "tiny", [value("x", [100])], [value("y", [100])], initializer=[held])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9
    path.write_bytes(model.SerializeToString())
    return path
