"""Keeps the image cache under its cap: least recently used free sizes go, registry variants of live files never.

Rows go at once; their blobs are retired, so that readers in mid-stream read on, and swept a little later. A picture
that is asked for meanwhile is made again. The pre-warm tells here which variants are those of today.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from alcoves import metrics
from media import audit, imagecache, live, pictures, tallies
from media.audit import Actor
from media.images.variants import VARIANTS, VARIANTS_VERSION
from media.models import CachedImage, Original, tally
from media.pictures import Picture

logger = logging.getLogger(__name__)
DOWN_TO: Final = 0.9
"""Of the cap: a little further, so that not every new picture evicts another."""
BATCH: Final = 500
UNWRITTEN: Final = timedelta(hours=1)
"""A row without a size for so long: whoever was to write the picture died."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What lies in the cache, in bytes. `free` may be evicted at any time, `variants` are those of the registry."""

    images: int
    size: int
    variants: int
    variants_size: int
    cap: int

    @property
    def free(self) -> int:
        return self.images - self.variants

    @property
    def free_size(self) -> int:
        return self.size - self.variants_size

    @property
    def warning(self) -> str:
        """A sentence where eviction cannot help: what is left is wanted."""
        if self.variants_size <= self.cap:
            return ""
        return (
            f"The variants of live files alone take {self.variants_size:,} bytes, more than the cap of {self.cap:,}, "
            "and they are never evicted. Raise ALCOVES_IMAGE_CACHE_MAX_BYTES or empty the trash."
        )


@dataclass(frozen=True, slots=True)
class Evicted:
    images: int = 0
    size: int = 0

    def __add__(self, other: "Evicted") -> "Evicted":
        return Evicted(self.images + other.images, self.size + other.size)


def usage() -> Usage:
    """From counts that are kept, whatever the cache holds."""
    told = tallies.told(tally.CACHED, 1)
    registered = [one for one in told if one.keys == ("variant",)]
    return Usage(
        images=sum(one.number for one in told),
        size=sum(one.amount for one in told),
        variants=sum(one.number for one in registered),
        variants_size=sum(one.amount for one in registered),
        cap=live.value("IMAGE_CACHE_MAX_BYTES"),
    )


def evict(*, by: Actor | None = None) -> Evicted:
    """Down to 90 % of the cap where the cache is over it. Logs a warning where what may go is not enough."""
    drop(unwritten())
    total = usage().size
    if total <= live.value("IMAGE_CACHE_MAX_BYTES"):
        return Evicted()
    goal = total - int(live.value("IMAGE_CACHE_MAX_BYTES") * DOWN_TO)
    gone = evict_unseen(goal)
    settle_old()
    gone += evict_free(goal - gone.size)
    note("images.evict", gone, by)
    if warning := usage().warning:
        logger.warning("%s", warning)
    logger.info("image cache: %d images of %d bytes evicted", gone.images, gone.size)
    return gone


def unwritten() -> QuerySet[CachedImage]:
    rows: QuerySet[CachedImage] = CachedImage.objects.filter(size=0, updated_at__lt=Now() - UNWRITTEN)
    return rows


def evict_unseen(goal: int) -> Evicted:
    """All that was made of originals without a live file; they are warmed again when one comes back."""
    gone = Evicted()
    while gone.size < goal:
        with transaction.atomic():
            # The original first, then its pictures: the purge locks in the same order.
            originals = list(unseen().select_for_update(skip_locked=True, no_key=True, of=("self",))[:100])
            if not originals:
                break
            Original.objects.filter(pk__in=[one.pk for one in originals]).forget_warmth()
            gone += drop(CachedImage.objects.filter(original__in=originals))
    return gone


def unseen() -> Any:
    kept = CachedImage.objects.filter(original=OuterRef("pk"))
    return Original.objects.filter(Exists(kept)).exclude(pk__in=Original.objects.wanted().values("pk"))


def settle_old() -> None:
    """Variants of an older registry, turn or poster: today's are told so, the others become free sizes.

    The pre-warm does the same, but it may be switched off. That there are variants of an older turn or poster beside
    today's is seen by their number.
    """
    older = Q(variants_version__gt=0, variants_version__lt=VARIANTS_VERSION)
    marked = CachedImage.objects.filter(variants_version=VARIANTS_VERSION).values("original")
    many = marked.annotate(number=Count("pk")).filter(number__gt=len(VARIANTS))
    wanted = Q(pk__in=CachedImage.objects.filter(older).values("original")) | Q(
        pk__in=many.values("original")
    )
    for original in Original.objects.filter(wanted).iterator():
        settle(original, pictures.live_pictures(original))


def settle(original: Original, shown: Iterable[Picture]) -> None:
    """Say of everything kept of an original whether it is a registry variant of what its live files show today."""
    wanted = {picture.cache_key(recipe) for picture in shown for recipe in picture.variants().values()}
    kept = CachedImage.objects.filter(original=original)
    kept.filter(key__in=wanted).exclude(variants_version=VARIANTS_VERSION).update(
        variants_version=VARIANTS_VERSION
    )
    kept.filter(variants_version__gt=0).exclude(key__in=wanted).update(variants_version=0)


def evict_free(goal: int) -> Evicted:
    """The least recently used free sizes, until so many bytes are gone."""
    gone = Evicted()
    while gone.size < goal:
        oldest = list(CachedImage.objects.filter(variants_version=0).order_by("used_at")[:BATCH])
        batch = drop(until(oldest, goal - gone.size))
        if not batch.images:
            break
        gone += batch
    return gone


def until(rows: list[CachedImage], goal: int) -> list[CachedImage]:
    """As many from the beginning as reach the goal together."""
    chosen, size = [], 0
    for row in rows:
        if size >= goal:
            break
        chosen.append(row)
        size += row.size
    return chosen


def clear(*, variants: bool = False, seconds: float = 20.0, by: Actor | None = None) -> tuple[Evicted, bool]:
    """Every free size, or everything; False where the time was not enough and some are left.

    Each batch commits, so what went for somebody is noted at the end, also where it broke off.
    """
    end = time.monotonic() + seconds
    gone = Evicted()
    try:
        while time.monotonic() < end:
            batch = clear_batch(variants=variants)
            if not batch.images:
                return gone, True
            gone += batch
        return gone, False
    finally:
        note("images.clear", gone, by, variants=variants)


def note(action: str, gone: Evicted, by: Actor | None, **detail: Any) -> None:
    """Of what people ask for; what beat does each few minutes is in the metrics alone."""
    if by is not None and gone.images:
        text = f"{gone.images} pictures of {gone.size:,} bytes left the image cache."
        audit.note(action, by=by, text=text, count=gone.images, bytes=gone.size, **detail)


def clear_batch(*, variants: bool) -> Evicted:
    rows = CachedImage.objects.all() if variants else CachedImage.objects.filter(variants_version=0)
    batch = list(rows.order_by("variants_version", "used_at")[:BATCH])
    with transaction.atomic():
        if variants:
            Original.objects.filter(
                cached_images__in=batch, cached_images__variants_version__gt=0
            ).forget_warmth()
        return drop(batch)


def drop(rows: Iterable[CachedImage]) -> Evicted:
    """Out of the cache. One that somebody writes at this moment is left alone."""
    chosen = list(rows)
    gone = Evicted(imagecache.discard(row.pk for row in chosen), sum(row.size for row in chosen))
    metrics.EVICTED.inc(gone.images)
    return gone
