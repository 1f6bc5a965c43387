"""Pictures that were made and are kept in the `cache` store: looked up, put in, taken out, and when they were used.

The row comes first, then the blob, then the row's size. So nothing lies in the store that no row knows, and a row
without a size is only a picture that has to be made. A blob that lost its row is in the register of unnamed blobs.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from media.images import variants
from media.images.recipes import Recipe
from media.models import CachedImage, UnnamedBlob, uuid7
from media.models.cached_image import CACHE
from media.pictures import Picture
from storage.errors import BlobNotFoundError, StoreError
from storage.local import LocalStore
from storage.registry import get_store

logger = logging.getLogger(__name__)
FREE = "derived/"
"""How keys of free sizes begin."""
NOTED_SECONDS, NOTED_MOST = 3600.0, 50_000
FLUSH_SECONDS = 60.0

ENTER = """
WITH lazy AS (SELECT set_config('synchronous_commit', 'off', true) AS said),
entered AS (
    INSERT INTO media_cachedimage (id, created_at, updated_at, original_id, key, size, variants_version, used_at)
    SELECT %(id)s, now(), now(), original.id, %(key)s, 0, %(version)s, now()
    FROM media_original AS original, lazy
    WHERE original.id = %(original)s AND original.held_at IS NULL AND lazy.said = 'off'
    FOR SHARE OF original
    ON CONFLICT (key) DO UPDATE SET original_id = excluded.original_id,
        variants_version = excluded.variants_version, used_at = excluded.used_at, updated_at = excluded.updated_at
    RETURNING id
),
freed AS (
    DELETE FROM media_unnamedblob WHERE store = %(store)s AND key = %(key)s AND EXISTS (SELECT FROM entered)
)
SELECT id FROM entered
"""
"""One round trip, and no waiting for the disk: a row that a crash takes is a picture that is made again. The original
is locked against its purge, and against being set aside, until the row is there; where it is gone or set aside, nothing
is entered. The key leaves the register
of unnamed blobs: whoever sweeps it at this moment is waited for."""

MEASURE = """
WITH lazy AS (SELECT set_config('synchronous_commit', 'off', true) AS said)
UPDATE media_cachedimage SET size = %(size)s, updated_at = now() FROM lazy
WHERE id = %(id)s AND key = %(key)s AND lazy.said = 'off'
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture in the cache."""

    key: str
    size: int
    modified_at: datetime


def find(key: str) -> Kept | None:
    """On a local disk by one look at the file; in a store over the network by its row."""
    store = get_store(CACHE)
    if isinstance(store, LocalStore):
        try:
            found = store.stat(key)
        except BlobNotFoundError:
            return None
        # A power cut may leave a name without its bytes: the cache does not wait for the disk.
        return Kept(key, found.size, found.modified_at) if found.size else None
    row = CachedImage.objects.filter(key=key, size__gt=0).values_list("size", "updated_at").first()
    return Kept(key, *row) if row is not None else None


def there(keys: Collection[str]) -> set[str]:
    """Which of them `find` would find; one query where the store is far away."""
    if isinstance(get_store(CACHE), LocalStore):
        return {key for key in keys if find(key) is not None}
    return set(CachedImage.objects.filter(key__in=keys, size__gt=0).values_list("key", flat=True))


def keep(picture: Picture, recipe: Recipe, content: bytes) -> Kept | None:
    """Put it in. None when the original was deleted meanwhile: then nothing stays. Raises StoreError."""
    key = picture.cache_key(recipe)
    row = enter(key, picture, recipe)
    if row is None:
        return None
    stat = get_store(CACHE).put(key, [content], content_type=recipe.content_type, size=len(content))
    with connection.cursor() as cursor:
        cursor.execute(MEASURE, {"id": row, "key": key, "size": stat.size})
        still_named = bool(cursor.rowcount)
    if not still_named:
        # Purged, evicted or set aside while it was written, so its sweep may have come before the bytes.
        UnnamedBlob.objects.retire([key], store=CACHE)
        remove([key])
        return None
    return Kept(key, stat.size, stat.modified_at)


def enter(key: str, picture: Picture, recipe: Recipe) -> UUID | None:
    """The row, before its blob; None when the original is gone."""
    about: dict[str, Any] = {
        "id": uuid7(),
        "key": key,
        "original": picture.original_id,
        "version": variants.VARIANTS_VERSION if picture.is_registered(recipe) else 0,
        "store": CACHE,
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute(ENTER, about)
            found = cursor.fetchone()
    except IntegrityError:
        return None  # Deleted between the look and the entry.
    return found[0] if found is not None else None


def discard(rows: Iterable[UUID]) -> int:
    """Take pictures out of the cache; their blobs are swept a little later. Returns how many."""
    with transaction.atomic():
        found = dict(
            CachedImage.objects.select_for_update(skip_locked=True)
            .filter(pk__in=list(rows))
            .values_list("pk", "key")
        )
        UnnamedBlob.objects.retire(found.values(), store=CACHE)
        CachedImage.objects.filter(pk__in=found).delete()
    return len(found)


def drop_held(originals: Collection[UUID] | None = None) -> int:
    """Pictures of what operators have set aside leave the cache, blobs and all, at once: the front shows what lies
    there without a query. Of these originals, or of all. Returns how many."""
    rows = CachedImage.objects.filter(original__held_at__isnull=False)
    found = dict(
        (rows if originals is None else rows.filter(original__in=originals)).values_list("pk", "key")
    )
    remove(found.values())
    dropped = discard(found) if found else 0
    # What was put there again in between has no row now, and would be shown until the sweep.
    remove(found.values())
    return dropped


def remove(keys: Iterable[str]) -> None:
    """Now. What the store refuses is in the register, and swept later."""
    for key in keys:
        try:
            get_store(CACHE).delete(key)
        except StoreError as error:
            logger.warning("the picture %s could not be removed at once: %s", key, error)


def forget(key: str) -> None:
    """The store has no such blob after all: the row is made good by whoever makes the picture next."""
    CachedImage.objects.filter(key=key).update(size=0)


class Uses:
    """Free sizes that somebody looked at: each at most once an hour, written together by a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._writer: threading.Thread | None = None

    def note(self, key: str) -> None:
        now = time.monotonic()
        if not key.startswith(FREE) or now - self._noted.get(key, -NOTED_SECONDS) < NOTED_SECONDS:
            return
        with self._lock:
            if len(self._noted) >= NOTED_MOST:
                self._noted.clear()
            self._noted[key] = now
            self._waiting.add(key)
            if self._writer is None or not self._writer.is_alive():
                self._writer = threading.Thread(target=self._write, name="image-uses", daemon=True)
                self._writer.start()

    def flush(self) -> int:
        """Write what is waiting; returns how many rows were told."""
        with self._lock:
            keys, self._waiting = self._waiting, set()
        hour_ago = Now() - timedelta(seconds=NOTED_SECONDS)
        return int(CachedImage.objects.filter(key__in=keys, used_at__lt=hour_ago).update(used_at=Now()))

    def _write(self) -> None:
        """Once, a while after the first use; the next use starts another."""
        threading.Event().wait(FLUSH_SECONDS)
        with self._lock:
            self._writer = None
        try:
            self.flush()
        except Exception:
            logger.exception("it was not written which pictures were used; the next hour tells it again")
        finally:
            connection.close()


uses = Uses()


def touch(key: str) -> None:
    """Somebody looks at it. Costs nothing here: see `Uses`. Registry variants do not age."""
    uses.note(key)
