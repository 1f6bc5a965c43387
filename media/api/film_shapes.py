"""Shapes of requests and answers about films and recordings: how they are played, drawn and shown by a poster."""

from typing import Any

from rest_framework import serializers

from media.api.shapes import job_fields
from media.models.derivative import Status
from media.playback import KINDS as SOURCE_KINDS

LATEST = 999_999_999
"""Seconds of a film; the columns that keep them have twelve digits, three of them behind the point."""


class WaveformShape(serializers.Serializer[Any]):
    """One level as JSON."""

    peaks = serializers.ListField(child=serializers.FloatField(min_value=0, max_value=1))
    peaksPerSecond = serializers.FloatField()
    sampleRate = serializers.IntegerField()
    duration = serializers.FloatField(help_text="seconds")


class WaveformQuery(serializers.Serializer[Any]):
    """Which level. Neither gives the finest."""

    level = serializers.IntegerField(required=False, min_value=0, help_text="0 is the finest")
    points = serializers.IntegerField(
        required=False, min_value=1, help_text="the coarsest level that has so many peaks, else the finest"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) > 1:
            raise serializers.ValidationError("Give a level or a number of points, not both.")
        return attrs


class PlaybackSourceShape(serializers.Serializer[Any]):
    """One choice of the player."""

    kind = serializers.ChoiceField(choices=SOURCE_KINDS)
    url = serializers.CharField()
    type = serializers.CharField(help_text="for `canPlayType`: with codecs by RFC 6381")
    mimeType = serializers.CharField()
    width = serializers.IntegerField(allow_null=True, help_text="pixels, as displayed")
    height = serializers.IntegerField(allow_null=True)
    duration = serializers.FloatField(allow_null=True, help_text="seconds")
    size = serializers.IntegerField(help_text="bytes")
    bitRate = serializers.IntegerField(allow_null=True, help_text="bits a second, all in all")
    videoCodec = serializers.CharField(allow_null=True)
    audioCodec = serializers.CharField(allow_null=True)
    playable = serializers.BooleanField(help_text="every browser plays it as it is")
    reason = serializers.CharField(allow_null=True, help_text="a code of what stands against that")
    label = serializers.CharField()  # type: ignore[assignment]  # Fields are taken off the class; nothing clashes.
    default = serializers.BooleanField()


class SubtitleShape(serializers.Serializer[Any]):
    """A track of subtitles as WebVTT."""

    url = serializers.CharField()
    language = serializers.CharField(allow_null=True, help_text="as the file says it")
    title = serializers.CharField(allow_null=True)
    default = serializers.BooleanField()
    forced = serializers.BooleanField(help_text="only what is in a foreign tongue, or written")
    transcript = serializers.BooleanField(help_text="written down from the sound, and not in the file")
    track = serializers.IntegerField(
        allow_null=True, help_text="index of the stream of sound that was written down"
    )
    kept = serializers.UUIDField(
        allow_null=True, help_text="other corrections than those that stand (`kept` of the transcripts)"
    )


class PlaybackShape(serializers.Serializer[Any]):
    """From what a file can be played, and how the job of its proxy stands."""

    sources = PlaybackSourceShape(many=True)
    default = serializers.CharField(
        allow_null=True, help_text="kind of the source to begin with; null for what cannot be played"
    )
    subtitles = SubtitleShape(many=True)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **job_fields("proxy")}


class ProxyInput(serializers.Serializer[Any]):
    force = serializers.BooleanField(
        required=False, help_text="make one although browsers play the original; left out: as last time"
    )


class PosterCandidateShape(serializers.Serializer[Any]):
    """A frame that may become the poster."""

    place = serializers.IntegerField(help_text="percent of the film")
    second = serializers.FloatField()
    score = serializers.FloatField(help_text="contrast and sharpness, the higher the better")
    dark = serializers.BooleanField()
    url = serializers.CharField(allow_null=True)
    chosen = serializers.BooleanField(help_text="whether the poster is of this second")


class PosterShape(serializers.Serializer[Any]):
    """Which picture stands for a video or a recording."""

    source = serializers.ChoiceField(choices=["auto", "selected", "uploaded"])  # type: ignore[assignment]  # Fields are taken off the class; nothing clashes.
    status = serializers.ChoiceField(
        choices=Status.choices, allow_null=True, help_text="of the poster that is wanted; null: none planned"
    )
    progress = serializers.IntegerField(allow_null=True, min_value=0, max_value=100)
    error = serializers.CharField(allow_null=True)
    second = serializers.FloatField(allow_null=True)
    posterUrl = serializers.CharField(
        allow_null=True, help_text="what is shown until the wanted one is made, then that one"
    )
    candidates = PosterCandidateShape(many=True)


class PosterInput(serializers.Serializer[Any]):
    """One of both."""

    second = serializers.FloatField(
        required=False, min_value=0, max_value=LATEST, help_text="seconds from the beginning"
    )
    candidate = serializers.IntegerField(required=False, help_text="percent of one of the candidates")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if len(given) != 1:
            raise serializers.ValidationError("Send either `second` or `candidate`.")
        return given
