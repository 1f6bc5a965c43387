"""What nobody needs any more in a target: sets beyond those to keep, folders without backup.json, blobs of no set."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from alcoves.backup import checking, sets, underway
from alcoves.backup.errors import LostError
from alcoves.backup.models import NONE, Backup, Installation, State
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
    """Removes our sets beyond those to keep, then blobs that no set names. Names of the sets that went.

    Those of another installation that sends to the same target are its own affair.
    """
    store = target.store
    found = sets.heads(store)
    whole = {head.name for head in found} | {name for name, is_set in sets.names(store) if is_set}
    tell_of_gone(target, whole)
    ours = [head for head in found if is_ours(head)]
    keep = to_keep(
        [(head.name, head.made) for head in ours if not head.is_ahead],
        int(live.value("BACKUP_KEEP")) if days is None else days,
        int(live.value("BACKUP_KEEP_WEEKLY")) if days is None else 0,
    )
    # The last that carries blobs, lacks none and was not found damaged stays, whatever came after it.
    damaged = set(Backup.objects.exclude(damaged_at=None).values_list("name", flat=True))
    good = [
        head for head in ours if head.blobs != NONE and not head.missing_count and head.name not in damaged
    ]
    keep |= {good[-1].name} if good else set()
    keep |= {head.name for head in ours if head.is_ahead}
    gone = []
    for head in ours:
        # A restore may begin meanwhile: of its set nothing goes.
        if head.name not in keep and head.name != underway.set_name():
            forget(store, head.name)
            gone.append(head.name)
        tick()
    left = [head for head in found if head.name not in gone]
    if {head.name for head in left} == whole - set(gone):
        drop_unnamed(target, left, seal, tick)
    else:
        logger.warning(
            "blobs of %s are kept: a set there cannot be read, so nobody knows what it names", target
        )
    return gone


def is_ours(head: Head) -> bool:
    """By what the database says of itself. Sets from before it did are told by their address."""
    if head.owner:
        return head.owner == str(Installation.objects.name_here())
    return head.installation in {"", settings.PUBLIC_URL}


def tell_of_gone(target: Target, whole: set[str]) -> None:
    """Rows that say of a set that it is there, and it is not: a removal broke off, or somebody tidied the folder."""
    rows = Backup.objects.filter(target=target.name, state=State.DONE, pruned_at=None).exclude(name__in=whole)
    if count := rows.update(pruned_at=timezone.now()):
        logger.warning("%s sets are no longer in %s", count, target)


def forget(store: BlobStore, name: str) -> None:
    """Its row first, then backup.json: wherever this breaks off, nobody relies on what is left."""
    Backup.objects.filter(name=name).update(pruned_at=timezone.now())
    store.delete(f"{sets.folder_of(name)}{sets.HEAD}")
    for stat in list(store.iterate(sets.folder_of(name))):
        store.delete(stat.key)
    logger.info("backup %s was removed: newer ones are kept", name)


def drop_unnamed(target: Target, heads: list[Head], seal: Plain, tick: Callable[[], None]) -> int:
    """Blobs that no set names and that have lain for a while.

    A target that is sealed by now may have plain ones of before, which anybody can read: they go, too. Sealed ones
    are not touched without their key.
    """
    kinds = [seal, Plain()] if seal.encrypted else [seal]
    return sum(drop_blobs(target, heads, kind, tick) for kind in kinds)


def drop_blobs(target: Target, heads: list[Head], seal: Plain, tick: Callable[[], None]) -> int:
    """Of one kind of pool; none where a set of that kind cannot be read."""
    named = named_by(target, heads, seal, tick)
    if named is None:
        return 0
    gone = 0
    before = timezone.now() - YOUNG
    for stat in target.store.iterate(sets.POOL):
        tick()
        rest = stat.key.removeprefix(sets.POOL)
        of_this_kind = rest.endswith(".age") == seal.encrypted
        if of_this_kind and rest not in named and stat.modified_at < before:
            target.store.delete(stat.key)
            gone += 1
    return gone


def named_by(target: Target, heads: list[Head], seal: Plain, tick: Callable[[], None]) -> set[str] | None:
    """None where a manifest cannot be read. That is told of its set, and is no fault of the newest one."""
    named: set[str] = set()
    for head in heads:
        if head.encrypted != seal.encrypted:
            continue
        try:
            for entry in sets.entries(target.store, head, seal):
                named.add(entry.pool)
                tick()
        except LostError:
            raise
        except checking.WRONG as error:
            logger.warning("blobs of %s are kept: %s cannot be read: %s", target, head.name, error)
            checking.record(head.name, target.name, str(checking.damaged(head.name, sets.MANIFEST)))
            return None
    return named
