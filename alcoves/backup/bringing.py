"""One blob of a restore: whether it is here with the right bytes, and from where they can come if not.

A blob that is damaged in the pool costs no other: it is looked for in every other target, else it is lost and told.
"""

import logging
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final, Self

from alcoves.backup import mending, sets, targets
from alcoves.backup.errors import BackupError, DamagedError
from alcoves.backup.sets import Entry
from storage.errors import (
    BlobNotFoundError,
    ChecksumMismatchError,
    SizeMismatchError,
    StoreError,
    StoreFullError,
    UnreadableError,
)
from storage.registry import get_store
from storage.streams import Tally

logger = logging.getLogger(__name__)
Reading = Callable[[Iterator[bytes]], Iterator[bytes]]
Spoil = Callable[[str, Entry], None]
"""Told of each target whose pool has other bytes than it should."""
WRONG: Final = (BackupError, BlobNotFoundError, ChecksumMismatchError, SizeMismatchError, UnreadableError)
"""What the bytes of one blob are to blame for. A target that is away, or a full store, ends the restore for now."""
ROTTEN: Final = (DamagedError, ChecksumMismatchError, SizeMismatchError, UnreadableError)
"""The same of a target that is only asked to help: a wrong passphrase says nothing of its blobs."""


class Brought:
    """What this restore has held to its digest already, in a file, so that one that goes on reads none of it again.

    By names and digests: neither sizes nor times of files say whose bytes they are.
    """

    def __init__(self, path: Path, restore: str) -> None:
        head = restore.encode() + b"\n"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        self._known = {line for line in lines[1:] if line.endswith(b"\n")} if lines[:1] == [head] else set()
        self._file: IO[bytes] = path.open("wb")
        self._file.write(head + b"".join(self._known))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def has(self, entry: Entry) -> bool:
        return line_of(entry) in self._known

    def add(self, entry: Entry) -> None:
        if not self.has(entry):
            self._known.add(line_of(entry))
            self._file.write(line_of(entry))
            self._file.flush()


def line_of(entry: Entry) -> bytes:
    text = f"{entry.store}/{entry.key} {entry.size} {entry.sha256}"
    return blake2b(text.encode(), digest_size=16).hexdigest().encode() + b"\n"


def is_right(entry: Entry, reading: Reading) -> bool:
    """By its bytes, not by its size."""
    store = get_store(entry.store)
    tally = Tally(size=entry.size, sha256=entry.sha256)
    try:
        for _ in reading(tally.through(sets.stored_chunks(store, entry.key))):
            pass
        tally.verify()
    except WRONG:
        return False
    return True


def bring(entry: Entry, pool: sets.Pool, of: str, reading: Reading, spoil: Spoil) -> bool:
    """Whether the right bytes are here now: from the pool of this target, else of any other."""
    if pool.has(entry.sha256, entry.size):
        chunks = reading(pool.chunks(entry.sha256))
        try:
            get_store(entry.store).put(entry.key, chunks, size=entry.size, sha256=entry.sha256)
        except WRONG as error:
            logger.warning("%s (%s) is damaged in the pool: %s", entry.key, entry.pool, error)
        else:
            return True
    spoil(of, entry)
    return any(is_brought_from(name, entry, spoil) for name in targets.named())


def is_brought_from(name: str, entry: Entry, spoil: Spoil) -> bool:
    try:
        return mending.brought_from(name, entry.store, entry.key, entry.size, entry.sha256)
    except StoreFullError:
        raise
    except (BackupError, StoreError, OSError) as error:
        logger.warning("the target %s cannot help: %s", name, error)
        if isinstance(error, ROTTEN):
            spoil(name, entry)
        return False
