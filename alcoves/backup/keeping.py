"""Keeps the database that a restore is about to replace, as a dump in the folder of backups."""

import os
from collections.abc import Callable
from pathlib import Path

from alcoves.backup import database
from alcoves.backup.errors import BackupError


def dump_to(path: Path, tick: Callable[[], None]) -> None:
    """Whole or not at all, and readable by its owner alone. It stays until somebody deletes it."""
    staged = path.with_suffix(".new")
    try:
        write(staged, tick)
    except (BackupError, OSError) as error:
        staged.unlink(missing_ok=True)
        raise BackupError(
            f"The database that is here could not be kept first ({error}), so nothing was changed: make room in "
            f"{path.parent}, or empty the database yourself if nothing in it is to be kept."
        ) from error
    staged.replace(path)


def write(path: Path, tick: Callable[[], None]) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file, database.snapshot() as taken:
        for chunk in database.dumped(taken):
            file.write(chunk)
            tick()
        file.flush()
        os.fsync(file.fileno())
