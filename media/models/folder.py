"""A folder: a name in a library. Moving it never touches bytes."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from media.models.base import Row
from media.models.library import Library
from media.models.plain import words_of


class FolderQuerySet(models.QuerySet["Folder"]):
    """Reads of folders."""

    def live(self) -> "FolderQuerySet":
        return self.filter(trashed_at__isnull=True)


class Folder(Row):
    """The migration adds a composite key so that the parent is always of the same library."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="folders")
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    name = models.CharField(max_length=255)
    trashed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = FolderQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                "library",
                "parent",
                Lower("name"),
                condition=Q(trashed_at__isnull=True),
                nulls_distinct=False,
                name="folder_name_once_per_place",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="folder_has_a_name"),
            models.CheckConstraint(condition=~Q(parent=F("id")), name="folder_not_its_own_parent"),
        )
        indexes = (
            words_of("name", condition=Q(trashed_at__isnull=True), name="folder_live_by_words_of_name"),
            words_of("name", condition=Q(trashed_at__isnull=False), name="folder_trashed_by_words"),
            # Lists of the console: each filter of them has its own index, the newest first.
            models.Index(fields=["library", "-id"], name="folder_list_by_library"),
            models.Index(fields=["-id"], condition=Q(trashed_at__isnull=False), name="folder_list_trashed"),
            models.Index(fields=["-id"], condition=Q(trashed_at__isnull=True), name="folder_list_live"),
        )

    def __str__(self) -> str:
        return self.name
