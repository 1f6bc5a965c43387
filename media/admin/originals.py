"""Originals: immutable, so only looked at."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from alcoves.wording import are, counted
from media import audit
from media.admin import acting, attempts, offering
from media.admin.filters import HeldOriginalFilter, LibraryFilter, one_of
from media.admin.offering import Offering
from media.admin.paging import LookOnly, link
from media.admin.pictures import SCRIPTS, everything, of_original, with_pictures
from media.images.variants import VARIANTS_VERSION
from media.models import Original
from media.models.captured import public
from media.models.original import KINDS
from media.prewarm import STRIKES

SHOWN = 100
"""Rows that are named on the page of an original."""


@admin.register(Original)
class OriginalAdmin(Offering, LookOnly):
    offers = staticmethod(offering.of_original)
    list_display = (
        "id",
        "picture",
        "library",
        "kind",
        "mime",
        "size",
        "width",
        "height",
        "duration",
        "hashed",
        "warm",
        "created_at",
        "held",
    )
    list_select_related = ("library", "held_by")
    list_filter = (one_of("kind", KINDS), HeldOriginalFilter, LibraryFilter)
    search_fields = ("=sha256", "=id", "=files__id")
    ordering = ("-id",)
    actions = ("warm_again", "hold", "release")
    fields = (
        *(
            "id",
            "pictures",
            "library_link",
            "kind",
            "mime",
            "size",
            "sha256",
            "key",
            "width",
            "height",
            "duration",
            "captured_at",
        ),
        *("camera_make", "camera_model", "lens", "orientation", "color_profile"),
        *("warm", "warmed_version", "strikes", "warm_error", "warm_claimed_at"),
        *("files", "derivatives", "held", "history", "rows_about_it", "details", "created_at"),
    )
    readonly_fields = fields

    class Media:
        js = SCRIPTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of what the probe has found, which may be long, the list shows nothing."""
        return with_pictures(super().get_queryset(request), to="")

    @admin.display(description="picture")
    def picture(self, row: Original) -> SafeString | str:
        return of_original(row)

    @admin.display(description="looks like")
    def pictures(self, row: Original) -> SafeString | str:
        return everything(row)

    @admin.display(description="library")
    def library_link(self, row: Original) -> SafeString | str:
        return link(row.library)

    @admin.display(boolean=True)
    def hashed(self, row: Original) -> bool:
        return row.sha256 is not None

    @admin.display(boolean=True, description="warm")
    def warm(self, row: Original) -> bool | None:
        """None where there is nothing to make ahead."""
        if row.kind != "video" and not row.is_picture:
            return None
        return row.warmed_version >= VARIANTS_VERSION

    @admin.display(description="strikes")
    def strikes(self, row: Original) -> str:
        counted = row.warm_attempts if row.warming_version == VARIANTS_VERSION else 0
        return f"{counted} of {STRIKES}" + (" (given up)" if counted >= STRIKES else "")

    def has_warm_permission(self, request: HttpRequest) -> bool:
        """The rows cannot be edited, but who may change them may have their sizes made anew."""
        return request.user.has_perm("media.change_original")

    @admin.action(
        description="Warm again: make the sizes of these ahead in the next pass", permissions=["warm"]
    )
    def warm_again(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        keys = acting.bounded_keys(rows)
        with audit.noting("originals.warm_again", by=audit.of(request)) as noted:
            noted.count = count = Original.objects.filter(pk__in=keys).forget_warmth()
            noted.text = f"The sizes of {counted(count, 'original')} are to be made ahead again."
            noted.detail = {"keys": [str(key) for key in keys]}
        messages.success(
            request,
            f"{count} {are(count)} warmed again in the next passes: hourly, or now by manage.py images warm.",
        )

    @admin.display(description="files")
    def files(self, row: Original) -> SafeString:
        return format_html_join(" · ", "{}", ((link(one),) for one in row.files.all()[:SHOWN]))

    def has_hold_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("console.quarantine_files")

    @admin.action(description="Set aside: no work, not shown", permissions=["hold"])
    def hold(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return acting.hold_originals(self, request, rows, "pk")

    @admin.action(description="Release what was set aside", permissions=["hold"])
    def release(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        acting.release_originals(request, rows, "pk")

    @admin.display(description="attempts")
    def history(self, row: Original) -> SafeString | str:
        return attempts.of_original(row.pk)

    @admin.display(description="set aside")
    def held(self, row: Original) -> str:
        if row.held_at is None:
            return "no"
        who = f" by {row.held_by}" if row.held_by_id else ""
        return f"since {row.held_at:%Y-%m-%d %H:%M}{who}: {row.held_reason}"

    @admin.display(description="made of it")
    def derivatives(self, row: Original) -> SafeString:
        return format_html_join(
            " · ", "{}", ((link(one),) for one in row.derivatives.order_by("deriver", "variant")[:SHOWN])
        )

    @admin.display(description="probe")
    def details(self, row: Original) -> SafeString:
        """Without what says where it was taken and who is on it: operators need not be members of the library."""
        return format_html("<pre>{}</pre>", json.dumps(public(row.probe), indent=2, ensure_ascii=False))
