"""Encryption of a target: age, streaming, nothing whole in memory.

A target has one X25519 identity. It lies in the target as `identity.age`, encrypted by the passphrase; everything else
is encrypted to it. So the passphrase can be changed without a touch to the rest, and the plain `age` tool reads
everything: docs/backup.md. The name of a blob in the pool is a keyed digest: who sees the target learns from its names
neither what is in it nor whether a certain file is.
"""

import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import pyrage

from alcoves.backup.errors import BackupError
from storage.base import BlobStore
from storage.errors import BlobExistsError, BlobNotFoundError

IDENTITY: Final = "identity.age"
BLOCK: Final = 256 * 1024
STREAM_BLOCK: Final = 64 * 1024
TAG: Final = 16
HEADER_LEAST: Final = 100
HEADER_MOST: Final = 4096
"""Bytes that age writes before the content; a part of them is random."""


class Plain:
    """No encryption: a pool named by plain digests."""

    suffix = ""
    encrypted = False

    def wrap(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        return iter(chunks)

    def unwrap(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        return iter(chunks)

    def name_of(self, sha256: str) -> str:
        return sha256

    def fits(self, size: int, stored: int) -> bool:
        return size == stored


class Sealed(Plain):
    """Everything to and from one identity."""

    suffix = ".age"
    encrypted = True

    def __init__(self, identity: Any) -> None:
        self._identity = identity
        self._recipient = identity.to_public()
        self._key = hashlib.sha256(b"alcoves pool names\0" + str(identity).encode()).digest()

    def wrap(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        source = Reader(chunks)
        return piped(lambda out: pyrage.encrypt_io(source, out, [self._recipient]), source)

    def unwrap(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        source = Reader(chunks)
        return piped(lambda out: pyrage.decrypt_io(source, out, [self._identity]), source)

    def name_of(self, sha256: str) -> str:
        return hmac.new(self._key, bytes.fromhex(sha256), hashlib.sha256).hexdigest()

    def fits(self, size: int, stored: int) -> bool:
        """Whether a stored blob can be the encryption of so many bytes."""
        blocks = max(1, -(-size // STREAM_BLOCK))
        header = stored - size - blocks * TAG
        return HEADER_LEAST <= header <= HEADER_MOST


class Reader:
    """Chunks as a file to read from. Keeps what the chunks raise, which the library turns into a text."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.trouble: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            try:
                block = next(self._chunks, None)
            except Exception as error:
                self.trouble = error
                raise
            if block is None:
                return b""
            self._rest = memoryview(block)
        count = len(self._rest) if size < 0 else min(size, len(self._rest))
        taken, self._rest = bytes(self._rest[:count]), self._rest[count:]
        return taken


def piped(work: Callable[[Any], None], source: Reader) -> Iterator[bytes]:
    """What `work` writes, as it is written. It has a thread of its own, which ends when nobody reads any more."""
    reading, writing = os.pipe()
    troubles: list[Exception] = []

    def write() -> None:
        try:
            with os.fdopen(writing, "wb", BLOCK) as out:
                work(out)
        except Exception as error:  # noqa: BLE001  Whoever reads is told.
            troubles.append(error)

    thread = threading.Thread(target=write, name="sealing", daemon=True)
    thread.start()
    try:
        with os.fdopen(reading, "rb", 0) as pipe:
            while block := pipe.read(BLOCK):
                yield block
    finally:
        thread.join()
    if source.trouble is not None:
        raise source.trouble
    if troubles:
        raise BackupError(
            "An encrypted part is damaged or was made for another key: it cannot be opened."
        ) from troubles[0]


def find(store: BlobStore, passphrase: str) -> Plain | None:
    """The seal of a target that has been written to before. None where it is new, or was never encrypted."""
    try:
        with store.open(IDENTITY) as file:
            locked = file.read(64 * 1024)
    except BlobNotFoundError:
        return None
    if not passphrase:
        raise BackupError("This target is encrypted: give its passphrase in ALCOVES_BACKUP_PASSPHRASE.")
    return Sealed(unlock(locked, passphrase))


@lru_cache(maxsize=4)
def unlock(locked: bytes, passphrase: str) -> Any:
    """The identity. It takes seconds on purpose, so a process keeps it."""
    try:
        text = pyrage.passphrase.decrypt(locked, passphrase).decode()
        return pyrage.x25519.Identity.from_str(text.strip())
    except pyrage.DecryptError:
        raise BackupError(
            "The passphrase does not open this target: check ALCOVES_BACKUP_PASSPHRASE."
        ) from None
    except (pyrage.IdentityError, ValueError):
        raise BackupError(
            f"{IDENTITY} in the target is damaged: bring back a copy of it, for nothing can be read without it."
        ) from None


def refuse_lost(store: BlobStore, *, everywhere: bool) -> None:
    """A new key would open nothing of what the old one has locked, and its copy nothing of what comes."""
    for where in ("sets/", "pool/") if everywhere else ("sets/",):
        if any(stat.key.endswith(Sealed.suffix) for stat in store.iterate(where)):
            raise BackupError(
                f"{IDENTITY} is missing in the target, though {where} has encrypted parts: bring back your copy of it. "
                "If there is none, nobody can read them any more: move sets/ and pool/ away, then try again."
            )


def make(store: BlobStore, passphrase: str) -> Plain:
    """The seal of a target for writing: its own, else a new one, else none where there is no passphrase."""
    known = find(store, passphrase)
    if known is not None:
        return known
    refuse_lost(store, everywhere=bool(passphrase))
    if not passphrase:
        return Plain()
    identity = pyrage.x25519.Identity.generate()
    locked = pyrage.passphrase.encrypt(f"{identity}\n".encode(), passphrase)
    try:
        store.put(IDENTITY, [locked], size=len(locked), if_absent=True)
    except BlobExistsError:
        return make(store, passphrase)  # Another one was first; its identity is the one.
    return Sealed(identity)
