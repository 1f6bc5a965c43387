"""Uploads under way. Their state is shared with the store, so they are only looked at; the sweeper ends them."""

from django.contrib import admin

from media.admin.paging import LookOnly
from media.models import Upload


@admin.register(Upload)
class UploadAdmin(LookOnly):
    list_display = (
        "name",
        "kind",
        "library",
        "user",
        "offset",
        "length",
        "created_at",
        "expires_at",
        "finished_at",
    )
    list_select_related = ("library", "user")
    list_filter = ("kind",)
    search_fields = ("name", "=id")
    ordering = ("-id",)
    readonly_fields = tuple(field.name for field in Upload._meta.fields)
