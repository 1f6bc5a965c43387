"""A stack: files that are one thing to a person. A Live Photo, a burst, a RAW file and its JPEG."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from media.models.base import Row
from media.models.library import Library


class StackKind(models.TextChoices):
    """Why files belong together."""

    LIVE_PHOTO = "live_photo"
    BURST = "burst"
    RAW = "raw"


class Stack(Row):
    """`mark` is what its members share (content identifier, burst identifier, folder and name): one stack for each."""

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="stacks")
    kind = models.CharField(max_length=16, choices=StackKind.choices)
    mark = models.CharField(max_length=300)
    primary = models.ForeignKey(
        "media.File", on_delete=models.SET_NULL, null=True, blank=True, related_name="leads"
    )

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["library", "kind", "mark"], name="stack_once_per_mark"),
            models.CheckConstraint(condition=Q(kind__in=StackKind.values), name="stack_kind_known"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.mark}"
