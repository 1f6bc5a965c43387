"""Stacks by the API: told with every file, closed in lists on demand, changed by those who may write."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from alcoves.accounts.models import User
from media import stacks, trash
from media.folders import create_folder
from media.libraries import create_library, set_member
from media.models import File, Folder, Library, Original, Stack
from tests.conftest import client_of, make_user
from tests.ingesting import take_in
from tests.media.api.conftest import PNG, finish
from tests.media.api.test_schema import strict

JSON = "application/json"


def add(library: Library, name: str, mime: str, *, folder: Folder | None = None, **facts: Any) -> File:
    """A file whose metadata is known."""
    file = take_in(library, PNG + uuid4().bytes, name).file
    with transaction.atomic(), stacks.rearranging(library.pk, [file.pk]):
        kind = mime.split("/", maxsplit=1)[0]
        Original.objects.filter(pk=file.original_id).update(mime=mime, kind=kind, **facts)
        File.objects.filter(pk=file.pk).update(folder=folder)
    file.refresh_from_db()
    return file


@pytest.fixture
def pair(library: Library) -> tuple[File, File]:
    """A JPEG and its RAW; the JPEG leads."""
    return add(library, "a.jpg", "image/jpeg"), add(library, "a.dng", "image/x-adobe-dng")


def the_stack() -> Stack:
    found: Stack = Stack.objects.get()
    return found


def listed(client: Client, library: Library, **query: str) -> list[str]:
    answer = client.get(f"/api/libraries/{library.pk}/files", query)
    assert answer.status_code == 200, answer.content
    return [entry["name"] for entry in answer.json()["entries"]]


def test_every_file_tells_its_stack(library: Library, pair: tuple[File, File], as_bob: Client) -> None:
    add(library, "z.jpg", "image/jpeg")
    entries = as_bob.get(f"/api/libraries/{library.pk}/files").json()["entries"]
    told = {"id": str(the_stack().pk), "kind": "raw", "primary": str(pair[0].pk), "count": 2}
    assert {entry["name"]: entry["stack"] for entry in entries} == {
        "a.jpg": told,
        "a.dng": told,
        "z.jpg": None,
    }


def test_closed_lists_show_who_stands_for_the_rest(
    library: Library, pair: tuple[File, File], as_bob: Client
) -> None:
    add(library, "b.heic", "image/heic", content_id="x")
    assert listed(as_bob, library) == ["a.dng", "a.jpg", "b.heic"]
    assert listed(as_bob, library, stacks="closed") == ["a.jpg", "b.heic"]
    assert listed(as_bob, library, stacks="closed", order="-date")[0] == "b.heic"
    add(library, "b.mov", "video/quicktime", content_id="x")
    assert listed(as_bob, library, stacks="closed") == ["a.jpg", "b.heic"]
    assert as_bob.get(f"/api/libraries/{library.pk}/files", {"stacks": "x"}).status_code == 400


def test_nobody_is_hidden_by_one_who_is_not_in_the_list(library: Library, as_bob: Client) -> None:
    folder = create_folder(library, "Films")
    add(library, "b.heic", "image/heic", content_id="x")
    add(library, "b.mov", "video/quicktime", content_id="x", folder=folder)
    assert listed(as_bob, library, stacks="closed", folder="any") == ["b.heic"]
    assert listed(as_bob, library, stacks="closed", folder=str(folder.pk)) == ["b.mov"]
    assert listed(as_bob, library, stacks="closed") == ["b.heic"]
    assert listed(as_bob, library, stacks="closed", folder="any", kind="video") == ["b.mov"]
    assert listed(as_bob, library, stacks="closed", q="MOV") == ["b.mov"]
    assert listed(as_bob, library, stacks="closed", q="b.") == ["b.heic"]


def test_the_trash_has_no_stacks(library: Library, pair: tuple[File, File], as_bob: Client) -> None:
    trash.trash(library, [file.pk for file in pair])
    assert listed(as_bob, library, stacks="closed", trashed="true") == ["a.dng", "a.jpg"]
    found = as_bob.get(f"/api/libraries/{library.pk}/files/{pair[0].pk}").json()
    assert found["stack"] is None


def test_a_closed_page_follows_the_cursor_and_the_index(library: Library, as_bob: Client) -> None:
    seed = take_in(library, PNG, "seed").file
    File.objects.bulk_create(
        File(library=library, original_id=seed.original_id, name=f"{number:05}.jpg") for number in range(3000)
    )
    for number in range(0, 40, 2):
        add(library, f"{number:05}x.dng", "image/x-adobe-dng")
        add(library, f"{number:05}x.jpg", "image/jpeg")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE media_file, media_stack")
    seen: list[str] = []
    path, query = f"/api/libraries/{library.pk}/files", {"stacks": "closed", "limit": "50"}
    for _ in range(3):
        page = as_bob.get(path, query).json()
        seen += [entry["name"] for entry in page["entries"]]
        query["cursor"] = page["nextCursor"]
    assert len(seen) == len(set(seen)) == 150
    assert seen == sorted(seen)
    assert not [name for name in seen if name.endswith(".dng")]
    assert len([name for name in seen if "x.jpg" in name]) == 20
    where = {"folder__isnull": True}
    wanted = File.objects.live().filter(library=library, **where).closed(where).in_list_order()
    plan = wanted[:50].explain()
    assert "file_live_at_top_by_name" in plan
    assert "Sort" not in plan, plan


def test_stacks_cost_no_query_more(library: Library, as_bob: Client) -> None:
    path = f"/api/libraries/{library.pk}/files"
    add(library, "z.jpg", "image/jpeg")
    as_bob.get(path)
    with CaptureQueriesContext(connection) as few:
        as_bob.get(path, {"stacks": "closed"})
    for number in range(20):
        add(library, f"{number}.jpg", "image/jpeg")
        add(library, f"{number}.dng", "image/x-adobe-dng")
    with CaptureQueriesContext(connection) as many:
        assert len(as_bob.get(path, {"stacks": "closed"}).json()["entries"]) == 21
    assert len(few) == len(many) <= 4


def test_members_by_pages(library: Library, as_bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        add(library, f"{number}.jpg", "image/jpeg", burst_id="B")
    path = f"/api/libraries/{library.pk}/stacks/{the_stack().pk}"
    found = as_bob.get(path).json()
    assert (found["kind"], found["count"], found["nextCursor"]) == ("burst", 5, None)
    assert [entry["name"] for entry in found["entries"]] == [f"{number}.jpg" for number in range(5)]
    assert as_bob.get(path, {"cursor": "x"}).json()["code"] == "bad_cursor"


def test_choose_another_one(library: Library, pair: tuple[File, File], as_alice: Client) -> None:
    path = f"/api/libraries/{library.pk}/stacks/{the_stack().pk}"
    answer = as_alice.patch(path, {"primary": str(pair[1].pk)}, JSON)
    assert (answer.status_code, answer.json()["primary"]) == (200, str(pair[1].pk))
    assert listed(as_alice, library, stacks="closed") == ["a.dng"]
    other = add(library, "z.jpg", "image/jpeg")
    refused = as_alice.patch(path, {"primary": str(other.pk)}, JSON)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_in_stack")
    for bad in ({}, {"primary": "x"}, {"primary": None}):
        assert as_alice.patch(path, bad, JSON).status_code == 400
    assert the_stack().primary_id == pair[1].pk


def test_take_apart_and_put_together_again(
    library: Library, pair: tuple[File, File], as_alice: Client
) -> None:
    path = f"/api/libraries/{library.pk}/stacks/{the_stack().pk}"
    assert as_alice.delete(path).status_code == 204
    assert listed(as_alice, library, stacks="closed") == ["a.dng", "a.jpg"]
    assert as_alice.get(f"/api/libraries/{library.pk}/files/{pair[0].pk}").json()["stack"] is None
    assert as_alice.get(path).json()["primary"] is None
    assert as_alice.delete(path).status_code == 204
    answer = as_alice.patch(path, {"primary": str(pair[0].pk)}, JSON)
    assert (answer.json()["primary"], answer.json()["count"]) == (str(pair[0].pk), 2)


def test_writing_needs_a_role(
    library: Library, pair: tuple[File, File], as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/libraries/{library.pk}/stacks/{the_stack().pk}"
    body = {"primary": str(pair[1].pk)}
    for client, status in ((as_bob, 403), (as_charlie, 404)):
        assert client.patch(path, body, JSON).status_code == status
        assert client.delete(path).status_code == status
    assert as_charlie.get(path).status_code == 404
    assert (the_stack().primary_id, the_stack().apart) == (pair[0].pk, False)


def test_another_librarys_stack_is_not_there(
    library: Library, pair: tuple[File, File], charlie: User, as_charlie: Client
) -> None:
    own = create_library(charlie, "Own")
    path = f"/api/libraries/{own.pk}/stacks/{the_stack().pk}"
    assert as_charlie.get(path).status_code == 404
    assert as_charlie.patch(path, {"primary": str(pair[1].pk)}, JSON).status_code == 404
    assert as_charlie.delete(path).status_code == 404
    assert as_charlie.get(f"/api/libraries/{library.pk}/stacks/{uuid4()}").status_code == 404


def test_a_new_name_tells_the_new_stack(library: Library, pair: tuple[File, File], as_alice: Client) -> None:
    path = f"/api/libraries/{library.pk}/files/{pair[1].pk}"
    assert as_alice.patch(path, {"name": "b.dng"}, JSON).json()["stack"] is None
    assert not Stack.objects.exists()
    assert as_alice.patch(path, {"name": "A.DNG"}, JSON).json()["stack"]["count"] == 2
    folder = create_folder(library, "Raws")
    assert as_alice.patch(path, {"folderId": str(folder.pk)}, JSON).json()["stack"] is None


def test_the_film_of_a_motion_photo_has_an_address(library: Library, as_bob: Client) -> None:
    file = add(library, "a.jpg", "image/jpeg")
    path = f"/api/libraries/{library.pk}/files/{file.pk}"
    assert as_bob.get(path).json()["motionUrl"] is None
    finish(file, "motion", {"motion.mp4": (b"0123456789", "video/mp4")})
    address = as_bob.get(path).json()["motionUrl"]
    part = as_bob.get(address, headers={"range": "bytes=2-4"})
    assert (part.status_code, part["Content-Type"]) == (206, "video/mp4")
    assert b"".join(part.streaming_content) == b"234"  # type: ignore[attr-defined]


# Turning.


def test_turn_a_picture(library: Library, as_alice: Client) -> None:
    file = add(library, "a.jpg", "image/jpeg", width=400, height=300, warmed_version=1)
    copy = File.objects.create(library=library, original_id=file.original_id, name="copy.jpg")
    path = f"/api/libraries/{library.pk}/files/{file.pk}"
    before = as_alice.get(path).json()
    assert (before["rotation"], before["width"], before["height"]) == (0, 400, 300)
    after = as_alice.patch(path, {"rotation": 90}, JSON).json()
    assert (after["rotation"], after["width"], after["height"]) == (90, 300, 400)
    assert (after["imageWidth"], after["imageHeight"]) == (300, 400)
    assert after["imageVersion"] == f"{before['imageVersion']}-90"
    assert Original.objects.get(pk=file.original_id).warmed_version == 0
    assert as_alice.patch(path, {"rotation": 180}, JSON).json()["width"] == 400
    assert as_alice.patch(path, {"rotation": 0}, JSON).json()["imageVersion"] == before["imageVersion"]
    copy.refresh_from_db()
    assert copy.rotation == 0


def test_the_same_turn_again_makes_nothing_anew(library: Library, as_alice: Client) -> None:
    file = add(library, "a.jpg", "image/jpeg", warmed_version=1)
    assert (
        as_alice.patch(f"/api/libraries/{library.pk}/files/{file.pk}", {"rotation": 0}, JSON).status_code
        == 200
    )
    assert Original.objects.get(pk=file.original_id).warmed_version == 1


@pytest.mark.parametrize("degrees", [45, 360, -90, 1])
def test_only_quarters(degrees: int, library: Library, as_alice: Client) -> None:
    file = add(library, "a.jpg", "image/jpeg")
    answer = as_alice.patch(f"/api/libraries/{library.pk}/files/{file.pk}", {"rotation": degrees}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "cannot_turn")
    file.refresh_from_db()
    assert file.rotation == 0


def test_a_refused_turn_changes_no_name_either(library: Library, as_alice: Client) -> None:
    file = add(library, "a.mov", "video/quicktime")
    path = f"/api/libraries/{library.pk}/files/{file.pk}"
    answer = as_alice.patch(path, {"rotation": 90, "name": "b.mov"}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "cannot_turn")
    assert "Only pictures" in answer.json()["message"]
    assert as_alice.patch(path, {"rotation": "left"}, JSON).status_code == 400
    file.refresh_from_db()
    assert (file.name, file.rotation) == ("a.mov", 0)


def test_who_may_turn(library: Library, as_bob: Client, as_charlie: Client) -> None:
    file = add(library, "a.jpg", "image/jpeg")
    path = f"/api/libraries/{library.pk}/files/{file.pk}"
    for client, status in ((as_bob, 403), (as_charlie, 404)):
        assert client.patch(path, {"rotation": 90}, JSON).status_code == status
    admin = make_user("dora@example.org", "dora-password", name="Dora")
    set_member(library, admin, "admin")
    assert client_of(admin).patch(path, {"rotation": 90}, JSON).json()["rotation"] == 90


def test_the_answer_is_what_the_document_says(
    library: Library, pair: tuple[File, File], as_alice: Client
) -> None:
    document: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    methods = document["paths"]["/api/libraries/{library_id}/stacks/{stack_id}"]
    path = f"/api/libraries/{library.pk}/stacks/{the_stack().pk}"
    answers = {
        "get": as_alice.get(path),
        "patch": as_alice.patch(path, {"primary": str(pair[1].pk)}, JSON),
    }
    for method, answer in answers.items():
        told = methods[method]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator(strict(told, document["components"]))
        assert list(validator.iter_errors(answer.json())) == []
