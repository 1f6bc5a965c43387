"""A step: the SHA-256 of a stream, in blocks of one MiB, whatever its size."""

import hashlib
from collections.abc import Callable
from typing import Final, Protocol

from media.errors import RunAbandonedError

BLOCK: Final = 1024 * 1024


class Reader(Protocol):
    """Anything with read(size): a file, a blob of a store."""

    def read(self, size: int, /) -> bytes: ...


def hash_stream(
    reader: Reader,
    *,
    abandoned: Callable[[], bool] | None = None,
    progress: Callable[[int], None] | None = None,
) -> str:
    """Read to the end. `progress` is told the bytes so far after each block."""
    digest = hashlib.sha256()
    total = 0
    while block := reader.read(BLOCK):
        digest.update(block)
        total += len(block)
        if progress is not None:
            progress(total)
        if abandoned is not None and abandoned():
            raise RunAbandonedError("The run was cancelled or asked for anew.")
    return digest.hexdigest()
