"""Decisions about people at the same moment as others, as batches of the clustering, and as files that go."""

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q

from alcoves.accounts.models import User
from media import switching, trash
from media.errors import RequestError
from media.models import Derivative, Library, Switching
from ml.faces import assigning, deciding, people, proposals
from ml.faces.boxes import Box
from ml.models import Face, FaceRejection, Person
from ml.models.faces import By
from tests.meanwhile import Meanwhile, waits_for_a_lock
from tests.media.api.conftest import finish
from tests.ml.people.making import beside, direction, make_face, make_file, make_person, people_of
from tests.workers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

DECISIONS = 25
"""Of each of eight users."""


def switch_off(library: Library) -> None:
    """The batch that deletes what was made, and then the rest."""
    switching.turn(library, {"faces": False}, confirmed=True)
    row = Switching.objects.get(library=library)
    while switching.step(row.pk):
        pass


def purge(library: Library) -> None:
    keys = list(library.files.order_by("id").values_list("pk", flat=True))
    trash.trash(library, keys)
    trash.purge(library, keys)


@pytest.fixture
def couple(library: Library) -> tuple[Person, Person]:
    """Two people whose faces were found by runs; each has a chosen cover."""
    library.faces = True
    library.save()
    pair = make_person(library, 1), make_person(library, 2, name="Anna")
    for person in pair:
        for face in person.faces.order_by("id"):
            row = finish(face.original.files.get(), "faces", {})
            Face.objects.filter(pk=face.pk).update(derivative=row)
        people.choose_cover(library, person.pk, person.faces.order_by("id")[0].pk)
    return pair


@pytest.mark.parametrize("going", [switch_off, purge])
@pytest.mark.parametrize(("step", "undone"), [("take_in", False), ("keep_apart", True)])
def test_a_merge_and_faces_that_go_do_not_wait_for_each_other_in_a_circle(
    library: Library,
    couple: tuple[Person, Person],
    monkeypatch: pytest.MonkeyPatch,
    going: Callable[[Library], None],
    step: str,
    undone: bool,
) -> None:
    """It has changed the faces and comes to the people; what deletes came to the people of the covers first."""
    keys = [person.pk for person in couple]
    if undone:
        people.merge(library, keys)
    others: list[Meanwhile] = []
    really = getattr(people, step)

    def in_the_middle(*pair: Person) -> None:
        really(*pair)
        others.append(Meanwhile(lambda: going(library)))
        wait_until(waits_for_a_lock, 20, "who deletes")

    monkeypatch.setattr(people, step, in_the_middle)
    if undone:
        people.undo_merge(library, keys[0])
    else:
        people.merge(library, keys)
    others[0].end()
    assert not Face.objects.exists()


