"""What nobody needs any more in a target: sets beyond those to keep, folders without backup.json, blobs of no set."""

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from alcoves.backup import checking, database, sets, underway
from alcoves.backup.errors import DamagedError, LostError
from alcoves.backup.models import NONE, Backup, Installation
from alcoves.backup.sealing import Plain
from alcoves.backup.sets import Entry, Head
from alcoves.backup.targets import Target
from media import audit, live
from media.audit import Actor
from storage.base import BlobStore

logger = logging.getLogger(__name__)
YOUNG: Final = timedelta(days=2)
"""Blobs that no set names are kept so long: what a killed backup had sent serves the next one."""
ABANDONED: Final = timedelta(days=1)
AT_ONCE: Final = 100
"""Blobs that go between two looks at who names them."""
HEADLESS: Final = (
    f"{sets.HEAD} of the set {{}} is missing. Its parts can be read by hand, as docs/backup.md says; they stay until a "
    "newer set is whole. Make a backup."
)
Tick = Callable[[], None]


def nothing() -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Keep:
    """How many days are kept, without weeks, and who says so; else what the settings say. And what became of it."""

    days: int | None = None
    by: Actor = audit.SYSTEM
    gone: list[str] = field(default_factory=list)
    trouble: str = ""


def clean(target: Target, *, keep: str) -> int:
    """Folders that never became sets. One that is written to now is young, or is that of the caller.

    One that was a set is told of, and stays: see `superseded`.
    """
    gone = 0
    store = target.store
    lost = {row.name for row in tell_of_headless(target)}
    for name, whole in list(sets.names(store)):
        if whole or name == keep or name in lost:
            continue
        keys = list(store.iterate(sets.folder_of(name)))
        known = Backup.objects.filter(name=name, target__in=target.called)
        ours = known.exclude(state__in=("queued", "running")).exists()
        if not ours and any(stat.modified_at > timezone.now() - ABANDONED for stat in keys):
            continue
        for stat in keys:
            store.delete(stat.key)
        gone += 1
    store.sweep_staging(ABANDONED)
    return gone


def headless(target: Target) -> list[Backup]:
    """Sets of ours that were made to the end, and of which all but backup.json lies there."""
    bare = [name for name, whole in sets.names(target.store) if not whole]
    return list(Backup.objects.standing().filter(target__in=target.called, name__in=bare))


def tell_of_headless(target: Target) -> list[Backup]:
    found = headless(target)
    for row in found:
        if row.damaged_at is None:
            checking.record(row.name, target.name, HEADLESS.format(row.name))
    return found


def to_keep(
    made: Iterable[tuple[str, datetime]], days: int, weeks: int, *better: Collection[str]
) -> set[str]:
    """The last of each of so many days and of so many weeks that have one. The newest is always among them.

    Of such a day or week the last of each kind that is better stays as well.
    """
    newest = sorted(made, key=lambda one: one[1], reverse=True)
    kept: set[str] = set()
    for form, count in (("%Y-%m-%d", max(1, days)), ("%G-%V", weeks)):
        spans = list(dict.fromkeys(f"{at:{form}}" for _, at in newest))[:count]
        for kind in ([name for name, _ in newest], *better):
            last: dict[str, str] = {}
            for name, at in newest:
                if name in kind:
                    last.setdefault(f"{at:{form}}", name)
            kept |= {last[span] for span in spans if span in last}
    return kept


def names_to_keep(ours: list[Head], days: int, weeks: int) -> set[str]:
    """Also the newest that carries blobs, and the newest that is whole, whatever came after it."""
    dated = [head for head in ours if not head.is_ahead]
    damaged = known_damaged()
    carrying = [head.name for head in dated if head.blobs != NONE]
    lacking = {head.name for head in dated if head.missing_count}
    whole = [name for name in carrying if name not in lacking | damaged]
    kept = to_keep([(head.name, head.made) for head in dated], days, weeks, carrying, whole)
    return kept | {*carrying[-1:], *whole[-1:]} | {head.name for head in ours if head.is_ahead}


def known_damaged() -> set[str]:
    return set(Backup.objects.exclude(damaged_at=None).values_list("name", flat=True))


def prune(
    target: Target, seal: Plain, *, days: int | None = None, by: Actor = audit.SYSTEM, tick: Tick = nothing
) -> list[str]:
    """Removes our sets beyond those to keep, then blobs that no set names. Names of the sets that went.

    Those of another installation that sends to the same target are its own affair. Call it while a backup of ours
    runs that begins nothing more, so that no other begins.
    """
    found, left_out = sets.read_all(target.store)
    for name, error in left_out.items():
        if isinstance(error, DamagedError):
            checking.record(name, target.name, str(error))
    tell_of_gone(target)
    ours = [head for head in found if is_ours(head)]
    weeks = int(live.value("BACKUP_KEEP_WEEKLY")) if days is None else 0
    kept = names_to_keep(ours, int(live.value("BACKUP_KEEP")) if days is None else days, weeks)
    gone: list[str] = []
    for name in [head.name for head in ours if head.name not in kept] + superseded(target, ours):
        # A restore may begin meanwhile: of its set nothing goes.
        if name != underway.set_name() and not is_restored_elsewhere():
            remove(target, name, by=by)
            gone.append(name)
        tick()
    if left_out:
        logger.warning(
            "blobs of %s are kept: a set there cannot be read, so nobody knows what it names", target
        )
    else:
        drop_unnamed(target, seal, tick)
    return gone


