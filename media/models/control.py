"""What operators have ordered of queues, lanes and workers; and the workers that have told of themselves.

Postgres is the truth of both. What a worker does at this moment is in Redis (`media.workers`).
"""

from django.db import models
from django.db.models import Q

from media.models.base import Row


class ControlKind(models.TextChoices):
    """What an order is for."""

    QUEUE = "queue"
    LANE = "lane"
    WORKER = "worker"
    ALL = "all", "everything"


class Control(Row):
    """One order that stands. `paused` of a worker: it is drained. `all` is maintenance, beside the pauses of people."""

    kind = models.CharField(max_length=8, choices=ControlKind.choices)
    name = models.CharField(max_length=128)
    paused = models.BooleanField(default=False)
    slots = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="of a lane; empty: as the environment says"
    )
    reason = models.CharField(max_length=255, blank=True)
    set_by = models.CharField(max_length=254, blank=True)
    set_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["kind", "name"], name="control_once"),
            models.CheckConstraint(condition=Q(kind__in=ControlKind.values), name="control_kind_known"),
            models.CheckConstraint(
                condition=Q(slots__isnull=True) | Q(kind="lane", slots__range=(1, 64)),
                name="control_slots_of_lanes",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class WorkerReport(Row):
    """A worker that has told of itself, by its name; written at most every ten seconds."""

    name = models.CharField(max_length=128, unique=True)
    lane = models.CharField(max_length=16, help_text="all, or the lane it serves")
    host = models.CharField(max_length=255, blank=True)
    pid = models.PositiveIntegerField(default=0)
    version = models.CharField(max_length=64, blank=True)
    slots = models.PositiveSmallIntegerField(default=0)
    running = models.PositiveSmallIntegerField(default=0)
    draining = models.BooleanField(default=False)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name
