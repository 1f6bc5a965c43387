"""Embeddings: which pictures and frames the search by meaning knows, and by which model. Nobody reads the numbers."""

from typing import Any

from django.contrib import admin
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import HttpRequest

from ml.admin.rows import FoundAdmin
from ml.models import PictureEmbedding


@admin.register(PictureEmbedding)
class PictureEmbeddingAdmin(FoundAdmin):
    list_display = ("id", "picture", "model", "second", "hashed", "library", "created_at")
    search_help_text = "The id of a row, an original or a file."
    fields = (
        *("id", "picture", "library", "original_link", "derivative_link", "model", "dimensions"),
        *("second", "hashed", "created_at"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).defer("embedding")
        length = Func(F("embedding"), function="vector_dims", output_field=IntegerField())
        measured: QuerySet[Any] = rows.annotate(length=length)
        return measured

    @admin.display(description="numbers")
    def dimensions(self, row: Any) -> int:
        return int(row.length)

    @admin.display(description="fingerprint")
    def hashed(self, row: PictureEmbedding) -> str:
        """The bits of the perceptual hash, as 16 digits."""
        return "-" if row.fingerprint is None else f"{row.fingerprint & (2**64 - 1):016x}"
