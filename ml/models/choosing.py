"""What the operator has chosen and accepted, and what lies on this machine."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from media.models import Library
from media.models.base import Row
from ml.registry.specs import PIPELINES


class Choice(Row):
    """The model of a pipeline. No row, or a model that is gone: the default of the registry."""

    pipeline = models.CharField(max_length=16, unique=True)
    model = models.CharField(max_length=64)
    language = models.CharField(max_length=16, blank=True, default="", help_text="of speech; empty: auto")
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(pipeline__in=PIPELINES), name="choice_pipeline_known"),
        )

    def __str__(self) -> str:
        return f"{self.pipeline}: {self.model}"


class Acceptance(Row):
    """A licence that a person has read and accepted for this installation."""

    licence = models.CharField(max_length=64, unique=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects: ClassVar[Any] = models.Manager()

    def __str__(self) -> str:
        return self.licence


class DownloadState(models.TextChoices):
    """`ready` is what was verified; the file on disk is the truth of whether it is there."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


class Download(Row):
    """One file of a model on its way to this machine, or there."""

    pipeline = models.CharField(max_length=16)
    model = models.CharField(max_length=64)
    name = models.CharField(max_length=200, unique=True, help_text="of the file on this machine")
    state = models.CharField(max_length=16, choices=DownloadState.choices, default=DownloadState.QUEUED)
    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(state__in=DownloadState.values), name="download_state_known"),
            models.CheckConstraint(
                condition=~Q(state="failed") | ~Q(error=""), name="download_failure_has_a_reason"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


class LibraryLanguage(Row):
    """The language that is spoken in a library, as its members say. Asked before the model guesses."""

    library = models.OneToOneField(Library, on_delete=models.CASCADE, related_name="spoken")
    language = models.CharField(max_length=16)

    objects: ClassVar[Any] = models.Manager()

    def __str__(self) -> str:
        return f"{self.library_id}: {self.language}"
