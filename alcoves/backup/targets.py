"""Where backups go: a folder or a bucket, spoken to as every other store of blobs.

ALCOVES_BACKUP_TARGETS gives names to them. The console and the schedule take names only: whoever may start a backup
there shall not choose any folder of the machine.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from alcoves.backup import sets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup
from alcoves.wording import counted, were
from media import live
from storage import registry
from storage.base import BlobStore

LOCAL: Final = "local"
S3: Final = "s3://"
MARK: Final = "alcoves-target"
"""A file in every target that was written to: a disk that is not mounted does not have it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One place with its store. `name` is what a person calls it."""

    name: str
    address: str
    store: BlobStore

    @property
    def called(self) -> set[str]:
        """What rows may call it: one that was given by its address may have a name since."""
        return {self.name, self.address}

    def __str__(self) -> str:
        return self.name if self.name == self.address else f"{self.name} ({self.address})"


def named() -> dict[str, str]:
    """Names and addresses of the environment, and `local`, which is always there."""
    found = {LOCAL: str(settings.BACKUP_PATH)}
    for entry in settings.BACKUP_TARGETS:
        name, mark, address = entry.partition("=")
        if not mark or not name.strip() or not address.strip():
            raise BackupError(
                "ALCOVES_BACKUP_TARGETS cannot be read: write name=/folder or name=s3://bucket/prefix, with commas."
            )
        found[name.strip()] = address.strip()
    return found


def get(text: str = "") -> Target:
    """By name or, from a command line, by address. Without a text: the one of the settings."""
    wanted = text.strip() or str(live.value("BACKUP_TARGET")) or LOCAL
    known = named()
    wanted = name_of(wanted, known)
    address = known.get(wanted, wanted)
    if address.startswith(S3):
        return Target(wanted, address, bucket(address))
    if not Path(address).expanduser().is_absolute():
        raise BackupError(
            f"There is no backup target named {wanted}: name one of {', '.join(known)}, a folder by its whole path, "
            "or s3://bucket/prefix."
        )
    folder = Path(address).expanduser()
    refuse_stores(folder)
    made = store("storage.local.LocalStore", root=folder, secret=settings.SECRET_KEY)
    return Target(wanted, address, made)


def name_of(wanted: str, known: dict[str, str]) -> str:
    """An address that has a name is that target: what is known of its sets and blobs is known by its name."""
    if wanted in known:
        return wanted
    return next((name for name, address in known.items() if trimmed(address) == trimmed(wanted)), wanted)


def trimmed(address: str) -> str:
    return address.rstrip("/") if address.startswith(S3) else os.path.normpath(Path(address).expanduser())


def is_same(one: str, other: str) -> bool:
    """Two names, or a name and an address, of one place."""
    known = named()
    return name_of(one, known) == name_of(other, known)


def by_name(name: str) -> Target:
    """For the console and the schedule. Without a name: the one of the settings, which has to be a name, too."""
    wanted = name.strip() or str(live.value("BACKUP_TARGET")).strip() or LOCAL
    if wanted not in named():
        raise BackupError(f"There is no backup target named {wanted}: add it to ALCOVES_BACKUP_TARGETS.")
    return get(wanted)


def why_not(name: str) -> str:
    """Why a target cannot be used, as the settings name it; empty where nothing speaks against it."""
    try:
        by_name(name.strip() or LOCAL)
    except BackupError as error:
        return str(error)
    return ""


def folders() -> dict[str, Path]:
    """Of the targets with a name, those on disks of this machine."""
    try:
        known = named()
    except BackupError:
        return {LOCAL: Path(settings.BACKUP_PATH)}
    return {name: Path(address).expanduser() for name, address in known.items() if not address.startswith(S3)}


def refuse_unmounted(target: Target) -> None:
    """A target that is empty, although sets were sent to it, is the folder below a disk that is not there."""
    here = (key for where in (MARK, sets.SETS) for key in target.store.iterate(where))
    if next(here, None) is not None:
        return
    if count := Backup.objects.standing().filter(target__in=target.called).count():
        raise BackupError(
            f"{target} is empty, though {counted(count, 'set')} {were(count)} sent to it: mount its disk. If it is a "
            f"new one, make a file named {MARK} in it."
        )


def mark(target: Target) -> None:
    if next(iter(target.store.iterate(MARK)), None) is None:
        target.store.put(MARK, [b"Backups of Alcoves go here.\n"])


def refuse_stores(folder: Path) -> None:
    """A backup inside of what it copies would be swept, or copied by the next."""
    for name, about in settings.BLOB_STORES.items():
        root = about.get("OPTIONS", {}).get("root")
        if root is not None and folder.resolve().is_relative_to(Path(root).resolve()):
            raise BackupError(f"{folder} lies in the store {name}: choose a folder outside of it.")


def bucket(address: str) -> BlobStore:
    name, _, prefix = address.removeprefix(S3).partition("/")
    if not name:
        raise BackupError(f"{address} names no bucket: write s3://bucket/prefix.")
    return store("storage.s3.S3Store", **{**settings.BACKUP_S3_OPTIONS, "bucket": name, "prefix": prefix})


def store(backend: str, **options: Any) -> BlobStore:
    return registry.build("backup", {"BACKEND": backend, "OPTIONS": options})
