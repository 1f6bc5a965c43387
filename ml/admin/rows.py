"""What the pages of this app's big tables share: the small picture of a row's file, and searches by label.

A list has the rows of fifty files at most, so their pictures cost one query. A search by label never reads the whole
table, as Django's own search over text does.
"""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from media.admin import pictures
from media.admin.filters import LibraryFilter
from media.admin.paging import LookOnly, in_each_library, link
from media.models import Derivative


def with_pictures(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Each original with the derivatives that have a small picture of it, in `original.shown`. One query more."""
    shown = Derivative.objects.filter(deriver__in=pictures.SHOWN, variant="", ready_version__gt=0)
    columns = ("original", "deriver", "variant", "outputs", "facts")
    found = Prefetch("original__derivatives", shown.only(*columns), to_attr="shown")
    return rows.select_related("original", "library").defer("original__probe").prefetch_related(found)


def shown_of(row: Any) -> Derivative | None:
    return next(iter(row.original.shown), None)


class FoundAdmin(LookOnly):
    """Rows that a model has written about an original. Members look at files; staff look at rows."""

    search_fields = ("=id", "=original__id", "=original__files__id")
    list_filter: ClassVar[Any] = (LibraryFilter,)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_pictures(super().get_queryset(request))

    @admin.display(description="file")
    def picture(self, row: Any) -> SafeString | str:
        return pictures.thumbnail(shown_of(row))

    @admin.display(description="original")
    def original_link(self, row: Any) -> SafeString | str:
        return link(row.original)

    @admin.display(description="made by")
    def derivative_link(self, row: Any) -> SafeString | str:
        return link(row.derivative)


class LabelledAdmin(FoundAdmin):
    """Rows with a label of the model's."""

    search_help_text = "A name as the model says it, or the id of a row, an original or a file."

    def named(self, rows: QuerySet[Any], term: str, fields: list[str]) -> QuerySet[Any]:
        """The whole name: parts of it have no index."""
        return rows.filter(in_each_library(), label=term)
