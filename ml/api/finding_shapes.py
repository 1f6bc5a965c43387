"""Shapes of what models have found: objects, sounds, their names."""

from typing import Any

from rest_framework import serializers

from media.api.shapes import ORDERS
from media.models.derivative import Status
from ml.api.people_shapes import BoxShape

MOST: int = 1000
"""Entries of a page."""


class ObjectShape(serializers.Serializer[Any]):
    """One object of a picture, or one span of a film in which something is to be seen."""

    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]  # Fields are taken off the class; nothing clashes.
    score = serializers.FloatField(help_text="0 to 1")
    box = BoxShape(help_text="of the best frame, where it is a film")
    second = serializers.FloatField(allow_null=True, help_text="of the best frame")
    start = serializers.FloatField(allow_null=True, help_text="seconds")
    end = serializers.FloatField(allow_null=True, help_text="seconds")


class ObjectsShape(serializers.Serializer[Any]):
    """What is to be seen in a file. No entries and `ready`: nothing is."""

    status = serializers.ChoiceField(choices=Status.choices, allow_null=True)
    model = serializers.CharField(allow_null=True, help_text="that has found them")
    entries = ObjectShape(many=True)


class SoundShape(serializers.Serializer[Any]):
    """One sound of one window."""

    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]  # As above.
    score = serializers.FloatField(help_text="0 to 1")
    start = serializers.FloatField(help_text="seconds")
    end = serializers.FloatField(help_text="seconds")


class SoundsShape(serializers.Serializer[Any]):
    """What is to be heard in a file, window by window. No entries and `ready`: nothing that is known."""

    status = serializers.ChoiceField(choices=Status.choices, allow_null=True)
    model = serializers.CharField(allow_null=True, help_text="that has heard them")
    entries = SoundShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class SoundsQuery(serializers.Serializer[Any]):
    """Which part of the recording."""

    start = serializers.FloatField(
        required=False, min_value=0, help_text="seconds; windows that end before it are left out"
    )
    end = serializers.FloatField(
        required=False, min_value=0, help_text="seconds; windows that begin after it are left out"
    )
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(
        required=False, default=MOST, min_value=1, max_value=MOST, help_text=f"at most {MOST}"
    )


class LabelShape(serializers.Serializer[Any]):
    """A name, and in how many files outside the trash it was found."""

    label = serializers.CharField()  # type: ignore[assignment]  # As above.
    files = serializers.IntegerField()


class LabelQuery(serializers.Serializer[Any]):
    """Which files."""

    label = serializers.CharField(max_length=128)  # type: ignore[assignment]  # As above.
    minScore = serializers.FloatField(
        required=False, default=0.0, min_value=0, max_value=1, help_text="found at least so surely"
    )
    order = serializers.ChoiceField(
        choices=ORDERS, required=False, default="-date", help_text="`-date` has the newest first"
    )
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(required=False, default=50, min_value=1, help_text="at most 200")
