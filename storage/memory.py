"""Blobs in this process's memory: for tests and for trying things out. Gone when the process ends."""

import io
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from storage import keys
from storage.base import Assembly, BlobStat, Chunks, SignedPut
from storage.errors import BlobExistsError, BlobNotFoundError, RangeError, SizeMismatchError
from storage.signing import Secret, TokenUrls
from storage.streams import Tally, confirm_size, surviving


class MemoryStore:
    """A dictionary that keeps every promise of `BlobStore`."""

    def __init__(self, name: str, *, url_base: str = "/api/files", secret: Secret | None = None) -> None:
        self.name = name
        self._urls = TokenUrls(name, url_base, secret or secrets.token_urlsafe(32))
        self._lock = threading.Lock()
        self._blobs: dict[str, tuple[BlobStat, bytes]] = {}
        self._growing: dict[str, bytearray] = {}
        self._begun: dict[str, datetime] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore {self.name}>"

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
        keys.check(key)
        tally = Tally(size=size, sha256=sha256)
        data = b"".join(tally.through(chunks))
        tally.verify()
        return self._store(key, data, tally.sha256, if_absent=if_absent)

    def _store(self, key: str, data: bytes, sha256: str | None, *, if_absent: bool = False) -> BlobStat:
        stat = BlobStat(key, len(data), datetime.now(UTC), uuid.uuid4().hex, sha256)
        with self._lock:
            if if_absent and key in self._blobs:
                raise BlobExistsError(f"{key} is already in the store {self.name}.")
            self._blobs[key] = (stat, data)
        return stat

    def _find(self, key: str) -> tuple[BlobStat, bytes]:
        keys.check(key)
        with self._lock:
            found = self._blobs.get(key)
        if found is None:
            raise BlobNotFoundError(f"There is no {key} in the store {self.name}.")
        return found

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> AbstractContextManager[BinaryIO]:
        _, data = self._find(key)
        if start < 0 or start > len(data):
            raise RangeError(f"{key} has {len(data)} bytes; the range begins at {start}.")
        return io.BytesIO(data[start : len(data) if end is None else max(start, end)])

    def stat(self, key: str) -> BlobStat:
        return self._find(key)[0]

    def delete(self, key: str) -> None:
        keys.check(key)
        with self._lock:
            self._blobs.pop(key, None)

    def copy(self, source: str, target: str) -> BlobStat:
        keys.check(target)
        stat, data = self._find(source)
        return self._store(target, data, stat.sha256)

    def iterate(self, prefix: str = "", *, after: str = "") -> Iterator[BlobStat]:
        with self._lock:
            names = sorted(key for key in self._blobs if key.startswith(prefix) and key > after)
        for key in names:
            found = self._blobs.get(key)
            if found is not None:
                yield found[0]

    def signed_get_url(
        self, key: str, *, expires: timedelta, filename: str | None = None, content_type: str | None = None
    ) -> str:
        return self._urls.get(keys.check(key), expires, filename, content_type)

    def signed_put_url(
        self, key: str, *, expires: timedelta, size: int, content_type: str, sha256: str | None = None
    ) -> SignedPut:
        return self._urls.put(keys.check(key), expires, size, content_type, sha256)

    def local_path(self, key: str) -> Path | None:
        keys.check(key)
        return None

    def check(self) -> None:
        """Memory is always there."""

    def free_bytes(self) -> int | None:
        return None

    def begin(self, key: str, *, content_type: str = "application/octet-stream") -> Assembly:
        state: Assembly = {"key": keys.check(key), "id": uuid.uuid4().hex, "content_type": content_type}
        with self._lock:
            self._growing[state["id"]] = bytearray()
            self._begun[state["id"]] = datetime.now(UTC)
        return state

    def append(self, assembly: Assembly, offset: int, chunks: Chunks) -> tuple[Assembly, int]:
        growing = self._grown(assembly)
        if not 0 <= offset <= len(growing):
            raise SizeMismatchError(f"The upload has {len(growing)} bytes; it cannot go on at {offset}.")
        del growing[offset:]
        for chunk in surviving(chunks):
            growing += chunk
        return dict(assembly), len(growing) - offset

    def finish(self, assembly: Assembly, *, size: int) -> BlobStat:
        try:
            growing = self._grown(assembly)
        except BlobNotFoundError:
            return confirm_size(self.stat(assembly["key"]), size)
        if len(growing) != size:
            raise SizeMismatchError(f"The upload has {len(growing)} bytes where {size} were declared.")
        stat = self._store(assembly["key"], bytes(growing), None)
        self.abort(assembly)
        return stat

    def abort(self, assembly: Assembly) -> None:
        with self._lock:
            self._growing.pop(assembly["id"], None)
            self._begun.pop(assembly["id"], None)

    def sweep_staging(self, older_than: timedelta) -> int:
        limit = datetime.now(UTC) - older_than
        with self._lock:
            old = [name for name, begun in self._begun.items() if begun < limit]
            for name in old:
                del self._growing[name], self._begun[name]
        return len(old)

    def _grown(self, assembly: Assembly) -> bytearray:
        with self._lock:
            growing = self._growing.get(assembly["id"])
        if growing is None:
            raise BlobNotFoundError("This upload is no longer there; begin it again.")
        return growing
