"""One blob of a restore: whether it is here with the right bytes, and from where they can come if not.

A blob that is damaged in the pool costs no other: it is looked for in every other target, else it is lost and told.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from alcoves.backup import mending, sets, targets
from alcoves.backup.errors import BackupError
from alcoves.backup.sets import Entry
from storage.errors import (
    BlobNotFoundError,
    ChecksumMismatchError,
    SizeMismatchError,
    StoreError,
    StoreFullError,
)
from storage.registry import get_store
from storage.streams import Tally

logger = logging.getLogger(__name__)
Reading = Callable[[Iterator[bytes]], Iterator[bytes]]
WRONG: Final = (BackupError, BlobNotFoundError, ChecksumMismatchError, SizeMismatchError)
"""What the bytes of one blob are to blame for. A target that is away, or a full store, ends the restore for now."""
SECOND: Final = timedelta(seconds=1)


def is_right(entry: Entry, began: datetime, reading: Reading) -> bool:
    """By its bytes, not by its size. What came since the restore began was held to its checksum as it came."""
    store = get_store(entry.store)
    tally = Tally(size=entry.size, sha256=entry.sha256)
    try:
        if store.stat(entry.key).modified_at > began + SECOND:
            return True
        for _ in reading(tally.through(readable(sets.stored_chunks(store, entry.key)))):
            pass
        tally.verify()
    except WRONG:
        return False
    return True


def bring(entry: Entry, pool: sets.Pool, reading: Reading) -> bool:
    """Whether the right bytes are here now."""
    if pool.has(entry.sha256, entry.size):
        chunks = reading(readable(pool.chunks(entry.sha256)))
        try:
            get_store(entry.store).put(entry.key, chunks, size=entry.size, sha256=entry.sha256)
        except WRONG as error:
            logger.warning("%s (%s) is damaged in the pool: %s", entry.key, entry.pool, error)
        else:
            return True
    return any(is_brought_from(name, entry) for name in targets.named())


def is_brought_from(name: str, entry: Entry) -> bool:
    try:
        return mending.brought_from(name, entry.store, entry.key, entry.size, entry.sha256)
    except StoreFullError:
        raise
    except (BackupError, StoreError, OSError) as error:
        logger.warning("the target %s cannot help: %s", name, error)
        return False


def readable(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A disk that cannot read one blob may well read the next."""
    try:
        yield from chunks
    except OSError as error:
        raise BackupError(f"It cannot be read ({error.strerror}).") from error
