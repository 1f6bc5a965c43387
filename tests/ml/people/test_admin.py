"""The console's pages of people and faces: they open, show small pictures, and stay quick."""

import re
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.urls import reverse

from alcoves.accounts.models import User
from media import audit, holding
from media.models import Library
from ml.faces import proposals
from ml.models import Face, FaceProposal, MergeProposal, Person
from tests.media.api.conftest import finish
from tests.ml.people.making import beside, direction, make_face, make_person

CROP = b"RIFF\x1a\0\0\0WEBPVP8 " + b"\1" * 90


@pytest.fixture
def root(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    return client


@pytest.fixture
def people(library: Library) -> list[Person]:
    made = [make_person(library, 1, 3, name="<b>Anna</b>"), make_person(library, 1, 3)]
    make_face(library, beside(direction(1), 0.46, 4), waiting=False)
    for face in Face.objects.all():
        row = finish(face.original.files.get(), "faces", {"face-001.webp": (CROP, "image/webp")})
        Face.objects.filter(pk=face.pk).update(derivative=row, crop="face-001.webp")
    proposals.propose(library.pk)
    return made


def page(model: type[models.Model], kind: str, *args: Any) -> str:
    return reverse(f"admin:ml_{model._meta.model_name}_{kind}", args=args)


@pytest.mark.parametrize("model", [Person, Face, MergeProposal, FaceProposal], ids=lambda one: one.__name__)
def test_pages_open_and_nothing_is_edited(
    model: type[models.Model], root: Client, people: list[Person]
) -> None:
    row = model._default_manager.first()
    assert row is not None
    for address in (page(model, "changelist"), page(model, "change", row.pk)):
        answer = root.get(address)
        assert answer.status_code == 200, address
        assert b"<b>Anna" not in answer.content
    assert root.get(page(model, "add")).status_code == 403
    assert root.post(page(model, "change", row.pk), {"name": "X"}).status_code == 403
    assert root.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_small_pictures_and_counts_are_shown(root: Client, people: list[Person]) -> None:
    text = root.get(page(Person, "changelist")).content.decode()
    assert text.count("face-001.webp") == 2
    (address, *_) = re.findall(r'<img src="([^"]*face-001.webp)"', text)
    answer = root.get(address)
    assert answer.status_code == 200
    assert answer.getvalue() == CROP
    one = root.get(page(Person, "change", people[0].pk)).content.decode()
    listed = root.get(page(Face, "changelist") + f"?person__id__exact={people[0].pk}")
    assert "3 faces" in one
    assert listed.content.decode().count("face-001.webp") == 3
    alone = root.get(page(Face, "changelist") + "?owned=no").content.decode()
    assert alone.count("face-001.webp") == 1
    for row in (people[0], Face.objects.filter(person=people[0]).latest("id")):
        own = root.get(page(type(row), "change", row.pk)).content.decode()
        shown = re.findall(r'<img src="([^"]*face-001.webp)"', own)
        assert [root.get(address).getvalue() for address in shown] == [CROP]


def test_a_face_of_a_file_that_is_set_aside_is_not_shown(root: Client, people: list[Person]) -> None:
    face = Face.objects.filter(person=people[0]).latest("id")
    address = reverse("admin:media_derivative_picture", args=(face.derivative_id, face.crop))
    assert root.get(address).status_code == 200
    holding.hold([face.original_id], audit.SYSTEM, "Somebody complained.")
    assert root.get(address).status_code == 404


@pytest.mark.parametrize(
    ("model", "queries"), [(Person, 8), (Face, 8), (MergeProposal, 8), (FaceProposal, 8)]
)
def test_lists_cost_as_many_queries_however_long(
    model: type[models.Model],
    queries: int,
    root: Client,
    people: list[Person],
    django_assert_max_num_queries: Any,
) -> None:
    with django_assert_max_num_queries(queries):
        root.get(page(model, "changelist"))
