"""The signing secret of an embedded install: made at first start, kept in a file only the owner can read."""

import os
import secrets
from pathlib import Path


def get(data_path: Path) -> str:
    """The secret of this data folder; creates it when there is none. Two first starts agree on one."""
    path = data_path / "secret_key"
    if not path.exists():
        create(path)
    return path.read_text(encoding="utf-8").strip()


def create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"secret_key.{os.getpid()}")
    staged.touch(mode=0o600)
    staged.write_text(secrets.token_urlsafe(48), encoding="utf-8")
    try:
        path.hardlink_to(staged)
    except FileExistsError:
        pass  # Another process was first; its secret is the one.
    finally:
        staged.unlink()
