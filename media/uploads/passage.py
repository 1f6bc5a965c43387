"""The bytes of one request on their way into a growing blob: counted, hashed, held to their limit.

A store keeps what came before its source failed and says nothing of the failure; so the reason is noted here.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.errors import MediaError
from media.uploads.errors import ChecksumError
from media.uploads.locks import Lock

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

CHECKPOINT = 128 * 1024 * 1024
"""Bytes after which the offset is saved, so that a killed process costs a client no more than this."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client promises of the bytes of one request."""

    algorithm: str
    digest: bytes

    def begin(self) -> "Digest":
        return hashlib.new(self.algorithm, usedforsecurity=False)


class Passage:
    """One request's bytes. `limit` is how many may pass; `over` is what is said of one more."""

    def __init__(
        self, chunks: Iterable[bytes], *, limit: int, over: MediaError, lock: Lock, state: "Digest | None"
    ) -> None:
        self._source = iter(chunks)
        self._limit = limit
        self._over = over
        self._lock = lock
        self.state = state
        """SHA-256 of the upload so far, None where this process has not seen all of it."""
        self.passed = 0
        self.ended = False
        self.refusal: MediaError | None = None
        """Why the bytes of this segment must not be kept."""
        self.broken: Exception | None = None
        """Why the source ended early; what came before it is kept."""

    def segment(self, checksum: "Digest | None" = None) -> Iterator[bytes]:
        """Blocks until a checkpoint is due or the source ends. With a checksum there is one segment only."""
        start = self.passed
        while checksum is not None or self.passed - start < CHECKPOINT:
            block = self._next()
            if block is None:
                return
            if self.state is not None:
                self.state.update(block)
            if checksum is not None:
                checksum.update(block)
            self.passed += len(block)
            yield block

    def _next(self) -> bytes | None:
        try:
            block = next(self._source, None)
        except Exception as error:  # noqa: BLE001  Whatever a dying connection raises means: no more bytes.
            self.broken, block = error, None
        if block is None:
            self.ended = True
            return None
        if self.passed + len(block) > self._limit:
            self.refusal, self.ended = self._over, True
            return None
        try:
            self._lock.keep_alive()
        except MediaError as error:
            self.refusal, self.ended = error, True
            return None
        return block

    def verify(self, checksum: Checksum, seen: "Digest") -> None:
        """Notes a ChecksumError where the bytes are not the promised ones."""
        if self.refusal is None and seen.digest() != checksum.digest:
            self.refusal = ChecksumError(
                "The bytes were damaged on the way and were not kept. Send them again."
            )
