"""Faces that were found or drawn, the people they belong to, and what users have decided about both.

Boxes are shares of the upright picture, 0 to 1, from its top left corner.
"""

from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from pgvector.django import HalfVectorField, HnswIndex

from media.models import Derivative, Library, Original
from media.models.base import Row
from media.models.plain import words_of

DIMENSIONS: Final = 512


class By(models.TextChoices):
    """Who put a face to a person. What a user has decided no run changes."""

    NOBODY = ""
    MODEL = "model"
    USER = "user"


class Person(Row):
    """Somebody in a library. `name` is empty until a user gives one."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="people")
    name = models.CharField(max_length=200, blank=True, default="")
    hidden = models.BooleanField(default=False)
    cover = models.ForeignKey("Face", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    cover_chosen = models.BooleanField(default=False, help_text="by a user: no run takes another")
    made_by_user = models.BooleanField(default=False, help_text="stays when it has no faces left")
    faces_known = models.IntegerField(
        default=0, editable=False, help_text="in the trash, too; a trigger of faces keeps it"
    )
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="merged",
        help_text="set: only kept so that the merge can be undone",
    )
    merged_at = models.DateTimeField(null=True, blank=True)
    lent_name = models.BooleanField(
        default=False, help_text="to the one it was merged into, who had none: undone with the merge"
    )

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name_plural = "people"
        constraints = (
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True, merged_at__isnull=True)
                | Q(merged_into__isnull=False, merged_at__isnull=False),
                name="person_merged_at_a_time",
            ),
        )
        indexes = (
            models.Index("library", Lower("name"), "id", name="person_by_name"),
            words_of("name", name="person_by_words_of_name"),
            models.Index(
                fields=["merged_at"], condition=Q(merged_into__isnull=False), name="person_merged_when"
            ),
            # Lists of the console: each filter of them has its own index, the newest first.
            models.Index(fields=["library", "-id"], name="person_list_by_library"),
            models.Index(fields=["hidden", "-id"], name="person_list_by_hidden"),
            models.Index(fields=["-id"], condition=Q(merged_into__isnull=False), name="person_list_merged"),
            models.Index(fields=["-id"], condition=Q(merged_into__isnull=True), name="person_list_alone"),
        )

    def __str__(self) -> str:
        return self.name or f"person {self.pk}"


class Face(Row):
    """One face of a picture, or one face through a film: its best frame, and when it is to be seen.

    A face that a user has drawn has a derivative of its own once its small picture is made, and an embedding only
    where the model could make one.
    """

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="faces_found")
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="faces_found")
    derivative = models.ForeignKey(
        Derivative, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="faces")
    came_from = models.ForeignKey(
        Person,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="given_away",
        help_text="whose it was before people were merged",
    )
    assigned_by = models.CharField(
        max_length=8,
        choices=By.choices,
        blank=True,
        default=By.NOBODY,
        help_text="a user, and no person: it is to be nobody's",
    )
    waiting = models.BooleanField(
        default=True, help_text="the clustering is to look at it, and at those like it"
    )
    distance = models.FloatField(null=True, blank=True, help_text="cosine, when the model put it there")
    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField()
    height = models.FloatField()
    second = models.FloatField(null=True, blank=True, help_text="of its best frame in a film")
    spans = models.JSONField(default=list, blank=True, help_text="[[start, end], ...] seconds of a film")
    landmarks = models.JSONField(default=list, blank=True, help_text="five [x, y], shares of the picture")
    score = models.FloatField(default=1.0, help_text="of the detector, 0 to 1")
    quality = models.FloatField(default=0.0, help_text="0 to 1: size, sharpness, frontality")
    embedding = HalfVectorField(dimensions=DIMENSIONS, null=True, blank=True)
    model = models.CharField(max_length=64, blank=True, default="")
    crop = models.CharField(
        max_length=64, blank=True, default="", help_text="name of the derivative's output"
    )
    drawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    removed = models.BooleanField(default=False, help_text="a user says that this is no face")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(x__gte=0, y__gte=0, x__lte=1, y__lte=1, width__gt=0, height__gt=0),
                name="face_box_in_the_picture",
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=True, assigned_by="") | ~Q(assigned_by=""),
                name="face_assigned_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(score__range=(0, 1), quality__range=(0, 1)), name="face_scores_are_shares"
            ),
        )
        indexes = (
            models.Index(fields=["original"], name="face_by_original"),
            models.Index(fields=["person", "-quality"], name="face_by_person"),
            models.Index(
                fields=["library", "id"],
                condition=Q(person__isnull=True, removed=False),
                name="face_unassigned",
            ),
            models.Index(
                fields=["library", "id"],
                condition=Q(waiting=True, removed=False, embedding__isnull=False),
                name="face_waiting",
            ),
            # Lists of the console: each filter of them has its own index, the newest first.
            models.Index(fields=["library", "-id"], name="face_list_by_library"),
            models.Index(fields=["person", "-id"], name="face_list_by_person"),
            models.Index(fields=["assigned_by", "-id"], name="face_list_by_who"),
            models.Index(fields=["removed", "-id"], name="face_list_by_removed"),
            models.Index(fields=["-id"], condition=Q(person__isnull=False), name="face_list_owned"),
            HnswIndex(
                OpClass("embedding", name="halfvec_cosine_ops"),
                m=16,
                ef_construction=128,
                name="face_by_embedding",
            ),
        )

    def __str__(self) -> str:
        return f"face of {self.original_id}"


class FaceRejection(Row):
    """A user says that this face is not this person. No run puts it there again."""

    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="rejections")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="rejections")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["face", "person"], name="face_rejected_once"),)

    def __str__(self) -> str:
        return f"{self.face_id} is not {self.person_id}"


class MergeProposal(Row):
    """The nightly run thinks that two people are one. Only a user decides; what was declined is not asked again."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    first = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    distance = models.FloatField()
    declined = models.BooleanField(default=False)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["first", "second"], name="merge_proposed_once"),
            models.CheckConstraint(condition=Q(first__lt=models.F("second")), name="merge_in_one_order"),
        )
        indexes = (
            models.Index(fields=["library", "-id"], name="merge_list_by_library"),
            models.Index(fields=["declined", "-id"], name="merge_list_by_declined"),
        )

    def __str__(self) -> str:
        return f"{self.first_id} and {self.second_id}"


class FaceProposal(Row):
    """The nightly run thinks that this face is of that person. Declining it is a `FaceRejection`."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    face = models.OneToOneField(Face, on_delete=models.CASCADE, related_name="proposal")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    distance = models.FloatField()

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        indexes = (models.Index(fields=["library", "-id"], name="face_proposal_list_by_library"),)

    def __str__(self) -> str:
        return f"{self.face_id} as {self.person_id}"
