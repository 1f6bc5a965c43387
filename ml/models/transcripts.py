"""What is said in a film or a recording: one transcript for each track of sound, in segments with their words."""

from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Q

from media.models import Derivative, Library, Original
from media.models.base import Row

WORDS: Final = Func(F("language"), F("text"), function="alcoves_words", output_field=SearchVectorField())
"""What is said, as Postgres searches it: by the rules of the language that is spoken. A migration has the function."""


class Transcript(Row):
    """`derivative` is the row of the ledger; its variant names the track. No segments: nothing is said, and ready.

    A user's corrections stay: what a later run finds is kept beside them (`edited`), until a user takes it.
    """

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="transcripts")
    derivative = models.OneToOneField(Derivative, on_delete=models.CASCADE, related_name="transcript")
    track = models.PositiveSmallIntegerField(default=0, help_text="index of the stream in the file")
    language = models.CharField(max_length=16, blank=True, default="", help_text="ISO 639-1, told or found")
    language_found = models.BooleanField(default=False, help_text="by the model; else somebody said it")
    model = models.CharField(max_length=64)
    text = models.TextField(blank=True, default="")
    edited_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    revision = models.PositiveIntegerField(default=1, help_text="goes up with every change of the segments")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        indexes = (
            models.Index(fields=["original", "track"], name="transcript_by_original"),
            models.Index(fields=["library", "-id"], name="transcript_list_by_library"),
            models.Index(fields=["language_found", "-id"], name="transcript_list_by_found"),
            models.Index(fields=["-id"], condition=Q(edited_at__isnull=False), name="transcript_list_edited"),
            models.Index(
                fields=["-id"], condition=Q(edited_at__isnull=True), name="transcript_list_as_heard"
            ),
            GinIndex(WORDS, fastupdate=False, name="transcript_by_words"),
        )

    def __str__(self) -> str:
        return f"transcript of {self.original_id}"


class TranscriptSegment(Row):
    """One cue. `words` is [[start, end, text, probability], ...]; empty once a user has rewritten the text."""

    transcript = models.ForeignKey(Transcript, on_delete=models.CASCADE, related_name="segments")
    position = models.PositiveIntegerField()
    start_seconds = models.FloatField()
    end_seconds = models.FloatField()
    text = models.TextField()
    words = models.JSONField(default=list, blank=True)
    confidence = models.FloatField(null=True, blank=True, help_text="mean probability of its words")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=["transcript", "position"], name="segment_once_at_its_place"),
            models.CheckConstraint(
                condition=Q(end_seconds__gte=models.F("start_seconds"), start_seconds__gte=0),
                name="segment_has_a_span",
            ),
        )

    def __str__(self) -> str:
        return self.text
