"""The review of copies as one list: files of the same bytes first, then pictures that are nearly the same.

Where one ends within a page, the other fills it. A decision about files covers both: each two of them.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from media.errors import RequestError
from media.models import File, Library, Original
from ml.search import copies, similar
from ml.search.similar import Group, Limits

EXACT: Final = "exact"
SIMILAR: Final = "similar"

Place = tuple[str, UUID | None]
"""The list, and the group in it after which a page begins."""
START: Final[Place] = (EXACT, None)


def page(library: Library, limits: Limits, after: Place, limit: int) -> tuple[list[Group], Place | None]:
    """So many groups at most, and the place from which the next page goes on; none at the end."""
    kind, key = after
    groups: list[Group] = []
    if kind == EXACT:
        groups, key = copies.page(library, key, limit)
        if key is not None:
            return groups, (EXACT, key)
    more, key = similar.page(library, limits, key, limit - len(groups))
    return [*groups, *more], None if key is None else (SIMILAR, key)


def keep_all(library: Library, files: Iterable[UUID], by: Any) -> int:
    """Of these files no two are asked about again. Returns how many pairs that are. RequestError as `held`."""
    with transaction.atomic():
        rows = held(library, files)
        copies.keep(rows, by)
        similar.keep_all(library, originals(rows), by)
    return len(rows) * (len(rows) - 1) // 2


def ask_again(library: Library, files: Iterable[UUID]) -> int:
    """Takes such decisions back. Returns how many pairs were decided about. RequestError as `held`."""
    with transaction.atomic():
        rows = held(library, files)
        return copies.ask_again(rows) + similar.ask_again(library, originals(rows))


def held(library: Library, files: Iterable[UUID]) -> list[File]:
    """Nobody purges them, or points them at other bytes, until the transaction ends. RequestError for less than two.

    Their originals are locked, as a purge does it first: neither waits for the other in a circle.
    """
    live = File.objects.live().filter(library=library, pk__in=list(files))
    locked = Original.objects.filter(pk__in=live.values("original_id")).order_by("pk")
    list(locked.select_for_update(no_key=True).values_list("pk", flat=True))
    rows = list(live.order_by("pk"))
    if len(rows) < 2:
        raise RequestError("Send two files of this library at least that are not in the trash.")
    return rows


def originals(files: Collection[File]) -> set[UUID]:
    return {file.original_id for file in files}
