"""Objects and sounds: what models have seen and heard, where and how surely."""

from typing import Final

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from media.admin import pictures
from ml.admin.rows import LabelledAdmin, shown_of
from ml.models import ObjectDetection, SoundEvent

HIGH: Final = 96
"""Pixels of a small picture with a box in it."""


@admin.register(ObjectDetection)
class ObjectDetectionAdmin(LabelledAdmin):
    list_display = (
        "label",
        "picture",
        "score",
        "second",
        "start_seconds",
        "end_seconds",
        "library",
        "created_at",
    )
    fields = (
        *("id", "label", "class_index", "score", "picture", "library", "original_link", "derivative_link"),
        *("x", "y", "width", "height", "second", "start_seconds", "end_seconds", "created_at"),
    )
    readonly_fields = fields

    @admin.display(description="where")
    def picture(self, row: ObjectDetection) -> SafeString | str:
        """A picture with the box in it. The poster of a film shows another moment, so it has none."""
        shown = shown_of(row)
        if row.second is not None or shown is None or shown.deriver != "preview":
            return pictures.thumbnail(shown)
        return boxed(row, shown.pk, shown.facts.get("thumb_width"), shown.facts.get("thumb_height"))


def boxed(row: ObjectDetection, preview: object, width: int | None, height: int | None) -> SafeString | str:
    """Drawn as SVG: the console's policy lets no page bring styles of its own."""
    if not width or not height:
        return "-"
    address = reverse("admin:media_derivative_picture", args=(preview, pictures.SHOWN["preview"]))
    picture = format_html('<image href="{}" width="{}" height="{}"/>', address, width, height)
    box = format_html(
        '<rect x="{}" y="{}" width="{}" height="{}" fill="none" stroke="#f33" stroke-width="{}"/>',
        *(round(share * side, 1) for share, side in zip(box_of(row), (width, height) * 2, strict=True)),
        max(2, height // HIGH * 2),
    )
    return format_html(
        '<svg viewBox="0 0 {0} {1}" width="{2}" height="{3}" role="img" aria-label="{4}">{5}{6}</svg>',
        *(width, height, round(HIGH * width / height), HIGH, row.label, picture, box),
    )


def box_of(row: ObjectDetection) -> tuple[float, float, float, float]:
    """Left, top, width and height, as shares."""
    return row.x, row.y, row.width, row.height


@admin.register(SoundEvent)
class SoundEventAdmin(LabelledAdmin):
    list_display = ("label", "picture", "score", "start_seconds", "end_seconds", "library", "created_at")
    fields = (
        *("id", "label", "class_index", "score", "picture", "library", "original_link", "derivative_link"),
        *("start_seconds", "end_seconds", "created_at"),
    )
    readonly_fields = fields
