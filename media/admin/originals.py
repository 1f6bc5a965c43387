"""Originals: immutable, so only looked at."""

import json

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from media.admin.paging import LookOnly, link
from media.models import Original


@admin.register(Original)
class OriginalAdmin(LookOnly):
    list_display = (
        "id",
        "library",
        "kind",
        "mime",
        "size",
        "width",
        "height",
        "duration",
        "hashed",
        "created_at",
    )
    list_select_related = ("library",)
    list_filter = ("kind", ("library", admin.RelatedOnlyFieldListFilter))
    search_fields = ("sha256", "id")
    ordering = ("-id",)
    fields = (
        *(
            "id",
            "library",
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
        *("files", "derivatives", "details", "created_at"),
    )
    readonly_fields = fields

    @admin.display(boolean=True)
    def hashed(self, row: Original) -> bool:
        return row.sha256 is not None

    @admin.display(description="files")
    def files(self, row: Original) -> SafeString:
        return format_html_join(" · ", "{}", ((link(one),) for one in row.files.all()[:100]))

    @admin.display(description="made of it")
    def derivatives(self, row: Original) -> SafeString:
        return format_html_join(
            " · ", "{}", ((link(one),) for one in row.derivatives.order_by("deriver", "variant"))
        )

    @admin.display(description="probe")
    def details(self, row: Original) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(row.probe, indent=2, ensure_ascii=False))
