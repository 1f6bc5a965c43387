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


class StackQuerySet(models.QuerySet["Stack"]):
    """Reads of stacks."""

    def shown(self) -> "StackQuerySet":
        return self.filter(primary__isnull=False)


class Stack(Row):
    """`mark` is what its members share (content identifier, burst identifier, folder and name): one stack for each.

    `apart` and `chosen` are what people have decided; `primary` and `count` follow from them and from the members
    that are live, and only `media.stacks` writes them.
    """

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="stacks")
    kind = models.CharField(max_length=16, choices=StackKind.choices)
    mark = models.CharField(max_length=300)
    primary = models.ForeignKey(
        "media.File",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="leads",
        help_text="stands for all; empty while there is nothing to show: one member, half a pair, taken apart",
    )
    count = models.PositiveIntegerField(default=0, help_text="live members")
    chosen = models.ForeignKey(
        "media.File", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    apart = models.BooleanField(default=False, help_text="a person wants its members to stand alone")

    objects: ClassVar[Any] = StackQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["library", "kind", "mark"], name="stack_once_per_mark"),
            models.CheckConstraint(condition=Q(kind__in=StackKind.values), name="stack_kind_known"),
        )
        indexes = (
            models.Index(fields=["kind", "-id"], name="stack_list_by_kind"),
            models.Index(fields=["apart", "-id"], name="stack_list_by_apart"),
            models.Index(fields=["library", "-id"], name="stack_list_by_library"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.mark}"
