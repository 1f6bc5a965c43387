"""Pictures and texts as vectors of one space, by the model that is chosen. A step: pixels and words in, vectors out.

A contract says how a family of models is fed; the row of the registry says the rest (`options`): `dimensions`, `side`,
`floor`, `like_floor`. A family more is one more `Contract` in `CONTRACTS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.downloads import Ready
from ml.errors import ModelError
from ml.registry.specs import ModelSpec
from ml.runtime.client import OnnxModel, onnx_model
from ml.search import clip_text, gemma_text
from ml.search.resampling import BILINEAR, Pixels, centre, squashed

Vector: TypeAlias = NDArray[np.float32]
"""One of unit length."""
Vectors: TypeAlias = NDArray[np.float32]
"""Rows of unit length."""
BATCH: Final = 8
"""Pictures that are given to a model at once, where it takes several."""
TOKENIZERS_KEPT: Final = 2


class Tokenizer(Protocol):
    def batch(self, texts: list[str]) -> NDArray[np.int32]:
        """Texts x numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Contract:
    """How a family of models is fed. `floor` is the cosine under which a text has nothing to do with a picture, and
    `like_floor` the same of two pictures: families spread their vectors differently. `options` may say another.

    We know of no published figure: those below are guesses, and no measurement of ours. To measure a floor, take
    pictures with a text each; it lies between the cosines of the pairs that belong together and those of all others.
    """

    tokenizer: Callable[[Path], Tokenizer]
    clean: Callable[[str], str]
    frame: Callable[[Pixels, int], Pixels]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    side: int
    floor: float
    like_floor: float


def squared(pixels: Pixels, side: int) -> Pixels:
    return squashed(pixels, side, side, BILINEAR)


HALVES: Final = (0.5, 0.5, 0.5)
CONTRACTS: Final[Mapping[str, Contract]] = {
    # github.com/openai/CLIP, `clip/clip.py`, `_transform`.
    "clip": Contract(
        tokenizer=clip_text.ClipTokenizer,
        clean=clip_text.clean,
        frame=centre,
        mean=(0.48145466, 0.4578275, 0.40821073),
        deviation=(0.26862954, 0.26130258, 0.27577711),
        side=224,
        floor=0.2,
        like_floor=0.6,
    ),
    # github.com/google-research/big_vision, SigLIP 2: `resize(256)`, which is bilinear, and `value_range(-1, 1)`.
    "siglip": Contract(
        tokenizer=gemma_text.GemmaTokenizer,
        clean=gemma_text.clean,
        frame=squared,
        mean=HALVES,
        deviation=HALVES,
        side=256,
        floor=0.08,
        like_floor=0.6,
    ),
}


def contract_of(spec: ModelSpec) -> Contract:
    contract = CONTRACTS.get(spec.contract)
    if contract is None:
        known = ", ".join(CONTRACTS)
        raise ModelError(f"{spec.title} has the contract {spec.contract!r}; search knows {known}.")
    return contract


def dimensions_of(spec: ModelSpec) -> int:
    """Length of its vectors."""
    return int(spec.options["dimensions"])


def floor_of(spec: ModelSpec) -> float:
    return float(spec.options.get("floor", contract_of(spec).floor))


def like_floor_of(spec: ModelSpec) -> float:
    return float(spec.options.get("like_floor", contract_of(spec).like_floor))


def side_of(spec: ModelSpec) -> int:
    """Pixels of the square that the model looks at."""
    return int(spec.options.get("side", contract_of(spec).side))


def clean(spec: ModelSpec, text: str) -> str:
    """What the model reads of a text. Texts that are the same to it are one."""
    return contract_of(spec).clean(text)


class Encoder:
    """The model of search with its files. Cheap to make: sessions are the model host's."""

    def __init__(self, ready: Ready) -> None:
        self.spec = ready.spec
        self.paths = ready.paths
        self.contract = contract_of(self.spec)
        self.side = side_of(self.spec)
        self.dimensions = dimensions_of(self.spec)

    def pictures(self, pictures: Sequence[Pixels]) -> Vectors:
        """Pictures x dimensions. Any sizes; rows x columns x RGB, upright, sRGB."""
        model = onnx_model(self.paths["visual"])
        fed = np.stack([self.prepared(picture) for picture in pictures])
        size = BATCH if model.batches else 1
        found = [self.run(model, fed[at : at + size], urgent=False) for at in range(0, len(fed), size)]
        return np.concatenate(found)

    def text(self, text: str, *, urgent: bool = True) -> Vector:
        """One vector. Somebody waits for it, so it goes before others."""
        tokens = tokenizer(self.spec.contract, self.paths["vocabulary"]).batch([text])
        found: Vector = self.run(onnx_model(self.paths["textual"]), tokens, urgent=urgent)[0]
        return found

    def prepared(self, pixels: Pixels) -> NDArray[np.float32]:
        """Bands x side x side, as the model was taught."""
        framed = self.contract.frame(pixels, self.side).astype(np.float32) / 255
        told = (framed - np.array(self.contract.mean)) / np.array(self.contract.deviation)
        return np.ascontiguousarray(told.transpose(2, 0, 1), dtype=np.float32)

    def run(self, model: OnnxModel, values: NDArray[Any], *, urgent: bool) -> Vectors:
        """The first input is fed, of the outputs the one that is a list of vectors is read."""
        name = output_of(model, self.dimensions)
        given = model.run({model.inputs[0].name: values}, urgent=urgent, outputs=(name,))
        found = given[name].astype(np.float32)
        if found.shape != (len(values), self.dimensions) or not np.isfinite(found).all():
            raise ModelError(
                f"{self.spec.title} does not give vectors of {self.dimensions} numbers. Import its files again.",
                detail=f"{name}: {found.shape}",
            )
        return unit(found)


def output_of(model: OnnxModel, dimensions: int) -> str:
    """Exports of one model may give hidden states too; the vector is told by its shape."""
    for output in model.outputs:
        *_, last = output.shape or (None,)
        if len(output.shape) == 2 and (last == dimensions or not isinstance(last, int)):
            return output.name
    raise ModelError(
        f"This model has no output of {dimensions} numbers. Choose another one, or import it again."
    )


def unit(vectors: NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: Vectors = vectors / np.maximum(lengths, 1e-12)
    return found


@lru_cache(maxsize=TOKENIZERS_KEPT)
def tokenizer(contract: str, vocabulary: Path) -> Tokenizer:
    """Kept by a process: reading the vocabulary takes longer than all the rest of a query."""
    return CONTRACTS[contract].tokenizer(vocabulary)
