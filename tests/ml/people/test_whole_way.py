"""From pictures to people, and again: the run, the task behind it, decisions of a user, and the run once more."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from media import reprocess
from media.models import File, Library
from ml import tasks
from ml.faces import assigning, deciding, people
from ml.faces.boxes import Box
from ml.models import Face, Person
from tests.ingesting import run_queued, take_in
from tests.makers import make_image
from tests.ml.faces.conftest import faced, graph_files, tiny_models
from tests.ml.graphs.faces import GREEN, RED, scene
from tests.ml.people.making import people_of

__all__ = ["faced", "graph_files", "tiny_models"]

pytestmark = pytest.mark.django_db


def understood(library: Library) -> None:
    """Everything that is queued, and then the message that each run has sent."""
    run_queued()
    tasks.assign_faces(str(library.pk))


def again(library: Library, files: list[File]) -> None:
    for file in files:
        reprocess.reprocess_file(file, "faces")
    understood(library)


def two_in_a_picture(library: Library, folder: Path, count: int) -> list[File]:
    """A red face and a green one, each time in another place."""
    made = []
    for number in range(count):
        faces = scene([(RED, (60 + 12 * number, 100, 80)), (GREEN, (400 + 9 * number, 260, 90))])
        path = make_image(folder / f"{number}.png", faces)
        made.append(take_in(library, path, path.name).file)
    return made


@pytest.mark.usefixtures("tiny_models")
def test_pictures_become_people_and_a_second_run_changes_nothing(
    faced: Library, tmp_path: Path, as_bob: Client
) -> None:
    files = two_in_a_picture(faced, tmp_path, 3)
    understood(faced)
    assert sorted(person.faces.count() for person in Person.objects.all()) == [3, 3]
    told = as_bob.get(f"/api/libraries/{faced.pk}/people").json()["entries"]
    assert [(one["faceCount"], one["fileCount"]) for one in told] == [(3, 3), (3, 3)]
    crop = as_bob.get(told[0]["cover"]["cropUrl"])
    assert (crop.status_code, crop["Content-Type"]) == (200, "image/webp")
    faces = list(Face.objects.order_by("id"))
    before = people_of(faces)
    again(faced, files)
    assert Face.objects.count() == 6
    assert people_of(faces) == before


@pytest.mark.usefixtures("tiny_models")
def test_no_run_undoes_what_a_user_has_decided(faced: Library, tmp_path: Path) -> None:
    files = two_in_a_picture(faced, tmp_path, 5)
    understood(faced)
    red, green = Person.objects.order_by("id")
    people.rename(faced, red.pk, "Anna")
    people.hide(faced, green.pk, hidden=True)
    hers, theirs = list(red.faces.order_by("id")), list(green.faces.order_by("id"))
    people.choose_cover(faced, red.pk, hers[0].pk)
    deciding.confirm(faced, [hers[0].pk])
    deciding.reject(faced, [hers[1].pk])
    deciding.assign(faced, [hers[2].pk], green.pk)
    deciding.remove(faced, [hers[3].pk])
    made = deciding.split(faced, green.pk, [theirs[0].pk], "Bert")
    drawn = deciding.draw(faced, files[0].original, None, Box(0.4, 0.02, 0.1, 0.1))
    expected = [red.pk, None, green.pk, None, red.pk, made.pk, *[green.pk] * 4]
    understood(faced)
    assert people_of([*hers, *theirs]) == expected
    again(faced, files)
    assert people_of([*hers, *theirs]) == expected
    assert Face.objects.filter(removed=True).get() == hers[3]
    red.refresh_from_db()
    green.refresh_from_db()
    assert (red.name, red.cover, green.hidden) == ("Anna", hers[0], True)
    drawn.refresh_from_db()
    assert drawn.crop == "face.webp"
    assert Face.objects.count() == 11


@pytest.mark.usefixtures("tiny_models")
def test_a_merge_outlives_new_pictures_and_new_runs(faced: Library, tmp_path: Path) -> None:
    files = two_in_a_picture(faced, tmp_path, 3)
    understood(faced)
    red, green = Person.objects.order_by("id")
    people.merge(faced, [red.pk, green.pk])
    more = two_in_a_picture(faced, tmp_path, 5)[3:]
    again(faced, [*files, *more])
    assert people.people_of(faced).get() == red
    assert red.faces.count() == 8, "In the new ones only one of the two can be, by itself."


@pytest.mark.usefixtures("shared_models")
def test_marie_and_pierre_curie(faced: Library, shared_media: Path, settings: Any) -> None:
    """Real faces with a real detector: upright, stored rotated, small, and of worse quality."""
    folder = shared_media / "faces"
    with Image.open(folder / "curie_pierre_marie.jpg") as image:
        for side, quality in ((700, 70), (600, 90)):
            packed = io.BytesIO()
            small = image.resize((side, side * image.height // image.width))
            small.save(packed, "JPEG", quality=quality)
            take_in(faced, packed.getvalue(), f"{side}.jpg")
    for name in ("curie_pierre_marie.jpg", "curie_orientation6.jpg", "gauss.png", "newton.png"):
        take_in(faced, folder / name, name)
    understood(faced)
    assert not assigning.waiting(faced.pk).exists()
    found = sorted(person.faces.count() for person in Person.objects.all())
    assert found == [4, 4]
    for person in Person.objects.all():
        originals = set(person.faces.values_list("original", flat=True))
        assert len(originals) == 4
        middles = {round(face.x + face.width / 2, 1) for face in person.faces.all()}
        assert len(middles) == 1, "Always the same one of the two."
