"""Files of the same bytes, for review: they come before pictures that are only nearly the same.

A library stores bytes once, so such files point at one original, and no model is needed to know them: films, recordings
and documents are told as well as pictures. Newest bytes come first. What a user wants to keep is remembered of each
file; a group is shown again when another file of these bytes comes.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef

from media.models import File, Library
from ml.models import KeptCopy
from ml.search.similar import LOOK, LOOKS_MOST, Group, Link


def page(library: Library, after: UUID | None, limit: int) -> tuple[list[Group], UUID | None]:
    """So many groups at most, and the place from which the next page goes on.

    A page may be shorter than asked for, or empty, and still not be the last.
    """
    found: list[UUID] = []
    for _ in range(LOOKS_MOST):
        originals = repeated(library, after)
        found += undecided(originals)
        if len(found) >= limit:
            return [group_of(one) for one in found[:limit]], found[limit - 1]
        after = originals[-1] if len(originals) == LOOK else None
        if after is None:
            break
    return [group_of(one) for one in found], after


def repeated(library: Library, after: UUID | None) -> list[UUID]:
    return list(more_than_one(library, after)[:LOOK])


def more_than_one(library: Library, after: UUID | None) -> Any:
    """The next originals that more than one live file shows, the newest first: by an index alone."""
    files = File.objects.live().filter(library=library)
    if after is not None:
        files = files.filter(original_id__lt=after)
    counted = files.order_by("-original_id").values("original_id").annotate(files=Count("*"))
    return counted.filter(files__gt=1).values_list("original_id", flat=True)


def undecided(originals: Collection[UUID]) -> list[UUID]:
    """Those of them of which not all live files are to be kept, in the same order. None that is set aside."""
    files = File.objects.live().filter(~Exists(kept()), original__in=originals, original__held_at=None)
    asked = set(files.order_by().values_list("original_id", flat=True).distinct())
    return [one for one in originals if one in asked]


def kept() -> Any:
    return KeptCopy.objects.filter(file=OuterRef("pk"), original=OuterRef("original_id"))


def group_of(original: UUID) -> Group:
    return Group(original, {original: Link(original, original, 0.0, 0)}, exact=True)


def keep(files: Collection[File], by: Any) -> None:
    """Those of them that have the same bytes as another one are not asked about again. Inside a transaction."""
    rows = [KeptCopy(file=file, original_id=file.original_id, decided_by=by) for file in with_copies(files)]
    KeptCopy.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["file"],
        update_fields=["original", "decided_by", "updated_at"],
    )


def ask_again(files: Collection[File]) -> int:
    """Takes that back. Returns how many pairs of them were decided about."""
    rows = KeptCopy.objects.filter(file__in=[file.pk for file in with_copies(files)])
    per_original = list(
        rows.order_by().values("original_id").annotate(files=Count("*")).values_list("files", flat=True)
    )
    rows.delete()
    return sum(count * (count - 1) // 2 for count in per_original)


def with_copies(files: Collection[File]) -> list[File]:
    of_each: dict[UUID, int] = {}
    for file in files:
        of_each[file.original_id] = of_each.get(file.original_id, 0) + 1
    return [file for file in files if of_each[file.original_id] > 1]
