"""The machine and its servers: Postgres, Redis, ffmpeg, stores, and room on the disks."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from alcoves import health
from alcoves.alerts.rules.base import Severity, Trouble, page
from media import live
from media import scratch as scratches
from storage.errors import StoreError
from storage.registry import get_store, store_names

GIGABYTE = 1024**3
FEW_NAMES = 5
"""Percent of the names (inodes) of a disk that are left."""
SCRATCH_PERCENT = 5


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
    return {name: existing(path) for name, path in found.items()}


def existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def by_disk() -> dict[int, list[tuple[str, Path]]]:
    """Places that lie on one disk fill up together, and are told together."""
    disks: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for name, path in places().items():
        disks[path.stat().st_dev].append((name, path))
    return disks


def disks() -> Iterator[Trouble]:
    """Room for bytes, and for names."""
    for members in by_disk().values():
        about = os.statvfs(members[0][1])
        free, total = about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize
        names = ", ".join(name for name, _ in members)
        key = members[0][0].replace(" ", "-")
        if total and free * 100 < live.value("ALERT_DISK_PERCENT") * total:
            full = free < settings.STORE_RESERVE_BYTES + GIGABYTE
            yield Trouble(
                f"disk:{key}",
                Severity.CRITICAL if full else Severity.WARNING,
                f"The disk of {names} has {free / GIGABYTE:.1f} GB of {total / GIGABYTE:.0f} GB left. "
                + ("New work is refused soon: make room now." if full else "Make room, or give it more."),
                page("doctor"),
            )
        if about.f_files and about.f_favail * 100 < FEW_NAMES * about.f_files:
            yield Trouble(
                f"inodes:{key}",
                Severity.CRITICAL,
                f"The disk of {names} has room for {about.f_favail} more files only (inodes). Remove small files.",
                page("doctor"),
            )


def promised() -> dict[str, int]:
    """Bytes in scratch that runs have been promised and not written yet."""
    root = Path(settings.SCRATCH_PATH)
    if not root.is_dir():
        return {"promised": 0, "reserve": settings.STORE_RESERVE_BYTES}
    with scratches.deciding(root):
        outstanding = scratches.promised_to_others(root, "")
    return {"promised": outstanding, "reserve": settings.STORE_RESERVE_BYTES}


def scratch() -> Iterator[Trouble]:
    """What is promised to runs and the reserve leave no room: the next run waits."""
    told = promised()
    where = places()["scratch"]
    about = os.statvfs(where)
    free, total = about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize
    room = free - told["promised"] - told["reserve"]
    if room < SCRATCH_PERCENT / 100 * min(total, 20 * GIGABYTE):
        yield Trouble(
            "scratch",
            Severity.CRITICAL if room <= 0 else Severity.WARNING,
            f"Scratch has {free >> 20} MB free, of which {told['promised'] >> 20} MB are promised to runs and "
            f"{told['reserve'] >> 20} MB kept in reserve: {'work waits for' if room <= 0 else 'there is little'} room. "
            f"Make room in {where}.",
            page("doctor"),
        )
