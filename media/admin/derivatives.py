"""Derivatives: the job ledger. What failed and why, making it anew, stopping it."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from media import selecting
from media.admin import acting, attempts, offering, pictures
from media.admin.filters import DeriverFilter, QueueFilter, one_of, one_way_or_other
from media.admin.offering import Offering
from media.admin.paging import LookOnly, link
from media.models import Derivative
from media.models.captured import public

PARTS_SHOWN = 200
FILES_SHOWN = 100
PartFilter = one_way_or_other(
    "part",
    "part",
    {"yes": ("Parts of others", Q(parent__isnull=False)), "no": ("Whole", Q(parent__isnull=True))},
)
AcceptedFilter = one_way_or_other(
    "accepted",
    "accepted",
    {
        "yes": ("Accepted failures", Q(accepted_at__isnull=False)),
        "no": ("Without them", Q(accepted_at__isnull=True)),
    },
)


@admin.register(Derivative)
class DerivativeAdmin(Offering, LookOnly):
    offers = staticmethod(offering.of_derivative)
    list_display = (
        *(
            "deriver",
            "variant",
            "picture",
            "status",
            "progress",
            "file_names",
            "error_code",
            "short_error",
            "attempts",
            "lost_claims",
        ),
        *("queue", "part_of", "requested_version", "ready_version", "queued_at", "finished_at"),
    )
    list_display_links = ("deriver", "status")
    list_filter = ("status", DeriverFilter, QueueFilter, one_of("error_code"), AcceptedFilter, PartFilter)
    search_fields = ("=id", "=original__id", "=original__sha256")
    addressed = ("failure",)  # The page Failures shows the rows of a group.
    ordering = ("-id",)
    actions = ("reprocess", "cancel", "accept", "unaccept")
    fields = (
        *(
            "picture",
            "original_link",
            "files",
            "deriver",
            "variant",
            "part_of",
            "parts_text",
            "queue",
            "status",
            "progress",
            "eta_seconds",
        ),
        *("requested_version", "claimed_version", "ready_version", "attempts", "lost_claims", "deferrals"),
        *(
            "error_code",
            "error_message",
            "failure",
            "accepted_at",
            "detail",
            "history",
            "made_by",
            "outputs_text",
            "facts_text",
        ),
        *("queued_at", "not_before", "published_at", "started_at", "finished_at"),
        *("lease_owner", "lease_expires_at", "fence"),
        "rows_about_it",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related("original", "parent")
            .prefetch_related("original__files")
        )

    def get_urls(self) -> list[URLPattern]:
        return [*pictures.routes(self), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What programs said is for those who may see the history."""
        shown = super().get_fields(request, obj)
        return (
            shown
            if attempts.may_see(request)
            else [name for name in shown if name not in {"detail", "failure"}]
        )

    def has_reprocess_permission(self, request: HttpRequest) -> bool:
        """The rows cannot be edited, but who may change them may ask for them anew."""
        return request.user.has_perm("media.change_derivative")

    @admin.display(description="picture")
    def picture(self, row: Derivative) -> SafeString | str:
        return pictures.thumbnail(row)

    @admin.display(description="files")
    def file_names(self, row: Derivative) -> str:
        names = [file.name for file in row.original.files.all()]
        return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")

    @admin.display(description="part of")
    def part_of(self, row: Derivative) -> SafeString | str:
        return link(row.parent)

    @admin.display(description="parts")
    def parts_text(self, row: Derivative) -> SafeString | str:
        """Of work that is divided, while it waits or joins them."""
        found = row.parts.order_by("variant")[:PARTS_SHOWN]
        lines = ((link(part), f"{part.get_status_display()}, {part.progress} %") for part in found)
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) or "-"

    @admin.display(description="error")
    def short_error(self, row: Derivative) -> str:
        return row.error_message[:80]

    @admin.display(description="original")
    def original_link(self, row: Derivative) -> SafeString | str:
        return link(row.original)

    @admin.display(description="files")
    def files(self, row: Derivative) -> SafeString:
        return format_html_join(" · ", "{}", ((link(one),) for one in row.original.files.all()[:FILES_SHOWN]))

    @admin.display(description="error detail")
    def detail(self, row: Derivative) -> SafeString:
        return format_html("<pre>{}</pre>", row.error_detail or "-")

    @admin.display(description="outputs")
    def outputs_text(self, row: Derivative) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(row.outputs, indent=2))

    @admin.display(description="facts")
    def facts_text(self, row: Derivative) -> SafeString:
        """Without what older results of the metadata say of the place: operators need not be members."""
        return format_html("<pre>{}</pre>", json.dumps(public(row.facts), indent=2, ensure_ascii=False))

    @admin.display(description="attempts")
    def history(self, row: Derivative) -> SafeString | str:
        return attempts.of_derivative(row)

    @admin.action(description="Reprocess: make these anew", permissions=["reprocess"])
    def reprocess(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return acting.act_on_jobs(self, request, rows, selecting.REPROCESS)

    @admin.action(description="Cancel what is queued or running", permissions=["reprocess"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return acting.act_on_jobs(self, request, rows, selecting.CANCEL)

    @admin.action(description="Accept: no longer count these failures", permissions=["reprocess"])
    def accept(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return acting.act_on_jobs(self, request, rows, selecting.ACCEPT)

    @admin.action(description="Take back: count these as failures again", permissions=["reprocess"])
    def unaccept(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return acting.act_on_jobs(self, request, rows, selecting.UNACCEPT)
