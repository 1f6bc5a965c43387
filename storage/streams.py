"""Bytes on their way into a store: counted, hashed, held to their promises, cut into parts.

Pure functions over iterables of bytes; every backend builds its `put` and `append` from them.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator

from storage.base import BlobStat, Chunks
from storage.errors import ChecksumMismatchError, SizeMismatchError

log = logging.getLogger(__name__)


class Tally:
    """Counts and hashes a stream as it passes, and knows what was promised of it."""

    def __init__(self, *, size: int | None = None, sha256: str | None = None) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._promised_size = size
        self._promised_sha256 = sha256.lower() if sha256 else None

    @property
    def sha256(self) -> str:
        """Lower-case hex of all bytes that have passed."""
        return self._hash.hexdigest()

    def through(self, chunks: Chunks) -> Iterator[bytes]:
        """The same chunks; stops with SizeMismatchError at the first byte beyond the promise."""
        for chunk in chunks:
            self.size += len(chunk)
            if self._promised_size is not None and self.size > self._promised_size:
                raise SizeMismatchError(
                    f"More than the promised {self._promised_size} bytes arrived; nothing was stored."
                )
            self._hash.update(chunk)
            yield chunk

    def verify(self) -> None:
        """To be called at the end and before anything becomes visible."""
        if self._promised_size is not None and self.size != self._promised_size:
            raise SizeMismatchError(
                f"{self.size} bytes arrived where {self._promised_size} were promised; nothing was stored."
            )
        if self._promised_sha256 is not None and self.sha256 != self._promised_sha256:
            raise ChecksumMismatchError(
                "The bytes that arrived do not have the promised SHA-256; nothing was stored. Try again."
            )


def surviving(chunks: Chunks) -> Iterator[bytes]:
    """The chunks up to the first error of their source, which is logged and ends the stream.

    A client that goes away in the middle of an upload must not cost it the bytes that had arrived.
    """
    try:
        yield from chunks
    except Exception as error:  # noqa: BLE001 - whatever the source raises means the same: no more bytes.
        log.info("The source of an upload ended early: %s", type(error).__name__)


def regroup(chunks: Chunks, size_of: Callable[[int], int]) -> Iterator[bytes]:
    """The same bytes in pieces of exactly `size_of(n)` for piece n from 0; only the last may be smaller.

    Never yields an empty piece. Holds one piece and one chunk.
    """
    buffer = bytearray()
    number = 0
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            wanted = size_of(number) - len(buffer)
            buffer += view[:wanted]
            view = view[wanted:]
            if len(buffer) == size_of(number):
                piece, buffer = bytes(buffer), bytearray()
                yield piece
                number += 1
    if buffer:
        yield bytes(buffer)


def confirm_size(stat: BlobStat, size: int) -> BlobStat:
    """The stat of an upload that was finished before (its caller died between that and its commit)."""
    if stat.size != size:
        raise SizeMismatchError(f"{stat.key} has {stat.size} bytes where {size} were declared.")
    return stat
