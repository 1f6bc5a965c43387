"""One try of a job: who ran it, how long it waited and ran, how it ended. `media.history` writes it, once.

Without a foreign key to the derivative: parts go when they are joined, rows when a switch goes off, and what was tried
stays until its time is over. It goes with the original.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from media.models.base import Row
from media.models.original import Original
from media.models.plain import words_of


class Outcome(models.TextChoices):
    """How a try ended."""

    READY = "ready"
    NOT_NEEDED = "not_needed"
    DIVIDED = "divided"
    RETRIED = "retried"
    DEFERRED = "deferred"
    FAILED = "failed"
    RELEASED = "released"
    ABANDONED = "abandoned"
    LOST = "lost"


class Attempt(Row):
    """Written when the try is over and never changed. `number` is the fence of its claim.

    `waited` is seconds from the request to this start: of a second try, with those before it.
    """

    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="+", db_index=False)
    derivative_id = models.UUIDField()
    deriver = models.CharField(max_length=32)
    variant = models.CharField(max_length=64, blank=True, default="")
    queue = models.CharField(max_length=32)
    version = models.PositiveIntegerField(help_text="which request of the row it worked for")
    number = models.BigIntegerField(help_text="which claim of the row it was")
    worker = models.CharField(max_length=128, blank=True, default="", help_text="lane@host")
    process = models.PositiveIntegerField(null=True, blank=True, help_text="the id of its process")
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField()
    waited = models.FloatField(null=True, blank=True, help_text="seconds")
    ran = models.FloatField(null=True, blank=True, help_text="seconds")
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    error_detail = models.TextField(blank=True, default="", help_text="for staff: the end of stderr")
    metrics = models.JSONField(default=dict, blank=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="attempt_outcome_known"),
        )
        indexes = (
            models.Index(fields=["original", "-id"], name="attempt_by_original"),
            models.Index(fields=["outcome", "-id"], name="attempt_by_outcome"),
            models.Index(fields=["deriver", "-id"], name="attempt_by_deriver"),
            models.Index(fields=["worker", "-id"], name="attempt_by_worker"),
            # Only failures are in it.
            words_of(
                "error_message", "error_detail", condition=~Q(error_code=""), name="attempt_by_words_said"
            ),
        )

    def __str__(self) -> str:
        return f"{self.deriver} {self.variant} {self.outcome}".replace("  ", " ")
