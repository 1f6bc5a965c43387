"""Shapes of the registry as the API tells it."""

from typing import Any

from rest_framework import serializers

from ml.models.choosing import DownloadState
from ml.registry.specs import PIPELINES

STATES = [*((value, label) for value, label in DownloadState.choices), ("missing", "Missing")]


class LicenceShape(serializers.Serializer[Any]):
    """A licence; what has to be accepted is fetched only then."""

    id = serializers.CharField()
    title = serializers.CharField()
    url = serializers.URLField()
    terms = serializers.CharField()
    mustAccept = serializers.BooleanField()
    accepted = serializers.BooleanField()


class ModelFileShape(serializers.Serializer[Any]):
    """One file of a model."""

    role = serializers.CharField()
    name = serializers.CharField()
    size = serializers.IntegerField(allow_null=True, help_text="bytes, where they are known")
    here = serializers.BooleanField()


class ModelShape(serializers.Serializer[Any]):
    """One model, and how far it is on its way."""

    id = serializers.CharField()
    title = serializers.CharField()
    accuracy = serializers.CharField(allow_blank=True)
    speed = serializers.CharField(
        allow_blank=True, help_text="as it was measured elsewhere; empty: nobody has told"
    )
    note = serializers.CharField(allow_blank=True)
    diskBytes = serializers.IntegerField()
    memoryBytes = serializers.IntegerField(allow_null=True, help_text="at its peak, where it is known")
    licence = LicenceShape()
    available = serializers.BooleanField(help_text="whether its files lie on a mirror")
    usable = serializers.BooleanField(help_text="available, or brought by hand: it can be chosen")
    default = serializers.BooleanField()
    chosen = serializers.BooleanField()
    languages = serializers.ListField(child=serializers.CharField())
    files = ModelFileShape(many=True)
    state = serializers.ChoiceField(choices=STATES)
    progress = serializers.IntegerField(min_value=0, max_value=100)
    error = serializers.CharField(allow_blank=True)


class ChangeShape(serializers.Serializer[Any]):
    """Another model of search was chosen, and looks at all in the background."""

    answering = serializers.CharField(help_text="the model by which is searched until then")
    following = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField(help_text="originals; 0 until they have been counted")


class PipelineShape(serializers.Serializer[Any]):
    """The models of one pipeline."""

    pipeline = serializers.ChoiceField(choices=PIPELINES)
    model = serializers.CharField(help_text="the one that is used")
    language = serializers.CharField(allow_null=True, help_text="what is spoken; of speech alone")
    changing = ChangeShape(allow_null=True, help_text="of search alone")
    models = ModelShape(many=True)


class ChoiceInput(serializers.Serializer[Any]):
    """Which model to use from now on. A language that is left out stays."""

    model = serializers.CharField(max_length=64)
    language = serializers.CharField(max_length=16, required=False)


class OrderShape(serializers.Serializer[Any]):
    """How far it is."""

    message = serializers.CharField()
