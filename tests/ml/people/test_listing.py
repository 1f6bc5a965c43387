"""The list of people: in the order of an index, with counts that the database keeps."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Q

from media import audit, holding, trash
from media.models import Library
from ml.faces import deciding, listing, people
from ml.models import Face, Person
from ml.models.faces import By
from tests.ml.people.making import make_face, make_file, make_person

pytestmark = pytest.mark.django_db


def kept() -> bool:
    """Whether every count is that of the person's faces."""
    rows = Person.objects.annotate(there=Count("faces", filter=Q(faces__removed=False)))
    return all(row.faces_known == row.there for row in rows)


def test_faces_are_counted_whatever_happens_to_them(library: Library) -> None:
    first, second = make_person(library, 1, 4), make_person(library, 2, 3)
    assert kept()
    assert Person.objects.get(pk=first.pk).faces_known == 4
    one, *_ = keys = list(first.faces.order_by("id").values_list("pk", flat=True))
    for decide in (
        lambda: deciding.reject(library, [one]),
        lambda: deciding.assign(library, [one], second.pk),
        lambda: deciding.remove(library, [keys[1]]),
        lambda: deciding.restore(library, [keys[1]]),
        lambda: people.merge(library, [first.pk, second.pk]),
        lambda: people.undo_merge(library, first.pk),
        lambda: deciding.split(library, second.pk, [one]),
        lambda: Face.objects.filter(pk=keys[2]).delete(),
        lambda: people.delete(library, second.pk),
        lambda: Face.objects.update(waiting=False),
    ):
        decide()
        assert kept()
    assert Face.objects.filter(person=first).count() == 1


def test_who_is_only_in_the_trash_is_not_listed_and_not_counted(library: Library) -> None:
    person, other = make_person(library, 1, 3), make_person(library, 2, 2)
    again = person.faces.order_by("id")[0].original
    copy = make_file(library)
    copy.original = again
    copy.save()
    assert listing.counts_of([person.pk, other.pk]) == {person.pk: (3, 4), other.pk: (2, 2)}
    trash.trash(library, list(other.faces.values_list("original__files", flat=True)))
    trash.trash(library, [copy.pk])
    assert [place.id for place in listing.people_after(library, None, 9)] == [person.pk]
    assert listing.counts_of([person.pk, other.pk]) == {person.pk: (3, 3), other.pk: (0, 0)}


def test_who_is_only_on_what_is_set_aside_is_not_listed_and_not_counted(library: Library) -> None:
    person, other = make_person(library, 1, 3), make_person(library, 2, 2)
    best = person.faces.order_by("-quality", "id")[0]
    held = [best.original_id, *other.faces.values_list("original", flat=True)]
    holding.hold(held, audit.SYSTEM, "Somebody complained.")
    assert [place.id for place in listing.people_after(library, None, 9)] == [person.pk]
    counts = listing.counts_of([person.pk, other.pk])
    assert (counts[person.pk], counts.get(other.pk, (0, 0))) == ((2, 2), (0, 0))
    assert best.pk not in [face.pk for face in listing.faces_of_person(person, None)]
    both: list[Any] = listing.shown([person.pk, other.pk])
    shown, empty = both
    assert shown.face is None or shown.face.pk != best.pk
    assert (empty.face, empty.face_count) == (None, 0)


def test_a_page_is_read_in_the_order_of_the_index(library: Library) -> None:
    for number in range(30):
        person = Person.objects.create(library=library, name=f"Name {number}" if number % 3 else "")
        make_face(library, None, person=person, assigned_by=By.USER)
    values: dict[str, Any] = {"library": library.pk, "hidden": False, "empty": False, "limit": 10}
    values |= {"unnamed": True, "name": "", "faces": -1, "id": person.pk}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ml_face, ml_person, media_file")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {listing.LISTED}", values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "person_in_list_order" in plan
    assert "Sort" not in plan
    assert "Aggregate" not in plan
