"""Whisper models in the GGML format of whisper.cpp, written by the tests: real files that say what they were told to.

The layers of such a model are zero, so what is heard changes nothing. The embedding of each position points at the
token that shall come next, and the embeddings of tokens are at right angles to each other: the decoder says its
sentence into each half minute of sound. The layout is that of whisper.cpp's `whisper_model_load`.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ml.registry.specs import ModelFile, ModelSpec

MAGIC: Final = 0x67676D6C
ENGLISH, MULTILINGUAL = 51_864, 51_865
STATE: Final = 32
HEAD: Final = 64
"""Of the real models; a smaller state is one head."""
AUDIO_LAYERS, TEXT_LAYERS, AUDIO_CONTEXT, TEXT_CONTEXT, MELS = 4, 1, 1500, 448, 80
BINS: Final = 201
"""Of the spectrum of 400 samples."""
FLOAT32, FLOAT16 = 0, 1
ENGLISH_TOKEN: Final = 50_259
"""What a multilingual model says first, when it is asked for the language."""
NO_SPEECH: Final = 50_361
"""The token by which an English model says that nothing is said; of a multilingual one it is the next."""
STEPS_A_SECOND: Final = 50
"""Tokens of time."""
SENTENCE: Final = (" Hello", " small", " world.")
NAME: Final = "ggml-says-hello.bin"

Tensor = NDArray[np.float32]

SAYS_HELLO: Final = (
    ModelSpec(
        "says-hello",
        "speech",
        "A model that says hello to whatever it hears",
        (ModelFile("model", NAME, NAME, minimum_size=1024),),
        licence="MIT",
        contract="whisper",
        default=True,
        options={"languages": ["en", "de"]},
    ),
)
"""For MODEL_REGISTRIES; the file is written by `make_whisper`."""


def make_whisper(
    path: Path,
    words: Sequence[str] = SENTENCE,
    *,
    span: tuple[float, float] = (0.5, 2.5),
    vocabulary: int = MULTILINGUAL,
    state: int = STATE,
    doubts: bool = False,
    guesses: int = 0,
) -> Path:
    """A model that says these words, each with the blank before it, in this span of every half minute.

    `state` 384 costs as much to run as the tiny model of whisper. One that `doubts` holds all for no speech; so many
    `guesses` are as likely as each word.
    """
    told = script(words, span, vocabulary)
    rivals = rivals_of(told, len(words), vocabulary, doubts=doubts, guesses=guesses)
    with path.open("wb") as file:
        file.write(struct.pack("<12i", MAGIC, *header(vocabulary, state)))
        file.write(struct.pack("<2i", MELS, BINS) + np.full((MELS, BINS), 1 / BINS, "<f4").tobytes())
        tokens = [text.encode() for text in (" ", *words)]
        file.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            file.write(struct.pack("<I", len(token)) + token)
        for name, values in tensors(told, rivals, vocabulary, state):
            write_tensor(file, name, values)
    return path


def header(vocabulary: int, state: int) -> tuple[int, ...]:
    heads = max(1, state // HEAD)
    audio = (AUDIO_CONTEXT, state, heads, AUDIO_LAYERS)
    return (vocabulary, *audio, TEXT_CONTEXT, state, heads, TEXT_LAYERS, MELS, FLOAT16)


def script(words: Sequence[str], span: tuple[float, float], vocabulary: int) -> dict[int, int]:
    """Which token comes after each position. A multilingual model is told language and task before it speaks."""
    shift = int(vocabulary == MULTILINGUAL)
    end_of_text, first_time = 50_256 + shift, 50_363 + shift
    start, end = (first_time + round(second * STEPS_A_SECOND) for second in span)
    said = [start, *range(1, len(words) + 1), end, end_of_text]
    language = {0: ENGLISH_TOKEN} if shift else {}
    return language | {place + 2 * shift: token for place, token in enumerate(said)}


def rivals_of(
    said: dict[int, int], words: int, vocabulary: int, *, doubts: bool, guesses: int
) -> dict[int, tuple[int, float]]:
    """Other tokens, each with the one that it comes instead of, and its weight. What says no speech is never said."""
    found = {1000 + word * guesses + n: (word, 9.99) for word in range(1, words + 1) for n in range(guesses)}
    if doubts:
        shift = int(vocabulary == MULTILINGUAL)
        found[NO_SPEECH + shift] = (said[2 * shift], 12.0)
    return found


def tensors(
    said: dict[int, int], rivals: dict[int, tuple[int, float]], vocabulary: int, state: int
) -> Iterator[tuple[str, Tensor]]:
    """All that whisper.cpp looks for, by name."""
    directions = {token: number for number, token in enumerate(dict.fromkeys(said.values()))}
    positions, embedding = zeros(TEXT_CONTEXT, state), zeros(vocabulary, state)
    for place, token in said.items():
        positions[place, directions[token]] = 100.0
    for token, direction in directions.items():
        embedding[token, direction] = 10.0
    for token, (other, weight) in rivals.items():
        embedding[token, directions[other]] = weight
    yield "encoder.positional_embedding", zeros(AUDIO_CONTEXT, state)
    yield "encoder.conv1.weight", zeros(state, MELS, 3)
    yield "encoder.conv1.bias", zeros(state, 1)
    yield "encoder.conv2.weight", zeros(state, state, 3)
    yield "encoder.conv2.bias", zeros(state, 1)
    yield from normal("encoder.ln_post", state)
    for layer in range(AUDIO_LAYERS):
        yield from block(f"encoder.blocks.{layer}", ("attn",), state)
    yield "decoder.positional_embedding", positions
    yield "decoder.token_embedding.weight", embedding
    yield from normal("decoder.ln", state)
    for layer in range(TEXT_LAYERS):
        yield from block(f"decoder.blocks.{layer}", ("attn", "cross_attn"), state)


def block(name: str, attentions: Sequence[str], state: int) -> Iterator[tuple[str, Tensor]]:
    yield from normal(f"{name}.mlp_ln", state)
    yield f"{name}.mlp.0.weight", zeros(4 * state, state)
    yield f"{name}.mlp.0.bias", zeros(4 * state)
    yield f"{name}.mlp.2.weight", zeros(state, 4 * state)
    yield f"{name}.mlp.2.bias", zeros(state)
    for attention in attentions:
        yield from normal(f"{name}.{attention}_ln", state)
        for part in ("query", "key", "value", "out"):
            yield f"{name}.{attention}.{part}.weight", zeros(state, state)
            if part != "key":
                yield f"{name}.{attention}.{part}.bias", zeros(state)


def normal(name: str, state: int) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", np.ones(state, np.float32)
    yield f"{name}.bias", zeros(state)


def zeros(*shape: int) -> Tensor:
    return np.zeros(shape, np.float32)


def write_tensor(file: BinaryIO, name: str, values: Tensor) -> None:
    """Dimensions stand in the order of memory, the quickest first. Weights are halves, the rest is not."""
    spelled = name.encode()
    whole = values.ndim < 2 or name.endswith((".bias", "positional_embedding"))
    head = struct.pack("<3i", values.ndim, len(spelled), FLOAT32 if whole else FLOAT16)
    sizes = struct.pack(f"<{values.ndim}i", *reversed(values.shape))
    file.write(head + sizes + spelled + values.astype("<f4" if whole else "<f2").tobytes())