def is_restored_elsewhere() -> bool:
    """Another machine restores into our database, or looks whether it can: nobody here knows which set it reads."""
    if underway.set_name():
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND (classid::bigint << 32) | objid::bigint = hashtext(%s)::bigint)",
            [database.ALONE],
        )
        return bool(cursor.fetchone()[0])


def is_ours(head: Head) -> bool:
    """By what the database says of itself. Sets from before it did are told by their address."""
    if head.owner:
        return head.owner == str(Installation.objects.name_here())
    return head.installation in {"", settings.PUBLIC_URL}


def tell_of_gone(target: Target) -> None:
    """Rows that say of a set that it is there, and nothing of it is: somebody tidied the folder."""
    here = [name for name, _ in sets.names(target.store)]
    rows = Backup.objects.standing().order_by().filter(target__in=target.called).exclude(name__in=here)
    if count := rows.update(pruned_at=timezone.now()):
        logger.warning("%s sets are no longer in %s", count, target)


def superseded(target: Target, ours: list[Head]) -> list[str]:
    """What lost its backup.json, and has a newer set that was not found damaged and lacks no more than it did."""
    damaged = known_damaged()
    whole = [head for head in ours if not head.is_ahead and head.name not in damaged]
    return [row.name for row in headless(target) if any(is_better(head, row) for head in whole)]


def is_better(head: Head, row: Backup) -> bool:
    carries = row.blobs == NONE or head.blobs != NONE
    return carries and head.made > row.created_at and head.missing_count <= row.missing


def remove(target: Target, name: str, *, by: Actor) -> None:
    """Its row and its entry first: wherever this breaks off, nobody relies on what is left."""
    rows = Backup.objects.filter(name=name, target__in=target.called)
    with audit.noting("backup.prune", by=by, target=rows.first()) as act:
        rows.update(pruned_at=timezone.now())
        act.count = 1
        act.text = f"Removed the set {name} from {target.name}: newer ones are kept."
    forget(target.store, name)
    logger.info("backup %s was removed: newer ones are kept", name)


def forget(store: BlobStore, name: str) -> None:
    """backup.json first: what is left without it is no set."""
    store.delete(f"{sets.folder_of(name)}{sets.HEAD}")
    for stat in list(store.iterate(sets.folder_of(name))):
        store.delete(stat.key)


def drop_unnamed(target: Target, seal: Plain, tick: Tick) -> int:
    """Blobs that no set names and that have lain for a while.

    A target that is sealed by now may have plain ones of before, which anybody can read: they go, too. Sealed ones
    are not touched without their key.
    """
    kinds = [seal, Plain()] if seal.encrypted else [seal]
    return sum(drop_blobs(target, kind, tick) for kind in kinds)


def drop_blobs(target: Target, seal: Plain, tick: Tick) -> int:
    """Of one kind of pool; none where a manifest of that kind cannot be read.

    Another installation may begin a backup meanwhile and count on what it saw here, so we look again and again.
    """
    named = Named(target, seal, tick)
    if not named.look():
        return 0
    gone = 0
    old = unnamed(named, timezone.now() - YOUNG)
    while batch := list(islice(old, AT_ONCE)):
        if not named.look():
            break
        for key in batch:
            tick()
            if not named.has(key):
                target.store.delete(key)
                gone += 1
    return gone


def unnamed(named: "Named", before: datetime) -> Iterable[str]:
    for stat in named.target.store.iterate(sets.POOL):
        named.tick()
        of_this_kind = stat.key.endswith(".age") == named.seal.encrypted
        if of_this_kind and stat.modified_at < before and not named.has(stat.key):
            yield stat.key


class Named:
    """What manifests of one kind name: those of sets, of what is written just now, and of what lost its backup.json."""

    def __init__(self, target: Target, seal: Plain, tick: Tick) -> None:
        self.target, self.seal, self.tick = target, seal, tick
        self._blobs: set[str] = set()
        self._read: set[tuple[str, str]] = set()

    def has(self, key: str) -> bool:
        return key.removeprefix(sets.POOL) in self._blobs

    def look(self) -> bool:
        """Reads what came since the last look. False where one cannot be read: nobody knows what it names."""
        there = {stat.key: stat.etag for stat in self.target.store.iterate(sets.SETS)}
        for name in dict.fromkeys(key.split("/")[1] for key in there):
            folder = sets.folder_of(name)
            key = f"{folder}{sets.MANIFEST}{self.seal.suffix}"
            if key not in there or (key, there[key]) in self._read:
                continue
            if not self._take(name, is_set=f"{folder}{sets.HEAD}" in there):
                return False
            self._read.add((key, there[key]))
        return True

    def _take(self, name: str, *, is_set: bool) -> bool:
        """What cannot be read is told of its set, and is no fault of the newest one."""
        try:
            for entry in self._entries(name, is_set=is_set):
                self._blobs.add(entry.pool)
                self.tick()
        except LostError:
            raise
        except checking.WRONG as error:
            logger.warning("blobs of %s are kept: %s cannot be read: %s", self.target, name, error)
            if is_set:
                checking.record(name, self.target.name, str(checking.damaged(name, sets.MANIFEST)))
            return False
        return True

    def _entries(self, name: str, *, is_set: bool) -> Iterable[Entry]:
        store = self.target.store
        if is_set:
            return sets.entries(store, sets.read_head(store, name), self.seal)
        return sets.bare_entries(store, name, self.seal)
