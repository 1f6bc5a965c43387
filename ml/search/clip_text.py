"""Text as CLIP reads it: cleaned, cut into byte pairs, numbered, 77 numbers a text. Pure.

Written after the tokenizer that OpenAI published with CLIP (github.com/openai/CLIP, `clip/simple_tokenizer.py`, MIT),
to give the same numbers. One thing is different: that one also repairs text that was decoded wrongly (ftfy). What
people type into a search comes as good Unicode, so it is only brought to its composed form (NFC).
"""

import gzip
import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.errors import ModelError

LENGTH: Final = 77
"""Numbers of a text, the start and the end included; what is longer is cut, what is shorter is filled with zeros."""
START, END = "<|startoftext|>", "<|endoftext|>"
MERGES: Final = 49_152 - 256 - 2
"""Pairs that CLIP has learnt. The file has more lines: a head, and pairs that its authors left out."""
END_OF_WORD: Final = "</w>"
ENDINGS: Final = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d", re.IGNORECASE)
SPECIALS: Final = re.compile(r"<\|startoftext\|>|<\|endoftext\|>", re.IGNORECASE)
WORDS_KEPT: Final = 4096


def clean(text: str) -> str:
    """As CLIP cleans a text: HTML entities twice (some are escaped twice), one space between words, small letters."""
    composed = unicodedata.normalize("NFC", text)
    return " ".join(html.unescape(html.unescape(composed)).split()).lower()


class ClipTokenizer:
    """Made from `bpe_simple_vocab_16e6.txt.gz`; it holds about 20 MB. ModelError for another file."""

    def __init__(self, vocabulary: Path, length: int = LENGTH) -> None:
        pairs = read_merges(vocabulary)
        letters = list(LETTERS.values())
        words = [*letters, *(letter + END_OF_WORD for letter in letters), *("".join(pair) for pair in pairs)]
        self.length = length
        self.numbers: Mapping[str, int] = {word: at for at, word in enumerate([*words, START, END])}
        self.ranks: Mapping[tuple[str, str], int] = {pair: rank for rank, pair in enumerate(pairs)}
        self._cut = lru_cache(maxsize=WORDS_KEPT)(self._cut_word)

    def encode(self, text: str) -> list[int]:
        """The numbers of a text between those of its start and its end, however many."""
        found = [number for word in split(clean(text)) for number in self._cut(word)]
        return [self.numbers[START], *found, self.numbers[END]]

    def batch(self, texts: list[str]) -> NDArray[np.int32]:
        """Texts x `length`. A text that is too long still ends with the number of the end."""
        rows = np.zeros((len(texts), self.length), dtype=np.int32)
        for row, text in zip(rows, texts, strict=True):
            numbers = self.encode(text)
            if len(numbers) > self.length:
                numbers = [*numbers[: self.length - 1], self.numbers[END]]
            row[: len(numbers)] = numbers
        return rows

    def _cut_word(self, word: str) -> tuple[int, ...]:
        if word in self.numbers and SPECIALS.fullmatch(word):
            return (self.numbers[word],)
        letters = [LETTERS[byte] for byte in word.encode()]
        parts = [*letters[:-1], letters[-1] + END_OF_WORD]
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: self.ranks.get(pair, MERGES))
            if best not in self.ranks:
                break
            parts = merged(parts, best)
        return tuple(self.numbers[part] for part in parts)


def merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """Every place where the two stand side by side becomes one."""
    found: list[str] = []
    at = 0
    while at < len(parts):
        if tuple(parts[at : at + 2]) == pair:
            found.append("".join(pair))
            at += 2
        else:
            found.append(parts[at])
            at += 1
    return found


def read_merges(vocabulary: Path) -> list[tuple[str, str]]:
    try:
        with gzip.open(vocabulary, "rt", encoding="utf-8") as file:
            lines = file.read().split("\n")[1 : MERGES + 1]
        pairs = [(left, right) for left, right in (line.split() for line in lines)]
    except (OSError, EOFError, ValueError) as error:
        raise unusable(vocabulary, str(error)) from error
    if len(pairs) != MERGES:
        raise unusable(vocabulary, f"{len(pairs)} pairs instead of {MERGES}")
    return pairs


def unusable(vocabulary: Path, reason: str) -> ModelError:
    return ModelError(
        f"{vocabulary.name} is not the vocabulary of CLIP. Download or import this model again.",
        detail=reason,
    )


def split(text: str) -> Iterator[str]:
    """Words of a cleaned text: English endings, runs of letters, single digits, runs of other signs."""
    at = 0
    for special in SPECIALS.finditer(text):
        yield from split_plain(text[at : special.start()])
        yield special.group()
        at = special.end()
    yield from split_plain(text[at:])


def split_plain(text: str) -> Iterator[str]:
    for chunk in text.split():
        at = 0
        while at < len(chunk):
            word = next_word(chunk, at)
            yield word
            at += len(word)


def next_word(chunk: str, at: int) -> str:
    """The pattern of CLIP by hand: `re` knows no classes of Unicode, and one more library is not worth its one line."""
    if ending := ENDINGS.match(chunk, at):
        return ending.group()
    kind, run = next(groupby(chunk[at:], key=kind_of))
    return chunk[at] if kind == "N" else "".join(run)


def kind_of(char: str) -> str:
    """L for letters, N for numbers, else nothing; of the Unicode category."""
    first = unicodedata.category(char)[0]
    return first if first in "LN" else ""


def letters_of_bytes() -> dict[int, str]:
    """A letter to be seen for each byte: itself where it is one, else one from U+0100 on. As GPT-2 does it."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(256 + at) for at, byte in enumerate(hidden)}


LETTERS: Final = letters_of_bytes()
"""In the order in which CLIP numbers them."""
