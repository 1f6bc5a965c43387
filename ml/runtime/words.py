"""Pure: from the tokens of whisper.cpp to words with times.

A token is a few bytes, not always whole letters. It begins a word where it begins with a space; languages that write
without spaces get a word for each token that ends with a whole letter.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import exp, log
from typing import Final

UNSPACED: Final = frozenset({"zh", "ja", "th", "lo", "my", "km", "yue", "bo"})
LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Token:
    """Times in seconds of the sound that the model heard."""

    data: bytes
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Word:
    """`probability` is the geometric mean of its tokens'."""

    start: float
    end: float
    text: str
    probability: float


def words_of(tokens: Iterable[Token], language: str) -> Iterator[Word]:
    """Punctuation stays with the word before it."""
    held: list[Token] = []
    for token in tokens:
        if held and begins_word(token, held, language):
            yield from joined(held)
            held = []
        held.append(token)
    yield from joined(held)


def begins_word(token: Token, held: list[Token], language: str) -> bool:
    if token.data.startswith(b" "):
        return True
    return language in UNSPACED and is_whole(b"".join(one.data for one in held)) and has_letters(token.data)


def is_whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def has_letters(data: bytes) -> bool:
    """Part of a letter counts as one."""
    return any(
        letter.isalnum() or letter == "\N{REPLACEMENT CHARACTER}" for letter in data.decode(errors="replace")
    )


def joined(tokens: list[Token]) -> Iterator[Word]:
    text = b"".join(token.data for token in tokens).decode(errors="replace").strip()
    if text:
        mean = sum(log(max(LEAST, token.probability)) for token in tokens) / len(tokens)
        start = min(token.start for token in tokens)
        yield Word(start, max(start, *(token.end for token in tokens)), text, round(exp(mean), 4))
