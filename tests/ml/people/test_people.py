"""What users decide about people and faces is remembered, and no run undoes it."""

from typing import Any

import pytest
from django.utils import timezone

from alcoves.accounts.models import User
from media.errors import ConflictError, RequestError
from media.libraries import create_library
from media.models import Derivative, Library
from ml.faces import assigning, deciding, people, proposals
from ml.faces.boxes import Box
from ml.models import Face, FaceRejection, MergeProposal, Person
from tests.ml.people.making import beside, direction, make_face, make_file, make_person, people_of

A, B = direction(1), direction(2)


def look_at_everything_again(library: Library) -> None:
    """As after a new version of the models: every face waits, and the night follows."""
    Face.objects.filter(library=library).update(waiting=True)
    while assigning.assign_waiting(library.pk):
        pass
    proposals.propose(library.pk)


def faces_of(person: Person) -> list[Face]:
    return list(person.faces.order_by("id"))


def test_a_name_is_kept_and_taken_away(library: Library) -> None:
    person = make_person(library, 1)
    people.rename(library, person.pk, "  Anna \n Lee ")
    person.refresh_from_db()
    assert person.name == "Anna Lee"
    with pytest.raises(RequestError, match="letter that can be seen"):
        people.rename(library, person.pk, "\u200b")
    people.rename(library, person.pk, "")
    person.refresh_from_db()
    assert person.name == ""


def test_merging_keeps_the_first_name_or_borrows_one(library: Library) -> None:
    first, second, third = (
        make_person(library, seed, name=name) for seed, name in ((1, ""), (2, "Anna"), (3, "Bo"))
    )
    assert people.merge(library, [first.pk, second.pk, third.pk]).name == "Anna"
    assert first.faces.count() == 9
    assert [one.name for one in people.people_of(library)] == ["Anna"]
    fourth = make_person(library, 4, name="Carl")
    assert people.merge(library, [fourth.pk, first.pk]).name == "Carl"
    look_at_everything_again(library)
    assert fourth.faces.count() == 12
    assert people.people_of(library).count() == 1


def test_it_takes_two_that_are_there(library: Library, alice: User) -> None:
    person = make_person(library, 1)
    theirs = make_person(create_library(alice, "Other"), 2)
    with pytest.raises(RequestError, match="two people"):
        people.merge(library, [person.pk, person.pk])
    with pytest.raises(people.PersonMissingError):
        people.merge(library, [person.pk, theirs.pk])


def test_what_was_rejected_of_one_is_rejected_of_both(library: Library) -> None:
    anna, alias = make_person(library, 1), make_person(library, 2)
    stranger = make_face(library, beside(B, 0.05, 9), waiting=False)
    FaceRejection.objects.create(face=stranger, person=alias)
    people.merge(library, [anna.pk, alias.pk])
    look_at_everything_again(library)
    assert people_of([stranger]) == [None]


def test_undoing_a_merge_gives_everybody_their_own_again(library: Library) -> None:
    first, second = make_person(library, 1), make_person(library, 2, name="Anna")
    mine, hers = faces_of(first), faces_of(second)
    people.merge(library, [first.pk, second.pk])
    late = make_face(library, beside(A, 0.05, 40))
    look_at_everything_again(library)
    (restored,) = people.undo_merge(library, first.pk)
    first.refresh_from_db()
    assert (restored.pk, restored.name, first.name) == (second.pk, "Anna", "")
    assert set(people_of([*mine, late])) == {first.pk}
    assert set(people_of(hers)) == {second.pk}
    assert not Face.objects.exclude(came_from=None).exists()
    look_at_everything_again(library)
    assert set(people_of(hers)) == {second.pk}
    assert MergeProposal.objects.get().declined
    with pytest.raises(people.NotMergedError):
        people.undo_merge(library, first.pk)


def test_two_of_one_name_keep_it_when_they_are_two_again(library: Library) -> None:
    first, second = make_person(library, 1, name="Anna"), make_person(library, 2, name="Anna")
    people.merge(library, [first.pk, second.pk])
    people.undo_merge(library, first.pk)
    assert sorted(people.people_of(library).values_list("name", flat=True)) == ["Anna", "Anna"]


def test_merges_of_merges_are_undone_one_after_the_other(library: Library) -> None:
    first, second, third = (make_person(library, seed) for seed in (1, 2, 3))
    own = [faces_of(one) for one in (first, second, third)]
    people.merge(library, [second.pk, third.pk])
    people.merge(library, [first.pk, second.pk])
    assert first.faces.count() == 9
    people.undo_merge(library, first.pk)
    assert (first.faces.count(), second.faces.count()) == (3, 6)
    people.undo_merge(library, second.pk)
    assert [set(people_of(faces)) for faces in own] == [{first.pk}, {second.pk}, {third.pk}]


