"""How many bytes may still come: the server's limit and the library's quota, uploads under way counted too.

This is the early, polite answer. The one that counts is the check in `media.intake.admit`, under a lock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Coalesce, Now

from media import live
from media.errors import RequestError
from media.intake import QuotaError
from media.models import Library, Original, Upload
from media.uploads.errors import TooLongError


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most bytes one file may have, and which rule says so."""

    size: int
    by_quota: bool

    def require(self, size: int) -> None:
        if size > self.size:
            raise self.refusal()

    def refusal(self) -> RequestError:
        if self.by_quota:
            return QuotaError(
                f"This library has room for {max(self.size, 0):,} more bytes, uploads under way counted. "
                "Delete something or ask for more room."
            )
        return TooLongError(
            f"This server takes files of up to {self.size:,} bytes. Ask its operator for more."
        )


def get_ceiling(library: Library, *, besides: Collection[UUID] = (), taken: int = 0) -> Ceiling:
    """`besides`: uploads that ask and so do not count. `taken`: bytes that are not yet in any row."""
    limit: int = live.value("MAX_UPLOAD_BYTES")
    if library.quota_bytes is None:
        return Ceiling(limit, by_quota=False)
    free = library.quota_bytes - used(library) - under_way(library, besides) - taken
    return Ceiling(free, by_quota=True) if free < limit else Ceiling(limit, by_quota=False)


def used(library: Library) -> int:
    total: Any = Original.objects.filter(library=library).aggregate(total=Sum("size"))["total"]
    return int(total or 0)


def under_way(library: Library, besides: Collection[UUID] = ()) -> int:
    """What unfinished uploads have declared, or have brought where the length is deferred."""
    live = Upload.objects.filter(library=library, finished_at__isnull=True, expires_at__gt=Now())
    total: Any = live.exclude(pk__in=besides).aggregate(total=Sum(Coalesce("length", "offset")))["total"]
    return int(total or 0)
