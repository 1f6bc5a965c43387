"""What nobody needs any more in a target: sets beyond those to keep, folders without backup.json, blobs of no set."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from alcoves.backup import sets
from alcoves.backup.models import NONE, Backup
from alcoves.backup.sealing import Plain
from alcoves.backup.sets import Head
from alcoves.backup.targets import Target
from media import live
from storage.base import BlobStore

logger = logging.getLogger(__name__)
YOUNG: Final = timedelta(days=2)
"""Blobs that no set names are kept so long: what a killed backup had sent serves the next one."""
ABANDONED: Final = timedelta(days=1)


def clean(store: BlobStore, *, keep: str) -> int:
    """Folders that never became sets. One that is written to now is young, or is that of the caller."""
    gone = 0
    for name, whole in list(sets.names(store)):
        if whole or name == keep:
            continue
        keys = list(store.iterate(sets.folder_of(name)))
        ours = Backup.objects.filter(name=name).exclude(state__in=("queued", "running")).exists()
        if not ours and any(stat.modified_at > timezone.now() - ABANDONED for stat in keys):
            continue
        for stat in keys:
            store.delete(stat.key)
        gone += 1
    store.sweep_staging(ABANDONED)
    return gone


def to_keep(made: Iterable[tuple[str, datetime]], days: int, weeks: int) -> set[str]:
    """The last of each of so many days and of so many weeks that have one. The newest is always among them."""
    newest = sorted(made, key=lambda one: one[1], reverse=True)
    by_day: dict[str, str] = {}
    by_week: dict[str, str] = {}
    for name, at in newest:
        by_day.setdefault(f"{at:%Y-%m-%d}", name)
        by_week.setdefault(f"{at:%G-%V}", name)
    return {*list(by_day.values())[: max(1, days)], *list(by_week.values())[:weeks]}


def prune(
    target: Target, seal: Plain, *, days: int | None = None, tick: Callable[[], None] = lambda: None
) -> list[str]:
    """Removes sets beyond those to keep, then blobs that none of the others names. Names of the sets that went."""
    store = target.store
    found = sets.heads(store)
    whole = {head.name for head in found} | {name for name, is_set in sets.names(store) if is_set}
    keep = to_keep(
        [(head.name, head.made) for head in found],
        int(live.value("BACKUP_KEEP")) if days is None else days,
        int(live.value("BACKUP_KEEP_WEEKLY")) if days is None else 0,
    )
    # The last that carries blobs, lacks none and was not found damaged stays, whatever came after it.
    damaged = set(Backup.objects.exclude(damaged_at=None).values_list("name", flat=True))
    good = [
        head for head in found if head.blobs != NONE and not head.missing_count and head.name not in damaged
    ]
    keep |= {good[-1].name} if good else set()
    gone = [head.name for head in found if head.name not in keep]
    for name in gone:
        forget(store, name)
        tick()
    left = [head for head in found if head.name in keep]
    if {head.name for head in left} == whole - set(gone):
        drop_blobs(store, left, seal, tick)
    else:
        logger.warning(
            "blobs of %s are kept: a set there cannot be read, so nobody knows what it names", target
        )
    return gone


def forget(store: BlobStore, name: str) -> None:
    """backup.json first: from then on it is no set."""
    store.delete(f"{sets.folder_of(name)}{sets.HEAD}")
    for stat in list(store.iterate(sets.folder_of(name))):
        store.delete(stat.key)
    Backup.objects.filter(name=name).update(pruned_at=timezone.now())
    logger.info("backup %s was removed: newer ones are kept", name)


def drop_blobs(store: BlobStore, heads: list[Head], seal: Plain, tick: Callable[[], None]) -> int:
    """Those that no set names and that have lain for a while. Of the other kind of pool nothing is touched."""
    named: set[str] = set()
    for head in heads:
        if head.encrypted != seal.encrypted:
            continue
        for entry in sets.entries(store, head, seal):
            named.add(entry.pool)
            tick()
    gone = 0
    before = timezone.now() - YOUNG
    for stat in store.iterate(sets.POOL):
        tick()
        rest = stat.key.removeprefix(sets.POOL)
        of_this_kind = rest.endswith(".age") == seal.encrypted
        if of_this_kind and rest not in named and stat.modified_at < before:
            store.delete(stat.key)
            gone += 1
    return gone
