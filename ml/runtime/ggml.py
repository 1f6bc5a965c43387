"""Pure: whether a file begins as whisper.cpp wants it, which computes with what it reads there and ends on zeros.

Layouts: `whisper_model_load` and `whisper_vad_init_with_params` of whisper.cpp 1.8.
"""

import struct
from pathlib import Path
from typing import Final

from ml.runtime.failing import UnusableError

MAGIC: Final = 0x67676D6C
SPEECH: Final = struct.Struct("<14i")
"""Magic, eleven numbers of the model, then the two of the filters that follow."""
VOICES: Final = struct.Struct("<Ii10s")
"""Magic, length of the name, name."""
SILERO: Final = b"silero-16k"
WIDEST: Final = 16_384
DEEPEST: Final = 256


def check_speech(path: Path) -> None:
    """UnusableError for what is no model of speech."""
    with path.open("rb") as reader:
        head = reader.read(SPEECH.size)
    if len(head) < SPEECH.size:
        raise UnusableError(f"It has {len(head)} bytes and is no model.")
    (
        magic,
        vocabulary,
        _,
        state,
        heads,
        layers,
        context,
        text,
        text_heads,
        text_layers,
        mels,
        _,
        filters,
        bins,
    ) = SPEECH.unpack(head)
    sound = (
        magic == MAGIC
        and 50_000 <= vocabulary <= 500_000
        and 0 < heads <= state <= WIDEST
        and 0 < text_heads <= text <= WIDEST
        and 0 < layers <= DEEPEST
        and 0 < text_layers <= DEEPEST
        and 0 < context <= WIDEST
        and 0 < mels == filters <= 256
        and bins == 201
    )
    if not sound:
        raise UnusableError("It is no model of whisper.cpp (GGML).")


def check_voices(path: Path) -> None:
    """UnusableError for what is no model of voice detection."""
    with path.open("rb") as reader:
        head = reader.read(VOICES.size)
    if head != VOICES.pack(MAGIC, len(SILERO), SILERO):
        raise UnusableError("It is no model of Silero for whisper.cpp (GGML).")
