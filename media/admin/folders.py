"""Folders: where they lie. People move and name them; here they are only looked at."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from media.admin.filters import LibraryFilter, TrashedFilter, WhenFilter
from media.admin.paging import LookOnly, link
from media.models import Folder


@admin.register(Folder)
class FolderAdmin(LookOnly):
    list_display = ("name", "parent", "library", "created_at", "trashed_at")
    list_select_related = ("parent", "library")
    list_filter = (TrashedFilter, LibraryFilter, WhenFilter)
    search_fields = ("name", "=id")
    search_help_text = "Words of a name, or the id of a folder."
    ordering = ("-id",)
    fields = (
        *("id", "name", "library_link", "parent_link", "rows_about_it"),
        *("created_at", "updated_at", "trashed_at"),
    )
    readonly_fields = fields

    @admin.display(description="library")
    def library_link(self, row: Any) -> SafeString | str:
        return link(row.library)

    @admin.display(description="in")
    def parent_link(self, row: Any) -> SafeString | str:
        return link(row.parent)