def test_removing_a_drawn_face_while_faces_are_switched_off(
    library: Library, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both delete the run that made its small picture."""
    library.faces = True
    library.save()
    drawn = deciding.draw(library, make_file(library).original, alice, Box(0.1, 0.2, 0.3, 0.4))
    Face.objects.update(derivative=Derivative.objects.get())
    others: list[Meanwhile] = []
    really = people.find_faces

    def in_the_middle(*given: Any, **how: Any) -> Any:
        if not others:
            others.append(Meanwhile(lambda: switch_off(library)))
            wait_until(waits_for_a_lock, 20, "who deletes")
        return really(*given, **how)

    monkeypatch.setattr(people, "find_faces", in_the_middle)
    deciding.remove(library, [drawn.pk])
    others[0].end()
    assert not Face.objects.exists()
    assert not Derivative.objects.exists()


def test_two_merges_in_opposite_directions(library: Library) -> None:
    """One of them is first; the other one hears that somebody is not there any more."""
    one, other = make_person(library, 1), make_person(library, 2)
    with transaction.atomic(), assigning.holding(library.pk):
        merges = [
            Meanwhile(lambda keys=keys: people.merge(library, keys))  # type: ignore[misc]
            for keys in ([one.pk, other.pk], [other.pk, one.pk])
        ]
        wait_until(waits_for_a_lock, 20, "the merges")
    for merge in merges:
        merge.join(20)
    failures = [merge.failure for merge in merges if merge.failure is not None]
    assert [type(failure) for failure in failures] == [people.PersonMissingError]
    (left,) = people.people_of(library)
    assert left.faces.count() == 6


def test_a_split_beside_a_batch_of_the_clustering(library: Library) -> None:
    """Twins. Faces that come meanwhile are one's or the other's; what the user has split stays so."""
    person = make_person(library, 1, faces=8)
    for number in range(40):
        make_face(library, beside(direction(1), 0.1, 500 + number))
    keys = [face.pk for face in person.faces.order_by("id")[:4]]

    def assign() -> None:
        while assigning.assign_waiting(library.pk):
            pass

    batches = Meanwhile(assign)
    made = deciding.split(library, person.pk, keys, "Bert")
    batches.end()
    assign()
    assert set(Face.objects.filter(pk__in=keys).values_list("person", "assigned_by")) == {(made.pk, By.USER)}
    assert {one.pk for one in people.people_of(library)} == {person.pk, made.pk}
    assert not Face.objects.filter(person=None).exists()


def test_one_name_given_to_two_at_once(library: Library) -> None:
    """Two people may have one name."""
    pair = [make_person(library, seed) for seed in (1, 2)]
    given = [
        Meanwhile(lambda key=one.pk: people.rename(library, key, "Anna"))  # type: ignore[misc]
        for one in pair
    ]
    for one in given:
        one.end()
    assert list(people.people_of(library).values_list("name", flat=True)) == ["Anna", "Anna"]


class Everybody:
    """Users who decide at random, about the same few people."""

    def __init__(self, library: Library, seed: int) -> None:
        self.library = library
        self.draw = random.Random(seed)
        self.refused = 0

    def decide(self, times: int) -> None:
        choices = [self.about_faces, self.about_faces, self.about_people, self.about_people, self.run]
        for _ in range(times):
            try:
                self.draw.choice(choices)()
            except RequestError:
                self.refused += 1

    def faces(self, *, removed: bool = False) -> list[UUID]:
        keys = list(
            Face.objects.filter(library=self.library, removed=removed)
            .order_by("id")
            .values_list("pk", flat=True)
        )
        return self.draw.sample(keys, min(len(keys), self.draw.randint(1, 3)))

    def people(self, count: int) -> list[UUID]:
        keys = list(people.people_of(self.library).order_by("id").values_list("pk", flat=True))
        return self.draw.sample(keys, min(count, len(keys)))

    def about_faces(self) -> None:
        decide = self.draw.choice([deciding.confirm, deciding.reject, deciding.remove, deciding.restore])
        if self.draw.random() < 0.3:
            deciding.assign(self.library, self.faces(), self.people(1)[0])
        elif self.draw.random() < 0.1:
            deciding.assign_to_new(self.library, self.faces(), "New")
        else:
            decide(self.library, self.faces(removed=decide is deciding.restore))

    def about_people(self) -> None:
        key, *others = self.people(2)
        theirs = list(Face.objects.filter(person=key, removed=False).values_list("pk", flat=True)[:2])
        decisions: list[Callable[[], Any]] = [
            lambda: people.rename(self.library, key, self.draw.choice(["Anna", "Bert", ""])),
            lambda: people.hide(self.library, key, hidden=self.draw.random() < 0.5),
            lambda: people.choose_cover(self.library, key, theirs[0]) if theirs else None,
            lambda: people.merge(self.library, [key, *others]),
            lambda: people.undo_merge(self.library, key),
            lambda: deciding.split(self.library, key, theirs) if theirs else None,
        ]
        self.draw.choice(decisions)()

    def run(self) -> None:
        if self.draw.random() < 0.1:
            proposals.propose(self.library.pk)
        assigning.assign_waiting(self.library.pk)


def check_everything(library: Library) -> None:
    """What has to be true whatever was decided in whatever order."""
    faces = Face.objects.filter(library=library)
    assert not faces.filter(person__merged_into__isnull=False).exists()
    assert not faces.filter(removed=True, person__isnull=False).exists()
    refused = FaceRejection.objects.filter(face=OuterRef("pk"), person=OuterRef("person"))
    assert not faces.filter(Exists(refused)).exists()
    chosen = Person.objects.filter(library=library, merged_into=None, cover_chosen=True)
    assert not chosen.exclude(cover__person=F("pk")).exists()
    counted = Person.objects.annotate(there=Count("faces", filter=Q(faces__removed=False)))
    assert not counted.exclude(faces_known=F("there")).exists()
    assert not Person.objects.filter(Q(merged_into=F("pk")) | Q(merged_into__merged_into=F("pk"))).exists()


def test_hundreds_of_decisions_at_once(library: Library) -> None:
    for seed in range(1, 7):
        make_person(library, seed, 8)
    pictures = [make_file(library) for _ in range(10)]
    for number, picture in enumerate(pictures):
        for x, seed in ((0.1, number % 6 + 1), (0.5, (number + 1) % 6 + 1)):
            make_face(library, beside(direction(seed), 0.1, number), file=picture, x=x)
    everybody = [Everybody(library, seed) for seed in range(8)]
    at_once = [Meanwhile(lambda one=one: one.decide(DECISIONS)) for one in everybody]  # type: ignore[misc]
    for one in at_once:
        one.join(240)
    assert [one.failure for one in at_once] == [None] * 8
    assert sum(one.refused for one in everybody) < 4 * DECISIONS, "Most of them could be followed."
    check_everything(library)
    decided = list(Face.objects.filter(assigned_by=By.USER, removed=False).order_by("id"))
    before = people_of(decided)
    Face.objects.update(waiting=True)
    while assigning.assign_waiting(library.pk):
        pass
    proposals.propose(library.pk)
    assert people_of(decided) == before
    check_everything(library)
