"""The machine and its servers: Postgres, Redis, ffmpeg, stores, and room on the disks."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings

from alcoves import health
from alcoves.alerts.rules.base import Severity, Trouble, page
from alcoves.alerts.rules.kept import Timely
from media import live
from media import scratch as scratches
from media.errors import MediaError
from media.tools import ffmpeg
from storage.errors import StoreError
from storage.registry import get_store, store_names

GIGABYTE = 1024**3
FEW_NAMES = 5
"""Percent of the names (inodes) of a disk that are left."""
SCRATCH_PERCENT = 5
DISK_SECONDS: Final = 3.0


def parts() -> Iterator[Trouble]:
    """What /readyz asks: every server and store answers."""
    for name, told in health.readiness.report().items():
        if not told["ok"]:
            yield Trouble(f"part:{name}", Severity.CRITICAL, str(told["message"]), page("doctor"))


def places() -> dict[str, Path]:
    """What we write to on this machine, by name. Folders that are not there yet are named by the one above them."""
    found = {
        "data": Path(settings.DATA_PATH),
        "scratch": Path(settings.SCRATCH_PATH),
        "models": Path(settings.MODELS_PATH),
    }
    for name in store_names():
        try:
            root: Any = getattr(get_store(name), "root", None)
        except StoreError:
            continue
        if root is not None:
            found[f"store {name}"] = Path(root)
    backup: Any = apps.get_app_config("backup")
    found |= {f"backups {name}": folder for name, folder in backup.folders_of_targets().items()}
    return {name: existing(path) for name, path in found.items()}


def existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


@dataclass(frozen=True, slots=True)
class Disk:
    """Places that lie on one disk fill up together, and are told together."""

    places: tuple[str, ...]
    path: Path
    free: int
    total: int
    names: int
    """Files that may be there at all; 0 where a disk does not say."""
    names_free: int


def take_disks() -> list[Disk]:
    found: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for name, path in places().items():
        found[path.stat().st_dev].append((name, path))
    return [measured(tuple(name for name, _ in members), members[0][1]) for members in found.values()]


def measured(names: tuple[str, ...], path: Path) -> Disk:
    about = os.statvfs(path)
    return Disk(
        places=names,
        path=path,
        free=about.f_bavail * about.f_frsize,
        total=about.f_blocks * about.f_frsize,
        names=about.f_files,
        names_free=about.f_favail,
    )


all_disks = Timely(take_disks, DISK_SECONDS)


def disks() -> Iterator[Trouble]:
    """Room for bytes, and for names."""
    try:
        found = all_disks.get()
    except TimeoutError:
        sentence = (
            f"The disks did not say within {DISK_SECONDS:g} seconds how full they are: one of them hangs. "
            "Look at mounts of the network."
        )
        yield Trouble("disk:hangs", Severity.CRITICAL, sentence, page("doctor"))
        return
    for disk in found:
        yield from full(disk)


def full(disk: Disk) -> Iterator[Trouble]:
    names, key = ", ".join(disk.places), disk.places[0].replace(" ", "-")
    if disk.total and disk.free * 100 < live.value("ALERT_DISK_PERCENT") * disk.total:
        hardly = disk.free < settings.STORE_RESERVE_BYTES + GIGABYTE
        yield Trouble(
            f"disk:{key}",
            Severity.CRITICAL if hardly else Severity.WARNING,
            f"The disk of {names} has {disk.free / GIGABYTE:.1f} GB of {disk.total / GIGABYTE:.0f} GB left. "
            + ("New work is refused soon: make room now." if hardly else "Make room, or give it more."),
            page("doctor"),
        )
    if disk.names and disk.names_free * 100 < FEW_NAMES * disk.names:
        yield Trouble(
            f"inodes:{key}",
            Severity.CRITICAL,
            f"The disk of {names} has room for {disk.names_free} more files only (inodes). Remove small files.",
            page("doctor"),
        )


@dataclass(frozen=True, slots=True)
class Scratch:
    """Room for runs: what is free, less what is promised to others and the reserve."""

    where: Path
    free: int
    total: int
    promised: int
    reserve: int

    @property
    def room(self) -> int:
        return self.free - self.promised - self.reserve


def take_scratch() -> Scratch:
    root = Path(settings.SCRATCH_PATH)
    outstanding = 0
    if root.is_dir():
        with scratches.deciding(root):
            outstanding = scratches.promised_to_others(root, "")
    disk = measured(("scratch",), existing(root))
    return Scratch(disk.path, disk.free, disk.total, outstanding, settings.STORE_RESERVE_BYTES)


the_scratch = Timely(take_scratch, DISK_SECONDS)


def tools() -> Iterator[Trouble]:
    """What this ffmpeg cannot do. That there is none is told by the parts."""
    try:
        found = ffmpeg.capabilities()
    except MediaError:
        return
    if found.lacks:
        yield Trouble(
            "ffmpeg",
            Severity.WARNING,
            f"ffmpeg {found.version} lacks {', '.join(found.lacks)}: what needs them is made in a plainer way. "
            "Name a fuller one in ALCOVES_FFMPEG_BINARY, or use the one that comes along.",
            page("doctor"),
        )


def scratch() -> Iterator[Trouble]:
    """What is promised to runs and the reserve leave no room: the next run waits."""
    try:
        told = the_scratch.get()
    except TimeoutError:
        return  # The disks tell of it.
    if told.room < SCRATCH_PERCENT / 100 * min(told.total, 20 * GIGABYTE):
        none = told.room <= 0
        yield Trouble(
            "scratch",
            Severity.CRITICAL if none else Severity.WARNING,
            f"Scratch has {told.free >> 20} MB free, of which {told.promised >> 20} MB are promised to runs and "
            f"{told.reserve >> 20} MB kept in reserve: {'work waits for' if none else 'there is little'} room. "
            f"Make room in {told.where}.",
            page("doctor"),
        )
