"""Two tiny graphs with the contract of CLIP: they know three colours, and where in a picture it is light.

The text graph knows the words red, green and blue; every other text gives a vector that is like no picture. The
picture graph tells how much of a picture is of these colours, and, more faintly, its brightness on a grid of 8 x 8: so
two copies of one drawing are alike, and two drawings are not.
"""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from ml.registry.specs import ModelFile, ModelSpec
from ml.search.clip_text import MERGES
from ml.search.encoders import CONTRACTS
from tests.ml.graphs.faces import Drawing

SIDE: Final = 64
DIMENSIONS: Final = 512
GRID: Final = 8
FAINT: Final = 0.05
COLORS: Final = ("red", "green", "blue")
VISUAL, TEXTUAL, VOCABULARY = "tiny-visual.onnx", "tiny-textual.onnx", "tiny-vocabulary.gz"


def spec(model: str, dimensions: int = DIMENSIONS, *, default: bool = True) -> ModelSpec:
    return ModelSpec(
        model,
        "search",
        "Three colours",
        tuple(
            ModelFile(role, name, name, minimum_size=100)
            for role, name in (("visual", VISUAL), ("textual", TEXTUAL), ("vocabulary", VOCABULARY))
        ),
        licence="CC0-1.0",
        contract="clip",
        default=default,
        options={"dimensions": dimensions, "side": SIDE, "like_floor": 0.3},
    )


MODELS: Final = (spec("tiny-search"),)
OTHER_MODELS: Final = (spec("other-search"),)
"""The next model of the operator: same files, another id."""


def write(folder: Path) -> Path:
    """All three files, as if they had been fetched."""
    folder.mkdir(exist_ok=True)
    onnx.save(visual(), folder / VISUAL)
    onnx.save(textual(), folder / TEXTUAL)
    write_vocabulary(folder)
    return folder


def siglip(folder: Path) -> ModelSpec:
    """The same graph of pictures, fed as SigLIP is; the text graph has no notion of these numbers."""
    write(folder)
    onnx.save(visual("siglip"), folder / VISUAL)
    onnx.save(textual(64, TensorProto.INT64), folder / TEXTUAL)
    train_pieces(folder).rename(folder / VOCABULARY)
    return replace(MODELS[0], id="tiny-siglip", contract="siglip")


def known_merges() -> list[tuple[str, str]]:
    """What makes one piece of each colour's letters, from the last one on: so the colours do not share a pair."""
    found = []
    for word in COLORS:
        letters = [*word[:-1], f"{word[-1]}</w>"]
        while len(letters) > 1:
            found.append((letters[-2], letters[-1]))
            letters = [*letters[:-2], "".join(letters[-2:])]
    return found


MERGES_KNOWN: Final = known_merges()
NUMBERS: Final = {
    word: 512 + next(rank for rank, pair in enumerate(MERGES_KNOWN) if "".join(pair) == f"{word}</w>")
    for word in COLORS
}
"""The numbers of the words: after 256 letters, each alone and at the end of a word, come the pairs."""


def write_vocabulary(folder: Path) -> Path:
    """As many pairs as CLIP has; all but a few are of no use."""
    pairs = [*MERGES_KNOWN, *((f"~{number}", "~") for number in range(MERGES - len(MERGES_KNOWN)))]
    text = "\n".join(["#version: tiny", *(f"{left} {right}" for left, right in pairs)])
    path = folder / VOCABULARY
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def train_pieces(folder: Path) -> Path:
    """A vocabulary of SentencePiece with the marks of Gemma's: filling 0, end 1, start 2, unknown 3, bytes after."""
    from sentencepiece import SentencePieceTrainer

    text = folder / "text.txt"
    text.write_text(
        "\n".join(["a photo of a dog", "two dogs on a red beach", "a cat and a dog"] * 30), "utf-8"
    )
    SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=300,
        byte_fallback=True,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return folder / "tokenizer.model"


def model_of(draw: Drawing, name: str, kind: int, shape: list[Any]) -> onnx.ModelProto:
    told = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSIONS])]
    taken = [helper.make_tensor_value_info(name, kind, shape)]
    graph = helper.make_graph(draw.nodes, f"tiny {name}", taken, told, draw.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def visual(contract: str = "clip") -> onnx.ModelProto:
    draw = Drawing()
    fed = CONTRACTS[contract]
    spread = np.array(fed.deviation, dtype=np.float32).reshape(1, 3, 1, 1)
    middle = np.array(fed.mean, dtype=np.float32).reshape(1, 3, 1, 1)
    pixels = draw.add("Add", draw.add("Mul", "image", spread), middle)
    bands = [
        draw.add("Gather", pixels, np.array([band], dtype=np.int64), axis=1) for band in range(len(COLORS))
    ]
    shares = []
    for band, own in enumerate(bands):
        others = draw.add("Max", *(other for at, other in enumerate(bands) if at != band))
        more = draw.add("Relu", draw.add("Sub", own, others))
        shares.append(draw.add("Reshape", draw.add("GlobalAveragePool", more), np.array([-1, 1], np.int64)))
    cell = SIDE // GRID
    grid = draw.add("AveragePool", pixels, kernel_shape=[cell, cell], strides=[cell, cell])
    faint = draw.add("Mul", draw.add("Sub", grid, 0.5), FAINT)
    rows = draw.add("Reshape", faint, np.array([-1, 3 * GRID * GRID], dtype=np.int64))
    padded(draw, [*shares, rows], len(COLORS) + 3 * GRID * GRID)
    return model_of(draw, "image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])


def textual(length: int = 77, kind: int = TensorProto.INT32) -> onnx.ModelProto:
    draw = Drawing()
    found = []
    for color in COLORS:
        number = np.array(NUMBERS[color], dtype=np.int32 if kind == TensorProto.INT32 else np.int64)
        same = draw.add("Equal", "text", number)
        found.append(
            draw.add("ReduceMax", draw.add("Cast", same, to=TensorProto.FLOAT), axes=[1], keepdims=1)
        )
    known = draw.add("Max", *found)
    nothing = draw.add("Sub", 1.0, known)
    zeros = draw.add("Mul", nothing, np.zeros((1, 3 * GRID * GRID), dtype=np.float32))
    padded(draw, [*found, zeros, nothing], len(COLORS) + 3 * GRID * GRID + 1)
    return model_of(draw, "text", kind, ["batch", length])


def padded(draw: Drawing, parts: list[str], length: int) -> str:
    """Side by side, and zeros up to the length of the vectors."""
    joined = draw.add("Concat", *parts, axis=1)
    rest = np.array([0, 0, 0, DIMENSIONS - length], dtype=np.int64)
    return draw.add("Pad", joined, rest, out="embedding")
