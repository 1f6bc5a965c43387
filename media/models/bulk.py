"""One act on many jobs, as an operator asked for it: the truth of which are meant and how far it is."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from media.models.audit import Via
from media.models.base import Row


class BulkState(models.TextChoices):
    """`waiting` until a worker has begun."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


OPEN = (BulkState.WAITING, BulkState.RUNNING)


class Bulk(Row):
    """`until` is a key: rows that came later were not meant. `last` is the key up to which all is done."""

    act = models.CharField(max_length=16)
    selection = models.JSONField(default=dict, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    via = models.CharField(max_length=16, choices=Via.choices)
    request_id = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=BulkState.choices, default=BulkState.WAITING)
    text = models.CharField(max_length=500, blank=True, help_text="why it failed")
    total = models.PositiveBigIntegerField(null=True, blank=True, help_text="as it was begun")
    done = models.PositiveBigIntegerField(default=0)
    until = models.UUIDField()
    last = models.UUIDField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0, help_text="since something was done last")
    sent_at = models.DateTimeField(null=True, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name = "act on many jobs"
        verbose_name_plural = "acts on many jobs"
        indexes = (models.Index(fields=["id"], condition=Q(state__in=OPEN), name="bulk_open"),)

    def __str__(self) -> str:
        return f"{self.act} {self.done} of {self.total if self.total is not None else '?'}, {self.state}"
