"""Faces find their people, with the database: what waits, locks, batches, messages."""

import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from celery import current_app
from django.db import DataError, connection

from alcoves.accounts.models import User
from media.libraries import create_library
from media.models import Library
from ml import tasks
from ml.faces import assigning
from ml.models import Face, FaceRejection, Person
from ml.models.faces import By
from tests.bench.identities import agreement, crowd
from tests.ml.people.making import beside, direction, make_face, make_file, make_person, people_of
from tests.workers import running_worker, wait_until

A = direction(1)


def place_all(library: Library) -> None:
    while assigning.assign_waiting(library.pk):
        pass


def test_three_alike_become_a_person(library: Library) -> None:
    faces = [make_face(library, beside(A, 0.1, number)) for number in range(3)]
    place_all(library)
    (person,) = set(people_of(faces))
    assert person == Person.objects.get().pk
    rows = list(Face.objects.order_by("id").values_list("assigned_by", "waiting", "distance"))
    assert [row[:2] for row in rows] == [(By.MODEL, False)] * 3
    assert rows[1][2] == pytest.approx(0.18, abs=0.02)


def test_more_of_them_join_and_others_stay_alone(library: Library) -> None:
    person = make_person(library, 1)
    hers, stranger = make_face(library, beside(A, 0.1, 7)), make_face(library, direction(2))
    blank = make_face(library, None)
    place_all(library)
    assert people_of([hers, stranger, blank]) == [person.pk, None, None]
    assert list(Face.objects.filter(waiting=True)) == [blank], "Nothing can be said of it yet."


def test_people_of_other_libraries_and_models_are_not_considered(library: Library, alice: User) -> None:
    make_person(create_library(alice, "Other"), 1)
    make_person(library, 1)
    Face.objects.filter(library=library).update(model="older model")
    face = make_face(library, beside(A, 0.1, 7))
    place_all(library)
    assert people_of([face]) == [None]


def test_two_faces_of_one_picture_are_two(library: Library) -> None:
    person = make_person(library, 1)
    picture = make_file(library)
    near, far = (make_face(library, beside(A, d, 50), file=picture, x=d) for d in (0.05, 0.2))
    place_all(library)
    assert people_of([near, far]) == [person.pk, None]
    FaceRejection.objects.create(face=near, person=person)
    Face.objects.filter(pk__in=[near.pk, far.pk]).update(person=None, assigned_by="", waiting=True)
    place_all(library)
    assert people_of([near, far])[0] is None


def test_what_a_user_has_decided_stays(library: Library) -> None:
    anna, bert = make_person(library, 1), make_person(library, 2)
    wrong = make_face(library, beside(A, 0.05, 9), person=bert, assigned_by=By.USER)
    nobodys = make_face(library, beside(A, 0.05, 10), assigned_by=By.USER)
    removed = make_face(library, beside(A, 0.05, 11), removed=True)
    place_all(library)
    assert people_of([wrong, nobodys, removed]) == [bert.pk, None, None]
    assert anna.faces.count() == 3


def test_a_confirmed_face_is_an_exemplar_for_those_that_were_too_far(library: Library) -> None:
    person = make_person(library, 1)
    blurred = beside(A, 0.6, 20)
    unknown = make_face(library, beside(blurred, 0.1, 21))
    place_all(library)
    assert people_of([unknown]) == [None]
    make_face(library, blurred, person=person, assigned_by=By.USER)
    place_all(library)
    assert people_of([unknown]) == [person.pk]


def test_assign_takes_only_those_that_are_named(library: Library) -> None:
    person = make_person(library, 1)
    one, other = (make_face(library, beside(A, 0.1, 30 + number)) for number in range(2))
    assigning.assign(library.pk, [one.pk])
    assert people_of([one]) == [person.pk]
    assert list(Face.objects.filter(waiting=True)) == [other] or people_of([other]) == [person.pk]


def test_the_same_faces_in_the_same_order_give_the_same_people(library: Library, alice: User) -> None:
    of = crowd(people=8, faces=160, seed=9)
    found: list[list[int]] = []
    for name in ("one", "two"):
        where = create_library(alice, name)
        faces = [make_face(where, one) for one in of.vectors]
        place_all(where)
        people = people_of(faces)
        found.append([people.index(person) for person in people])
    assert found[0] == found[1]


