"""Tags of a library: words with a colour. What wears one (a moment; later a file) says so through its own `tags`.

The database keeps names unique, whatever their case, so that two who make the same tag at once get one.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower

from media.errors import ConflictError, RequestError
from media.intake import one_line
from media.models import Library, Tag
from media.models.tag import LONGEST_NAME

PALETTE: Final = (
    *("#EF4444", "#F97316", "#F59E0B", "#84CC16", "#22C55E", "#14B8A6"),
    *("#06B6D4", "#3B82F6", "#6366F1", "#A855F7", "#EC4899", "#78716C"),
)
"""Twelve colours that are told apart on light and on dark ground."""

LIVE_MOMENTS: Final = Q(moments__trashed_at__isnull=True, moments__file__trashed_at__isnull=True)


class TagMissingError(RequestError):
    """No such tag in this library."""

    code = "tag_not_found"
    http_status = 404


def tags_of(library: Library) -> QuerySet[Tag]:
    """By name, each with `usage`: how many live moments wear it."""
    rows: QuerySet[Tag] = Tag.objects.filter(library=library).annotate(
        usage=Count("moments", filter=LIVE_MOMENTS)
    )
    return rows.order_by(Lower("name"), "id")


def find_tag(library: Library, key: UUID) -> Tag:
    """With its `usage`. TagMissingError else."""
    found = tags_of(library).filter(pk=key).first()
    if found is None:
        raise missing_tag()
    return found


def missing_tag() -> TagMissingError:
    return TagMissingError("There is no such tag in this library. It may have been deleted.")


def create_tag(library: Library, name: str, color: str | None = None) -> Tag:
    """ConflictError where the name is taken. Without a colour it gets the one that is worn least."""
    with one_of_a_name():
        made: Tag = Tag.objects.create(
            library=library, name=clean(name), color=color or least_used_color(library)
        )
    return made


def change_tag(tag: Tag, *, name: str | None = None, color: str | None = None) -> None:
    """What is None stays as it is."""
    tag.name = tag.name if name is None else clean(name)
    tag.color = color or tag.color
    with one_of_a_name():
        # Looked at again, as it may have been deleted since it was loaded.
        if not Tag.objects.select_for_update(no_key=True).filter(pk=tag.pk).exists():
            raise missing_tag()
        tag.save(update_fields=["name", "color", "updated_at"])


def delete_tag(tag: Tag) -> None:
    """Off everything that wears it, for good."""
    with transaction.atomic():
        # First of all, so that nobody puts it on something while it is taken off the others.
        Tag.objects.select_for_update().filter(pk=tag.pk).first()
        tag.delete()


def put_on(wearer: Any, library: Library, keys: Collection[UUID]) -> None:
    """The full set: what wears tags has these afterwards and no others. TagMissingError for those of elsewhere."""
    wanted = set(keys)
    # Locked, so that none is deleted between the look and the writing; in order, so that two never wait in a circle.
    tags = Tag.objects.select_for_update(no_key=True).order_by("pk")
    found = list(tags.filter(library=library, pk__in=wanted))
    if len(found) != len(wanted):
        raise TagMissingError("One of these tags is not in this library. It may have been deleted.")
    wearer.tags.set(found)


def least_used_color(library: Library) -> str:
    """The first of the palette among those that the fewest tags have."""
    rows = Tag.objects.filter(library=library).values_list("color").annotate(tags=Count("pk"))
    used = dict(rows.order_by())
    return min(PALETTE, key=lambda color: used.get(color, 0))


def clean(name: str) -> str:
    """RequestError where nothing of it can be seen."""
    kept = one_line(name, LONGEST_NAME)
    if not kept:
        raise RequestError("A tag needs a name that can be seen. Type one.", code="no_name")
    return kept


@contextmanager
def one_of_a_name() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "tag_once_per_library" not in str(error):
            raise
        raise ConflictError(
            "There is a tag with this name in this library already. Use it, or choose another name.",
            code="name_taken",
        ) from error
