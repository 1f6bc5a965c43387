from uuid import uuid4

import pytest
from django.test import Client

from alcoves.accounts.models import User
from media.libraries import set_member
from media.models import Library, Membership
from tests.conftest import client_of
from tests.ingesting import take_in
from tests.media.api.conftest import PNG

JSON = "application/json"


def test_the_list_shows_only_what_is_mine(library: Library, as_bob: Client, as_charlie: Client) -> None:
    mine = as_bob.get("/api/libraries").json()
    assert [(one["id"], one["role"]) for one in mine] == [(str(library.pk), "viewer")]
    assert as_charlie.get("/api/libraries").json() == []


def test_staff_see_nobodys_library(library: Library, db: None) -> None:
    staff = client_of(User.objects.create_superuser("root@example.org", "root-password"))
    assert staff.get("/api/libraries").json() == []
    assert staff.get(f"/api/libraries/{library.pk}").status_code == 404


def test_make_one_and_change_it(as_alice: Client) -> None:
    made = as_alice.post("/api/libraries", {"name": "Work", "emoji": "💼", "faces": True}, JSON)
    assert made.status_code == 201
    assert (made.json()["role"], made.json()["faces"], made.json()["objects"]) == ("owner", True, False)
    path = f"/api/libraries/{made.json()['id']}"
    changed = as_alice.patch(path, {"objects": True, "audioEvents": True}, JSON).json()
    assert (changed["name"], changed["objects"], changed["audioEvents"]) == ("Work", True, True)
    assert Library.objects.get(pk=made.json()["id"]).switches() == {"faces", "objects", "audio_events"}


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 201}, {"name": "a\0b"}, {"name": ["a"]}])
def test_bad_input_is_told_in_a_sentence(body: dict[str, object], as_alice: Client) -> None:
    answer = as_alice.post("/api/libraries", body, JSON)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("name: ")
    assert answer.json()["fields"]["name"]


def test_malformed_json_is_told(as_alice: Client) -> None:
    answer = as_alice.post("/api/libraries", "{", JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


def test_viewers_change_nothing_and_strangers_find_nothing(
    library: Library, as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/libraries/{library.pk}"
    refused = as_bob.patch(path, {"name": "Mine"}, JSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    for answer in (
        as_charlie.get(path),
        as_charlie.patch(path, {"name": "Mine"}, JSON),
        as_charlie.delete(path),
    ):
        assert answer.status_code == 404
    unknown = as_charlie.get(f"/api/libraries/{uuid4()}")
    assert unknown.json() == as_charlie.get(path).json()


def test_only_the_owner_deletes_and_only_an_empty_library(
    library: Library, as_alice: Client, bob: User, as_bob: Client
) -> None:
    path = f"/api/libraries/{library.pk}"
    set_member(library, bob, "admin")
    assert as_bob.delete(path).status_code == 403
    file = take_in(library, PNG, "a.png").file
    as_alice.post(f"{path}/folders", {"name": "A"}, JSON)
    assert as_alice.delete(path).status_code == 409
    as_alice.delete(f"{path}/files/{file.pk}")
    in_trash = as_alice.delete(path)
    assert (in_trash.status_code, in_trash.json()["code"]) == (409, "not_empty")
    assert as_alice.post(f"{path}/files/purge", {"fileIds": [str(file.pk)]}, JSON).json() == {"count": 1}
    assert as_alice.delete(path).status_code == 204
    assert not Library.objects.exists()


def test_members_owner_first(library: Library, as_bob: Client) -> None:
    found = as_bob.get(f"/api/libraries/{library.pk}/users").json()
    assert [(one["email"], one["role"]) for one in found] == [
        ("alice@example.org", "owner"),
        ("bob@example.org", "viewer"),
    ]


def test_a_role_is_changed_and_a_member_is_shut_out(
    library: Library, as_alice: Client, bob: User, as_bob: Client
) -> None:
    path = f"/api/libraries/{library.pk}/users/{bob.pk}"
    assert as_alice.patch(path, {"role": "admin"}, JSON).json()["role"] == "admin"
    assert as_bob.patch(f"/api/libraries/{library.pk}", {"name": "Ours"}, JSON).status_code == 200
    assert as_alice.delete(path).status_code == 204
    assert as_bob.get(f"/api/libraries/{library.pk}").status_code == 404


def test_nobody_acts_on_himself_or_on_the_owner(
    library: Library, alice: User, bob: User, as_alice: Client, as_bob: Client
) -> None:
    users = f"/api/libraries/{library.pk}/users"
    set_member(library, bob, "admin")
    assert as_alice.patch(f"{users}/{alice.pk}", {"role": "viewer"}, JSON).status_code == 403
    assert as_alice.delete(f"{users}/{alice.pk}").status_code == 403
    assert as_bob.delete(f"{users}/{bob.pk}").status_code == 403
    assert as_bob.patch(f"{users}/{alice.pk}", {"role": "viewer"}, JSON).status_code == 409
    assert as_bob.delete(f"{users}/{alice.pk}").status_code == 409
    assert as_bob.patch(f"{users}/{alice.pk}", {"role": "owner"}, JSON).status_code == 400
    assert Membership.objects.get(library=library, user=alice).role == "owner"


def test_strangers_and_viewers_cannot_touch_members(
    library: Library, bob: User, charlie: User, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/libraries/{library.pk}/users/{bob.pk}"
    assert as_charlie.patch(path, {"role": "admin"}, JSON).status_code == 404
    assert as_charlie.delete(path).status_code == 404
    assert as_bob.delete(f"/api/libraries/{library.pk}/users/{charlie.pk}").status_code == 403
    assert as_alice.delete(f"/api/libraries/{library.pk}/users/{charlie.pk}").status_code == 404
