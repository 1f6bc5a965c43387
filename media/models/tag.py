"""A tag: a word with a colour that the members of one library put on its things."""

from typing import Any, ClassVar, Final

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from media.models.base import Row
from media.models.library import Library
from media.models.plain import words_of

LONGEST_NAME: Final = 60


class Tag(Row):
    """Unique by its folded name in a library. `color` is `#RRGGBB`, of the palette in `media.tags`."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=LONGEST_NAME)
    color = models.CharField(max_length=7)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint("library", Lower("name"), name="tag_once_per_library"),
            models.CheckConstraint(condition=~Q(name=""), name="tag_has_a_name"),
            models.CheckConstraint(condition=Q(color__regex=r"^#[0-9A-F]{6}$"), name="tag_color_is_hex"),
        )
        indexes = (
            words_of("name", name="tag_by_words_of_name"),
            models.Index(fields=["library", "-id"], name="tag_list_by_library"),
        )

    def __str__(self) -> str:
        return self.name
