"""Blobs that no row names, with the time at which each is swept."""

from django.contrib import admin

from media.admin.paging import LookOnly
from media.models import UnnamedBlob


@admin.register(UnnamedBlob)
class UnnamedBlobAdmin(LookOnly):
    list_display = ("key", "store", "due_at", "created_at")
    search_fields = ("=key",)
    search_help_text = "The whole key."
    ordering = ("due_at",)
