"""Switches that were turned, and how far their libraries have followed. A row goes when it is done."""

from django.contrib import admin

from media.admin.filters import LibraryFilter
from media.admin.paging import LookOnly
from media.models import Switching


@admin.register(Switching)
class SwitchingAdmin(LookOnly):
    list_display = ("library", "switch", "on", "done", "total", "created_at", "updated_at")
    list_select_related = ("library",)
    list_filter = (LibraryFilter,)
    search_fields = ("=id",)
    search_help_text = "The id of a row."
    ordering = ("-id",)
    fields = ("id", "library", "switch", "on", "done", "total", "after", "created_at", "updated_at")
    readonly_fields = fields
