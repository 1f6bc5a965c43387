"""The data folder, the private folder for sockets, and the lock against a second start on the same data."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from alcoves.embedded.errors import EmbeddedError

FIRST_FREE, LATER_FREE = 500 * 1024 * 1024, 50 * 1024 * 1024
"""Bytes that a first start needs, and one of an install whose disk was filled: there somebody comes to make room."""
SOCKET_PATH_LIMIT = 107
"""Bytes in a Unix socket's address, the closing zero included."""
LONGEST_SOCKET_NAME = len("/.s.PGSQL.5432.lock")


def prepare_data_folder(data: Path, *, minimum_free: int | None = None) -> None:
    """Make the data folder and its rooms, and refuse one that cannot work."""
    if minimum_free is None:
        minimum_free = LATER_FREE if (data / "postgres" / "PG_VERSION").exists() else FIRST_FREE
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for room in ("log", "run"):
            (data / room).mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {data} cannot be written ({error.strerror}): "
            "correct its owner, or name another folder in ALCOVES_DATA_PATH."
        ) from error
    free = shutil.disk_usage(data).free
    if free < minimum_free:
        raise EmbeddedError(
            f"Only {free // 1024**2} MB are free on the disk of {data}, and {minimum_free // 1024**2} MB "
            "are needed: make room, or name another folder in ALCOVES_DATA_PATH."
        )


def make_socket_folder(data: Path) -> Path:
    """A folder only this user can enter, the same at each start, with a path short enough for sockets."""
    for folder in usual_socket_folders(data):
        if _is_private(folder):
            return folder
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 -- mkdtemp makes a private folder in it.
        if len(os.fsencode(base)) + len("/alcoves-12345678") + LONGEST_SOCKET_NAME < SOCKET_PATH_LIMIT:
            return Path(tempfile.mkdtemp(prefix="alcoves-", dir=base))
    raise EmbeddedError(
        "No folder with a short enough path for sockets: set XDG_RUNTIME_DIR or TMPDIR to one."
    )


def usual_socket_folders(data: Path) -> list[Path]:
    """The names to try, which depend on the data folder only: what a killed start left is used again."""
    key = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
    found = [base / f"alcoves-{os.geteuid()}-{key}" for base in _runtime_folders()]
    return [each for each in found if len(os.fsencode(each)) + LONGEST_SOCKET_NAME < SOCKET_PATH_LIMIT]


def _runtime_folders() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and os.access(runtime, os.W_OK):
        yield Path(runtime)
    yield Path(tempfile.gettempdir())


def _is_private(folder: Path) -> bool:
    """Make `folder` if needed; False when somebody else was there first or could look in."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700
    )


@contextlib.contextmanager
def hold(data: Path) -> Iterator[None]:
    """Hold the data folder for this process; the lock ends with the process, however it ends."""
    path = data / "run" / "runner.lock"
    handle = _lock(path)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        # The file goes while it is still locked, and whoever waits for it looks again (see _lock).
        path.unlink(missing_ok=True)
        os.close(handle)


def _lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise EmbeddedError(
                f"Alcoves already runs on {path.parents[1]} (process {holder}): "
                "use that one, stop it, or name another folder in ALCOVES_DATA_PATH."
            ) from None
        if path.exists() and path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
        os.close(handle)
