"""Links by which moments are shown to people who are no members. To see, and to revoke."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from alcoves.wording import are, counted, were
from media import audit, shares
from media.admin import acting, many
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

    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """The rows cannot be edited, but who may change them may end the links."""
        return request.user.has_perm("media.change_momentshare")

    @admin.action(description="Revoke: the links are worth nothing from now on", permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        good = rows.filter(revoked_at__isnull=True)
        keys = acting.bounded_keys(good)
        if not many.is_sure(request):
            about = (
                "Whoever has one of them sees nothing from now on. A link that was revoked never works again."
            )
            return acting.ask(self, request, rows, keys, f"Revoke {counted(len(keys), 'link')}?", about)
        with audit.noting("shares.revoke", by=audit.of(request)) as noted:
            for share in good.filter(pk__in=keys):
                shares.revoke(share)
                noted.count += 1
            noted.text = f"{counted(noted.count, 'link')} to moments {were(noted.count)} revoked."
            noted.detail = {"keys": [str(key) for key in keys]}
        messages.success(request, f"{counted(noted.count, 'link')} {are(noted.count)} revoked.")
        return None

    @admin.display(boolean=True, description="password")
    def guarded(self, row: Any) -> bool:
        return bool(row.password)

    @admin.display(description="moment")
    def moment_link(self, row: Any) -> SafeString | str:
        return link(row.moment)

    @admin.display(description="made by")
    def creator_link(self, row: Any) -> SafeString | str:
        return link(row.created_by)
