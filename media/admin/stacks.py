"""Stacks: what the engine has found to belong together, and what people decided of it. Only looked at."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from media.admin.filters import LibraryFilter, one_of
from media.admin.paging import LookOnly, link
from media.models import Stack
from media.models.stack import StackKind


@admin.register(Stack)
class StackAdmin(LookOnly):
    list_display = ("mark", "kind", "library", "count", "primary", "apart", "updated_at")
    list_select_related = ("library", "primary")
    list_filter = (one_of("kind", StackKind.values), "apart", LibraryFilter)
    search_fields = ("=id", "=members__id")
    search_help_text = "The id of a stack, or of a file in it."
    ordering = ("-id",)
    fields = (
        *("id", "library", "kind", "mark", "count", "primary_link", "chosen_link", "apart", "files"),
        *("created_at", "updated_at"),
    )
    readonly_fields = fields

    @admin.display(description="stands for all")
    def primary_link(self, row: Stack) -> SafeString | str:
        return link(row.primary)

    @admin.display(description="chosen by a person")
    def chosen_link(self, row: Stack) -> SafeString | str:
        return link(row.chosen)

    @admin.display(description="files")
    def files(self, row: Stack) -> SafeString:
        members = row.members.order_by("name", "id")[:100]
        return format_html_join(" · ", "{}", ((link(one),) for one in members))
