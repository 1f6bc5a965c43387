"""Pictures the image proxy has made and keeps: what lies in the `cache` store, how big, and when last asked for.

A row is written before its blob, so whatever dies in between leaves a row that is made good or evicted, never a
picture that nobody knows of. Rows go with their original.
"""

from typing import Any, ClassVar

from django.db import models

from media.models.base import Row
from media.models.original import Original

CACHE = "cache"
"""The store in which they lie."""


class CachedImage(Row):
    """`variants_version` is that of the registry for its variants, 0 for sizes somebody asked for freely."""

    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="cached_images")
    key = models.CharField(max_length=512, unique=True)
    size = models.BigIntegerField(default=0, help_text="bytes; 0 until it is written")
    variants_version = models.PositiveIntegerField(default=0)
    used_at = models.DateTimeField()

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        indexes = (
            models.Index(fields=["variants_version", "used_at"], name="cached_image_oldest"),
            # Lists of the console: each filter of them has its own index, the newest first.
            models.Index(
                fields=["-id"], condition=models.Q(variants_version=0), name="cached_image_list_free"
            ),
            models.Index(
                fields=["-id"], condition=models.Q(variants_version__gt=0), name="cached_image_list_named"
            ),
        )

    def __str__(self) -> str:
        return self.key
