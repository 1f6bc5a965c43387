"""The same bytes twice, known to be so only when they were hashed: nothing that users said of the faces is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alcoves.accounts.models import User
from media import ledger, reprocess, runs
from media.models import Derivative, File, Library, Original, UnnamedBlob
from ml.faces import deciding, people, recording
from ml.faces.boxes import Box
from ml.models import Face, FaceRejection, Person
from ml.models.faces import By
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.makers import make_image
from tests.ml.graphs.faces import GREEN, RED, scene

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_models")]

TWO = scene([(RED, (80, 100, 80)), (GREEN, (420, 260, 120))])
EMPTY = Box(0.8, 0.05, 0.1, 0.1)
"""Where the models see nothing."""


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    return make_image(tmp_path / "a.png", TWO).read_bytes()


@pytest.fixture
def known(faced: Library, picture: bytes) -> File:
    """With both of its faces."""
    file = take_in(faced, picture, "known.png").file
    run_queued()
    return file


def take_late(library: Library, content: bytes) -> File:
    """Everything of it was made but its digest."""
    file = take_in(library, content, "late.png", hashed=False).file
    Derivative.objects.filter(original=file.original_id, deriver="hash").update(
        not_before="2100-01-01T00:00Z"
    )
    run_queued()
    return file


def hashed(file: File) -> None:
    """The run that finds that the bytes are known."""
    rows = Derivative.objects.filter(original=file.original_id, deriver="hash")
    rows.update(not_before=None)
    before = file.original_id
    runs.run(rows.get().pk)
    file.refresh_from_db()
    assert file.original_id != before
    assert not Original.objects.filter(pk=before).exists()


def faces_of(file: File) -> list[Face]:
    """From left to right."""
    return list(Face.objects.filter(original=file.original_id).order_by("x", "pk"))


def named(library: Library, face: Face, name: str = "Ann") -> Person:
    return deciding.assign_to_new(library, [face.pk], name)


def crop_of(face: Face) -> bytes:
    assert face.derivative is not None
    assert face.derivative.original_id == face.original_id
    output = face.derivative.output(face.crop)
    assert output is not None
    assert not UnnamedBlob.objects.filter(key=output["key"]).exists()
    with get_store("files").open(output["key"]) as stream:
        return stream.read()


def test_names_and_covers_go_to_the_face_that_stays(known: File, faced: Library, picture: bytes) -> None:
    late = take_late(faced, picture)
    ann = named(faced, faces_of(late)[0])
    people.choose_cover(faced, ann.pk, faces_of(late)[0].pk)
    staying = faces_of(known)
    hashed(late)
    red, green = faces_of(known)
    assert [red.pk, green.pk] == [face.pk for face in staying]
    assert (red.person_id, red.assigned_by, green.person_id) == (ann.pk, By.USER, None)
    ann.refresh_from_db()
    assert (ann.name, ann.cover_id, ann.cover_chosen) == ("Ann", red.pk, True)
    assert crop_of(red)[8:12] == b"WEBP"


def test_rejections_and_what_is_no_face_go_too(known: File, faced: Library, picture: bytes) -> None:
    late = take_late(faced, picture)
    ann = named(faced, faces_of(late)[0])
    deciding.reject(faced, [faces_of(late)[0].pk])
    deciding.remove(faced, [faces_of(late)[1].pk])
    # A model has given the face that stays to her meanwhile.
    kept = Person.objects.create(library=faced, name="Ann", made_by_user=True)
    FaceRejection.objects.create(face=faces_of(late)[0], person=kept)
    Face.objects.filter(pk=faces_of(known)[0].pk).update(person=kept, assigned_by=By.MODEL, distance=0.3)
    hashed(late)
    red, green = faces_of(known)
    assert (red.person_id, red.assigned_by, red.removed) == (None, "", False)
    assert kept.pk in red.rejections.values_list("person_id", flat=True)
    assert (green.removed, green.person_id) == (True, None)
    assert not Person.objects.filter(pk=ann.pk, faces__isnull=False).exists()


def test_what_was_said_of_the_face_that_stays_comes_first(
    known: File, faced: Library, picture: bytes
) -> None:
    late = take_late(faced, picture)
    ann = named(faced, faces_of(known)[0])
    ben = named(faced, faces_of(late)[0], "Ben")
    deciding.remove(faced, [faces_of(known)[1].pk])
    eve = named(faced, faces_of(late)[1], "Eve")
    FaceRejection.objects.create(face=faces_of(late)[0], person=ann)
    hashed(late)
    red, green = faces_of(known)
    assert (red.person_id, red.assigned_by) == (ann.pk, By.USER)
    assert not red.rejections.exists(), "a face is not hers by a user's word and not hers at once"
    assert (green.removed, green.person_id) == (True, None)
    assert set(Person.objects.values_list("pk", flat=True)) >= {ann.pk, ben.pk, eve.pk}, "named: they stay"


def test_drawn_faces_go_with_their_small_pictures(
    known: File, faced: Library, picture: bytes, alice: User
) -> None:
    late = take_late(faced, picture)
    drawn = deciding.draw(faced, late.original, alice, EMPTY)
    run_queued()
    old = crop_of(Face.objects.get(pk=drawn.pk))
    hashed(late)
    again = Face.objects.get(pk=drawn.pk)
    assert (again.original_id, again.drawn_by_id) == (known.original_id, alice.pk)
    assert crop_of(again) == old
    assert len(faces_of(known)) == 3


def test_a_face_that_a_user_drew_and_the_twin_has_found_stays_when_it_is_not_found_again(
    known: File, faced: Library, picture: bytes, alice: User
) -> None:
    late = take_late(faced, picture)
    green = faces_of(late)[1]
    box = Box(*(getattr(green, name) for name in BOX))
    green.delete()
    deciding.draw(faced, late.original, alice, box)
    hashed(late)
    red, green = faces_of(known)
    assert (red.drawn_by_id, green.drawn_by_id) == (None, alice.pk)
    assert green.derivative is not None
    recording.settle(known.original, [red, green], green.derivative, green.model)
    assert [face.pk for face in faces_of(known)] == [green.pk]


def test_a_named_face_that_the_twin_has_not_gets_a_run_of_its_own(
    known: File, faced: Library, picture: bytes
) -> None:
    late = take_late(faced, picture)
    ann = named(faced, faces_of(late)[0])
    Face.objects.filter(pk=faces_of(known)[0].pk).delete()
    hashed(late)
    run_queued()
    red = Face.objects.get(person=ann)
    assert red.original_id == known.original_id
    assert red.derivative is not None
    assert red.derivative.variant == f"drawn-{red.pk}"
    assert crop_of(red)[8:12] == b"WEBP"


def test_where_the_twin_was_never_looked_at_all_goes_over(
    faced: Library, picture: bytes, alice: User
) -> None:
    known = take_in(faced, picture, "known.png").file
    Derivative.objects.filter(original=known.original_id, deriver="faces").delete()
    run_queued()
    Derivative.objects.filter(original=known.original_id, deriver="faces").delete()
    late = take_late(faced, picture)
    ann = named(faced, faces_of(late)[0])
    before = {face.pk: crop_of(face) for face in faces_of(late)}
    here = deciding.draw(
        faced, known.original, alice, Box(*(getattr(faces_of(late)[1], name) for name in BOX))
    )
    eve = named(faced, here, "Eve")
    hashed(late)
    red, green = faces_of(known)
    assert {face.pk: crop_of(face) for face in (red, green)} == before
    assert (red.person_id, green.person_id, green.assigned_by) == (ann.pk, eve.pk, By.USER)
    assert not Derivative.objects.filter(variant=f"drawn-{here.pk}").exists()
    reprocess.reprocess_file(known, "faces")
    run_queued()
    assert [face.pk for face in faces_of(known)] == [red.pk, green.pk]


BOX = ("x", "y", "width", "height")


def test_people_of_whom_nobody_knows_go_with_their_last_face(
    known: File, faced: Library, picture: bytes
) -> None:
    late = take_late(faced, picture)
    nameless = Person.objects.create(library=faced)
    for file in (known, late):
        Face.objects.filter(pk=faces_of(file)[0].pk).update(person=nameless, assigned_by=By.MODEL)
    other = Person.objects.create(library=faced)
    Face.objects.filter(pk=faces_of(late)[1].pk).update(person=other, assigned_by=By.MODEL)
    FaceRejection.objects.create(face=faces_of(known)[1], person=other)
    hashed(late)
    assert list(Person.objects.values_list("pk", flat=True)) == [nameless.pk]
    assert Face.objects.count() == 2


def test_a_run_of_the_late_one_that_is_under_way_begins_anew(faced: Library, picture: bytes) -> None:
    """Its result went to the twin; its bytes are swept before it ends."""
    known = take_in(faced, picture, "known.png").file
    late = take_late(faced, picture)
    row = Derivative.objects.get(original=late.original_id, deriver="faces")
    Derivative.objects.filter(original=known.original_id).exclude(deriver="metadata").delete()
    reprocess.reprocess_file(late, "faces")
    claim = ledger.claim(row.pk, owner="elsewhere", lease_seconds=60)
    assert claim is not None
    hashed(late)
    row.refresh_from_db()
    assert (row.original_id, row.status) == (known.original_id, "queued")
    run_queued()
    row.refresh_from_db()
    assert row.status == "ready"
    assert len(faces_of(known)) == 2


@pytest.mark.parametrize("without", [lambda file: None, lambda file: faces_of(file)[0].delete()])
def test_bytes_that_nobody_said_anything_about_leave_the_twin_as_it_is(
    known: File, faced: Library, picture: bytes, without: Callable[[File], None]
) -> None:
    late = take_late(faced, picture)
    without(late)
    before = [(face.pk, face.derivative_id, face.crop) for face in faces_of(known)]
    hashed(late)
    assert [(face.pk, face.derivative_id, face.crop) for face in faces_of(known)] == before
    assert Face.objects.count() == 2
