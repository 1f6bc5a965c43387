"""Blobs as files under one folder: the default store.

Every write goes to `.staging` first, is synced, and gets its name by one rename (or one link where the
name must be free), so a reader or a power cut finds the old blob or the whole new one.
"""

import contextlib
import io
import os
import re
import shutil
import stat as modes
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from storage import disk, keys
from storage.base import CHUNK_SIZE, Assembly, BlobStat, Chunks, SignedPut
from storage.errors import (
    BlobExistsError,
    BlobNotFoundError,
    InvalidKeyError,
    RangeError,
    SizeMismatchError,
    StoreFullError,
)
from storage.signing import Secret, TokenUrls
from storage.streams import Tally, confirm_size, surviving

STAGING: Final = ".staging"
_LOOK_EVERY: Final = 64 * 1024 * 1024
_ID = re.compile(r"[0-9a-f]{32}")


class LocalStore:
    """A folder. `min_free_bytes` is the reserve that writing leaves free on its disk.

    `sync=False` skips fsync: for blobs that can be made again, such as cached images.
    """

    def __init__(
        self,
        name: str,
        *,
        root: str | os.PathLike[str],
        secret: Secret,
        url_base: str = "/api/files",
        min_free_bytes: int = 0,
        file_mode: int = 0o600,
        dir_mode: int = 0o700,
        sync: bool = True,
    ) -> None:
        if not Path(root).is_absolute():
            raise ValueError("root must be an absolute path")
        self.name = name
        self.root = Path(os.path.realpath(root))
        self.min_free_bytes = min_free_bytes
        self._file_mode = file_mode
        self._dir_mode = dir_mode
        self._sync = sync
        self._urls = TokenUrls(name, url_base, secret)

    def __repr__(self) -> str:
        return f"<LocalStore {self.name}: {self.root}>"

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
        path = self._path(key)
        if if_absent and path.is_file():
            raise BlobExistsError(f"{key} is already in the store {self.name}.")
        self._require_room(size or 0)
        tally = Tally(size=size, sha256=sha256)
        with self._staged() as (staged, fd):
            self._write(fd, tally.through(chunks))
            tally.verify()
            return self._publish(fd, staged, key, tally.sha256, if_absent=if_absent)

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> AbstractContextManager[BinaryIO]:
        fd = self._open_fd(key)
        try:
            size = os.fstat(fd).st_size
            if start < 0 or start > size:
                raise RangeError(f"{key} has {size} bytes; the range begins at {start}.")
            stop = size if end is None else min(size, max(start, end))
            return io.BufferedReader(_Slice(fd, start, stop, self.name, key), CHUNK_SIZE)
        except BaseException:
            os.close(fd)
            raise

    def stat(self, key: str) -> BlobStat:
        path = self._path(key)
        with disk.reading(self.name, key):
            found = path.lstat()
        if not modes.S_ISREG(found.st_mode):
            raise BlobNotFoundError(f"There is no {key} in the store {self.name}.")
        return _blob_stat(key, found)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with disk.translated(self.name, key):
            disk.remove(path, self.root)

    def copy(self, source: str, target: str) -> BlobStat:
        self._path(target)
        fd = self._open_fd(source)
        try:
            self._require_room(os.fstat(fd).st_size)
            with self._staged() as (staged, copy):
                with disk.translated(self.name, target):
                    disk.clone(fd, copy)
                return self._publish(copy, staged, target, None)
        finally:
            os.close(fd)

    def iterate(self, prefix: str = "", *, after: str = "") -> Iterator[BlobStat]:
        with disk.translated(self.name, "its folder"):
            for key, found in disk.walk(self.root, "", prefix, after):
                yield _blob_stat(key, found)

    def signed_get_url(
        self, key: str, *, expires: timedelta, filename: str | None = None, content_type: str | None = None
    ) -> str:
        return self._urls.get(keys.check(key), expires, filename, content_type)

    def signed_put_url(
        self, key: str, *, expires: timedelta, size: int, content_type: str, sha256: str | None = None
    ) -> SignedPut:
        return self._urls.put(keys.check(key), expires, size, content_type, sha256)

    def local_path(self, key: str) -> Path | None:
        path = self._path(key)
        return path if path.is_file() else None

    def check(self) -> None:
        self._require_room(0)
        with self._staged() as (_, fd), disk.translated(self.name, "its folder"):
            disk.write_all(fd, b"alcoves")

    def free_bytes(self) -> int | None:
        with disk.translated(self.name, "its folder"):
            self._make_staging()
            return shutil.disk_usage(self.root).free

    def begin(self, key: str, *, content_type: str = "application/octet-stream") -> Assembly:
        self._path(key)
        name = uuid.uuid4().hex
        with disk.translated(self.name, key):
            self._make_staging()
            os.close(self._create(self._part(name)))
            if self._sync:
                disk.sync_folder(self.root / STAGING)
        return {"key": key, "id": name, "content_type": content_type}

    def append(self, assembly: Assembly, offset: int, chunks: Chunks) -> tuple[Assembly, int]:
        fd = self._open_part(assembly)
        try:
            have = os.fstat(fd).st_size
            if not 0 <= offset <= have:
                raise SizeMismatchError(f"The upload has {have} bytes; it cannot go on at {offset}.")
            self._require_room(0)
            with disk.translated(self.name, "an upload"):
                os.truncate(fd, offset)
                os.lseek(fd, offset, os.SEEK_SET)
            kept = self._write(fd, surviving(chunks))
            with disk.translated(self.name, "an upload"):
                os.fdatasync(fd)
        finally:
            os.close(fd)
        return dict(assembly), kept

    def finish(self, assembly: Assembly, *, size: int) -> BlobStat:
        key = keys.check(assembly["key"])
        try:
            fd = self._open_part(assembly)
        except BlobNotFoundError:
            return confirm_size(self.stat(key), size)
        try:
            have = os.fstat(fd).st_size
            if have != size:
                raise SizeMismatchError(f"The upload has {have} bytes where {size} were declared.")
            return self._publish(fd, self._part(assembly["id"]), key, None)
        finally:
            os.close(fd)

    def abort(self, assembly: Assembly) -> None:
        with disk.translated(self.name, "an upload"):
            self._part(assembly["id"]).unlink(missing_ok=True)

    def sweep_staging(self, older_than: timedelta) -> int:
        limit = time.time() - older_than.total_seconds()
        swept = 0
        with disk.translated(self.name, "its folder"):
            for path in self._make_staging().iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.lstat().st_mtime < limit:
                        path.unlink()
                        swept += 1
        return swept

    def _path(self, key: str) -> Path:
        """The file of a key, proven to lie under the root with no link on the way."""
        path = self.root / keys.check(key)
        if os.path.realpath(path) != str(path):
            raise InvalidKeyError(
                f"{key} passes through a symbolic link; the store {self.name} follows none."
            )
        return path

    def _part(self, name: str) -> Path:
        if not _ID.fullmatch(name):
            raise BlobNotFoundError("This is no upload that was begun here.")
        return self.root / STAGING / f"{name}.part"

    def _open_part(self, assembly: Assembly) -> int:
        part = self._part(assembly["id"])
        try:
            with disk.translated(self.name, "an upload"):
                return os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except BlobNotFoundError:
            raise BlobNotFoundError("This upload is no longer there; begin it again.") from None

    def _open_fd(self, key: str) -> int:
        path = self._path(key)
        with disk.reading(self.name, key):
            # Without O_NONBLOCK a pipe that somebody put here would hold us for ever.
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        if not modes.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BlobNotFoundError(f"There is no {key} in the store {self.name}.")
        return fd

    def _make_staging(self) -> Path:
        staging = self.root / STAGING
        if not staging.is_dir():
            self.root.mkdir(self._dir_mode, parents=True, exist_ok=True)
            disk.make_folders(staging, self.root, self._dir_mode, sync=self._sync)
        return staging

    def _create(self, path: Path) -> int:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, self._file_mode)
        os.fchmod(fd, self._file_mode)  # The umask has no say in it.
        return fd

    @contextlib.contextmanager
    def _staged(self) -> Iterator[tuple[Path, int]]:
        """A new file outside of all keys; gone at the end unless it was published."""
        with disk.translated(self.name, "its folder"):
            path = self._make_staging() / f"{uuid.uuid4().hex}.new"
            fd = self._create(path)
        try:
            yield path, fd
        finally:
            os.close(fd)
            with contextlib.suppress(OSError):
                path.unlink()

    def _write(self, fd: int, chunks: Chunks) -> int:
        """Errors of the disk are translated; errors of the caller's `chunks` pass as they are."""
        written, looked = 0, 0
        for chunk in chunks:
            with disk.translated(self.name, "a new file"):
                disk.write_all(fd, chunk)
            written += len(chunk)
            if written - looked >= _LOOK_EVERY:
                looked = written
                self._require_room(0)
        return written

    def _publish(
        self, fd: int, staged: Path, key: str, sha256: str | None, *, if_absent: bool = False
    ) -> BlobStat:
        target = self._path(key)
        with disk.translated(self.name, key):
            if self._sync:
                os.fsync(fd)
            disk.publish(staged, target, self.root, self._dir_mode, if_absent=if_absent, sync=self._sync)
            return _blob_stat(key, os.fstat(fd), sha256)

    def _require_room(self, size: int) -> None:
        if not (self.min_free_bytes or size):
            return
        free = self.free_bytes() or 0
        if free - size < self.min_free_bytes:
            raise StoreFullError(
                f"The disk of the store {self.name} has {free} bytes free and keeps {self.min_free_bytes} "
                "in reserve; make room and try again."
            )


class _Slice(io.RawIOBase):
    """The bytes of an open file from `start` to `stop`; owns the descriptor."""

    def __init__(self, fd: int, start: int, stop: int, store: str, key: str) -> None:
        self._fd, self._at, self._stop, self._store, self._key = fd, start, stop, store, key

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._stop - self._at)
        with disk.reading(self._store, self._key):
            got = os.preadv(self._fd, [memoryview(buffer)[:wanted]], self._at)
        self._at += got
        return got

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def _blob_stat(key: str, found: os.stat_result, sha256: str | None = None) -> BlobStat:
    etag = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
    return BlobStat(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC), etag, sha256)
