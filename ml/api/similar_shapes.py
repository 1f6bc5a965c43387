"""Shapes of requests and answers about pictures that are nearly the same."""

from typing import Any

from rest_framework import serializers

from media.api.shapes import FileShape
from ml.search.keeping import CRITERIA
from ml.search.pairing import LOOSEST, MOST_BITS
from ml.search.reviewing import EXACT, SIMILAR
from ml.search.similar import BITS, DECIDED_MOST, DISTANCE

BITS_HELP = "how many of 64 bits of the perceptual hashes may differ"


class SimilarPreviewQuery(serializers.Serializer[Any]):
    bits = serializers.IntegerField(
        required=False, default=BITS, min_value=0, max_value=MOST_BITS, help_text=BITS_HELP
    )


class SimilarQuery(SimilarPreviewQuery):
    """How alike two pictures must be, and which page."""

    threshold = serializers.FloatField(
        required=False,
        default=DISTANCE,
        min_value=0,
        max_value=LOOSEST,
        help_text="cosine distance up to which two pictures count as copies",
    )
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(required=False, default=20, min_value=1, help_text="groups, at most 50")


class CopyShape(serializers.Serializer[Any]):
    """A file of a group, and how alike it is to the one it is most like."""

    file = FileShape()
    distance = serializers.FloatField(help_text="cosine; 0 is the same to the model")
    bits = serializers.IntegerField(help_text=BITS_HELP.replace("may ", ""))


class SimilarGroupShape(serializers.Serializer[Any]):
    """Files that are the same, or hang together by being nearly so. Nothing is deleted by itself."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(
        choices=[EXACT, SIMILAR],
        help_text="exact: files of the same bytes, of any type; similar: pictures that look nearly the same",
    )
    keep = serializers.UUIDField(help_text="the file that is the best to keep")
    because = serializers.ChoiceField(
        choices=[name for name, _ in CRITERIA], help_text="what decided that: the first in which it was alone"
    )
    count = serializers.IntegerField(help_text="files, also where fewer are listed")
    cut = serializers.BooleanField(help_text="more hangs together with it than was followed")
    members = CopyShape(many=True)


class SimilarPageShape(serializers.Serializer[Any]):
    groups = SimilarGroupShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class SimilarStepShape(serializers.Serializer[Any]):
    threshold = serializers.FloatField()
    pairs = serializers.IntegerField(help_text="up to this threshold")


class SimilarPreviewShape(serializers.Serializer[Any]):
    steps = SimilarStepShape(many=True)


class SimilarDecisionInput(serializers.Serializer[Any]):
    fileIds = serializers.ListField(child=serializers.UUIDField(), min_length=2, max_length=DECIDED_MOST)


class SimilarDecidedShape(serializers.Serializer[Any]):
    pairs = serializers.IntegerField(help_text="of files that were decided about")
