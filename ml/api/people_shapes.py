"""Shapes of requests and answers about people and faces."""

from typing import Any

from rest_framework import serializers

from media.api.film_shapes import LATEST
from media.api.shapes import ORDERS
from ml.faces.people import AT_ONCE, LONGEST_NAME
from ml.models.faces import By

BY = [choice for choice in By.choices if choice[0]]


def keys_field(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.UUIDField(), max_length=AT_ONCE, **options)


def name_field(**options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=LONGEST_NAME, **options)


def share(**options: Any) -> serializers.FloatField:
    return serializers.FloatField(min_value=0, max_value=1, **options)


class BoxShape(serializers.Serializer[Any]):
    """Shares of the upright picture, 0 to 1, from its top left corner; before a person has turned it."""

    x = share()
    y = share()
    width = share()
    height = share()


class FaceShape(serializers.Serializer[Any]):
    """A face in a picture or a film."""

    id = serializers.UUIDField()
    libraryId = serializers.UUIDField()
    fileId = serializers.UUIDField(help_text="a file in which it is to be seen")
    personId = serializers.UUIDField(allow_null=True)
    personName = serializers.CharField(allow_null=True, allow_blank=True)
    assignedBy = serializers.ChoiceField(choices=BY, allow_null=True)
    distance = serializers.FloatField(allow_null=True, help_text="cosine, where the model assigned it")
    box = BoxShape()
    second = serializers.FloatField(allow_null=True, help_text="of its best frame in a film")
    spans = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="[start, end] seconds in which it is to be seen in a film",
    )
    score = share(help_text="of the detector")
    quality = share()
    comparable = serializers.BooleanField(
        help_text="false: too blurred, or the models see no face there; only members can say whose it is"
    )
    drawn = serializers.BooleanField(help_text="by a person")
    cropUrl = serializers.CharField(allow_null=True, help_text="null until it is made")


class PersonShape(serializers.Serializer[Any]):
    """Somebody. Counts are of files that are not in the trash."""

    id = serializers.UUIDField()
    libraryId = serializers.UUIDField()
    name = serializers.CharField(allow_blank=True, help_text="empty until somebody gives one")
    hidden = serializers.BooleanField()
    faceCount = serializers.IntegerField()
    fileCount = serializers.IntegerField()
    cover = FaceShape(allow_null=True, help_text="the chosen face, else the best")
    coverChosen = serializers.BooleanField()
    canUndoMerge = serializers.BooleanField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class PeoplePageShape(serializers.Serializer[Any]):
    entries = PersonShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class FacePageShape(serializers.Serializer[Any]):
    entries = FaceShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class MergeProposalShape(serializers.Serializer[Any]):
    """Two people who may be one."""

    id = serializers.UUIDField()
    first = PersonShape()
    second = PersonShape()
    distance = serializers.FloatField(help_text="cosine, of the nearest of their faces")


class FaceProposalShape(serializers.Serializer[Any]):
    """A face that may be somebody's."""

    id = serializers.UUIDField()
    face = FaceShape()
    personId = serializers.UUIDField()
    personName = serializers.CharField(allow_blank=True)
    distance = serializers.FloatField()


class PageQuery(serializers.Serializer[Any]):
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(required=False, default=50, min_value=1, help_text="at most 200")


class PeopleQuery(PageQuery):
    hidden = serializers.ChoiceField(
        choices=["no", "only", "any"], required=False, default="no", help_text="hidden people"
    )
    empty = serializers.BooleanField(
        required=False,
        default=False,
        help_text="also those somebody has named or made of whom there is no live face",
    )


class PersonFilesQuery(PageQuery):
    order = serializers.ChoiceField(choices=ORDERS, required=False, default="-date")


class PersonInput(serializers.Serializer[Any]):
    """Left out is left as it is. An empty name takes it away."""

    name = name_field(required=False, allow_blank=True)
    hidden = serializers.BooleanField(required=False)
    coverFaceId = serializers.UUIDField(required=False)


class MergeInput(serializers.Serializer[Any]):
    personIds = keys_field(min_length=2, help_text="the first takes the others in")


class SplitFacesInput(serializers.Serializer[Any]):
    faceIds = keys_field(min_length=1)
    name = name_field(required=False, default="", allow_blank=True)


class FacesInput(serializers.Serializer[Any]):
    faceIds = keys_field(min_length=1)


class OwnerInput(serializers.Serializer[Any]):
    """Somebody who is there, or a new person of this name."""

    personId = serializers.UUIDField(required=False)
    name = name_field(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if {"personId", "name"} <= attrs.keys():
            raise serializers.ValidationError("Send personId or name, not both.")
        return attrs


class AssignInput(OwnerInput):
    faceIds = keys_field(min_length=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"personId", "name"} & attrs.keys():
            raise serializers.ValidationError("Send personId, or the name of a new person.")
        return super().validate(attrs)


class DrawnInput(OwnerInput):
    """Shares of the upright picture, before a person has turned it."""

    x = share()
    y = share()
    width = share()
    height = share()
    second = serializers.FloatField(
        required=False, min_value=0, max_value=LATEST, help_text="of a film; a picture has none"
    )