def test_batches_keep_the_promise_of_the_clustering(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the database as through memory: cosines of one person are 0.4 to 0.8."""
    monkeypatch.setattr(assigning, "BATCH", 50)
    of = crowd(people=10, faces=400, seed=4)
    faces = []
    for start in range(0, 400, 100):
        faces += [make_face(library, one) for one in of.vectors[start : start + 100]]
        place_all(library)
    told = agreement(of.identities.tolist(), people_of(faces))
    assert told.f1 >= 0.98


def test_a_batch_costs_a_fixed_number_of_queries(
    library: Library, django_assert_max_num_queries: Any
) -> None:
    make_person(library, 1, faces=5)
    for number in range(40):
        make_face(library, beside(A, 0.1, 100 + number))
    with django_assert_max_num_queries(16):
        assigning.assign_waiting(library.pk)
    assert not assigning.waiting(library.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_several_workers_at_once_make_one_person(library: Library) -> None:
    of = crowd(people=3, faces=90, seed=6)
    faces = [make_face(library, one) for one in of.vectors]
    keys = [face.pk for face in faces]
    errors: list[BaseException] = []

    def work(some: list[UUID]) -> None:
        try:
            for start in range(0, len(some), 5):
                assigning.assign(library.pk, some[start : start + 5])
        except BaseException as error:  # noqa: BLE001  Told in the test's own thread.
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(keys[number::3],)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    told = agreement(of.identities.tolist(), people_of(faces))
    assert told.f1 == 1
    assert Person.objects.count() == 3


def test_faces_are_looked_at_by_a_message_after_commit(
    library: Library, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda *name, **how: sent.append((name, how)))
    with django_capture_on_commit_callbacks(execute=True):
        assigning.assign_soon(library.pk)
        assert not sent
    (((name,), how),) = sent
    assert (name, how["args"], how["queue"]) == (
        tasks.assign_faces.name,
        (str(library.pk),),
        "face-detection",
    )


def test_one_message_is_enough_until_it_arrives(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred photos, and one task that looks at all their faces."""
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda *name, **how: sent.append(name))
    for _ in range(3):
        assigning.publish(library.pk)
    assert len(sent) == 1
    tasks.assign_faces(str(library.pk))
    assigning.publish(library.pk)
    assert len(sent) == 2, "faces that were written after it had arrived have a message of their own"
    assigning.publish(library.pk, force=True)
    assert len(sent) == 3


def test_a_message_that_was_not_sent_is_not_waited_for(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("no broker")

    with monkeypatch.context() as patched:
        patched.setattr(current_app, "send_task", away)
        assigning.publish(library.pk)
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda *name, **how: sent.append(name))
    assigning.publish(library.pk)
    assert len(sent) == 1


def test_a_broker_that_is_away_is_no_loss(
    library: Library, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("no broker")

    face = make_face(library, A)
    with monkeypatch.context() as patched, django_capture_on_commit_callbacks(execute=True):
        patched.setattr(current_app, "send_task", away)
        assigning.assign_soon(library.pk)
    sent: list[UUID] = []
    monkeypatch.setattr(assigning, "publish", lambda key, **_: sent.append(key))
    assert tasks.assign_waiting_faces() == 1
    assert sent == [library.pk]
    tasks.assign_faces(str(library.pk))
    face.refresh_from_db()
    assert not face.waiting
    assert tasks.assign_waiting_faces() == 0


def test_a_task_sends_itself_again_while_more_wait(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assigning, "BATCH", 2)
    sent: list[UUID] = []
    monkeypatch.setattr(assigning, "publish", sent.append)
    for number in range(3):
        make_face(library, beside(A, 0.1, number))
    tasks.assign_faces(str(library.pk))
    assert sent == [library.pk]
    tasks.assign_faces(str(library.pk))
    assert len(sent) == 1
    assert Person.objects.count() == 1


def test_vectors_survive_the_way_through_the_column(library: Library) -> None:
    face = make_face(library, A)
    face.refresh_from_db()
    assert np.abs(np.asarray(face.embedding) - A).max() < 1e-3


def test_a_batch_that_fails_changes_nothing_and_waits_on(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        make_face(library, beside(A, 0.1, number))
    with monkeypatch.context() as patched:
        patched.setattr(assigning, "WRITE", "SELECT %s::uuid[], %s::uuid[], %s::uuid[], %s::float8[], 1 / 0")
        with pytest.raises(DataError):
            assigning.assign_waiting(library.pk)
    assert not Person.objects.exists()
    assert assigning.waiting(library.pk).count() == 3
    place_all(library)
    assert Person.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_loses_nobody(library: Library, tmp_path: Path) -> None:
    """In the middle of its batches: the next one finds the rest, though the message may be lost."""
    of = crowd(people=4, faces=300, seed=8)
    faces = [make_face(library, one) for one in of.vectors]
    with running_worker(tmp_path) as worker:
        assigning.publish(library.pk)
        wait_until(Person.objects.exists, 120, "the first batch")
        worker.kill_all()
    before = {face: person for face, person in zip(faces, people_of(faces), strict=True) if person}
    assert len(before) >= 200
    with running_worker(tmp_path):
        assert tasks.assign_waiting_faces() in {0, 1}
        wait_until(lambda: not assigning.waiting(library.pk).exists(), 120, "the rest")
    found = people_of(faces)
    assert agreement(of.identities.tolist(), found).f1 >= 0.98
    assert people_of(list(before)) == list(before.values())
