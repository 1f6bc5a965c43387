"""The contract of the models of sounds: what their graphs take and give. Only `Tagger.hear` asks the model.

    waveform            [n, samples] float, mono, -1 to 1, at the sample rate of the registry
    clipwise_output     [n, names] float: how likely each sound is in it, 0 to 1, each for itself (sigmoid applied)

The spectrum is made in the graph. Inputs and outputs may have any names: EfficientAT, CED and PANNs call them
differently. The output is the one that is as wide as the table of names. docs/adding-a-model.md tells how such a graph
is exported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.errors import ModelError
from ml.runtime.client import OnnxModel, Tensor

Floats: TypeAlias = NDArray[np.float32]

AT_ONCE: Final = 4
"""Windows of a batch: 1.3 MB each, and a hundred times that inside of a model."""
SHORTEST: Final = 0.5
"""Seconds that a model needs to hear anything; a recording that is shorter is followed by silence."""
SLACK: Final = 1e-3
"""By which a probability may miss 0 to 1."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One name for a window; `score` is 0 to 1."""

    index: int
    label: str
    score: float


class Tagger:
    """A model of this contract with its names, for sound of `rate` samples a second. ModelError where it is another."""

    def __init__(self, model: OnnxModel, labels: Sequence[str], rate: int) -> None:
        self.model = model
        self.labels = labels
        self.rate = rate
        shape = model.inputs[0].shape
        if len(model.inputs) != 1 or len(shape) != 2:
            raise refusal(
                model, f"it takes {[list(one.shape) for one in model.inputs]} instead of [n, samples]"
            )
        self.fixed = shape[1] if isinstance(shape[1], int) else None
        self.output = output_of(model, len(labels))
        self.at_once = AT_ONCE if model.batches else 1

    def window(self, seconds: float) -> float:
        """Seconds that it hears at once, where so many are wanted: no more than it can take."""
        return min(seconds, self.fixed / self.rate) if self.fixed else seconds

    def hear(self, windows: Sequence[Floats], least: float, most: int) -> list[list[Sound]]:
        """Of each window what scores `least`, at most `most`, the surest first."""
        filled = [self.filled(window) for window in windows]
        found: list[Floats] = []
        for _, same in groupby(filled, key=len):
            alike = list(same)
            for first in range(0, len(alike), self.at_once):
                found += self.answer(alike[first : first + self.at_once])
        return [best(scores, self.labels, least, most) for scores in found]

    def answer(self, windows: Sequence[Floats]) -> list[Floats]:
        """The scores of all names, for each window; all windows are equally long."""
        feeds = {self.model.inputs[0].name: np.stack(windows)}
        scores = np.asarray(self.model.run(feeds, outputs=(self.output.name,))[self.output.name], np.float32)
        if scores.shape != (len(windows), len(self.labels)):
            raise refusal(self.model, f"it gives {list(scores.shape)} and there are {len(self.labels)} names")
        if not (np.isfinite(scores).all() and scores.min() >= -SLACK and scores.max() <= 1 + SLACK):
            raise refusal(self.model, "what it gives are no probabilities")
        return list(scores)

    def lengthened(self, window: Floats, before: Floats) -> Floats:
        """With the end of the window before it where it is too short alone: silence after it would be heard as such."""
        lacking = round(SHORTEST * self.rate) - len(window)
        return np.concatenate([before[-lacking:], window]) if lacking > 0 and len(before) else window

    def filled(self, window: Floats) -> Floats:
        """Followed by silence where it is too short for the model."""
        wanted = self.fixed or round(SHORTEST * self.rate)
        return np.pad(window, (0, wanted - len(window))) if len(window) < wanted else window


def output_of(model: OnnxModel, names: int) -> Tensor:
    """The one that has a number for each name, else the first whose width is not told."""
    flat = [one for one in model.outputs if len(one.shape) == 2]
    exact = [one for one in flat if one.shape[1] == names]
    free = [one for one in flat if not isinstance(one.shape[1], int)]
    for one in (*exact, *free):
        return one
    told = [list(one.shape) for one in model.outputs]
    raise refusal(model, f"it gives {told} and there are {names} names")


def best(scores: Floats, labels: Sequence[str], least: float, most: int) -> list[Sound]:
    order = np.argsort(-scores, kind="stable")[:most]
    return [
        Sound(int(index), labels[index], min(1.0, float(scores[index])))
        for index in order
        if scores[index] >= least
    ]


def refusal(model: OnnxModel, why: str) -> ModelError:
    return ModelError(
        f"The model {model.path.name} hears no sounds as those of AudioSet do: {why}. Choose another one.",
        detail=str(model.path),
    )
