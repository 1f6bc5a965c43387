"""Room in scratch, promised to a run before it starts: runs side by side never fill the disk under one another.

    <run>.room    how many bytes a run may still need in its folder <run>; locked as long as its process lives

Everybody on this machine who reserves takes the lock of the scratch folder, adds up what is promised to others and not
written yet, and looks whether the disk has room for that and for itself above the reserve. The kernel frees the locks
of a process that dies, so what was promised to it counts no more.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from django.conf import settings

from media.errors import InfrastructureError

SUFFIX: Final = ".room"


class Room:
    """What one run may write. It may ask for more while it runs."""

    def __init__(self, folder: Path, held: int) -> None:
        self.folder = folder
        self._held = held
        self._promised = 0

    def need(self, more: int) -> None:
        """Raises InfrastructureError `scratch_full` where that does not fit; then nothing has changed."""
        with deciding(self.folder.parent) as root:
            outstanding = max(0, self._promised - written(self.folder)) + promised_to_others(
                root, self.folder.name
            )
            needed = outstanding + more + settings.STORE_RESERVE_BYTES
            free = shutil.disk_usage(root).free
            if free < needed:
                raise InfrastructureError(
                    f"The scratch disk has {free >> 20} MB free and this work needs {needed >> 20} MB. Make room.",
                    code="scratch_full",
                    detail=f"{more} for this run, {outstanding} promised, the rest is kept in reserve",
                )
            self._promised += more
            os.pwrite(self._held, f"{self._promised}\n".encode(), 0)


@contextmanager
def reserved(folder: Path, size: int) -> Iterator[Room]:
    """Room for `size` bytes in `folder` until the block ends. The folder need not be there."""
    root = folder.parent
    root.mkdir(parents=True, mode=0o700, exist_ok=True)
    with deciding(root):
        held = os.open(
            root / (folder.name + SUFFIX), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        room = Room(folder, held)
        room.need(size)
        yield room
    finally:
        # Before the lock goes, or another process might take the name for that of a dead one.
        with suppress(FileNotFoundError):
            (root / (folder.name + SUFFIX)).unlink()
        os.close(held)


@contextmanager
def deciding(root: Path) -> Iterator[Path]:
    """One process at a time."""
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root
    finally:
        os.close(lock)


def promised_to_others(root: Path, own: str) -> int:
    """What living processes may still write. What the dead have left is removed."""
    total = 0
    for path in root.glob(f"*{SUFFIX}"):
        if path.stem == own:
            continue
        with suppress(FileNotFoundError):
            total += outstanding_of(path)
    return total


def outstanding_of(path: Path) -> int:
    found = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        promised = int(os.pread(found, 32, 0).split(b"\n")[0] or 0)
        return max(0, promised - written(path.with_suffix("")))
    else:
        path.unlink()
        return 0
    finally:
        os.close(found)


def written(folder: Path) -> int:
    """Bytes on the disk that lie in a run's folder now."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total