def test_what_a_user_has_moved_since_stays_where_it_is(library: Library) -> None:
    first, second, third = (make_person(library, seed) for seed in (1, 2, 3))
    moved = faces_of(second)[0]
    people.merge(library, [first.pk, second.pk])
    deciding.assign(library, [moved.pk], third.pk)
    people.undo_merge(library, first.pk)
    assert people_of([moved]) == [third.pk]


def test_after_thirty_days_a_merge_is_for_good(library: Library) -> None:
    first, second = make_person(library, 1), make_person(library, 2)
    people.merge(library, [first.pk, second.pk])
    proposals.propose(library.pk)
    assert Person.objects.count() == 2
    Person.objects.filter(pk=second.pk).update(merged_at=timezone.now() - people.UNDONE_WITHIN)
    proposals.propose(library.pk)
    assert list(Person.objects.all()) == [first]
    assert first.faces.count() == 6


def test_a_merge_that_is_for_good_goes_on_with_the_next_one(library: Library) -> None:
    """Anna went into Bert, long ago, and Bert into Carl: who gives Bert back gives her faces back with him."""
    anna, bert, carl = (make_person(library, seed) for seed in (1, 2, 3))
    people.merge(library, [bert.pk, anna.pk])
    Person.objects.filter(pk=anna.pk).update(merged_at=timezone.now() - people.UNDONE_WITHIN)
    people.merge(library, [carl.pk, bert.pk])
    proposals.propose(library.pk)
    assert not Person.objects.filter(pk=anna.pk).exists()
    people.undo_merge(library, carl.pk)
    assert (bert.faces.count(), carl.faces.count()) == (6, 3)


def test_no_face_is_drawn_where_faces_are_switched_off(library: Library, alice: User) -> None:
    library.faces = False
    library.save()
    with pytest.raises(ConflictError, match="Switch them on"):
        deciding.draw(library, make_file(library).original, alice, Box(0.1, 0.1, 0.2, 0.2))
    assert not Face.objects.exists()


def test_a_split_stays_split(library: Library) -> None:
    """Twins: their faces are as near as those of one person."""
    person = make_person(library, 1, faces=8)
    some = faces_of(person)[:3]
    made = deciding.split(library, person.pk, [face.pk for face in some], "Bert")
    assert (made.name, made.faces.count(), person.faces.count()) == ("Bert", 3, 5)
    look_at_everything_again(library)
    assert (made.faces.count(), person.faces.count()) == (3, 5)
    assert not proposals.open_merges(library).exists()
    with pytest.raises(ConflictError, match="any more"):
        deciding.split(library, person.pk, [some[0].pk])


def test_the_whole_of_somebody_may_be_split_off(library: Library) -> None:
    person = make_person(library, 1)
    made = deciding.split(library, person.pk, [face.pk for face in faces_of(person)])
    assert list(people.people_of(library)) == [made]
    assert made.made_by_user


def test_a_rejected_face_never_comes_back(library: Library) -> None:
    person = make_person(library, 1, faces=5)
    wrong = faces_of(person)[0]
    deciding.reject(library, [wrong.pk])
    look_at_everything_again(library)
    assert people_of([wrong]) == [None]
    deciding.assign(library, [wrong.pk], person.pk)
    look_at_everything_again(library)
    assert people_of([wrong]) == [person.pk], "The user has changed their mind."


def test_a_confirmed_face_stays_whatever_is_nearer(library: Library) -> None:
    anna = make_person(library, 1)
    strange = make_face(library, beside(B, 0.05, 3), person=anna, waiting=False)
    deciding.confirm(library, [strange.pk])
    make_person(library, 2)
    look_at_everything_again(library)
    assert people_of([strange]) == [anna.pk]
    loose = make_face(library, B)
    with pytest.raises(ConflictError, match="no person to confirm"):
        deciding.confirm(library, [loose.pk])


def test_a_removed_face_is_gone_until_it_is_restored(library: Library) -> None:
    person = make_person(library, 1, faces=4)
    face = faces_of(person)[0]
    people.choose_cover(library, person.pk, face.pk)
    deciding.remove(library, [face.pk])
    look_at_everything_again(library)
    person.refresh_from_db()
    assert (person.cover, person.cover_chosen, person.faces.count()) == (None, False, 3)
    with pytest.raises(people.FaceMissingError):
        deciding.confirm(library, [face.pk])
    deciding.restore(library, [face.pk])
    face.refresh_from_db()
    assert (face.removed, face.person) == (False, None)


def test_a_deleted_person_does_not_come_back(library: Library) -> None:
    person = make_person(library, 1, faces=5, name="Somebody on a poster")
    faces = faces_of(person)
    people.delete(library, person.pk)
    make_face(library, beside(A, 0.05, 77))
    look_at_everything_again(library)
    assert not Person.objects.exists()
    made = deciding.assign_to_new(library, [faces[0].pk], "Anna")
    assert people_of(faces[:1]) == [made.pk]


