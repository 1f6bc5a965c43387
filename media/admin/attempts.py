"""The history of jobs: each try, who ran it, how long, how it ended. What programs said is for who may see it."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from media.admin.filters import DeriverFilter, one_of
from media.admin.paging import LookOnly, link
from media.models import Attempt
from media.models.attempt import Outcome

SEE_DETAIL = "console.see_history"
SHOWN = 50
"""Tries on the page of a job or a file: the newest."""


@admin.register(Attempt)
class AttemptAdmin(LookOnly):
    list_display = (
        *("started_at", "outcome", "deriver", "variant", "worker", "process"),
        *("waited", "ran", "error_code", "short_error"),
    )
    list_display_links = ("started_at", "outcome")
    list_filter = (one_of("outcome", Outcome.values), DeriverFilter, one_of("worker"))
    search_fields = ("=id", "=original__id", "error_message", "error_detail")
    search_help_text = "an id, or words of what was said"
    ordering = ("-id",)
    fields = (
        *("original_link", "files", "job", "deriver", "variant", "queue", "version", "number"),
        *("outcome", "worker", "process", "queued_at", "started_at", "finished_at", "waited", "ran"),
        *("error_code", "error_message", "detail", "metrics_text"),
    )
    readonly_fields = fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fields(request, obj)
        return shown if may_see(request) else [name for name in shown if name != "detail"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("original").defer("error_detail")

    def get_search_fields(self, request: HttpRequest) -> Any:
        """What only some may see is searched only for them: else a search would tell it letter by letter."""
        return self.search_fields if may_see(request) else self.search_fields[:-1]

    def named(self, rows: QuerySet[Any], term: str, fields: list[str]) -> QuerySet[Any]:
        """Failures alone: of nothing else was anything said."""
        return super().named(rows.exclude(error_code=""), term, fields)

    @admin.display(description="error")
    def short_error(self, row: Attempt) -> str:
        return row.error_message[:80]

    @admin.display(description="original")
    def original_link(self, row: Attempt) -> SafeString | str:
        return link(row.original)

    @admin.display(description="files")
    def files(self, row: Attempt) -> SafeString:
        return format_html_join(" · ", "{}", ((link(one),) for one in row.original.files.all()[:SHOWN]))

    @admin.display(description="job")
    def job(self, row: Attempt) -> SafeString:
        address = reverse("admin:media_derivative_change", args=(row.derivative_id,))
        return format_html('<a href="{}">{} {}</a>', address, row.deriver, row.variant)

    @admin.display(description="what the program said")
    def detail(self, row: Attempt) -> SafeString:
        return format_html('<pre class="ops-pre">{}</pre>', row.error_detail or "-")

    @admin.display(description="metrics")
    def metrics_text(self, row: Attempt) -> SafeString:
        return format_html('<pre class="ops-pre">{}</pre>', json.dumps(row.metrics, indent=2))


def may_see(request: HttpRequest) -> bool:
    return request.user.has_perm(SEE_DETAIL)


def table_of(rows: QuerySet[Attempt]) -> SafeString | str:
    """The newest tries, with a link to each."""
    lines = (
        (
            reverse("admin:media_attempt_change", args=(one.pk,)),
            one.finished_at.strftime("%Y-%m-%d %H:%M:%S"),
            f"{one.deriver} {one.variant}".strip(),
            one.outcome,
            one.worker,
            "-" if one.ran is None else f"{one.ran:.1f} s",
            " ".join(filter(None, (one.error_code, one.error_message[:120]))),
        )
        for one in rows.order_by("-id").defer("error_detail")[:SHOWN]
    )
    cells = format_html_join(
        "",
        '<tr><th scope="row"><a href="{}">{}</a></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>',
        lines,
    )
    return format_html('<table class="ops-table"><tbody>{}</tbody></table>', cells) if cells else "-"


def of_original(original: Any) -> SafeString | str:
    return table_of(Attempt.objects.filter(original=original))


def of_derivative(row: Any) -> SafeString | str:
    return table_of(Attempt.objects.filter(original=row.original_id, derivative_id=row.pk))
