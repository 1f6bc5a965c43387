"""Reads: people with how many faces they have, their covers, faces as they are shown. Only live files count."""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import (
    BooleanField,
    Count,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from media.models import Derivative, File, Library
from ml.models import Face, Person


class Place(NamedTuple):
    """Where a page of people ended: the order of the list."""

    unnamed: bool
    name: str
    faces: int
    id: UUID


LISTED: Final = """
SELECT p.id, p.name = '', lower(p.name), p.faces_known FROM ml_person p
WHERE p.library_id = %(library)s AND p.merged_into_id IS NULL
    AND (p.name = '', lower(p.name), -p.faces_known, p.id) > (%(unnamed)s, %(name)s, %(faces)s, %(id)s)
    AND (%(hidden)s::boolean IS NULL OR p.hidden = %(hidden)s)
    AND (%(empty)s AND (p.made_by_user OR p.name <> '') OR EXISTS (
        SELECT 1 FROM ml_face f WHERE f.person_id = p.id AND NOT f.removed AND EXISTS (
            SELECT 1 FROM media_file m WHERE m.original_id = f.original_id AND m.trashed_at IS NULL) AND NOT EXISTS (
            SELECT 1 FROM media_original o WHERE o.id = f.original_id AND o.held_at IS NOT NULL)))
ORDER BY p.name = '', lower(p.name), -p.faces_known, p.id LIMIT %(limit)s
"""
"""Read in the order of the index `person_in_list_order`. Faces are looked at until one is live, and not counted."""
COUNTED: Final = """
SELECT person_id, coalesce(sum(faces) FILTER (WHERE files > 0), 0)::integer, sum(files)::integer FROM (
    SELECT f.person_id, count(*) AS faces,
        (SELECT count(*) FROM media_file m WHERE m.original_id = f.original_id AND m.trashed_at IS NULL) AS files
    FROM ml_face f WHERE f.person_id = ANY(%s) AND NOT f.removed AND NOT EXISTS (
        SELECT 1 FROM media_original o WHERE o.id = f.original_id AND o.held_at IS NOT NULL)
    GROUP BY f.person_id, f.original_id) seen
GROUP BY person_id
"""
"""Files are asked for by original: a join would tempt the planner to read those of all libraries."""
FIRST: Final = Place(unnamed=False, name="", faces=2**31 - 1, id=UUID(int=0))


def people_after(
    library: Library, place: Place | None, limit: int, *, hidden: bool | None = False, empty: bool = False
) -> list[Place]:
    """So many people behind this place: those with a name by it, then the others; who has most faces first.

    For the order faces in the trash count too, `shown` tells the others. `hidden` None lists all; `empty` also those
    whom a user knows and of whom no live file has a face.
    """
    after = place or FIRST
    values = {
        "library": library.pk,
        "hidden": hidden,
        "empty": empty,
        "limit": limit,
        "unnamed": after.unnamed,
        "name": after.name,
        "faces": -after.faces,
        "id": after.id,
    }
    with connection.cursor() as cursor:
        cursor.execute(LISTED, values)
        return [Place(unnamed, name, faces, key) for key, unnamed, name, faces in cursor.fetchall()]


def shown(keys: Sequence[UUID]) -> list[Person]:
    """These people in this order, each with `face` (its cover, or None), `face_count` and `file_count`."""
    theirs = live(Face.objects.filter(person=OuterRef("pk"), removed=False))
    chosen = theirs.filter(pk=OuterRef("cover"))
    best = theirs.exclude(crop="").order_by("-quality", "id")
    rows: Any = Person.objects.filter(pk__in=keys).annotate(
        cover_now=Coalesce(Subquery(chosen.values("pk")[:1]), Subquery(best.values("pk")[:1])),
        merges=Count("merged"),
    )
    found = {row.pk: row for row in rows}
    covers = {face.pk: face for face in in_full(Face.objects.filter(pk__in=[row.cover_now for row in rows]))}
    counts = counts_of(keys)
    for row in found.values():
        row.face = covers.get(row.cover_now)
        row.face_count, row.file_count = counts.get(row.pk, (0, 0))
    return [found[key] for key in keys if key in found]


def counts_of(keys: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Faces and files of each of these people that are neither in the trash nor set aside."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, [list(keys)])
        return {key: (faces, files) for key, faces, files in cursor.fetchall()}


def live(faces: QuerySet[Face]) -> QuerySet[Face]:
    """Those of whose original there is a file outside the trash, and that is not set aside."""
    files = File.objects.live().filter(original=OuterRef("original"), original__held_at=None).order_by("id")
    found: QuerySet[Face] = faces.annotate(file=Subquery(files.values("pk")[:1])).filter(file__isnull=False)
    return found


def told(faces: QuerySet[Face]) -> QuerySet[Face]:
    """Without their vectors, but with `comparable`: whether they have one."""
    has_one = ExpressionWrapper(Q(embedding__isnull=False), BooleanField())
    found: QuerySet[Face] = faces.annotate(comparable=has_one).defer("embedding")
    return found


def in_full(faces: QuerySet[Face]) -> QuerySet[Face]:
    """Live ones with `file` (the key of one in which each is to be seen), their person and what names their crops."""
    results = Derivative.objects.only("id", "deriver", "variant", "outputs")
    rows: QuerySet[Face] = told(live(faces)).select_related("person")
    return rows.prefetch_related(Prefetch("derivative", queryset=results))


def faces_of_person(person: Person, after: tuple[float, UUID] | None) -> QuerySet[Face]:
    """The best first."""
    rows = Face.objects.filter(person=person, removed=False).order_by("-quality", "-id")
    if after is not None:
        quality, key = after
        rows = rows.filter(Q(quality__lt=quality) | Q(id__lt=key), quality__lte=quality)
    return in_full(rows)


def unassigned(library: Library, after: UUID | None) -> QuerySet[Face]:
    """Faces of nobody, the newest first."""
    rows = Face.objects.filter(library=library, person=None, removed=False).order_by("-id")
    return in_full(rows.filter(id__lt=after) if after else rows)


def faces_of_file(file: File) -> QuerySet[Face]:
    """From left to right; in a film by when they are first seen. `file` is this one, in the trash too."""
    rows = told(Face.objects.filter(original=file.original_id, removed=False))
    results = Derivative.objects.only("id", "deriver", "variant", "outputs")
    whole: QuerySet[Face] = rows.select_related("person").prefetch_related(
        Prefetch("derivative", queryset=results)
    )
    return whole.order_by(F("second").asc(nulls_first=True), "x", "id")


def files_of_person(library: Library, person: Person) -> QuerySet[File]:
    faces = Face.objects.filter(person=person, removed=False)
    found: QuerySet[File] = File.objects.live().filter(
        library=library, original__in=faces.values("original"), original__held_at=None
    )
    return found
