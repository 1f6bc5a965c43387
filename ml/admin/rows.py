"""What the pages of this app's big tables share: the small picture of a row's file, and searches that use an index.

A list has the rows of fifty files at most, so their pictures cost one query. A search by key or by name never reads the
whole table, as Django's own search over text does.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from media.admin import pictures
from media.admin.paging import LookOnly, link
from media.models import Derivative, File, Library


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

    search_fields = ("=id",)
    list_filter: ClassVar[Any] = ("library",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_pictures(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the id of a row, an original or a file; what is no id is a name."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            key = UUID(term)
        except ValueError:
            return self.named(queryset, term), False
        originals = [key, *File.objects.filter(pk=key).values_list("original_id", flat=True)]
        return queryset.filter(Q(pk=key) | Q(original__in=originals)), False

    def named(self, rows: QuerySet[Any], name: str) -> QuerySet[Any]:
        """Rows have no names, unless a page says otherwise."""
        return rows.none()

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

    def named(self, rows: QuerySet[Any], name: str) -> QuerySet[Any]:
        """Asked for in each library, because the index begins with it."""
        return rows.filter(library__in=list(Library.objects.values_list("pk", flat=True)), label=name)
