"""Where the blobs of media lie, and the life of those that no row names. docs/storage-keys.md.

A key is registered before its first byte is written and leaves the register in the transaction that
names it; so whatever dies in between, the sweeper finds exactly what is left over. `media.orphans` looks for
what did not come about in this way.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from alcoves import metrics
from media.derivers.base import Output
from media.errors import InfrastructureError
from media.models import CachedImage, Derivative, Original, SweepHold, UnnamedBlob
from media.models import blob as register_of_blobs
from media.models.cached_image import CACHE
from storage.base import CHUNK_SIZE
from storage.errors import StoreError
from storage.registry import get_store

logger = logging.getLogger(__name__)
FILES = register_of_blobs.FILES
WRITING = timedelta(hours=24)
"""Longer than any single blob takes to be written and named."""
STORE_PAUSE = timedelta(minutes=10)
AT_ONCE = 4
"""Outputs of one run that are written side by side."""
FEW = 2
"""Outputs for which threads cost more than they save."""


def original_key(library_id: UUID, original_id: UUID) -> str:
    return f"{library_id}/{original_id}/blob"


def output_key(library_id: UUID, original_id: UUID, deriver: str, run: str, name: str) -> str:
    """A new key for each run, so that a reader of the old output never sees it change."""
    return f"{library_id}/{original_id}/{deriver}/{run}/{name}"


def chunks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while block := source.read(CHUNK_SIZE):
            yield block


def store_outputs(
    library_id: UUID, original_id: UUID, deriver: str, run: str, outputs: Iterable[Output]
) -> list[dict[str, Any]]:
    """Each output under a key nobody has used, registered before its first byte is written; as rows name them.

    Several are written side by side: a disk that is waited for takes them all with one turn, and a bucket answers each
    after the same while.
    """
    made = list({output.name: output for output in outputs}.values())
    if not made:
        return []
    keys = [output_key(library_id, original_id, deriver, run, output.name) for output in made]
    register(keys)
    if len(made) <= FEW:
        return list(map(store_output, made, keys))
    with ThreadPoolExecutor(AT_ONCE, "output") as threads:
        return list(threads.map(store_output, made, keys))


def store_output(output: Output, key: str) -> dict[str, Any]:
    stat = get_store(FILES).put(key, chunks_of(output.path), content_type=output.content_type)
    return {
        "name": output.name,
        "key": stat.key,
        "size": stat.size,
        "content_type": output.content_type,
        "sha256": stat.sha256,
    }


def register(keys: Iterable[str], *, due: timedelta = WRITING) -> None:
    """Enter keys that are about to be written."""
    UnnamedBlob.objects.register(keys, due=due)


def name(keys: Iterable[str]) -> None:
    """Take keys out of the register because a row names them from this transaction on."""
    wanted = set(keys)
    gone, _ = UnnamedBlob.objects.filter(key__in=wanted).delete()
    if gone != len(wanted):
        raise InfrastructureError(
            "The stored result was swept before it could be named; it will be made again.",
            code="swept_too_soon",
        )


def sweep(limit: int = 500) -> int:
    """Delete what is due; returns how many. One row a transaction: a naming that holds the row wins.

    A hold counts for keys that fall due after it: those listed here had no name before it was taken.
    """
    due = UnnamedBlob.objects.due().exclude(store__in=SweepHold.objects.held())
    rows = list(due.order_by("due_at")[:limit])
    spared = set().union(*(spare_named(store, rows) for store in NAMERS))
    swept = sum(sweep_one(row.pk) for row in rows if row.key not in spared)
    metrics.SWEPT.inc(swept)
    return swept


def spare_named(store: str, rows: list[UnnamedBlob]) -> set[str]:
    """What has a name after all leaves the register: a database or a row came back behind our back."""
    named = NAMERS[store](row.key for row in rows if row.store == store)
    if named:
        UnnamedBlob.objects.filter(store=store, key__in=named).delete()
        logger.error("named again, so not swept: %s", ", ".join(sorted(named)[:30]))
    return named


def find_named(keys: Iterable[str]) -> set[str]:
    """Those that an original or an output names, whatever the register says."""
    wanted = set(keys)
    if not wanted:
        return set()
    found = set(Original.objects.filter(key__in=wanted).values_list("key", flat=True))
    return found | named_by_outputs(wanted - found)


NAMERS: Final[dict[str, Callable[[Iterable[str]], set[str]]]] = {FILES: find_named}
"""By store: which of these keys a row names. Whoever keeps blobs in a store of their own enters theirs here."""


def named_by_outputs(wanted: set[str]) -> set[str]:
    """In a few queries: outputs lie in the folder of their original, with few exceptions."""
    found: set[str] = set()
    if owners := {owner for key in wanted if (owner := part_of(key, 1)) is not None}:
        found = wanted & keys_of(Derivative.objects.filter(original__in=owners))
    if libraries := {library for key in wanted - found if (library := part_of(key, 0)) is not None}:
        # What people had made of bytes hashed late lies in the folder of the original that was merged into another one.
        found |= wanted & keys_of(
            Derivative.objects.filter(original__library__in=libraries).exclude(variant="")
        )
    return found


def keys_of(rows: Any) -> set[str]:
    outputs = rows.values_list("outputs", flat=True)
    return {output["key"] for row in outputs.iterator() for output in row}


def part_of(key: str, place: int) -> UUID | None:
    """The library (0) or the original (1) in a key."""
    parts = key.split("/", 2)
    try:
        return UUID(parts[place]) if len(parts) == 3 else None
    except ValueError:
        return None


def is_cached_again(row: UnnamedBlob) -> bool:
    """Keys of the cache are used again: what was evicted may have been made anew in this very moment."""
    return row.store == CACHE and CachedImage.objects.filter(key=row.key).exists()


def sweep_one(key: UUID) -> bool:
    with transaction.atomic():
        row = UnnamedBlob.objects.select_for_update(skip_locked=True).due().filter(pk=key).first()
        if row is None:
            return False
        if is_cached_again(row):
            row.delete()
            return False
        try:
            get_store(row.store).delete(row.key)
        except StoreError as error:
            logger.warning("blob %s not swept: %s", row.key, error)
            UnnamedBlob.objects.filter(pk=key).update(due_at=Now() + STORE_PAUSE)
            return False
        watched = UnnamedBlob.objects.filter(pk=key, watched_until__gt=Now())
        if not watched.update(due_at=F("watched_until")):
            row.delete()
        return True
