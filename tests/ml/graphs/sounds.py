"""A tiny graph with the contract of the models of sounds: it tells silence, sound, and high sound, by plain arithmetic.

Silence     1 - 20 times the mean of the absolute samples
Sound       1.5 times that mean
Whistle     twice the mean of the absolute differences between neighbours
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ml.registry.specs import ModelFile, ModelSpec

NAME, TABLE = "tiny-sounds.onnx", "tiny-sounds.csv"
RATE: Final = 8000
LABELS: Final = ("Silence", "Sound", "Whistle")
MODELS: Final = (
    ModelSpec(
        "tiny-sounds",
        "sounds",
        "Loud and high",
        (
            ModelFile("model", NAME, NAME, minimum_size=100),
            ModelFile("labels", TABLE, TABLE, minimum_size=10),
        ),
        licence="CC0-1.0",
        contract="audioset",
        default=True,
        options={"sample_rate": RATE},
    ),
)


def write(
    folder: Path,
    *,
    batch: int | str = "n",
    samples: int | str = "samples",
    names: tuple[str, str] = ("waveform", "clipwise_output"),
    scale: float = 1.0,
) -> Path:
    """Both files, as if they had been fetched. `samples`: for a model that takes one length alone."""
    folder.mkdir(exist_ok=True)
    onnx.save(tagger(batch, samples, names, scale), folder / NAME)
    rows = [f'{index},/m/{index},"{label}"' for index, label in enumerate(LABELS)]
    (folder / TABLE).write_text("\n".join(["index,mid,display_name", *rows]) + "\n", encoding="utf-8")
    return folder


def tagger(batch: int | str, samples: int | str, names: tuple[str, str], scale: float) -> onnx.ModelProto:
    """`scale` above 1 gives what are no probabilities. A second output is there, as real models have one."""
    given, taken = names
    whole: dict[str, Any] = {"axes": [1], "keepdims": 1}
    nodes = [
        helper.make_node("Abs", [given], ["loud"]),
        helper.make_node("ReduceMean", ["loud"], ["mean"], **whole),
        helper.make_node("Slice", [given, "one", "end", "axis"], ["late"]),
        helper.make_node("Slice", [given, "zero", "minus", "axis"], ["early"]),
        helper.make_node("Sub", ["late", "early"], ["step"]),
        helper.make_node("Abs", ["step"], ["steps"]),
        helper.make_node("ReduceMean", ["steps"], ["high"], **whole),
        helper.make_node("Mul", ["mean", "twenty"], ["much"]),
        helper.make_node("Sub", ["unit", "much"], ["silence"]),
        helper.make_node("Mul", ["mean", "more"], ["sound"]),
        helper.make_node("Mul", ["high", "two"], ["whistle"]),
        helper.make_node("Concat", ["silence", "sound", "whistle"], ["all"], axis=1),
        helper.make_node("Clip", ["all", "low", "unit"], ["shares"]),
        helper.make_node("Mul", ["shares", "scale"], [taken]),
        helper.make_node("Identity", ["mean"], ["embedding"]),
    ]
    whole_numbers = {"one": [1], "end": [2**31], "axis": [1], "zero": [0], "minus": [-1]}
    numbers = {"twenty": 20.0, "unit": 1.0, "more": 1.5, "two": 2.0, "low": 0.0, "scale": scale}
    constants = [
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in whole_numbers.items()
    ]
    constants += [
        numpy_helper.from_array(np.array(value, np.float32), name) for name, value in numbers.items()
    ]
    graph = helper.make_graph(
        nodes,
        "tiny-sounds",
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, [batch, samples])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, 1]),
            helper.make_tensor_value_info(taken, TensorProto.FLOAT, [batch, len(LABELS)]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
