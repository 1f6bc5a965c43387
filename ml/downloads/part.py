"""The beginning of a file that is still on its way: `<name>.part`, and beside it what the server said of the whole.

Whoever writes holds a lock of the file, which the kernel frees when the process dies, however it dies. Pure.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from ml.downloads.contents import BLOCK, HEAD
from ml.downloads.errors import BusyError

BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
NOTE_LIMIT: Final = 4096


class Part:
    """What has come so far, its digest, and what is needed to ask for the rest."""

    def __init__(self, target: Path, descriptor: int) -> None:
        self.target = target
        self.path = part_of(target)
        self.position = 0
        self.head = b""
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._note: dict[str, Any] = {}

    @classmethod
    def resumed(cls, target: Path, descriptor: int) -> Self:
        """With the bytes of an earlier process, read once for their digest."""
        part = cls(target, descriptor)
        part._note = read_note(note_of(target))
        while block := os.pread(descriptor, BLOCK, part.position):
            part._count(block)
        return part

    def validator(self, url: str) -> str:
        """What the server called the version that has begun; empty where asking for the rest would not be safe.

        After the machine has gone down the last blocks may be holes, so then the file begins anew.
        """
        same = self._note.get("url") == url and self._note.get("boot") == boot()
        return str(self._note.get("validator", "")) if same and self.position else ""

    def same_version(self, validator: str) -> bool:
        """Whether an answer is of the version that has begun; a server that names none is believed."""
        return not validator or validator == self._note.get("validator", "")

    def whole(self, url: str) -> bool:
        """Everything came, and only the end was missed."""
        return bool(self.validator(url)) and self._note.get("total") == self.position

    def begin(self, url: str, validator: str, total: int | None) -> None:
        """From the first byte, of the version that the server tells of now."""
        os.ftruncate(self._descriptor, 0)
        self.position, self.head, self._digest = 0, b"", hashlib.sha256()
        self._note = {"url": url, "validator": validator, "total": total, "boot": boot()}
        note_of(self.target).write_text(json.dumps(self._note), encoding="utf-8")

    def discard(self) -> None:
        """Nothing of it is any good."""
        self.begin("", "", None)

    def write(self, block: bytes) -> None:
        left = memoryview(block)
        at = self.position
        while left:
            written = os.pwrite(self._descriptor, left, at)
            left, at = left[written:], at + written
        self._count(block)

    def digest(self) -> str:
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Onto the disk, then to its name in one step, so that nobody ever sees half a file."""
        os.fsync(self._descriptor)
        os.fchmod(self._descriptor, 0o644)
        self.path.replace(self.target)
        sync_folder(self.target.parent)
        note_of(self.target).unlink(missing_ok=True)

    def _count(self, block: bytes) -> None:
        self._digest.update(block)
        self.position += len(block)
        if len(self.head) < HEAD:
            self.head += block[: HEAD - len(self.head)]


@contextmanager
def opened(target: Path) -> Iterator[Part]:
    """The part of a file, ours alone until the block ends. BusyError where another process has it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = locked(part_of(target))
    try:
        yield Part.resumed(target, descriptor)
    finally:
        os.close(descriptor)


def locked(path: Path) -> int:
    """A descriptor of the file that bears this name while we hold its lock: it may have been renamed meanwhile."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise BusyError(f"Another process is downloading {path.stem}. Wait for it.") from error
        except FileNotFoundError:
            pass
        os.close(descriptor)


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def note_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part.json")


def read_note(path: Path) -> dict[str, Any]:
    """Empty where there is none, or where it was half written when the machine stopped."""
    with suppress(OSError, ValueError):
        note = json.loads(path.read_bytes()[:NOTE_LIMIT])
        if isinstance(note, dict):
            return note
    return {}


def boot() -> str:
    """Changes when the machine starts anew."""
    with suppress(OSError):
        return BOOT.read_text(encoding="ascii").strip()
    return ""


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
