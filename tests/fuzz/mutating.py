"""A seeded mutator: what real bad files look like, made from good ones. The same seed gives the same bytes."""

import random
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Literal

Stock = Sequence[bytes]
Mutation = Callable[[bytearray, random.Random, Stock], bytearray]

PNG: Final = b"\x89PNG\r\n\x1a\n"
NUMBERS: Final = (
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)
"""Where lengths, counts and offsets go wrong: the ends of their types, and what lies beside them."""
ORDERS: Final[tuple[Literal["big", "little"], ...]] = ("big", "little")
HEADS: Final = (16, 64, 256, 1024, 4096)


def mutated(content: bytes, source: random.Random, stock: Stock) -> bytes:
    """`content` with one to four things wrong. `stock`: other files, for headers that are not its own."""
    out = bytearray(content)
    for _ in range(source.choice((1, 1, 2, 3, 4))):
        out = source.choice(MUTATIONS)(out, source, stock)
    return repaired(bytes(out)) if source.random() < 0.7 else bytes(out)


def place(content: bytearray, source: random.Random) -> int:
    """Any byte, but rather one of the first ones: there are the headers."""
    reach = source.choice((64, 512, 4096, len(content), len(content)))
    return source.randrange(max(1, min(reach, len(content))))


def stretch(content: bytearray, source: random.Random) -> tuple[int, int]:
    start = place(content, source)
    return start, min(len(content), start + source.choice((1, 4, 16, 256, 4096, 65536)))


def flip_bits(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    for _ in range(source.choice((1, 2, 8, 32)) if content else 0):
        content[place(content, source)] ^= 1 << source.randrange(8)
    return content


def cut_off(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    return content[: source.randrange(len(content) + 1)]


def remove(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    start, end = stretch(content, source)
    return content[:start] + content[end:]


def double(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    start, end = stretch(content, source)
    return content[:end] + content[start:end] * source.choice((1, 1, 3, 100)) + content[end:]


def swap(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    (first, first_end), (second, second_end) = sorted(stretch(content, source) for _ in range(2))
    if first_end > second:
        return content
    middle = content[first_end:second]
    return (
        content[:first]
        + content[second:second_end]
        + middle
        + content[first:first_end]
        + content[second_end:]
    )


def blank(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    start, end = stretch(content, source)
    content[start:end] = source.choice((b"\0", b"\xff")) * (end - start)
    return content


def edit_number(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    """A number as formats write them: one to eight bytes, in both orders; far off, or off by little."""
    for _ in range(source.choice((1, 1, 2, 4))):
        start, size = place(content, source), source.choice((1, 2, 4, 8))
        order = source.choice(ORDERS)
        there = int.from_bytes(content[start : start + size], order)
        number = source.choice((source.choice(NUMBERS), there + source.choice((-1, 1, 2, 255)), there * 2))
        content[start : start + size] = (number % 256**size).to_bytes(size, order)
    return content


def give_foreign_head(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    """The beginning of another file, often of another format, before the rest of this one."""
    size = source.choice(HEADS)
    return bytearray(source.choice(stock)[:size]) + content[size:]


def mix_in(content: bytearray, source: random.Random, stock: Stock) -> bytearray:
    """A piece of another file in the middle of this one."""
    other = bytearray(source.choice(stock))
    (start, end), at = stretch(other, source), place(content, source)
    return content[:at] + other[start:end] + content[at:]


MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(flip_bits, cut_off, remove, double, swap, blank, give_foreign_head, mix_in),
    *(edit_number, edit_number, edit_number),
)


def repaired(content: bytes) -> bytes:
    """A PNG with the right checksums: else its reader would stop at the first wrong one and see nothing else."""
    if not content.startswith(PNG):
        return content
    out, at = bytearray(content), len(PNG)
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out)
