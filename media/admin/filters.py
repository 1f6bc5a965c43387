"""Filters of long lists: each choice has an index, and the choices themselves are had without a look at all rows.

Django's own read all of a table to know which values there are (`SELECT DISTINCT`).
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from alcoves.queues import QUEUES
from media.models import Library, Original

OFFERED: Final = 100
"""Choices of a filter that has no end of them."""
HELD_SHOWN: Final = 1000

SKIPPING: Final = """
WITH RECURSIVE found(value) AS (
    (SELECT "{0}" FROM "{1}" WHERE "{0}" > '' ORDER BY "{0}" LIMIT 1)
    UNION ALL
    SELECT (SELECT "{0}" FROM "{1}" WHERE "{0}" > found.value AND "{0}" <> '' ORDER BY "{0}" LIMIT 1)
    FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL LIMIT {2}
"""
"""From one value to the next, by the index: as many steps as there are values."""


def values_there(model: Any, column: str) -> list[str]:
    """The first values of a column that has an index."""
    with connection.cursor() as cursor:
        cursor.execute(SKIPPING.format(column, model._meta.db_table, OFFERED))
        return [value for (value,) in cursor.fetchall()]


class OneOf(admin.SimpleListFilter):
    """Rows with one value in a column. A value that is not offered may still be named in an address."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.column: self.value()}) if self.value() is not None else queryset


def one_of(field: str, offered: Iterable[str] | None = None) -> type[OneOf]:
    """`offered` are the values; without them, those that are there."""

    class Filter(OneOf):
        title = field.replace("_", " ")
        parameter_name = column = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            known = list(offered) if offered is not None else values_there(model_admin.model, field)
            return [(value, value) for value in known]

    return Filter


class DeriverFilter(OneOf):
    """By what is made."""

    title = parameter_name = column = "deriver"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in settings.DERIVERS]


QueueFilter: Final = one_of("queue", [queue.name for queue in QUEUES])


def one_way_or_other(name: str, about: str, words: dict[str, tuple[str, Q]]) -> type[admin.SimpleListFilter]:
    """A filter with a few conditions: `words` has of each what it is called and what has to be so."""

    class Filter(admin.SimpleListFilter):
        title = about
        parameter_name = name

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(value, label) for value, (label, _) in words.items()]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            chosen = words.get(self.value() or "")
            return queryset.filter(chosen[1]) if chosen else queryset

    return Filter


TrashedFilter = one_way_or_other(
    "place",
    "place",
    {"live": ("live", Q(trashed_at__isnull=True)), "trash": ("in the trash", Q(trashed_at__isnull=False))},
)


class HeldFilter(admin.SimpleListFilter):
    """Those whose originals operators have set aside. The latest of them: as many as one act may take."""

    title = "set aside"
    parameter_name = "held"
    original = "original"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", f"yes, the latest {HELD_SHOWN}")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "yes":
            return queryset
        held = Original.objects.filter(held_at__isnull=False).order_by("-held_at")
        keys = list(held.values_list("pk", flat=True)[:HELD_SHOWN])
        return queryset.filter(**{f"{self.original}__in": keys})


class HeldOriginalFilter(HeldFilter):
    """Of originals themselves."""

    original = "pk"


class LibraryFilter(admin.SimpleListFilter):
    """Of one library. Where there are many, the first by name are offered; a link may name any."""

    title = "library"
    parameter_name = "library__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = list(Library.objects.order_by("name", "id").values_list("pk", "name")[:OFFERED])
        chosen = as_key(request.GET.get(self.parameter_name))
        if chosen and all(chosen != key for key, _ in rows):
            rows += Library.objects.filter(pk=chosen).values_list("pk", "name")
        return [(str(key), name) for key, name in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        key = as_key(self.value())
        return queryset.filter(library=key) if key else queryset.none()


def as_key(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


class WhenFilter(admin.SimpleListFilter):
    """By age. Keys begin with their time, so the key's own index serves."""

    title = "age"
    parameter_name = "since"
    spans: Final = {"hour": 1, "day": 24, "week": 24 * 7, "month": 24 * 30}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"the last {name}") for name in self.spans]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        hours = self.spans.get(self.value() or "")
        return queryset.filter(pk__gte=first_key(hours)) if hours else queryset


def first_key(hours: int) -> UUID:
    """The least key that a row of so many hours ago may have."""
    moment = timezone.now() - timedelta(hours=hours)
    return UUID(int=int(moment.timestamp() * 1000) << 80)
