"""A file: a name in a library that points at one Original. What people decide lives here."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Upper
from django.utils import timezone

from media.errors import RequestError
from media.models.base import Row
from media.models.folder import Folder
from media.models.library import Library
from media.models.original import Original
from media.models.plain import plain
from media.models.stack import Stack

QUARTERS = (0, 90, 180, 270)


class CannotTurnError(RequestError):
    """Only pictures are turned, and only by quarters."""

    code = "cannot_turn"
    http_status = 422


class FileQuerySet(models.QuerySet["File"]):
    """Reads of files."""

    def live(self) -> "FileQuerySet":
        return self.filter(trashed_at__isnull=True)

    def closed(self, where: Mapping[str, Any]) -> "FileQuerySet":
        """Without those for whom another one stands that is in the same list: `where` says what is listed."""
        there = {f"primary__{name}": value for name, value in where.items()}
        leaders = Stack.objects.filter(pk=models.OuterRef("stack"), primary__isnull=False, **there)
        others = leaders.exclude(primary=models.OuterRef("pk"))
        # Asked for each row that has a stack: a join would tempt the planner to read all files first.
        return self.filter(Q(stack=None) | ~models.Exists(others))

    def in_list_order(self) -> "FileQuerySet":
        """By folded name, then key: the order of the keyset cursor."""
        return self.alias(sort_name=Lower("name")).order_by("sort_name", "id")


class File(Row):
    """Renaming, moving, copying and trashing touch only this row, never bytes.

    The migration adds composite keys: its folder and its original are always of the same library.
    """

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="files")
    folder = models.ForeignKey(Folder, on_delete=models.PROTECT, null=True, blank=True, related_name="files")
    original = models.ForeignKey(Original, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=255)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    client_modified_at = models.DateTimeField(null=True, blank=True)
    trashed_at = models.DateTimeField(null=True, blank=True)
    rotation = models.PositiveSmallIntegerField(
        default=0,
        help_text="degrees clockwise that a person has turned the picture, after its own orientation",
    )
    effective_at = models.DateTimeField(
        default=timezone.now, help_text="captured, else last changed by its owner, else uploaded"
    )
    stack = models.ForeignKey(Stack, on_delete=models.SET_NULL, null=True, blank=True, related_name="members")
    poster_variant = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="the poster a person has chosen; empty: the best by itself",
    )

    plain_name = models.GeneratedField(
        expression=plain("name"),
        output_field=models.TextField(),
        db_persist=True,
        help_text="the name as a search compares it",
    )

    objects: ClassVar[Any] = FileQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(name=""), name="file_has_a_name"),
            models.CheckConstraint(condition=Q(rotation__in=QUARTERS), name="file_rotation_quarter"),
        )
        # Two indexes for one list: Postgres does not keep an order through "folder IS NULL".
        indexes = (
            models.Index(
                "library",
                "folder",
                Lower("name"),
                "id",
                condition=Q(trashed_at__isnull=True),
                name="file_live_by_name",
            ),
            models.Index(
                "library",
                Lower("name"),
                "id",
                condition=Q(trashed_at__isnull=True, folder__isnull=True),
                name="file_live_at_top_by_name",
            ),
            models.Index(
                fields=["library", "-created_at", "-id"],
                condition=Q(trashed_at__isnull=True),
                name="file_live_newest",
            ),
            models.Index(
                fields=["library", "-effective_at", "-id"],
                condition=Q(trashed_at__isnull=True),
                name="file_live_by_date",
            ),
            models.Index(
                "library",
                Lower("name"),
                "id",
                condition=Q(trashed_at__isnull=False),
                name="file_trashed_by_name",
            ),
            # Files of the same bytes lie side by side here: they are found without a look at any row.
            models.Index(
                fields=["library", "original"],
                condition=Q(trashed_at__isnull=True),
                name="file_live_by_original",
            ),
            # A search for a part of a name, as Django writes `icontains`: UPPER(name) LIKE. Files come seldom
            # enough to index each at once; a list of pending ones would make searches slower.
            GinIndex(
                OpClass(Upper("name"), name="gin_trgm_ops"),
                fastupdate=False,
                condition=Q(trashed_at__isnull=True),
                name="file_live_by_part_of_name",
            ),
            # What it is made of is kept, for every row that the index finds is compared again.
            GinIndex(
                OpClass("plain_name", name="gin_trgm_ops"),
                fastupdate=False,
                condition=Q(trashed_at__isnull=True),
                name="file_live_by_words_of_name",
            ),
            GinIndex(
                OpClass("plain_name", name="gin_trgm_ops"),
                fastupdate=False,
                condition=Q(trashed_at__isnull=False),
                name="file_trashed_by_words_of_name",
            ),
            # Lists of the console: each filter of them has its own index, the newest first.
            models.Index(fields=["library", "-id"], name="file_list_by_library"),
            models.Index(fields=["-id"], condition=Q(trashed_at__isnull=False), name="file_list_trashed"),
            models.Index(fields=["-id"], condition=Q(trashed_at__isnull=True), name="file_list_live"),
        )

    def __str__(self) -> str:
        return self.name

    def turn(self, degrees: int) -> None:
        """How a person wants to see the picture, in all. Its sizes are made ahead again; other files keep their own."""
        if degrees not in QUARTERS:
            raise CannotTurnError("A picture is turned by 0, 90, 180 or 270 degrees. Send one of these.")
        if not self.original.is_picture:
            raise CannotTurnError("Only pictures can be turned. Videos and recordings stay as they are.")
        if degrees != self.rotation:
            self.original.forget_warmth()
            self.rotation = degrees
            self.save(update_fields=["rotation", "updated_at"])
