"""What our admin pages share: lists that never count a big table, searches by key, links, rows only to look at."""

from functools import cached_property, reduce
from operator import or_
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import connection, models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import smart_split, unescape_string_literal

from alcoves.themed import ModelAdmin
from media.models import Library

EXACTLY: Final = "="
"""Begins the search fields that are keys: looked up as they are, by their index."""
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


class BigTable(ModelAdmin[Any]):
    """A list that stays quick with millions of rows."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    list_per_page = 50

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the keys among the search fields; what is no key of any row is words.

        Django writes "=id" as UPPER(id::text), and asks for it together with all other columns: a look at every row.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        fields = [str(name) for name in self.get_search_fields(request)]
        keys = [name.removeprefix(EXACTLY) for name in fields if name.startswith(EXACTLY)]
        found = queryset.filter(
            reduce(or_, (by_key(queryset.model, name, term.lower()) for name in keys), NOTHING)
        )
        if found.order_by().values("pk")[:1].exists():
            return found, False
        return self.named(queryset, term, [name for name in fields if not name.startswith(EXACTLY)]), False

    def named(self, rows: QuerySet[Any], term: str, fields: list[str]) -> QuerySet[Any]:
        """Rows that have each of the words in one of these columns. Quoted words are one."""
        if not fields:
            return rows.none()
        for word in smart_split(term):
            quoted = word[0] in "\"'" and word[-1] == word[0]
            part = unescape_string_literal(word) if quoted else word
            rows = rows.filter(reduce(or_, (Q(**{f"{name}__icontains": part}) for name in fields)))
        return rows


NOTHING: Final = Q(pk__in=())


def by_key(model: type[models.Model], path: str, term: str) -> Q:
    """Rows of which this column is the term. Of a row that they point at, it is looked up there first, by its index."""
    name, _, rest = path.partition("__")
    field: Any = model._meta.get_field(name)
    if rest not in {"", "id"}:
        there = field.related_model
        keys = there.objects.filter(by_key(there, rest, term)).values_list("pk", flat=True)
        return Q(**{f"{name}__in": list(keys)})
    column = field.related_model._meta.pk if rest else field
    try:
        asked = Q(**{name: column.to_python(term)})
    except ValidationError:
        return NOTHING
    return asked if rest or field.unique else asked & in_each_library()


def in_each_library() -> Q:
    """For an index that begins with the library: all of them, one after the other."""
    return Q(library__in=list(Library.objects.values_list("pk", flat=True)))


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
