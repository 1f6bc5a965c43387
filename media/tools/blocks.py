"""Blocks of a source that lies far away: fetched in windows that grow, and kept a while for the next reader.

A program that reads a film through a loopback server seeks to and fro: between the index and the samples, or between
picture and sound that were written far apart. Each block is fetched once as long as it is kept, a seek costs one
small request, and who reads on gets ever larger ones.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from typing import BinaryIO, Final, TypeAlias

from media.errors import TransientError

BLOCK: Final = 256 * 1024
WIDEST: Final = 64
"""Blocks asked for at once by who reads on and on: 16 MB, so that a slow answer is a small part of the time."""
KEPT: Final = 128
"""Blocks in memory: 32 MB for one run."""
TRIES: Final = 3

Opener: TypeAlias = Callable[[int, int], AbstractContextManager[BinaryIO]]
"""Opens the bytes from a start up to an end."""


class Blocks:
    """A source of known size, read from anywhere by any thread."""

    def __init__(self, opener: Opener, size: int) -> None:
        self.size = size
        self._open = opener
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._widths: dict[int, int] = {}
        """By the block where a fetch has ended: how many blocks the next one may ask for."""

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes from `start` up to `end` in pieces of a block at most. Raises whatever the source raises."""
        position, end = start, min(end, self.size)
        while position < end:
            with closing(self._from(position // BLOCK)) as blocks:
                for number, block in blocks:
                    piece = block[position - number * BLOCK : end - number * BLOCK]
                    yield piece
                    position += len(piece)
                    if position >= end:
                        break

    def _from(self, number: int) -> Generator[tuple[int, bytes], None, None]:
        """One block that is kept, or those of one fetch, as they come."""
        with self._lock:
            if (found := self._kept.get(number)) is not None:
                self._kept.move_to_end(number)
        if found is not None:
            yield number, found
        else:
            yield from self._fetch(number)

    def _fetch(self, first: int) -> Generator[tuple[int, bytes], None, None]:
        """Begun again where it broke off: what is read here is read once, so nobody else would try again."""
        left, failed = self._window(first), 0
        number = first
        while left:
            try:
                with self._open(number * BLOCK, min(self.size, (number + left) * BLOCK)) as reader:
                    while left:
                        block = self._take(reader, number)
                        yield number, block
                        number, left = number + 1, left - 1
            except Exception:
                failed += 1
                if failed == TRIES:
                    raise

    def _take(self, reader: BinaryIO, number: int) -> bytes:
        wanted = min(BLOCK, self.size - number * BLOCK)
        parts = []
        while wanted and (part := reader.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        if wanted:
            raise TransientError(
                "The store has sent fewer bytes than the original has. Look at the store if this lasts.",
                code="source_short",
            )
        block = b"".join(parts)
        with self._lock:
            self._kept[number] = block
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return block

    def _window(self, first: int) -> int:
        """Twice what the fetch that ended here has asked for, up to what is kept already or the end."""
        blocks = -(-self.size // BLOCK)
        with self._lock:
            width = self._widths.pop(first, 1)
            until = min(blocks, first + width)
            known = next((number for number in range(first + 1, until) if number in self._kept), until)
            self._widths[known] = min(WIDEST, 2 * width)
            while len(self._widths) > KEPT:
                del self._widths[next(iter(self._widths))]
        return known - first
