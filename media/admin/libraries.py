"""Libraries and their members."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from media.admin.paging import BigTable, listing
from media.models import File, Library, Membership


class MembersInline(admin.TabularInline[Membership, Library]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)


@admin.register(Library)
class LibraryAdmin(BigTable):
    list_display = (
        "name",
        "quota_bytes",
        "faces",
        "objects_on",
        "audio_events",
        "transcripts",
        "sharing",
        "created_at",
    )
    list_filter = ("faces", "objects_on", "audio_events", "transcripts", "sharing")
    search_fields = ("name",)
    readonly_fields = ("id", "membership_epoch", "created_at", "updated_at", "files")
    inlines = (MembersInline,)

    @admin.display(description="files")
    def files(self, row: Library) -> SafeString:
        return listing(File, "Show files", library__id__exact=row.pk)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only an empty one, and not in bulk: deleting a library must never leave bytes without a name."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and obj is not None and not File.objects.filter(library=obj).exists()
