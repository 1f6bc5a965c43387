"""Transcripts: what is said, in which language, by which model, and whether somebody has corrected it."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import F, Func, IntegerField, Q, QuerySet, TextField, Value
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from media.admin.filters import LibraryFilter, one_way_or_other
from ml.admin.rows import FoundAdmin
from ml.models import Transcript

BEGINNING: Final = 120
"""Characters of a text in the list."""
SEGMENTS_SHOWN: Final = 500
EditedFilter = one_way_or_other(
    "edited",
    "corrected by somebody",
    {"yes": ("Yes", Q(edited_at__isnull=False)), "no": ("No", Q(edited_at__isnull=True))},
)


WORDS: Final = ("beginning", "segments_text")
"""What is said, in the list and on the page of a transcript."""


def may_read(request: HttpRequest) -> bool:
    """Who runs the server sees that there is a transcript, and not what is said in it."""
    return request.user.has_perm("console.read_transcripts")


@admin.register(Transcript)
class TranscriptAdmin(FoundAdmin):
    list_display = (
        *("id", "picture", "beginning", "track", "language", "language_found", "model"),
        *("edited_at", "library", "created_at"),
    )
    list_filter = (LibraryFilter, "language_found", EditedFilter)
    search_help_text = "The id of a row, an original or a file."
    fields = (
        *(
            "id",
            "picture",
            "library",
            "original_link",
            "derivative_link",
            "track",
            "language",
            "language_found",
        ),
        *("model", "edited_at", "edited_by", "revision", "segments_text", "created_at", "updated_at"),
    )
    readonly_fields = fields

    def get_list_display(self, request: HttpRequest) -> Any:
        return [name for name in super().get_list_display(request) if may_read(request) or name not in WORDS]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in super().get_fields(request, obj) if may_read(request) or name not in WORDS]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of a text that may be as long as a book the list needs the first words."""
        rows: QuerySet[Any] = super().get_queryset(request).defer("text")
        begins = Func(F("text"), Value(BEGINNING, IntegerField()), function="left", output_field=TextField())
        begun: QuerySet[Any] = rows.annotate(begins=begins)
        return begun

    @admin.display(description="text")
    def beginning(self, row: Any) -> str:
        return row.begins or "nothing is said"

    @admin.display(description="segments")
    def segments_text(self, row: Transcript) -> SafeString:
        found = row.segments.defer("words").order_by("position")[: SEGMENTS_SHOWN + 1]
        lines = [(f"{one.start_seconds:.2f}", f"{one.end_seconds:.2f}", one.text) for one in found]
        more = f"... and more: the first {SEGMENTS_SHOWN} are shown" if len(lines) > SEGMENTS_SHOWN else ""
        told = format_html_join(mark_safe("<br>"), "{} to {}: {}", lines[:SEGMENTS_SHOWN])
        return format_html("{}<br>{}", told or "nothing is said", more)
