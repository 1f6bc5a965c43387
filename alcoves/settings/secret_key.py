"""The signing secret of an embedded install: made at first start, kept in a file only the owner can read."""

import os
import secrets
from pathlib import Path

from alcoves.env import BadVariableError
from alcoves.settings.weak import SHORTEST_SECRET


def get(data_path: Path) -> str:
    """The secret of this data folder; creates it when there is none. Two first starts agree on one."""
    path = data_path / "secret_key"
    if not path.exists():
        create(path)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadVariableError(
            f"The secret in {path} cannot be read ({error}): correct its owner, or put it back from a backup."
        ) from error
    if len(secret) < SHORTEST_SECRET:
        raise BadVariableError(
            f"The secret in {path} is {'cut short' if secret else 'empty'}: put the file back from a backup, "
            "or delete it and a new one is made (people must then log in again)."
        )
    return secret


def create(path: Path) -> None:
    """On the disk, whole, before it has its name: a power cut leaves none or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"secret_key.{os.getpid()}")
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(staged)
    except FileExistsError:
        pass  # Another process was first; its secret is the one.
    finally:
        staged.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Names are kept by the folder, which has to reach the disk as well."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
