"""Shapes of requests and answers about transcripts and the languages in them."""

from typing import Any, Final

from rest_framework import serializers

from media.api.moment_shapes import SecondsField
from media.api.shapes import MOST_FILES, SkippedShape, instant
from media.models.derivative import Status
from ml.transcription.drafts import LONGEST_TEXT

OPERATIONS: Final = ("change", "split", "merge", "remove", "insert")
NEEDS: Final = {
    "change": {"id"},
    "split": {"id", "at"},
    "merge": {"id"},
    "remove": {"id"},
    "insert": {"start", "end", "text"},
}
"""What each operation cannot do without."""
MOST_CHANGES: Final = 1000
PAGE: Final = 2000


class WordShape(serializers.Serializer[Any]):
    """One word, in seconds from the beginning of the file."""

    start = serializers.FloatField()
    end = serializers.FloatField()
    text = serializers.CharField()
    probability = serializers.FloatField()


class SegmentShape(serializers.Serializer[Any]):
    """One stretch of speech."""

    id = serializers.UUIDField()
    position = serializers.IntegerField()
    start = serializers.FloatField(help_text="seconds")
    end = serializers.FloatField()
    text = serializers.CharField()
    confidence = serializers.FloatField(allow_null=True, help_text="mean probability of its words")
    words = WordShape(many=True, help_text="empty where a person has written the text, or with `words=0`")


class EditorShape(serializers.Serializer[Any]):
    """Who has corrected a transcript last."""

    id = serializers.UUIDField()
    name = serializers.CharField(allow_blank=True)


class TranscriptShape(serializers.Serializer[Any]):
    """What is written down of a track. No segments: nobody speaks."""

    language = serializers.CharField(
        allow_null=True, help_text="ISO 639-1; null where nobody has said it, and nobody speaks"
    )
    languageFound = serializers.BooleanField(help_text="by the model; else somebody said it")
    model = serializers.CharField()
    segmentCount = serializers.IntegerField()
    wordCount = serializers.IntegerField()
    revision = serializers.IntegerField(help_text="goes up with every change; send it with yours")
    editedAt = instant()
    editedBy = EditorShape(allow_null=True)
    newer = serializers.BooleanField(
        help_text="the model has heard the track anew since it was corrected; take it with revert"
    )
    urls = serializers.DictField(child=serializers.CharField(), help_text="vtt, srt, txt and json")
    updatedAt = serializers.DateTimeField()


class KeptShape(serializers.Serializer[Any]):
    """Corrections of another upload that turned out to be the same bytes: kept beside those that were made later."""

    id = serializers.UUIDField()
    language = serializers.CharField(allow_null=True)
    segmentCount = serializers.IntegerField()
    wordCount = serializers.IntegerField()
    editedAt = instant()
    editedBy = EditorShape(allow_null=True)
    urls = serializers.DictField(child=serializers.CharField(), help_text="vtt, srt, txt and json")


class TrackShape(serializers.Serializer[Any]):
    """A track of sound of a file, how its job stands, and what is written down of it."""

    track = serializers.IntegerField(help_text="index of the stream")
    default = serializers.BooleanField(help_text="heard where nobody chooses; made without being asked")
    title = serializers.CharField(allow_null=True)
    tagged = serializers.CharField(allow_null=True, help_text="language that the file says")
    asked = serializers.CharField(allow_null=True, help_text="language that was asked for, for this track")
    status = serializers.ChoiceField(choices=Status.choices, allow_null=True, help_text="null: not asked for")
    progress = serializers.IntegerField(allow_null=True, min_value=0, max_value=100)
    etaSeconds = serializers.IntegerField(allow_null=True)
    errorCode = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    transcript = TranscriptShape(allow_null=True)
    kept = KeptShape(many=True, help_text="other corrections, until somebody deletes them")


class TranscriptPageShape(TrackShape):
    """One track with its text, and a page of its segments."""

    text = serializers.CharField(allow_blank=True)
    segments = SegmentShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class SegmentQuery(serializers.Serializer[Any]):
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=PAGE)
    words = serializers.BooleanField(required=False, default=True)


class TranscribeInput(serializers.Serializer[Any]):
    """Left out: as last time."""

    language = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=16,
        help_text="null: the track, the library, the model say",
    )
    replace = serializers.BooleanField(
        required=False, default=False, help_text="the corrections that are there now may go"
    )


class TranscribeManyInput(serializers.Serializer[Any]):
    fileIds = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_FILES)
    language = serializers.CharField(
        required=False, allow_null=True, max_length=16, help_text="left out: as last time, for each"
    )


class AskedShape(serializers.Serializer[Any]):
    """What became of many."""

    queued = serializers.ListField(child=serializers.UUIDField())
    skipped = SkippedShape(many=True)


class ChangeInput(serializers.Serializer[Any]):
    """One change. Each operation takes its own fields."""

    op = serializers.ChoiceField(choices=OPERATIONS)
    id = serializers.UUIDField(required=False, help_text="of a segment; merge: with the one after it")
    text = serializers.CharField(required=False, max_length=LONGEST_TEXT)
    start = SecondsField(required=False)
    end = SecondsField(required=False)
    at = serializers.IntegerField(
        required=False, min_value=0, max_value=LONGEST_TEXT, help_text="split: before this letter of the text"
    )
    second = SecondsField(required=False, help_text="split: when the second half begins; left out: found")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = NEEDS[attrs["op"]] - attrs.keys()
        if missing:
            raise serializers.ValidationError(f"{attrs['op']} needs {', '.join(sorted(missing))}.")
        return attrs


class EditInput(serializers.Serializer[Any]):
    """All changes are made, one after the other, or none."""

    revision = serializers.IntegerField(min_value=0, help_text="to which the changes are made")
    changes = ChangeInput(many=True, required=False, default=list)
    language = serializers.CharField(required=False, max_length=16, help_text="what is spoken")

    def validate_changes(self, value: list[Any]) -> list[Any]:
        if len(value) > MOST_CHANGES:
            raise serializers.ValidationError(f"Send at most {MOST_CHANGES} changes at a time.")
        return value


class RevertInput(serializers.Serializer[Any]):
    revision = serializers.IntegerField(min_value=0)


class LanguageShape(serializers.Serializer[Any]):
    """The language that is spoken in a library."""

    language = serializers.CharField(allow_null=True, help_text="ISO 639-1; null: the model finds out")
    name = serializers.CharField(allow_null=True)


class LanguageInput(serializers.Serializer[Any]):
    language = serializers.CharField(max_length=16, allow_null=True)
