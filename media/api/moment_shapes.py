"""Shapes of requests and answers about tags and moments."""

from typing import Any

from rest_framework import serializers

from media.api.film_shapes import LATEST
from media.api.shapes import instant
from media.models import moment as of_moments
from media.models import tag as of_tags
from media.models.derivative import Status
from media.tags import PALETTE


class TagShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    color = serializers.CharField(help_text="#RRGGBB")


class TagUsageShape(TagShape):
    """A tag of the library, and how much it is worn."""

    libraryId = serializers.UUIDField()
    usageCount = serializers.IntegerField(help_text="live moments that wear it")
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class TagInput(serializers.Serializer[Any]):
    """Without a colour it gets the one of the palette that is worn least."""

    name = serializers.CharField(max_length=of_tags.LONGEST_NAME)
    color = serializers.ChoiceField(choices=PALETTE, required=False)


class TagKeysInput(serializers.Serializer[Any]):
    tagIds = serializers.ListField(
        child=serializers.UUIDField(), max_length=100, help_text="the full set: others are taken off"
    )


class SecondsField(serializers.FloatField):
    """Seconds from the beginning of the file; thousandths count."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=LATEST, **options)


class MomentInput(serializers.Serializer[Any]):
    """A span of a video or a recording, at least 0.05 s long and not beyond its end."""

    name = serializers.CharField(max_length=of_moments.LONGEST_NAME)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    start = SecondsField()
    end = SecondsField()
    tagIds = serializers.ListField(
        child=serializers.UUIDField(), max_length=100, required=False, source="tag_keys"
    )


class MomentChangeInput(serializers.Serializer[Any]):
    """Left out is left as it is."""

    name = serializers.CharField(max_length=of_moments.LONGEST_NAME, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    start = SecondsField(required=False)
    end = SecondsField(required=False)


class SplitInput(serializers.Serializer[Any]):
    at = SecondsField(help_text="seconds from the beginning of the file")


class MomentQuery(serializers.Serializer[Any]):
    trashed = serializers.BooleanField(
        required=False, default=False, help_text="those in the trash instead of the live ones"
    )


class CreatorShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField(allow_blank=True)


class MomentShape(serializers.Serializer[Any]):
    """A moment and how far its export is."""

    id = serializers.UUIDField()
    libraryId = serializers.UUIDField()
    fileId = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    start = serializers.FloatField(help_text="seconds from the beginning of the file")
    end = serializers.FloatField()
    tags = TagShape(many=True)
    createdBy = CreatorShape(allow_null=True)
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()
    trashedAt = instant()
    exportStatus = serializers.ChoiceField(choices=Status.choices, allow_null=True)
    exportProgress = serializers.IntegerField(allow_null=True, min_value=0, max_value=100)
    exportEtaSeconds = serializers.IntegerField(allow_null=True)
    exportVersion = serializers.IntegerField(help_text="rises with every change of the span")
    exportedVersion = serializers.IntegerField(allow_null=True, help_text="of the clip that is served")
    exportPartial = serializers.BooleanField(help_text="the file breaks off within the clip that is served")
    exportError = serializers.CharField(allow_null=True)
    stale = serializers.BooleanField(help_text="the clip that is served is of an older span")
    downloadUrl = serializers.CharField(allow_null=True)
    posterUrl = serializers.CharField(allow_null=True, help_text="of the clip; recordings have none")


class SplitShape(serializers.Serializer[Any]):
    left = MomentShape()
    right = MomentShape()