def test_hidden_people_still_get_their_faces(library: Library) -> None:
    person = make_person(library, 1)
    people.hide(library, person.pk, hidden=True)
    face = make_face(library, beside(A, 0.05, 8))
    look_at_everything_again(library)
    person.refresh_from_db()
    assert (people_of([face]), person.hidden) == ([person.pk], True)


def test_a_cover_is_one_of_their_own_faces(library: Library) -> None:
    person, other = make_person(library, 1), make_person(library, 2)
    face = faces_of(person)[1]
    people.choose_cover(library, person.pk, face.pk)
    look_at_everything_again(library)
    person.refresh_from_db()
    assert (person.cover, person.cover_chosen) == (face, True)
    with pytest.raises(ConflictError, match="not one of this person's"):
        people.choose_cover(library, other.pk, face.pk)


def test_people_without_faces_are_forgotten_unless_a_user_knows_them(library: Library) -> None:
    unknown, named, hidden = (make_person(library, seed) for seed in (1, 2, 3))
    people.rename(library, named.pk, "Anna")
    people.hide(library, hidden.pk, hidden=True)
    Face.objects.all().delete()
    proposals.propose(library.pk)
    assert set(people.people_of(library)) == {named, hidden}
    assert unknown not in people.people_of(library)


def test_a_drawn_face_is_described_by_a_run_and_deleted_for_good(library: Library, alice: User) -> None:
    file = make_file(library)
    drawn = deciding.draw(library, file.original, alice, Box(0.1, 0.2, 0.3, 0.4))
    row = Derivative.objects.get(original=file.original, deriver="faces")
    assert row.variant == f"drawn-{drawn.pk}"
    assert row.parameters["width"] == 0.3
    with pytest.raises(deciding.FaceThereError):
        deciding.draw(library, file.original, alice, Box(0.12, 0.2, 0.3, 0.4))
    deciding.draw(library, file.original, alice, Box(0.6, 0.2, 0.3, 0.4))
    deciding.remove(library, [drawn.pk])
    assert Face.objects.count() == Derivative.objects.count() == 1


def test_drawing_over_a_removed_face_brings_it_back(library: Library, alice: User) -> None:
    face = make_face(library, A, removed=True, waiting=False)
    drawn = deciding.draw(library, face.original, alice, Box(face.x, face.y, face.width, face.height))
    assert drawn == face
    assert not drawn.removed


def test_in_a_film_a_face_is_drawn_in_a_second(library: Library, alice: User) -> None:
    film = make_file(library, kind="video", duration=10)
    box = Box(0.1, 0.1, 0.2, 0.2)
    make_face(library, A, file=film, second=2.0, spans=[[1, 4]], x=0.1, y=0.1, width=0.2, height=0.2)
    with pytest.raises(deciding.FaceThereError):
        deciding.draw(library, film.original, alice, box, 3)
    drawn = deciding.draw(library, film.original, alice, box, 7)
    assert drawn.spans == [[7, 7]]


@pytest.mark.parametrize(
    ("kind", "box", "second", "code"),
    [
        ("audio", (0.1, 0.1, 0.2, 0.2), None, "no_picture"),
        ("image", (0.1, 0.1, 0.2, 0.2), 3.0, "bad_second"),
        ("video", (0.1, 0.1, 0.2, 0.2), None, "bad_second"),
        ("video", (0.1, 0.1, 0.2, 0.2), 11.0, "bad_second"),
        ("video", (0.1, 0.1, 0.2, 0.2), float("nan"), "bad_second"),
        ("image", (0.9, 0.1, 0.2, 0.2), None, "bad_box"),
        ("image", (0.1, 0.1, 0.0, 0.2), None, "bad_box"),
        ("image", (0.1, float("nan"), 0.2, 0.2), None, "bad_box"),
    ],
)
def test_places_where_no_face_can_be(
    library: Library, alice: User, kind: str, box: Any, second: float | None, code: str
) -> None:
    file = make_file(library, kind=kind, duration=10 if kind == "video" else None)
    with pytest.raises(RequestError) as refused:
        deciding.draw(library, file.original, alice, Box(*box), second)
    assert refused.value.code == code
    assert not Face.objects.exists()


def test_switching_faces_off_forgets_everybody(library: Library, alice: User) -> None:
    first, second = make_person(library, 1, name="Anna"), make_person(library, 2)
    people.merge(library, [first.pk, second.pk])
    make_face(library, None, drawn_by=alice)
    kept = make_person(create_library(alice, "Other"), 1)
    people.forget_library(library.pk)
    assert list(Person.objects.all()) == [kept]
    assert Face.objects.count() == 3
