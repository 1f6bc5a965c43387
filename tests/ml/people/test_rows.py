"""What the database itself refuses of people and faces."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from alcoves.accounts.models import User
from media import trash
from media.libraries import create_library
from media.models import Library
from ml.models import Face, FaceProposal, FaceRejection, MergeProposal, Person
from tests.ml.people.making import direction, make_face, make_file, make_person


def refused(change: Any) -> bool:
    """Whether the rows could not be committed."""
    try:
        with transaction.atomic():
            change()
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except IntegrityError:
        return True
    return False


def test_nothing_points_into_another_library(library: Library, alice: User) -> None:
    other = create_library(alice, "Other")
    mine, theirs = make_person(library, 1), make_person(other, 2)
    face = Face.objects.filter(library=library)[:1].get()
    their_face, their_file = theirs.faces.order_by("id")[0], make_file(other)
    both = {"library": library, "distance": 0.1}
    first, second = sorted((mine, theirs), key=lambda one: one.pk)
    changes = [
        lambda: Face.objects.filter(pk=face.pk).update(person=theirs),
        lambda: Face.objects.filter(pk=face.pk).update(came_from=theirs),
        lambda: Face.objects.filter(pk=face.pk).update(original=their_file.original),
        lambda: Person.objects.filter(pk=mine.pk).update(cover=their_face),
        lambda: Person.objects.filter(pk=mine.pk).update(merged_into=theirs, merged_at=mine.created_at),
        lambda: MergeProposal.objects.create(first=first, second=second, **both),
        lambda: FaceProposal.objects.create(face=their_face, person=mine, **both),
        lambda: FaceProposal.objects.create(face=face, person=theirs, **both),
    ]
    assert [refused(change) for change in changes] == [True] * len(changes)


def test_a_merge_has_a_time_and_a_pair_has_one_order(library: Library) -> None:
    first, second = make_person(library, 1, 1), make_person(library, 2, 1)
    assert first.pk < second.pk
    assert refused(lambda: Person.objects.filter(pk=first.pk).update(merged_into=second))
    with pytest.raises(IntegrityError), transaction.atomic():
        MergeProposal.objects.create(library=library, first=second, second=first, distance=0.1)


def test_purging_a_file_takes_its_faces_and_leaves_the_person(library: Library) -> None:
    person = make_person(library, 1, 2, name="Anna")
    face = person.faces.order_by("id")[0]
    person.cover, person.cover_chosen = face, True
    person.save()
    FaceRejection.objects.create(face=face, person=make_person(library, 2, 1))
    file = face.original.files.get()
    trash.trash(library, [file.pk])
    trash.purge(library, [file.pk])
    person.refresh_from_db()
    assert person.cover_id is None
    assert person.faces.count() == 1
    assert not FaceRejection.objects.exists()
    assert not refused(lambda: make_face(library, direction(5), person=person))
