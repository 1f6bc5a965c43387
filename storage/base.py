"""The one interface everything else speaks to: a few verbs over bytes by key.

Every backend passes the same conformance suite (tests/storage/conformance.py). Backends raise only
errors of `storage.errors`; whoever calls never sees a botocore or an OS exception.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

CHUNK_SIZE = 1024 * 1024
"""Bytes moved at once between a caller and a store."""

Chunks: TypeAlias = Iterable[bytes]
Assembly: TypeAlias = dict[str, Any]
"""JSON-able state of a blob that grows over several calls, possibly in several processes."""


@dataclass(frozen=True, slots=True)
class BlobStat:
    """What a store knows of one blob. `etag` is quoted by nobody; it changes when the bytes change."""

    key: str
    size: int
    modified_at: datetime
    etag: str
    sha256: str | None = None
    """Lower-case hex, where the store itself vouches for it (put with streaming, S3 checksum)."""


@dataclass(frozen=True, slots=True)
class SignedPut:
    """Where and how a client may put one blob without going through us."""

    url: str
    method: str = "PUT"
    headers: dict[str, str] = field(default_factory=dict)


class BlobStore(Protocol):
    """Bytes by key. Keys are validated by `storage.keys.check` before anything else happens."""

    name: str

    def put(
        self,
        key: str,
        chunks: Chunks,
        *,
        content_type: str = "application/octet-stream",
        size: int | None = None,
        sha256: str | None = None,
        if_absent: bool = False,
    ) -> BlobStat:
        """Stream `chunks` into `key`, atomically: readers see the old blob or the whole new one.

        Hashes while streaming; the returned stat carries the SHA-256. `size` and `sha256` are
        promises: SizeMismatchError or ChecksumMismatchError when broken, and then nothing is stored.
        """
        ...

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> AbstractContextManager[BinaryIO]:
        """A readable over bytes `start` up to and excluding `end` (None: to the last).

        Only `read` and `close` are promised; a store over the network cannot seek.
        BlobNotFoundError; RangeError when `start` lies beyond the size (start == size is empty).
        """
        ...

    def stat(self, key: str) -> BlobStat:
        """BlobNotFoundError when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Idempotent: deleting what is not there is no error."""
        ...

    def copy(self, source: str, target: str) -> BlobStat:
        """Copy inside the store, without the bytes passing through this process where possible."""
        ...

    def iterate(self, prefix: str = "", *, after: str = "") -> Iterator[BlobStat]:
        """Blobs whose key starts with `prefix` and sorts after `after`, in key order, lazily."""
        ...

    def signed_get_url(
        self, key: str, *, expires: timedelta, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """A URL that anyone may GET (with Range) until it expires; `filename` makes it a download."""
        ...

    def signed_put_url(
        self, key: str, *, expires: timedelta, size: int, content_type: str, sha256: str | None = None
    ) -> SignedPut:
        """Permission to PUT exactly `size` bytes of `content_type` (and this SHA-256, if given) to `key`.

        The client sends every header of the answer as it is. A key that is taken is refused, so the
        same permission cannot change the bytes again later.
        """
        ...

    def local_path(self, key: str) -> Path | None:
        """The file on this machine that holds the blob, or None where there is no such file."""
        ...

    def check(self) -> None:
        """Cheap proof that the store can be reached and written to; raises StoreError. For readiness."""
        ...

    def free_bytes(self) -> int | None:
        """Space left, None where the store has no such notion."""
        ...

    # A blob that grows over several requests (tus). The offset is the caller's truth: bytes beyond it
    # (of a request that died half-way) are overwritten. State is JSON and is kept by the caller.

    def begin(self, key: str, *, content_type: str = "application/octet-stream") -> Assembly:
        """Start a blob that will become `key`; nothing is visible under `key` until `finish`."""
        ...

    def append(self, assembly: Assembly, offset: int, chunks: Chunks) -> tuple[Assembly, int]:
        """Write `chunks` at `offset`; returns the new state and the number of bytes kept.

        An exception out of `chunks` itself (the client went away) does not lose what came before it:
        the bytes already read are kept and counted, and the exception is not re-raised.
        """
        ...

    def finish(self, assembly: Assembly, *, size: int) -> BlobStat:
        """Make the blob visible under its key. SizeMismatchError when it is not `size` bytes.

        Finishing again what was finished before (the caller died before its commit) gives the stat.
        """
        ...

    def abort(self, assembly: Assembly) -> None:
        """Forget the blob and free its bytes. Idempotent."""
        ...

    def sweep_staging(self, older_than: timedelta) -> int:
        """Free unfinished writes and assemblies not touched for so long; returns how many.

        Choose a time beyond the life of any upload: an assembly that is swept cannot go on.
        """
        ...
