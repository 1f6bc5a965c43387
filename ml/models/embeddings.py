"""What pictures and frames mean, as vectors of the semantic model; which are nearly the same, and what users said."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from media.models import Derivative, File, Library, Original
from media.models.base import Row


class PictureEmbedding(Row):
    """Of a picture, or of one frame of a film. Vectors of different models are never compared.

    The column has no length of its own, because models differ; a migration makes an index for each length in use.
    """

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="embeddings")
    derivative = models.ForeignKey(Derivative, on_delete=models.CASCADE, related_name="+")
    model = models.CharField(max_length=64)
    second = models.FloatField(null=True, blank=True)
    fingerprint = models.BigIntegerField(
        null=True, blank=True, help_text="64 bits of a perceptual hash; of pictures only"
    )
    embedding = HalfVectorField()

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        indexes = (
            models.Index(fields=["original"], name="embedding_by_original"),
            models.Index(fields=["library", "model"], name="embedding_by_library"),
            models.Index(fields=["library", "-id"], name="embedding_list_by_library"),
        )

    def __str__(self) -> str:
        return f"{self.model} of {self.original_id}"


class SearchModel(Row):
    """The model by whose vectors is searched, while another one that was chosen is still looking. One row."""

    pipeline = models.CharField(max_length=16, unique=True, default="search")
    model = models.CharField(max_length=64, help_text="answers searches")
    before = models.CharField(
        max_length=64, blank=True, default="", help_text="answered before; its vectors are kept"
    )
    following = models.CharField(max_length=64, blank=True, default="", help_text="looks at all; empty: none")
    left = models.PositiveIntegerField(default=0, help_text="originals that it has not seen")
    total = models.PositiveIntegerField(default=0)

    objects: ClassVar[Any] = models.Manager()

    def __str__(self) -> str:
        return f"{self.model}, then {self.following}" if self.following else self.model


class SimilarPair(Row):
    """Two pictures that are nearly the same to one model: `first` was looked at before `second`. Goes with either.

    Kept wider than anybody is shown by default, so that users may try another threshold.
    """

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    first = models.ForeignKey(PictureEmbedding, on_delete=models.CASCADE, related_name="later_twins")
    second = models.ForeignKey(PictureEmbedding, on_delete=models.CASCADE, related_name="earlier_twins")
    model = models.CharField(max_length=64, help_text="of both embeddings")
    distance = models.FloatField(help_text="cosine, of the embeddings")
    bits = models.PositiveSmallIntegerField(help_text="in which the fingerprints differ, of 64")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["first", "second"], name="similar_pair_once"),
            models.CheckConstraint(
                condition=Q(first__lt=models.F("second")), name="similar_pair_in_one_order"
            ),
        )
        indexes = (models.Index(fields=["library", "model", "-second"], name="similar_pair_newest"),)

    def __str__(self) -> str:
        return f"{self.first_id} and {self.second_id}"


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


class KeptCopy(Row):
    """A user has looked at files of the same bytes and wants to keep this one too: not asked until another one comes.

    `original` are the bytes of which that was said. Where they are merged with others, it goes with them.
    """

    file = models.OneToOneField(File, on_delete=models.CASCADE, related_name="+")
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name_plural = "kept copies"

    def __str__(self) -> str:
        return f"{self.file_id} of {self.original_id}"
