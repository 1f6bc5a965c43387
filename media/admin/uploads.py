"""Uploads under way. Their state is shared with the store, so they are only looked at; the sweeper ends them."""

from django.contrib import admin

from media.admin.filters import LibraryFilter, one_of
from media.admin.paging import LookOnly
from media.models import Upload
from media.models.upload import UploadKind


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
    list_filter = (one_of("kind", UploadKind.values), LibraryFilter)
    search_fields = ("=id", "=user__email", "=file__id")
    search_help_text = "The id of an upload or of its file, or the e-mail address of a user."
    ordering = ("-id",)
    readonly_fields = tuple(field.name for field in Upload._meta.fields)
