"""A moment: a span of a film or a recording that a person has marked, and the links by which it is shared.

Its export is a Derivative of the file's original (deriver `moment`, variant = the moment's id in hex), so that
states, progress, retries and the old result while a new one is made are those of every derivative.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from media.models.base import Row
from media.models.file import File
from media.models.plain import words_of
from media.models.tag import Tag

if TYPE_CHECKING:
    from django_stubs_ext.db.models.manager import RelatedManager

SHORTEST: Final = Decimal("0.05")
"""Seconds."""

LONGEST_NAME: Final = 200


class Moment(Row):
    """Seconds from the beginning of the file. A change of the span raises `export_version`; trashing keeps the row."""

    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="moments")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=LONGEST_NAME)
    description = models.TextField(blank=True, default="")
    start = models.DecimalField(max_digits=12, decimal_places=3)
    end = models.DecimalField(max_digits=12, decimal_places=3)
    export_version = models.PositiveIntegerField(default=1)
    tags = models.ManyToManyField(Tag, related_name="moments", blank=True)
    trashed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = models.Manager()

    if TYPE_CHECKING:
        shares: RelatedManager["MomentShare"]

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(name=""), name="moment_has_a_name"),
            models.CheckConstraint(condition=Q(start__gte=0), name="moment_starts_in_the_file"),
            models.CheckConstraint(condition=Q(end__gte=F("start") + SHORTEST), name="moment_has_a_length"),
        )
        indexes = (
            models.Index(
                fields=["file", "start", "id"],
                condition=Q(trashed_at__isnull=True),
                name="moment_live_by_start",
            ),
            words_of("name", condition=Q(trashed_at__isnull=True), name="moment_live_by_words_of_name"),
            words_of("name", condition=Q(trashed_at__isnull=False), name="moment_trashed_by_words"),
            # Lists of the console: each filter of them has its own index, the newest first.
            models.Index(fields=["-id"], condition=Q(trashed_at__isnull=False), name="moment_list_trashed"),
            models.Index(fields=["-id"], condition=Q(trashed_at__isnull=True), name="moment_list_live"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def variant(self) -> str:
        """Of the Derivative that holds the export."""
        return self.pk.hex


class MomentShareQuerySet(models.QuerySet["MomentShare"]):
    def good(self) -> "MomentShareQuerySet":
        """Those that were not revoked and have not run out."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()), revoked_at=None)


class MomentShare(Row):
    """One public link to one moment. Its token is derived from the id and a key, so the table gives none away."""

    moment = models.ForeignKey(Moment, on_delete=models.CASCADE, related_name="shares")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    password = models.CharField(max_length=128, blank=True, default="", help_text="hashed, empty is none")
    views = models.PositiveIntegerField(default=0)
    last_viewed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = MomentShareQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["moment", "-created_at"], name="share_of_moment_newest"),
            models.Index(fields=["-id"], condition=Q(revoked_at__isnull=False), name="share_list_revoked"),
            models.Index(fields=["-id"], condition=Q(revoked_at__isnull=True), name="share_list_good"),
        )

    def __str__(self) -> str:
        return f"share of {self.moment_id}"
