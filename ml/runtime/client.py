"""What the rest of `ml` knows of graphs: which inputs a model has, and its answer to some arrays.

model = onnx_model(path)
model.run({model.inputs[0].name: pictures})
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alcoves import metrics, tracing
from ml.errors import ModelMissingError
from ml.runtime import calls, probes, shades
from ml.runtime.shades import Shades

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output. `dtype` as numpy calls it; an axis that may have any length is its name, or None."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A graph on this machine. It is loaded in the model host when it is first run."""

    path: Path
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    """What its maker wrote into it: `names` of Ultralytics' models."""

    @property
    def batches(self) -> bool:
        """Whether it takes several at once: the first axis of its first input is free."""
        shape = self.inputs[0].shape
        return bool(shape) and not isinstance(shape[0], int)

    def run(
        self, feeds: Mapping[str, Array | Shades], *, urgent: bool = False, outputs: Sequence[str] = ()
    ) -> dict[str, Array]:
        """All outputs by name, or those that are asked for. Numbers are converted to what an input takes.

        `urgent` goes before everything else: somebody waits for it. Raises ModelError where the model does not take
        such arrays, TransientError, HostLostError.
        """
        types = {one.name: one.dtype for one in self.inputs}
        arrays = {
            name: feed.numbers if isinstance(feed, Shades) else np.asarray(feed, dtype=types.get(name))
            for name, feed in feeds.items()
        }
        header = {"do": "run", "path": str(self.path), "urgent": urgent, "outputs": list(outputs)}
        if meant := shades.told(feeds):
            header["shades"] = meant
        with tracing.span("model", {"alcoves.model": self.path.name}):
            answer, given = calls.ask(header, arrays)
        metrics.MODEL_SECONDS.labels(model=self.path.name).observe(answer["seconds"])
        return given


def onnx_model(path: Path) -> OnnxModel:
    """Cheap: a file is asked once what it takes. ModelMissingError where it is not there, ModelError for none."""
    path = path.absolute()
    try:
        about = probes.find(path)
    except FileNotFoundError as error:
        raise missing(path) from error
    if about is None:
        about = calls.ask({"do": "probe", "path": str(path)})[0]["about"]
        probes.keep(path, about)
    return OnnxModel(path, tensors(about["inputs"]), tensors(about["outputs"]), about["metadata"])


def tensors(told: Sequence[Sequence[Any]]) -> tuple[Tensor, ...]:
    return tuple(Tensor(name, dtype, tuple(shape)) for name, dtype, shape in told)


def missing(path: Path) -> ModelMissingError:
    return ModelMissingError(f"The model {path.name} is not on this machine any more. It is fetched again.")
