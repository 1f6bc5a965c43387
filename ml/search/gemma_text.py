"""Text as SigLIP 2 reads it: small letters, cut by Gemma's SentencePiece model, 64 numbers a text.

The vocabulary is `tokenizer.model`, as Google publishes it with Gemma. SigLIP 2 was trained without a number for the
start, with one for the end that stays where a text is cut, and it reads its answer off the last place, so the filling
counts: it has to be <pad> (github.com/google-research/big_vision, configs of SigLIP 2: `lower`, `tok(length=64,
model="gemma", bos="no", eos="sticky")`).
"""

import unicodedata
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.errors import ModelError

LENGTH: Final = 64


def clean(text: str) -> str:
    """Composed characters, one space between words, small letters."""
    return " ".join(unicodedata.normalize("NFC", text).split()).lower()


class GemmaTokenizer:
    """One vocabulary in memory, some 40 MB. ModelError for a file that is none."""

    def __init__(self, vocabulary: Path, length: int = LENGTH) -> None:
        # It is heavy, and who never searches by SigLIP needs none of it.
        from sentencepiece import SentencePieceProcessor

        try:
            self._pieces = SentencePieceProcessor(model_file=str(vocabulary))
        except (OSError, RuntimeError) as error:
            raise ModelError(
                f"{vocabulary.name} is no vocabulary of SentencePiece. Download or import this model again.",
                detail=str(error),
            ) from error
        self.length = length
        self.pad, self.end = self._pieces.pad_id(), self._pieces.eos_id()
        if min(self.pad, self.end) < 0:
            raise ModelError(f"{vocabulary.name} has no filling or no end. Use the vocabulary of Gemma.")

    def encode(self, text: str) -> list[int]:
        """The numbers of a text and that of its end, however many."""
        return [*self._pieces.encode(clean(text), out_type=int), self.end]

    def batch(self, texts: list[str]) -> NDArray[np.int32]:
        """Texts x `length`. A text that is too long still ends with the number of the end."""
        rows = np.full((len(texts), self.length), self.pad, dtype=np.int32)
        for row, text in zip(rows, texts, strict=True):
            numbers = self.encode(text)
            if len(numbers) > self.length:
                numbers = [*numbers[: self.length - 1], self.end]
            row[: len(numbers)] = numbers
        return rows
