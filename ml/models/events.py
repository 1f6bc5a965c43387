"""What is to be seen and heard: objects in pictures and films, sounds in recordings.

Of a film one row tells one span in which an object is to be seen, with the box of its best frame.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from media.models import Derivative, Library, Original
from media.models.base import Row


class ObjectDetection(Row):
    """Boxes are shares of the upright picture, 0 to 1, from its top left corner. Times are of films only."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="objects_found")
    derivative = models.ForeignKey(Derivative, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=64)
    class_index = models.PositiveSmallIntegerField()
    score = models.FloatField()
    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField()
    height = models.FloatField()
    second = models.FloatField(null=True, blank=True, help_text="of the best frame")
    start_seconds = models.FloatField(null=True, blank=True)
    end_seconds = models.FloatField(null=True, blank=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(score__range=(0, 1)), name="object_score_is_a_share"),
        )
        indexes = (
            models.Index(fields=["library", "label", "original"], name="object_by_label"),
            models.Index(fields=["original", "-score"], name="object_by_original"),
            models.Index(fields=["library", "-id"], name="object_list_by_library"),
        )

    def __str__(self) -> str:
        return f"{self.label} {self.score:.2f}"


class SoundEvent(Row):
    """One label of one window of a recording."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="sounds_found")
    derivative = models.ForeignKey(Derivative, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=128)
    class_index = models.PositiveSmallIntegerField()
    score = models.FloatField()
    start_seconds = models.FloatField()
    end_seconds = models.FloatField()

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(score__range=(0, 1)), name="sound_score_is_a_share"),
            models.CheckConstraint(
                condition=Q(end_seconds__gt=models.F("start_seconds"), start_seconds__gte=0),
                name="sound_has_a_span",
            ),
        )
        indexes = (
            models.Index(fields=["library", "label", "original"], name="sound_by_label"),
            models.Index(fields=["original", "start_seconds"], name="sound_by_original"),
            models.Index(fields=["library", "-id"], name="sound_list_by_library"),
        )

    def __str__(self) -> str:
        return f"{self.label} {self.score:.2f}"
