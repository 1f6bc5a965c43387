"""What members have decided against models: this face is not that person, these pictures are both kept."""

from django.contrib import admin
from django.utils.safestring import SafeString

from media.admin.paging import LookOnly, link
from ml.models import FaceRejection, KeptCopy, SimilarDecision


@admin.register(FaceRejection)
class FaceRejectionAdmin(LookOnly):
    list_display = ("id", "person", "created_at")
    list_select_related = ("person",)
    search_fields = ("=id", "=face__id", "=person__id")
    search_help_text = "The id of a row, a face or a person."
    ordering = ("-id",)
    fields = ("id", "face_link", "person_link", "created_at")
    readonly_fields = fields

    @admin.display(description="face")
    def face_link(self, row: FaceRejection) -> SafeString | str:
        return link(row.face)

    @admin.display(description="is not")
    def person_link(self, row: FaceRejection) -> SafeString | str:
        return link(row.person)


@admin.register(SimilarDecision)
class SimilarDecisionAdmin(LookOnly):
    list_display = ("id", "library", "decided_by", "created_at")
    list_select_related = ("library", "decided_by")
    search_fields = ("=id", "=first__id", "=second__id")
    search_help_text = "The id of a row or of an original."
    ordering = ("-id",)
    fields = ("id", "library", "first_link", "second_link", "decided_by", "created_at")
    readonly_fields = fields

    @admin.display(description="first")
    def first_link(self, row: SimilarDecision) -> SafeString | str:
        return link(row.first)

    @admin.display(description="second")
    def second_link(self, row: SimilarDecision) -> SafeString | str:
        return link(row.second)


@admin.register(KeptCopy)
class KeptCopyAdmin(LookOnly):
    list_display = ("id", "file", "decided_by", "created_at")
    list_select_related = ("file", "decided_by")
    search_fields = ("=id", "=file__id", "=original__id")
    search_help_text = "The id of a row, a file or an original."
    ordering = ("-id",)
    fields = ("id", "file_link", "original_link", "decided_by", "created_at")
    readonly_fields = fields

    @admin.display(description="file")
    def file_link(self, row: KeptCopy) -> SafeString | str:
        return link(row.file)

    @admin.display(description="original")
    def original_link(self, row: KeptCopy) -> SafeString | str:
        return link(row.original)
