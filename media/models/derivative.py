"""One thing made from an Original: the row is both the result and the job ledger.

States, and who may move a row between them, are described in docs/states.md; the moves themselves are
in `media.ledger`, nowhere else.
"""

from typing import Any, ClassVar, Final

from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTransform

from alcoves.queues import BY_NAME
from media.models.base import Row
from media.models.blob import UnnamedBlob
from media.models.original import Original


class Status(models.TextChoices):
    """Where a derivative is. Any state may go back to queued: that is a reprocess."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    NOT_NEEDED = "not_needed"
    FAILED = "failed"


LOST_CLAIMS_LIMIT = 5
GIVEN: Final = "own-"
"""How the variant of a result begins that a person has brought along. Nothing can make it anew."""


class DerivativeQuerySet(models.QuerySet["Derivative"]):
    """Reads of derivatives."""

    def wanted(self) -> "DerivativeQuerySet":
        """Those whose original has a File outside the trash."""
        from media.models.file import File

        live = File.objects.live().filter(original=models.OuterRef("original_id"))
        return self.filter(models.Exists(live))

    def makeable(self) -> "DerivativeQuerySet":
        """Those that a deriver can make again."""
        return self.exclude(variant__startswith=GIVEN)

    def drop(self) -> int:
        """Nobody wants these any more: their blobs are swept a little later, and a run under way has lost its row."""
        rows = list(self.select_for_update().order_by("pk").only("pk", "outputs"))
        UnnamedBlob.objects.retire(output["key"] for row in rows for output in row.outputs)
        Derivative.objects.filter(pk__in=[row.pk for row in rows]).delete()
        return len(rows)


class Derivative(Row):
    """Unique per (original, deriver, variant).

    `requested_version` counts requests; a run that ends for an older one is discarded. `fence` goes up
    with every claim; only the holder of the newest may finish. A row whose work was divided waits for its
    `parts` without a lease; the last of them to finish queues it again, to join them. `outputs` is a list of
    {name, key, size, content_type, sha256}: it names the blobs that are served, and stays in place
    while a newer run is under way.
    """

    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="derivatives")
    deriver = models.CharField(max_length=32)
    variant = models.CharField(max_length=64, blank=True, default="")
    parameters = models.JSONField(default=dict, blank=True)
    parent = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="parts",
        help_text="whose part it is",
    )
    parts_left = models.PositiveIntegerField(
        null=True, blank=True, help_text="of work that was divided: parts that are not ready yet"
    )
    queue = models.CharField(max_length=32)

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    requested_version = models.PositiveIntegerField(default=1)
    claimed_version = models.PositiveIntegerField(default=0)
    ready_version = models.PositiveIntegerField(default=0)
    made_by = models.JSONField(default=dict, blank=True)
    outputs = models.JSONField(default=list, blank=True)
    facts = models.JSONField(default=dict, blank=True)

    progress = models.PositiveSmallIntegerField(default=0)
    eta_seconds = models.PositiveIntegerField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lost_claims = models.PositiveSmallIntegerField(default=0)
    deferrals = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    error_detail = models.TextField(blank=True, default="", help_text="for staff: the end of stderr")
    failure = models.TextField(
        blank=True,
        default="",
        editable=False,
        help_text="of a failed row: what was said, without names and numbers. A trigger writes it",
    )

    accepted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="of a failed row: operators leave it at that. A trigger forgets it when the row is queued again",
    )

    queued_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=128, blank=True, default="")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    fence = models.BigIntegerField(default=0)

    objects: ClassVar[Any] = DerivativeQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["original", "deriver", "variant"], name="derivative_once"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="derivative_status_known"),
            models.CheckConstraint(condition=Q(queue__in=list(BY_NAME)), name="derivative_queue_known"),
            models.CheckConstraint(condition=Q(progress__lte=100), name="derivative_progress_percent"),
            models.CheckConstraint(
                condition=Q(ready_version__lte=F("requested_version")), name="derivative_ready_not_ahead"
            ),
            models.CheckConstraint(
                condition=Q(status="processing", lease_expires_at__isnull=False, parts_left__isnull=True)
                & ~Q(lease_owner="")
                | Q(
                    status="processing",
                    lease_expires_at__isnull=True,
                    lease_owner="",
                    parts_left__isnull=False,
                )
                | ~Q(status="processing")
                & Q(lease_expires_at__isnull=True, lease_owner="", parts_left__isnull=True),
                name="derivative_lease_only_while_processing",
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="derivative_no_part_of_itself"
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error_code=""), name="derivative_failure_has_a_code"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(status="failed"),
                name="derivative_accepted_is_failed",
            ),
        )
        indexes = (
            models.Index(
                fields=["queue", "published_at"], condition=Q(status="queued"), name="derivative_queued"
            ),
            models.Index(
                fields=["lease_expires_at"], condition=Q(status="processing"), name="derivative_leased"
            ),
            models.Index(fields=["deriver", "-id"], name="derivative_list_by_deriver"),
            models.Index(fields=["status", "-id"], name="derivative_list_by_status"),
            models.Index(fields=["queue", "-id"], name="derivative_list_by_queue"),
            models.Index(fields=["-id"], condition=Q(parent__isnull=False), name="derivative_list_parts"),
            models.Index(fields=["-id"], condition=Q(parent__isnull=True), name="derivative_list_whole"),
            models.Index(fields=["deriver", "status", "id"], name="derivative_by_deriver"),
            models.Index("deriver", KeyTransform("version", "made_by"), name="derivative_by_version"),
            models.Index(fields=["status", "-updated_at"], name="derivative_by_status"),
            # Groups of failures are counted from this alone. Parts tell theirs through their parent.
            models.Index(
                fields=["deriver", "failure", "error_code", "finished_at", "original", "id"],
                condition=Q(status="failed", parent__isnull=True, accepted_at__isnull=True),
                name="derivative_by_trouble",
            ),
            models.Index(
                fields=["-id"], condition=Q(accepted_at__isnull=False), name="derivative_list_accepted"
            ),
            models.Index(
                fields=["finished_at", "deriver"],
                condition=Q(accepted_at__isnull=False),
                name="derivative_accepted_lately",
            ),
            models.Index(
                fields=["failure", "error_code", "deriver", "finished_at", "original", "id"],
                condition=Q(status="failed", parent__isnull=True),
                name="derivative_by_failure",
            ),
            models.Index(
                fields=["error_code", "id"],
                condition=Q(status="failed", accepted_at__isnull=True),
                name="derivative_unaccepted",
            ),
            models.Index(
                fields=["error_code", "id"], condition=~Q(error_code=""), name="derivative_by_error_code"
            ),
        )

    def __str__(self) -> str:
        return f"{self.deriver} {self.variant} {self.status}".replace("  ", " ")

    def output(self, name: str) -> dict[str, Any] | None:
        """The named output that is served now, or None."""
        return next((output for output in self.outputs if output["name"] == name), None)
