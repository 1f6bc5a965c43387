"""A stream becomes a blob: counted, hashed and looked at in one pass, in constant memory.

The key is registered first; what breaks on the way is due for the sweeper at once and nothing is named.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

from django.db import DatabaseError, transaction

from alcoves import metrics
from media import blobs, intake
from media.intake import Admitted, Place, Stored
from media.models import Library, uuid7
from media.models.blob import FILES
from media.sniffing import HEAD, TAIL, Sniffed, sniff
from media.uploads.errors import EmptyFileError
from media.uploads.places import settled
from media.uploads.room import Ceiling, get_ceiling
from storage.base import BlobStore
from storage.registry import get_store

EMPTY_MESSAGE = "This file is empty, so there is nothing to keep. Choose another."


class Glance:
    """Looks at a stream as it passes: its size, its first and last bytes; stops it at the ceiling."""

    def __init__(self, ceiling: Ceiling) -> None:
        self.size = 0
        self._ceiling = ceiling
        self._head = bytearray()
        self._tail = b""

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.size += len(chunk)
            self._ceiling.require(self.size)
            if len(self._head) < HEAD:
                self._head += chunk[: HEAD - len(self._head)]
            self._tail = (self._tail + chunk[-TAIL:])[-TAIL:]
            yield chunk

    def sniffed(self) -> Sniffed:
        return sniff(bytes(self._head), self.size, self._tail)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A registered key that waits for its bytes."""

    original_id: UUID
    key: str
    ceiling: Ceiling


def reserve(
    library: Library, *, size: int | None = None, taken: int = 0, besides: Collection[UUID] = ()
) -> Reservation:
    """Refuses what can be refused before the first byte, then registers a key."""
    ceiling = get_ceiling(library, taken=taken, besides=besides)
    ceiling.require(size if size is not None else 1)
    if size == 0:
        raise EmptyFileError(EMPTY_MESSAGE)
    original_id = uuid7()
    key = blobs.original_key(library.pk, original_id)
    blobs.register([key])
    return Reservation(original_id, key, ceiling)


def write(
    reservation: Reservation, chunks: Iterable[bytes], *, size: int | None = None, sha256: str | None = None
) -> Stored:
    """Stream into the store. Touches no database, so that it may run beside the request's own thread."""
    glance = Glance(reservation.ceiling)
    stat = get_store(FILES).put(reservation.key, glance.through(chunks), size=size, sha256=sha256)
    if stat.size == 0:
        raise EmptyFileError(EMPTY_MESSAGE)
    return Stored(reservation.original_id, reservation.key, stat.size, stat.sha256, glance.sniffed())


def receive(
    library: Library,
    chunks: Iterable[bytes],
    *,
    size: int | None = None,
    sha256: str | None = None,
    besides: Collection[UUID] = (),
) -> Stored:
    """All of a stream into the store. `size` and `sha256` are promises that the store keeps us to."""
    reservation = reserve(library, size=size, besides=besides)
    try:
        return write(reservation, chunks, size=size, sha256=sha256)
    except BaseException:
        doom([reservation.key])
        raise


def admit(stored: Stored, place: Place, *, way: str) -> Admitted:
    """`intake.admit`, counted; what is refused is due for the sweeper at once."""
    try:
        with transaction.atomic():
            admitted = intake.admit(stored, settled(place))
    except BaseException:
        doom([stored.key])
        metrics.UPLOADS.labels(way, "refused").inc()
        raise
    count(way, admitted, stored.size)
    return admitted


def count(way: str, admitted: Admitted, size: int) -> None:
    metrics.UPLOADS.labels(way, "duplicate" if admitted.duplicate else "new").inc()
    metrics.UPLOAD_BYTES.labels(way).inc(size)


def doom(keys: Iterable[str], *, due: timedelta = timedelta(0)) -> None:
    """The sweeper takes these next. Where the database is away, their first entry runs out by itself."""
    with contextlib.suppress(DatabaseError):
        blobs.register(keys, due=due)


def sniff_stored(store: BlobStore, key: str, size: int) -> Sniffed:
    """The type of a blob that was not seen passing: two small reads."""
    with store.open(key, end=HEAD) as reader:
        head = read_all(reader, HEAD)
    with store.open(key, start=max(0, size - TAIL)) as reader:
        return sniff(head, size, read_all(reader, TAIL))


def read_all(reader: BinaryIO, size: int) -> bytes:
    """`size` bytes, or what there is; a reader over the network may give less at a time."""
    pieces = b""
    while len(pieces) < size and (piece := reader.read(size - len(pieces))):
        pieces += piece
    return pieces
