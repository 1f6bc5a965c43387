"""Folders and disks: what must be written can be written, there is room, and secrets are nobody else's to read."""

import os
import resource
import secrets
import stat
import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.conf import settings

from alcoves import env
from alcoves.alerts.rules import machine
from alcoves.doctor.findings import Finding, failure, ok, told, warning
from alcoves.wording import counted
from storage.errors import StoreError
from storage.registry import get_store, store_names

PROBE: Final = b"Alcoves looks whether it can write here."
FEWEST_FILES: Final = 1024
WITH_PASSWORDS: Final = frozenset({"DATABASE_URL", "REDIS_URL"})
GIVEN_TO_CONTAINERS: Final = Path("/run/secrets")
"""The engine shows them to one container, in which nobody else is; their modes are for all of its users."""
GROUP_AND_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def check_store(name: str) -> Iterator[Finding]:
    """Writes a blob, reads it back, deletes it."""
    key = f"doctor/{secrets.token_hex(16)}"
    try:
        store = get_store(name)
        store.put(key, [PROBE], size=len(PROBE))
        try:
            with store.open(key) as blob:
                same = blob.read() == PROBE
        finally:
            store.delete(key)
    except (StoreError, OSError) as error:
        yield failure(
            f"The store {name} cannot be used: {error}", "Correct its folder, its owner or its room."
        )
        return
    if not same:
        yield failure(
            f"The store {name} gives back other bytes than it was given.", "Do not use it; check its disk."
        )
        return
    yield ok(f"The store {name} takes, gives and deletes.")


def check_stores() -> Iterator[Finding]:
    for name in store_names():
        yield from check_store(name)


def check_folders() -> Iterator[Finding]:
    for name, path in (
        ("data", settings.DATA_PATH),
        ("scratch", settings.SCRATCH_PATH),
        ("models", settings.MODELS_PATH),
    ):
        yield written(name, Path(path))


def written(name: str, folder: Path) -> Finding:
    """The folder, or the one above it in which it would be made."""
    there = machine.existing(folder)
    probe = there / f".doctor-{secrets.token_hex(8)}"
    try:
        probe.write_bytes(PROBE)
        same = probe.read_bytes() == PROBE
        probe.unlink()
    except OSError as error:
        return failure(
            f"{folder} ({name}) cannot be written: {error.strerror}.", "Correct its owner, or make room."
        )
    return (
        ok(f"{folder} ({name}) is written.")
        if same
        else failure(f"{folder} gives other bytes.", "Check its disk.")
    )


def check_room() -> Iterator[Finding]:
    """The rules of alerts, and the room of each disk."""
    yield from map(told, [*machine.disks(), *machine.scratch()])
    with suppress(TimeoutError):
        for disk in machine.all_disks.get():
            yield ok(f"{', '.join(disk.places)}: {disk.free / machine.GIGABYTE:.1f} GB free.")


def check_limits() -> Iterator[Finding]:
    """Of open files; each request and each message takes some."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FEWEST_FILES:
        yield warning(f"Only {soft} files may be open (ulimit -n).", f"Raise it to {FEWEST_FILES} or more.")
    else:
        yield ok(f"{soft if soft != resource.RLIM_INFINITY else 'Any number of'} files may be open.")


def check_zones() -> Iterator[Finding]:
    try:
        offset = datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset()
        known = offset is not None and offset.total_seconds() == 7200
    except (zoneinfo.ZoneInfoNotFoundError, OSError):
        known = False
    if not known:
        yield failure("Time zones are not known here: times of photos come out wrong.", "Install tzdata.")
        return
    yield ok(f"Time zones are known; it is {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.")


def secret_files() -> Iterator[Path]:
    """What only its owner may read: the signing secret, files that variables name, what restores leave behind."""
    data, backups = Path(settings.DATA_PATH), Path(settings.BACKUP_PATH)
    yield from (data / "secret_key", data / "secret_key.before-restore", data / "run" / "embedded.json")
    yield from sorted(backups.glob("before-*.dump"))
    for name, value in sorted(os.environ.items()):
        if name.endswith("_FILE") and value and holds_secret(name.removesuffix("_FILE")):
            yield Path(value)


def holds_secret(variable: str) -> bool:
    """Ours are known; of others the name tells."""
    if env.KNOWN.get(variable) == "secret" or variable in WITH_PASSWORDS:
        return True
    return variable not in env.KNOWN and any(
        word in variable for word in ("SECRET", "PASSWORD", "PASSPHRASE", "TOKEN")
    )


def check_secrets_files() -> Iterator[Finding]:
    looked = 0
    for path in secret_files():
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        looked += 1
        if path.is_relative_to(GIVEN_TO_CONTAINERS):
            continue
        if mode & stat.S_IROTH:
            yield failure(f"Everybody on this machine can read {path}.", f"chmod 600 {path}")
        elif mode & GROUP_AND_OTHERS:
            yield warning(f"A group can read or write {path}.", f"chmod 600 {path}, unless that is meant so.")
    yield ok(f"{counted(looked, 'file')} with secrets looked at.")
