"""What our admin pages share: lists that never count a big table, links between rows, rows only to look at."""

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection, models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

COUNT_LIMIT = 10_000
"""Beyond this a list is "many": nobody pages so far, and counting on costs seconds."""


class EstimatingPaginator(Paginator[Any]):
    """Counts up to a limit. Above it, Postgres' own estimate for a whole table, and the limit for a filtered one."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        # By key alone: what a page computes for its fifty rows would be computed for all that are counted.
        counted = int(rows.order_by().values("pk")[: COUNT_LIMIT + 1].count())
        if counted <= COUNT_LIMIT:
            return counted
        return COUNT_LIMIT if rows.query.where else max(COUNT_LIMIT, estimate(rows.model))


def estimate(model: type[models.Model]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [model._meta.db_table]
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


class BigTable(admin.ModelAdmin[Any]):
    """A list that stays quick with millions of rows."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    list_per_page = 50


class LookOnly(BigTable):
    """Rows that only the engine writes: an edit here would say what is not so."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def link(row: models.Model | None) -> SafeString | str:
    """To the admin page of a row."""
    if row is None:
        return "-"
    address = reverse(page_name(row, "change"), args=(row.pk,))
    return format_html('<a href="{}">{}</a>', address, str(row))


def listing(model: type[models.Model], text: str, **filters: Any) -> SafeString:
    """To the admin list of a model, filtered."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    address = reverse(page_name(model, "changelist"))
    return format_html('<a href="{}?{}">{}</a>', address, query, text)


def page_name(model: models.Model | type[models.Model], page: str) -> str:
    about = model._meta
    return f"admin:{about.app_label}_{about.model_name}_{page}"
