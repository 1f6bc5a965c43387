"""Links by which moments are shown to people who are no members. To see, and to revoke."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils.safestring import SafeString

from media.admin.filters import WhenFilter, one_way_or_other
from media.admin.paging import LookOnly, link
from media.models import MomentShare


@admin.register(MomentShare)
class MomentShareAdmin(LookOnly):
    list_display = (
        "id",
        "moment",
        "created_by",
        "guarded",
        "views",
        "expires_at",
        "revoked_at",
        "created_at",
    )
    list_select_related = ("moment", "created_by")
    list_filter = (
        one_way_or_other(
            "revoked",
            "revoked",
            {"yes": ("Yes", Q(revoked_at__isnull=False)), "no": ("No", Q(revoked_at__isnull=True))},
        ),
        WhenFilter,
    )
    search_fields = ("=id", "=moment__id")
    search_help_text = "The id of a share or of a moment."
    ordering = ("-id",)
    fields = (
        *("id", "moment_link", "creator_link", "guarded", "views", "last_viewed_at"),
        *("expires_at", "revoked_at", "created_at"),
    )
    readonly_fields = fields

    @admin.display(boolean=True, description="password")
    def guarded(self, row: Any) -> bool:
        return bool(row.password)

    @admin.display(description="moment")
    def moment_link(self, row: Any) -> SafeString | str:
        return link(row.moment)

    @admin.display(description="made by")
    def creator_link(self, row: Any) -> SafeString | str:
        return link(row.created_by)
