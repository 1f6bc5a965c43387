"""Shapes of searches and of what they find."""

from typing import Any

from rest_framework import serializers

from media.api.shapes import FileShape, FolderShape
from media.models.original import KINDS
from ml.search import dates
from ml.search.facets import NAMES
from ml.search.filters import FOLDERS
from ml.search.sources import REASONS

LONGEST_QUESTION = 500
STATUSES = ("used", "late", "off")
TYPES = (*KINDS, FOLDERS)


class DaysField(serializers.CharField):
    """`2024`, `2024-06` or `2024-06-01`, as the wall clock from its beginning to its end."""

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        found = dates.in_one(text)
        span = found.span() if found is not None else None
        if span is None:
            raise serializers.ValidationError(
                "Write a day as 2024-06-01, a month as 2024-06, a year as 2024."
            )
        return span


class SearchQuery(serializers.Serializer[Any]):
    """What is looked for, and what else has to hold. Everything given must hold."""

    q = serializers.CharField(
        max_length=LONGEST_QUESTION,
        allow_blank=True,
        help_text='words; "words together"; -unwanted; this OR that; june 2024; like:<id of a file>',
    )
    library = serializers.UUIDField(required=False, help_text="one of yours; left out: all of them")
    type = serializers.ChoiceField(choices=TYPES, required=False)
    person = serializers.UUIDField(required=False)
    label = serializers.CharField(  # type: ignore[assignment]  # The key of the query.
        max_length=128, required=False, help_text="of an object or a sound"
    )
    to = DaysField(max_length=10, required=False, help_text="the last day, month or year; in local time")
    camera = serializers.CharField(max_length=300, required=False, help_text="as the facet has it")
    tag = serializers.UUIDField(required=False)
    folder = serializers.UUIDField(required=False, help_text="and all below it")
    stacks = serializers.ChoiceField(
        choices=["open", "closed"],
        required=False,
        default="closed",
        help_text="`closed` leaves out a file for whom another one that was found stands",
    )
    facets = serializers.BooleanField(
        required=False, allow_null=True, help_text="left out: with the first page only"
    )
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(required=False, default=30, min_value=1, help_text="at most 100")

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of the language."""
        first = DaysField(
            max_length=10, required=False, help_text="the first day, month or year; in local time"
        )
        return {**super().get_fields(), "from": first}


class WhereShape(serializers.Serializer[Any]):
    """One place where it was found, with what is to be shown of it."""

    source = serializers.ChoiceField(choices=REASONS)  # type: ignore[assignment]  # The key of the JSON.
    text = serializers.CharField(allow_null=True, help_text="plain text, never markup")
    ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="[start, end) of what was found, in characters (code points) of `text`",
    )
    second = serializers.FloatField(allow_null=True, help_text="of a video or a recording")
    id = serializers.UUIDField(
        allow_null=True, help_text="of the person, tag, moment, folder or segment that was found"
    )


class HitShape(serializers.Serializer[Any]):
    """A file or a folder. The better one is first; of equals the newer one."""

    file = FileShape(allow_null=True)
    folder = FolderShape(allow_null=True)
    matchReason = serializers.CharField(help_text="the sources with a plus between them: name+object")
    where = WhereShape(many=True)
    second = serializers.FloatField(allow_null=True, help_text="where to begin to play")


class FacetShape(serializers.Serializer[Any]):
    value = serializers.CharField(help_text="what the filter takes")
    name = serializers.CharField(help_text="what people read")
    count = serializers.IntegerField()


class FacetsShape(serializers.Serializer[Any]):
    """How many of what was found, of `facetsOf` of them; `year` by year, the others by count, at most 20 of each."""

    def get_fields(self) -> dict[str, Any]:
        return {name: FacetShape(many=True) for name in NAMES}


class SearchShape(serializers.Serializer[Any]):
    entries = HitShape(many=True)
    total = serializers.IntegerField(help_text="on all pages")
    nextCursor = serializers.CharField(allow_null=True)
    facets = FacetsShape(allow_null=True)
    facetsOf = serializers.IntegerField(
        allow_null=True,
        help_text="how many `facets` count: all, or the 10,000 of the highest ranks where `total` is more",
    )
    near = serializers.BooleanField(help_text="nothing is as it was spelled: these are spelled nearly so")
    meaning = serializers.ChoiceField(
        choices=STATUSES,
        help_text="whether what pictures mean had a say; `late`: not in time; `off`: no model, or no library with it",
    )
    message = serializers.CharField(
        allow_null=True, help_text="why there is nothing, where the question is the reason"
    )
