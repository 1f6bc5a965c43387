"""What the night proposes: who may be one, and whose a face may be. Nothing is done, and nothing is asked twice."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from media.models import Library
from ml.faces import assigning, deciding, people, proposals
from ml.models import Face, FaceProposal, FaceRejection, MergeProposal, Person
from ml.models.faces import By
from tests.ml.people.making import beside, direction, make_face, make_file, make_person, people_of

A = direction(1)


def faces_of(person: Person) -> list[Face]:
    return list(person.faces.order_by("id"))


def test_by_night_a_merge_is_proposed_and_never_done(library: Library) -> None:
    first, second = make_person(library, 1), make_person(library, 1)
    proposals.propose(library.pk)
    (proposal,) = proposals.open_merges(library)
    assert {proposal.first, proposal.second} == {first, second}
    assert proposal.distance < 0.42
    assert (first.faces.count(), second.faces.count()) == (3, 3)
    proposals.propose(library.pk)
    assert list(proposals.open_merges(library)) == [proposal], "Not twice."
    proposals.decline_merge(library, proposal.pk)
    proposals.propose(library.pk)
    assert not proposals.open_merges(library).exists(), "Not asked again."
    with pytest.raises(proposals.ProposalGoneError):
        proposals.accept_merge(library, proposal.pk)


def test_an_accepted_merge_keeps_the_name_else_the_larger(library: Library) -> None:
    small, large = make_person(library, 1, 3), make_person(library, 1, 4)
    proposals.propose(library.pk)
    assert proposals.accept_merge(library, proposals.open_merges(library).get().pk) == large
    named = make_person(library, 1, 3, name="Anna")
    proposals.propose(library.pk)
    assert proposals.accept_merge(library, proposals.open_merges(library).get().pk) == named
    assert not people.people_of(library).filter(pk__in=[small.pk, large.pk]).exists()


@pytest.mark.parametrize("why", ["two names", "seen together", "not near"])
def test_what_is_not_proposed(library: Library, why: str) -> None:
    first = make_person(library, 1, name="Anna" if why == "two names" else "")
    second = make_person(library, 3 if why == "not near" else 1, name="Bert" if why == "two names" else "")
    if why == "seen together":
        make_face(library, None, file=faces_of(first)[0].original.files.get(), person=second)
    proposals.propose(library.pk)
    assert not proposals.open_merges(library).exists()


def test_a_merge_that_is_not_likely_any_more_is_withdrawn(library: Library) -> None:
    first, second = make_person(library, 1), make_person(library, 1)
    proposals.propose(library.pk)
    people.rename(library, first.pk, "Anna")
    people.rename(library, second.pk, "Bert")
    proposals.propose(library.pk)
    assert not MergeProposal.objects.exists()


def test_by_night_a_face_is_proposed_to_the_one_it_may_be(library: Library) -> None:
    person = make_person(library, 1)
    face = make_face(library, beside(A, 0.45, 3))
    while assigning.assign_waiting(library.pk):
        pass
    assert people_of([face]) == [None]
    proposals.propose(library.pk)
    proposal = FaceProposal.objects.get()
    assert (proposal.face, proposal.person) == (face, person)
    assert people_of([face]) == [None]
    proposals.decline_face(library, proposal.pk)
    proposals.propose(library.pk)
    assert not FaceProposal.objects.exists(), "Not asked again."
    FaceRejection.objects.all().delete()
    proposals.propose(library.pk)
    assert proposals.accept_face(library, FaceProposal.objects.get().pk) == person.pk
    face.refresh_from_db()
    assert (face.person, face.assigned_by) == (person, By.USER)
    assert not FaceProposal.objects.exists()


def test_people_with_hundreds_of_photos_are_compared_with_others_too(library: Library) -> None:
    """The own faces of each are nearer than any of the other's, and more than a look-up usually asks for."""
    first, second = (make_person(library, 1, 100, spread=0.1) for _ in range(2))
    for number, face in enumerate(faces_of(second)):
        face.embedding = beside(beside(A, 0.25, 1), 0.05, 5000 + number)
        face.save(update_fields=["embedding"])
    proposals.propose(library.pk)
    (proposal,) = proposals.open_merges(library)
    assert {proposal.first, proposal.second} == {first, second}


def test_who_was_told_apart_stays_apart_in_whom_they_are_merged_into(library: Library) -> None:
    person = make_person(library, 1, faces=8)
    made = deciding.split(library, person.pk, [face.pk for face in faces_of(person)[:3]], "")
    other = make_person(library, 1)
    people.merge(library, [other.pk, made.pk])
    proposals.propose(library.pk)
    assert not proposals.open_merges(library).exists()
    pairs = MergeProposal.objects.filter(declined=True).values_list("first", "second")
    assert tuple(sorted((person.pk, other.pk))) in set(pairs)


@pytest.mark.parametrize(("spans", "asked"), [([[5.0, 9.0]], 1), ([[1.0, 9.0]], 0)])
def test_who_is_seen_at_other_times_of_a_film_may_be_one(
    library: Library, spans: list[list[float]], asked: int
) -> None:
    """A person whom the run has split in two, or two who are on screen together."""
    first, second = make_person(library, 1), make_person(library, 1)
    film = make_file(library, kind="video", duration=10)
    make_face(library, None, file=film, person=first, second=1.0, spans=[[0.0, 2.0]])
    make_face(library, None, file=film, person=second, second=6.0, spans=spans)
    proposals.propose(library.pk)
    assert proposals.open_merges(library).count() == asked


def test_a_night_that_ends_too_soon_has_done_its_part(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 1, 2, 2):
        make_person(library, seed)
    old = MergeProposal.objects.create(
        library=library,
        first=Person.objects.order_by("id")[0],
        second=Person.objects.order_by("id")[2],
        distance=0.1,
    )
    twins, slices = proposals.twins, []

    def interrupted(library_id: UUID, some: Any, rules: Any) -> Iterator[Any]:
        slices.append(list(some))
        if len(slices) > 2:
            raise TimeoutError
        return twins(library_id, some, rules)

    with monkeypatch.context() as patched:
        patched.setattr(proposals, "BATCH", 1)
        patched.setattr(proposals, "twins", interrupted)
        with pytest.raises(TimeoutError):
            proposals.propose(library.pk)
    found = MergeProposal.objects.exclude(pk=old.pk)
    assert found.exists(), "what the first slices have found is there"
    assert MergeProposal.objects.filter(pk=old.pk).exists(), "and nothing is withdrawn that was not looked at"
    proposals.propose(library.pk)
    assert proposals.open_merges(library).count() == 2
    assert not MergeProposal.objects.filter(pk=old.pk).exists()


def test_faces_beyond_the_newest_have_their_nights_too(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "FACES_A_NIGHT", 4)
    faces = [make_face(library, direction(number), waiting=False).pk for number in range(7)]
    nights = [proposals.faces_alone(library.pk) for _ in range(60)]
    assert all(len(night) == len(set(night)) == 4 for night in nights)
    assert all(set(faces[-2:]) <= set(night) for night in nights)
    assert set().union(*nights) == set(faces)
