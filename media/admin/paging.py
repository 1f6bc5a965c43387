"""What our admin pages share: lists that never count a big table, searches by key, links, rows only to look at."""

from collections.abc import Container
from functools import cached_property, reduce
from operator import or_
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import connection, models
from django.db.models import F, Func, Q, QuerySet, TextField, Value
from django.db.models.lookups import Contains
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import smart_split, unescape_string_literal

from alcoves.themed import ChangeList, ModelAdmin
from media.errors import MediaError
from media.models import Library
from media.models.plain import plain

EXACTLY: Final = "="
"""Begins the search fields that are keys: looked up as they are, by their index."""
COUNT_LIMIT = 10_000
"""Beyond this a list is "many": nobody pages so far, and counting on costs seconds."""


SHORT: Final = 2
"""Letters of a word that the index of three letters knows only as the beginning of a name's word."""


class EstimatingPaginator(Paginator[Any]):
    """Counts up to a limit. Above it, Postgres' own estimate for a whole table, and the limit for a filtered one.

    Pages are turned up to the same limit: the last page of a million rows is a walk through all of them.
    """

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        # By key alone: what a page computes for its fifty rows would be computed for all that are counted.
        counted = int(rows.order_by().values("pk")[: COUNT_LIMIT + 1].count())
        if counted <= COUNT_LIMIT:
            return counted
        return COUNT_LIMIT if rows.query.where else max(COUNT_LIMIT, estimate(rows.model))

    @cached_property
    def num_pages(self) -> int:
        return max(1, -(-min(self.count, COUNT_LIMIT) // self.per_page))


def estimate(model: type[models.Model]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [model._meta.db_table]
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


class BoundedList(ChangeList):
    """In the order of the page, or of a column that it names in `sortable_by`, whatever an address asks for."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


class BigTable(ModelAdmin[Any]):
    """A list that stays quick with millions of rows: every order, filter and search that it offers has an index."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    list_per_page = 50
    sortable_by = ()

    @admin.display(description="rows about it")
    def rows_about_it(self, row: Any) -> SafeString | str:
        return related(row)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *where: Any) -> Any:
        """An action that cannot be done answers with its sentence, never with a page of errors."""
        try:
            return super().response_action(request, queryset, *where)
        except MediaError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(request.get_full_path())

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return BoundedList

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
        """Rows that have each of the words in one of these columns, as the search for words compares them.

        Quoted words are one. Of a word of two letters, those that begin with it.
        """
        if not fields:
            return rows.none()
        for word in smart_split(term):
            quoted = word[0] in "\"'" and word[-1] == word[0]
            part = unescape_string_literal(word) if quoted and len(word) > 1 else word
            rows = rows.filter(reduce(or_, (holds(rows.model, name, part) for name in fields)))
        return rows


def holds(model: type[models.Model], column: str, part: str) -> Q:
    """By the index of `media.models.plain`. Where the trash has one of its own, both are asked."""
    trim = "rtrim" if len(part) <= SHORT else "btrim"
    wanted = Func(
        plain(Func(Value(part, TextField()), function="text")), function=trim, output_field=TextField()
    )
    kept = any(field.name == f"plain_{column}" for field in model._meta.fields)
    found = Q(Contains(F(f"plain_{column}") if kept else plain(column), wanted))
    if not any(field.name == "trashed_at" for field in model._meta.fields):
        return found
    return (Q(trashed_at__isnull=True) & found) | (Q(trashed_at__isnull=False) & found)


NOTHING: Final = Q(pk__in=())


def by_key(model: type[models.Model], path: str, term: str) -> Q:
    """Rows of which this column is the term. Of a row that they point at, it is looked up there first, by its index."""
    name, _, rest = path.partition("__")
    field: Any = model._meta.get_field(name)
    if field.one_to_many:
        # Joined to them and asked together with other columns, all rows would be looked at.
        own = field.field.attname
        there = field.related_model.objects.filter(by_key(field.related_model, rest or "id", term))
        return Q(pk__in=list(there.exclude(**{own: None}).values_list(own, flat=True)))
    if rest not in {"", "id"}:
        there = field.related_model
        keys = there.objects.filter(by_key(there, rest, term)).values_list("pk", flat=True)
        return Q(**{f"{name}__in": list(keys)})
    column = field.related_model._meta.pk if rest else field
    try:
        asked = Q(**{name: column.to_python(term)})
    except ValidationError:
        return NOTHING
    return asked if rest or field.unique or field.db_index else asked & in_each_library()


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


def related(row: models.Model, *, hidden: Container[str] = ()) -> SafeString | str:
    """To the lists of everything that points at a row, of all models that have a page. Without a query."""
    found = []
    for one in row._meta.get_fields(include_hidden=True):
        there: Any = one.related_model
        if not (one.auto_created and (one.one_to_many or one.one_to_one)) or one.concrete:
            continue
        if admin.site.is_registered(there) and there._meta.model_name not in hidden:
            by = one.field.name  # type: ignore[union-attr]
            name = f"{there._meta.verbose_name_plural}".capitalize()
            text = name if by == row._meta.model_name else f"{name} ({by.replace('_', ' ')})"
            found.append((listing(there, text, **{f"{by}__id__exact": row.pk}),))
    return format_html_join(" · ", "{}", found) or "-"


def page_name(model: models.Model | type[models.Model], page: str) -> str:
    about = model._meta
    return f"admin:{about.app_label}_{about.model_name}_{page}"
