"""Trash, restore, purge. Only the last File of an Original takes the bytes with it, and never earlier."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from alcoves.wording import counted, were
from media import audit, dispatch, epochs, stacks
from media.audit import Actor
from media.models import Derivative, File, Library, Original

ANY: Final = Q()
IN_TRASH: Final = Q(trashed_at__isnull=False)
BATCH: Final = 200


def in_trash_at(moment: datetime) -> Q:
    """Thrown away by then, and not taken back since; also not thrown away anew."""
    return Q(trashed_at__lte=moment)


def trash(library: Library, keys: Iterable[UUID]) -> int:
    """Into the trash: nothing is deleted, what is queued waits."""
    files = File.objects.live().filter(library=library, pk__in=list(keys))
    found = list(files.values_list("pk", flat=True))
    with transaction.atomic(), stacks.rearranging(library.pk, found):
        return int(files.filter(pk__in=found).update(trashed_at=Now()))


def restore(library: Library, keys: Iterable[UUID]) -> int:
    """Back to where it was (to the top where its folder is gone); what waited is sent and what went cold is warmed."""
    with transaction.atomic():
        files = File.objects.filter(library=library, pk__in=list(keys), trashed_at__isnull=False)
        rows = list(files.values_list("pk", "original_id", "name"))
        originals = [original for _, original, _ in rows]
        Original.objects.filter(pk__in=originals).forget_warmth()
        top = [(None, name) for _, _, name in rows]
        with stacks.rearranging(library.pk, [key for key, _, _ in rows], to=top):
            files.filter(folder__trashed_at__isnull=False).update(folder=None)
            count = int(files.update(trashed_at=None))
        dispatch.publish_after_commit(Derivative.objects.filter(original__in=originals, status="queued"))
    return count


def purge(library: Library, keys: Iterable[UUID], *, only: Q = ANY) -> int:
    """Delete for good, one file a transaction.

    `only` is what has to be so in the moment in which each goes: whoever takes one back meanwhile keeps it.
    """
    return sum(purge_one(library, key, only=only) for key in keys)


def purge_noted(
    library: Library, keys: Sequence[UUID], *, by: Actor, only: Q = IN_TRASH, epoch: str = ""
) -> int:
    """As `purge`, a batch a transaction, each with its entry in the audit log: what is told is what was done.

    StaleError where the database is no longer that of `epoch`; without one, that of the beginning.
    """
    total, epoch = 0, epoch or epochs.current()
    for start in range(0, len(keys), BATCH):
        with audit.noting("files.purge", by=by, target=library) as act:
            epochs.require(epoch)
            act.count = purge(library, keys[start : start + BATCH], only=only)
            act.text = f"{counted(act.count, 'file')} of {library} {were(act.count)} deleted for good."
        total += act.count
    return total


def empty(library: Library, *, before: datetime, by: Actor, epoch: str = "") -> int:
    """Delete for good what was in the trash at that time, and still is. StaleError as of `purge_noted`."""
    asked = in_trash_at(before)
    total, last, epoch = 0, UUID(int=0), epoch or epochs.current()
    while True:
        found = File.objects.filter(asked, library=library, pk__gt=last).order_by("pk")
        keys = list(found.values_list("pk", flat=True)[:BATCH])
        if not keys:
            return total
        total, last = total + purge_noted(library, keys, by=by, only=asked, epoch=epoch), keys[-1]


def purge_one(library: Library, key: UUID, *, only: Q = ANY) -> bool:
    """Lock the original first, then count: two purges, or a purge and an upload, can never both be last."""
    with transaction.atomic():
        original = Original.objects.filter(library=library, files=key).values_list("pk", flat=True).first()
        if original is None:
            return False
        locked = Original.objects.select_for_update().filter(pk=original).first()
        file = File.objects.filter(only, pk=key).first()
        if file is None:
            return False  # Taken back while others went.
        decided = list(decided_for(file).values_list("pk", flat=True))
        with stacks.rearranging(library.pk, [key]):
            gone, _ = File.objects.filter(pk=key, library=library, original_id=original).delete()
        if not gone or locked is None:
            return False  # Purged or merged meanwhile.
        if File.objects.filter(original_id=original).exists():
            Derivative.objects.filter(pk__in=decided).drop()
        else:
            locked.dissolve()
        return True


def decided_for(file: File) -> QuerySet[Derivative]:
    """What was made because of decisions that belong to this file: its clips, and the poster it alone has chosen."""
    others = File.objects.filter(original=file.original_id).exclude(pk=file.pk)
    clips = Q(deriver="moment", variant__in=[moment.variant for moment in file.moments.all()])
    posters = {file.poster_variant} - {"", *others.values_list("poster_variant", flat=True)}
    rows: QuerySet[Derivative] = Derivative.objects.filter(original=file.original_id)
    return rows.filter(clips | Q(deriver="poster", variant__in=posters))
