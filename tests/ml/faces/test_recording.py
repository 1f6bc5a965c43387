"""Faces as rows, through the engine: what a re-run keeps, changes and takes away, and what users have said of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import transaction

from alcoves.accounts.models import User
from media import ledger, pipeline, reprocess, runs, switching, trash
from media.derivers.base import Ready
from media.derivers.registry import get_deriver
from media.errors import ConflictError, RunAbandonedError
from media.libraries import create_library
from media.models import Derivative, File, Library, Original, Switching, UnnamedBlob
from ml.faces import assigning, recording
from ml.faces.boxes import Box
from ml.models import Face, FaceRejection, Person
from ml.models.faces import By
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.makers import Pixels, make_image
from tests.ml.faces.filming import film_of
from tests.ml.graphs.faces import BLUE, GREEN, RED, scene

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_models")]

TWO = scene([(RED, (80, 100, 80)), (GREEN, (420, 260, 120))])
KEPT_CROP = "face.webp"


def take_picture(library: Library, folder: Path, pixels: Pixels = TWO, name: str = "a.png") -> File:
    file = take_in(library, make_image(folder / name, pixels), name).file
    run_queued()
    return file


def faces_of(file: File) -> list[Face]:
    """From left to right."""
    return list(Face.objects.filter(original=file.original_id).order_by("x", "pk"))


def row_of(file: File, variant: str = "") -> Derivative:
    row: Derivative = Derivative.objects.get(original=file.original_id, deriver="faces", variant=variant)
    return row


def run_again(file: File) -> None:
    reprocess.reprocess_file(file, "faces")
    run_queued()
    assert row_of(file).status == "ready"


def person(library: Library, name: str = "Ann") -> Person:
    found: Person = Person.objects.create(library=library, name=name)
    return found


def give(face: Face, to: Person, by: str = By.USER) -> None:
    Face.objects.filter(pk=face.pk).update(person=to, assigned_by=by)


def crop_bytes(face: Face) -> bytes:
    assert face.derivative is not None
    output = face.derivative.output(face.crop)
    assert output is not None
    with get_store("files").open(output["key"]) as stream:
        return stream.read()


def test_faces_become_rows_with_crops_that_can_be_had(faced: Library, tmp_path: Path) -> None:
    file = take_picture(faced, tmp_path)
    red, green = faces_of(file)
    row = row_of(file)
    assert (row.status, row.facts["faces"], row.made_by["model"]) == ("ready", 2, "tiny-faces")
    assert (red.library_id, red.derivative_id, red.model, red.second) == (
        faced.pk,
        row.pk,
        "tiny-faces",
        None,
    )
    assert (red.person_id, red.assigned_by, red.waiting, red.removed) == (None, "", True, False)
    assert Box(red.x, red.y, red.width, red.height).overlap(Box(0.125, 100 / 480, 0.125, 80 / 480)) > 0.97
    assert len(red.landmarks) == 5
    assert np.linalg.norm(np.asarray(red.embedding)) == pytest.approx(1, abs=1e-3)
    for face in (red, green):
        assert crop_bytes(face)[8:12] == b"WEBP"
    assert len(row.outputs) == 2


def test_where_faces_are_off_nothing_is_planned(library: Library, tmp_path: Path) -> None:
    file = take_picture(library, tmp_path)
    assert not Derivative.objects.filter(original=file.original_id, deriver="faces").exists()
    with pytest.raises(ConflictError):
        reprocess.reprocess_file(file, "faces")


def test_a_run_again_keeps_the_rows_and_all_that_users_said(faced: Library, tmp_path: Path) -> None:
    file = take_picture(faced, tmp_path)
    red, green = faces_of(file)
    ann, ben = person(faced), person(faced, "Ben")
    give(red, ann)
    Face.objects.filter(pk=green.pk).update(removed=True)
    FaceRejection.objects.create(face=green, person=ben)
    Person.objects.filter(pk=ann.pk).update(cover=red, cover_chosen=True)
    old = crop_bytes(red)
    run_again(file)
    again, gone = faces_of(file)
    assert ([again.pk, gone.pk], again.person_id, again.assigned_by) == ([red.pk, green.pk], ann.pk, By.USER)
    assert (gone.removed, gone.rejections.get().person_id) == (True, ben.pk)
    ann.refresh_from_db()
    assert (ann.cover_id, ann.cover_chosen) == (red.pk, True)
    assert crop_bytes(again) == old
    assert not again.waiting, "whose it is has been decided"


def test_a_person_by_the_model_stays_too_and_is_not_looked_for_again(faced: Library, tmp_path: Path) -> None:
    file = take_picture(faced, tmp_path)
    red, green = faces_of(file)
    ann = person(faced, "")
    give(red, ann, By.MODEL)
    Face.objects.filter(pk__in=[red.pk, green.pk]).update(waiting=False)
    run_again(file)
    again, other = faces_of(file)
    assert (again.pk, again.person_id, again.assigned_by, again.waiting) == (red.pk, ann.pk, By.MODEL, False)
    assert (other.pk, other.waiting) == (green.pk, True)


def test_what_is_not_found_again_goes_and_takes_a_person_of_nobody_with_it(
    faced: Library, tmp_path: Path, settings: Any
) -> None:
    file = take_picture(faced, tmp_path)
    red, green = faces_of(file)
    unknown, known = person(faced, ""), person(faced)
    give(red, unknown, By.MODEL)
    give(green, known, By.MODEL)
    settings.FACE_MIN_SCORE = 0.95
    run_again(file)
    assert faces_of(file) == []
    assert set(Person.objects.filter(library=faced)) == {known}
    assert row_of(file).outputs == []


def test_what_users_decided_about_stays_and_gets_a_small_picture_of_its_own(
    faced: Library, tmp_path: Path, settings: Any
) -> None:
    file = take_picture(faced, tmp_path)
    red, green = faces_of(file)
    ann = person(faced)
    give(red, ann)
    Face.objects.filter(pk=green.pk).update(removed=True)
    settings.FACE_MIN_SCORE = 0.95
    run_again(file)
    kept, removed = faces_of(file)
    assert (kept.pk, kept.person_id, kept.derivative) == (red.pk, ann.pk, row_of(file, f"drawn-{red.pk}"))
    assert (kept.crop, crop_bytes(kept)[8:12]) == (KEPT_CROP, b"WEBP")
    assert (removed.pk, removed.removed, removed.crop) == (green.pk, True, "")
    assert not Derivative.objects.filter(variant=f"drawn-{green.pk}").exists()
    # Found again, it is like all others.
    settings.FACE_MIN_SCORE = 0.28
    run_again(file)
    found, _ = faces_of(file)
    assert (found.pk, found.person_id, found.derivative) == (red.pk, ann.pk, row_of(file))
    assert not Derivative.objects.filter(variant=f"drawn-{red.pk}").exists()
    assert crop_bytes(found)[8:12] == b"WEBP"


@pytest.mark.parametrize("decision", ["rejected", "nobody", "cover"])
def test_every_decision_keeps_its_face(faced: Library, tmp_path: Path, settings: Any, decision: str) -> None:
    file = take_picture(faced, tmp_path)
    red, _ = faces_of(file)
    ann = person(faced)
    match decision:
        case "rejected":
            FaceRejection.objects.create(face=red, person=ann)
        case "nobody":
            Face.objects.filter(pk=red.pk).update(assigned_by=By.USER)
        case "cover":
            Person.objects.filter(pk=ann.pk).update(cover=red, cover_chosen=True)
    settings.FACE_MIN_SCORE = 0.95
    run_again(file)
    assert [face.pk for face in faces_of(file)] == [red.pk]


def draw(file: File, user: User, box: Box, second: float | None = None) -> Face:
    place = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "second": second}
    with transaction.atomic():
        original = Original.objects.select_for_update(no_key=True).get(pk=file.original_id)
        face: Face = Face.objects.create(library=file.library, original=original, drawn_by=user, **place)
        recording.describe(original, face)
    return face


def test_a_drawn_face_is_described_by_a_run_of_its_own(faced: Library, tmp_path: Path, alice: User) -> None:
    file = take_picture(faced, tmp_path, scene([(RED, (80, 100, 80))]))
    face = draw(file, alice, Box(0.6, 0.6, 0.1, 0.1))
    run_queued()
    face.refresh_from_db()
    row = row_of(file, f"drawn-{face.pk}")
    assert (row.status, face.derivative, face.crop, face.embedding) == ("ready", row, KEPT_CROP, None)
    assert (face.x, face.y) == (0.6, 0.6)
    run_again(file)
    red, kept = faces_of(file)
    assert (kept.pk, kept.derivative, kept.drawn_by) == (face.pk, row, alice)
    assert red.derivative == row_of(file)


def test_a_drawn_face_that_the_model_sees_is_found_by_likeness(
    faced: Library, tmp_path: Path, alice: User, settings: Any
) -> None:
    settings.FACE_MIN_SCORE = 0.95
    file = take_picture(faced, tmp_path)
    face = draw(file, alice, Box(0.125, 0.2, 0.125, 0.17))
    run_queued()
    face.refresh_from_db()
    assert face.embedding is not None
    assert (face.waiting, face.model, face.quality > 0) == (True, "tiny-faces", True)


def test_a_drawn_face_outlives_its_user_and_becomes_the_found_one(
    faced: Library, tmp_path: Path, bob: User, settings: Any
) -> None:
    settings.FACE_MIN_SCORE = 0.95
    file = take_picture(faced, tmp_path)
    face = draw(file, bob, Box(0.125, 0.2, 0.125, 0.17))
    run_queued()
    bob.delete()
    run_again(file)
    assert [one.pk for one in faces_of(file)] == [face.pk]
    settings.FACE_MIN_SCORE = 0.28
    run_again(file)
    red, _ = faces_of(file)
    assert (red.pk, red.derivative) == (face.pk, row_of(file))
    assert red.x == pytest.approx(0.125, abs=0.002), "the model's box is the better one"


def test_a_box_that_is_moved_is_described_anew(faced: Library, tmp_path: Path, alice: User) -> None:
    file = take_picture(faced, tmp_path, scene([]))
    face = draw(file, alice, Box(0.6, 0.6, 0.1, 0.1))
    run_queued()
    row = row_of(file, f"drawn-{face.pk}")
    Face.objects.filter(pk=face.pk).update(x=0.2)
    face.refresh_from_db()
    with transaction.atomic():
        recording.describe(file.original, face)
    row.refresh_from_db()
    assert (row.status, row.parameters["x"], row.requested_version) == ("queued", 0.2, 2)
    with transaction.atomic():
        recording.describe(file.original, face)
    row.refresh_from_db()
    assert row.requested_version == 2, "asked for already"


def test_a_face_deleted_while_its_run_is_under_way_does_not_come_back(
    faced: Library, tmp_path: Path, alice: User
) -> None:
    file = take_picture(faced, tmp_path, scene([]))
    face = draw(file, alice, Box(0.6, 0.6, 0.1, 0.1))
    face.delete()
    run_queued()
    assert faces_of(file) == []


def test_another_model_writes_the_same_rows_anew_drawn_ones_too(
    faced: Library, tmp_path: Path, alice: User, settings: Any
) -> None:
    file = take_picture(faced, tmp_path, scene([(RED, (80, 100, 80))]))
    face = draw(file, alice, Box(0.6, 0.6, 0.1, 0.1))
    run_queued()
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, "tests.ml.graphs.faces.OTHER_MODELS"]
    keys = [one.pk for one in faces_of(file)]
    run_again(file)
    assert [(one.pk, one.model) for one in faces_of(file)] == [(key, "other-faces") for key in keys]
    assert all(one.waiting for one in faces_of(file)), (
        "by their new vectors they may be somebody else's neighbours"
    )
    assert row_of(file, f"drawn-{face.pk}").made_by["model"] == "other-faces"


def test_a_film_keeps_a_face_whose_best_frame_is_another_one_now(
    faced: Library, tmp_path: Path, alice: User
) -> None:
    far, near = scene([(RED, (80, 100, 60))]), scene([(RED, (200, 100, 120))])
    path = film_of(tmp_path / "film.mp4", [far, near])
    file = take_in(faced, path, "film.mp4").file
    run_queued()
    (red,) = faces_of(file)
    assert red.second is not None
    assert red.second >= 4
    ann = person(faced)
    give(red, ann)
    # As if the run before had liked the first frame better.
    Face.objects.filter(pk=red.pk).update(
        x=80 / 640, y=100 / 480, width=60 / 640, height=60 / 480, second=0.1
    )
    run_again(file)
    (again,) = faces_of(file)
    assert (again.pk, again.person_id, again.second) == (red.pk, ann.pk, red.second)
    assert again.spans == red.spans


FOUND: Mapping[str, Any] = {
    "x": 0.1,
    "y": 0.1,
    "width": 0.2,
    "height": 0.2,
    "landmarks": [],
    "score": 0.9,
    "quality": 0.5,
    "embedding": None,
    "spans": [],
    "crop": "",
}


def found_at(x: float, second: float | None = None, width: float = 0.2) -> dict[str, Any]:
    sightings = [(second, Box(x, 0.1, width, 0.2))]
    return {**FOUND, "x": x, "width": width, "second": second, "sightings": sightings}


def stored_at(x: float, second: float | None = None) -> Face:
    return Face(x=x, y=0.1, width=0.2, height=0.2, second=second)


def test_rows_and_faces_are_matched_by_moment_and_overlap_the_best_first() -> None:
    old = [stored_at(0.1), stored_at(0.14), stored_at(0.7)]
    found = [found_at(0.13), found_at(0.1), found_at(0.4)]
    known = recording.matches(old, found)
    assert {number: face.x for number, face in known.items()} == {1: 0.1, 0: 0.14}
    films = [stored_at(0.1, 4.0), stored_at(0.1, 8.0)]
    known = recording.matches(films, [found_at(0.1, 8.2), found_at(0.1, 20.0), found_at(0.1, None)])
    assert {number: face.second for number, face in known.items()} == {0: 8.0}


@pytest.mark.parametrize("count", [1, 40])
def test_many_faces_cost_no_more_queries_than_one(
    faced: Library, tmp_path: Path, count: int, django_assert_max_num_queries: Any
) -> None:
    file = take_in(faced, make_image(tmp_path / "a.png", TWO), "a.png").file
    pipeline.create_rows(file.original, [pipeline.Planned("faces", "face-detection")])
    found = [found_at(number / 100, width=0.005) for number in range(count)]
    result = Ready(learnt={"faces": found, "model": "tiny-faces"})
    with django_assert_max_num_queries(4):
        recording.record(file.original, result)
    before = [face.pk for face in faces_of(file)]
    with django_assert_max_num_queries(14):
        recording.record(file.original, result)
    assert [face.pk for face in faces_of(file)] == before
    assert len(before) == count


def test_of_the_same_bytes_in_two_libraries_each_has_its_own_faces(
    faced: Library, tmp_path: Path, alice: User
) -> None:
    other = create_library(alice, "Work")
    other.faces = True
    other.save()
    first = take_picture(faced, tmp_path)
    second = take_in(other, make_image(tmp_path / "b.png", TWO), "b.png").file
    run_queued()
    assert [face.library_id for face in faces_of(first)] == [faced.pk] * 2
    assert [face.library_id for face in faces_of(second)] == [other.pk] * 2


def test_turning_faces_off_deletes_them_with_people_and_small_pictures(
    faced: Library, tmp_path: Path, alice: User
) -> None:
    file = take_picture(faced, tmp_path)
    draw(file, alice, Box(0.6, 0.6, 0.1, 0.1))
    run_queued()
    give(faces_of(file)[0], person(faced))
    keys = [output["key"] for row in Derivative.objects.filter(deriver="faces") for output in row.outputs]
    assert len(keys) == 3
    with pytest.raises(switching.LossError, match="3 faces, 1 people"):
        switching.turn(faced, {"faces": False})
    assert Face.objects.count() == 3
    switching.turn(faced, {"faces": False}, confirmed=True)
    for key in Switching.objects.values_list("pk", flat=True):
        switching.follow(key)
    assert Face.objects.filter(library=faced).count() == Person.objects.filter(library=faced).count() == 0
    assert not Derivative.objects.filter(deriver="faces").exists()
    assert UnnamedBlob.objects.filter(key__in=keys).count() == 3


def test_purging_the_file_takes_its_faces_along(faced: Library, tmp_path: Path) -> None:
    file = take_picture(faced, tmp_path)
    assert Face.objects.count() == 2
    trash.trash(faced, [file.pk])
    trash.purge(faced, [file.pk])
    assert Face.objects.count() == 0


def test_a_run_that_was_overtaken_writes_nothing(faced: Library, tmp_path: Path) -> None:
    file = take_picture(faced, tmp_path, scene([]))
    row = row_of(file)
    ledger.request_again(Derivative.objects.filter(pk=row.pk))
    claim = ledger.claim(row.pk, owner="test", lease_seconds=60)
    assert claim is not None
    ledger.request_again(Derivative.objects.filter(pk=row.pk))
    deriver = get_deriver("faces")
    result = Ready(learnt={"faces": [found_at(0.1)], "model": "tiny-faces"})
    with pytest.raises(RunAbandonedError):
        runs.finish(deriver, claim, (result, []))
    assert faces_of(file) == []


def test_one_person_is_alike_in_two_pictures_and_another_is_not(faced: Library, tmp_path: Path) -> None:
    """Two pictures of one person and one of another, as the clustering will see them."""
    vectors = []
    for number, color in enumerate((BLUE, BLUE, GREEN)):
        pixels = scene([(color, (100 + 60 * number, 120, 100 + 20 * number))])
        (face,) = faces_of(take_picture(faced, tmp_path, pixels, f"{number}.png"))
        vectors.append(np.asarray(face.embedding))
    assert float(vectors[0] @ vectors[1]) >= 0.85
    assert float(vectors[0] @ vectors[2]) <= 0.5


def test_three_pictures_of_somebody_make_a_person_and_a_run_again_makes_no_second_one(
    faced: Library, tmp_path: Path
) -> None:
    files = [
        take_picture(faced, tmp_path, scene([(RED, (60 + 70 * number, 120, 100))]), f"{number}.png")
        for number in range(3)
    ]
    other = take_picture(faced, tmp_path, scene([(GREEN, (200, 200, 100))]), "other.png")
    assert not assigning.assign_waiting(faced.pk)
    (ann,) = Person.objects.filter(library=faced)
    assert [face.person_id for file in files for face in faces_of(file)] == [ann.pk] * 3
    assert [face.person_id for face in faces_of(other)] == [None]
    run_again(files[0])
    assigning.assign_waiting(faced.pk)
    assert [face.person_id for face in faces_of(files[0])] == [ann.pk]
    assert Person.objects.filter(library=faced).count() == 1
