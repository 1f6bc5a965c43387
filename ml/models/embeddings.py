"""What pictures and frames mean, as vectors of the semantic model; and what users said of those that are alike."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from media.models import Derivative, Library, Original
from media.models.base import Row


class PictureEmbedding(Row):
    """Of a picture, or of one frame of a film. Vectors of different models are never compared.

    The column has no length of its own, because models differ; `ml.search` keeps an index for each length in use.
    """

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="embeddings")
    derivative = models.ForeignKey(Derivative, on_delete=models.CASCADE, related_name="+")
    model = models.CharField(max_length=64)
    second = models.FloatField(null=True, blank=True)
    embedding = HalfVectorField()

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        indexes = (models.Index(fields=["original"], name="embedding_by_original"),)

    def __str__(self) -> str:
        return f"{self.model} of {self.original_id}"


class SimilarDecision(Row):
    """A user has looked at two originals that are nearly the same and wants to keep both: not asked again."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    first = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["first", "second"], name="similar_decided_once"),
            models.CheckConstraint(condition=Q(first__lt=models.F("second")), name="similar_in_one_order"),
        )

    def __str__(self) -> str:
        return f"{self.first_id} and {self.second_id}"
