"""The audit log: who did what to how many. Only looked at, by those who may; the database refuses to change it."""

import json
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from media.admin.filters import WhenFilter, one_of
from media.admin.paging import LookOnly, link, page_name
from media.models.audit import AuditEntry, Via


@admin.register(AuditEntry)
class AuditEntryAdmin(LookOnly):
    list_display = ("created_at", "action", "text", "count", "actor_name", "via", "target", "address")
    list_display_links = ("created_at", "action")
    list_filter = (one_of("action"), one_of("via", Via.values), WhenFilter)
    search_fields = ("=id", "=actor__email", "target_id")
    search_help_text = "The e-mail address of who did it, or the id of what it was done to."
    ordering = ("-id",)
    fields = (
        *("created_at", "action", "text", "count", "actor_link", "actor_name", "via"),
        *("target", "detail_text", "address", "request_id"),
    )
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By the console's own permission: who may see rows of all models need not see what others do."""
        return request.user.has_perm("console.see_audit")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("actor")

    def named(self, rows: QuerySet[Any], term: str, fields: list[str]) -> QuerySet[Any]:
        """What it was done to, by its index, which begins with the type."""
        types = [model._meta.label_lower for model in apps.get_models()]
        return rows.filter(target_type__in=types, target_id=term.lower())

    @admin.display(description="actor")
    def actor_link(self, row: AuditEntry) -> SafeString | str:
        return link(row.actor)

    @admin.display(description="done to")
    def target(self, row: AuditEntry) -> SafeString | str:
        """A link, whether it is still there or not."""
        if not row.target_type:
            return "-"
        name = row.target_name or row.target_id
        try:
            address = reverse(page_name(apps.get_model(row.target_type), "change"), args=(row.target_id,))
        except (LookupError, ValueError, NoReverseMatch):
            return name
        return format_html('<a href="{}">{}</a>', address, name)

    @admin.display(description="detail")
    def detail_text(self, row: AuditEntry) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(row.detail, indent=2, ensure_ascii=False))
