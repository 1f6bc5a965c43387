import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from alcoves.accounts.models import User
from media.errors import ConflictError
from media.folders import create_folder, move_folder, trash_folder
from media.libraries import create_library
from media.models import File, Folder, Library
from tests.ingesting import take_in
from tests.media.api.conftest import PNG

JSON = "application/json"


def test_a_tree_is_made_renamed_and_moved(library: Library, as_alice: Client, as_bob: Client) -> None:
    base = f"/api/libraries/{library.pk}/folders"
    top = as_alice.post(base, {"name": "Top"}, JSON)
    assert top.status_code == 201
    below = as_alice.post(base, {"name": "Below", "parentId": top.json()["id"]}, JSON).json()
    assert below["parentId"] == top.json()["id"]
    assert as_alice.patch(f"{base}/{below['id']}", {"name": "Deeper"}, JSON).json()["name"] == "Deeper"
    moved = as_alice.post(f"{base}/{below['id']}/move", {"parentId": None}, JSON).json()
    assert moved["parentId"] is None
    assert [one["name"] for one in as_bob.get(base).json()] == ["Deeper", "Top"]


def test_a_name_is_there_once_in_a_place(library: Library, as_alice: Client) -> None:
    base = f"/api/libraries/{library.pk}/folders"
    first = as_alice.post(base, {"name": "Same"}, JSON).json()
    taken = as_alice.post(base, {"name": "SAME"}, JSON)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    inside = as_alice.post(base, {"name": "Same", "parentId": first["id"]}, JSON).json()
    assert as_alice.post(f"{base}/{inside['id']}/move", {"parentId": None}, JSON).status_code == 409


def test_no_folder_goes_into_itself(library: Library, as_alice: Client) -> None:
    a = create_folder(library, "a")
    b = create_folder(library, "b", a.pk)
    c = create_folder(library, "c", b.pk)
    for target in (a, b, c):
        refused = as_alice.post(
            f"/api/libraries/{library.pk}/folders/{a.pk}/move", {"parentId": str(target.pk)}, JSON
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "folder_cycle")


def test_the_trash_takes_the_whole_subtree(library: Library, as_alice: Client, as_bob: Client) -> None:
    a = create_folder(library, "a")
    b = create_folder(library, "b", a.pk)
    for folder in (a, b, None):
        file = take_in(library, PNG, "x.png").file
        File.objects.filter(pk=file.pk).update(folder=folder)
    answer = as_alice.delete(f"/api/libraries/{library.pk}/folders/{a.pk}")
    assert answer.json() == {"trashed": 2}
    assert as_bob.get(f"/api/libraries/{library.pk}/folders").json() == []
    assert File.objects.live().count() == 1
    create_folder(library, "a")


def test_folders_of_others_and_bad_input(
    library: Library, alice: User, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    base = f"/api/libraries/{library.pk}/folders"
    folder = create_folder(library, "a")
    other = create_folder(create_library(alice, "Other"), "theirs")
    for bad in ({}, {"name": ""}, {"name": "a", "parentId": "x"}, {"name": "\0"}):
        assert as_alice.post(base, bad, JSON).status_code == 400
    for parent in (other.pk, uuid4()):
        assert as_alice.post(base, {"name": "b", "parentId": str(parent)}, JSON).status_code == 404
        body = {"parentId": str(parent)}
        assert as_alice.post(f"{base}/{folder.pk}/move", body, JSON).status_code == 404
    assert as_alice.patch(f"{base}/{other.pk}", {"name": "mine"}, JSON).status_code == 404
    assert as_alice.post(f"{base}/{folder.pk}/move", {}, JSON).status_code == 400
    for client, status in ((as_bob, 403), (as_charlie, 404)):
        assert client.post(base, {"name": "b"}, JSON).status_code == status
        assert client.patch(f"{base}/{folder.pk}", {"name": "b"}, JSON).status_code == status
        assert client.post(f"{base}/{folder.pk}/move", {"parentId": None}, JSON).status_code == status
        assert client.delete(f"{base}/{folder.pk}").status_code == status
    assert as_charlie.get(base).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_two_moves_never_make_a_circle() -> None:
    library = create_library(User.objects.create_user("owner@example.org"), "Busy")
    one, two = create_folder(library, "one"), create_folder(library, "two")
    for _ in range(10):
        outcomes = together(
            lambda: move_folder(library, one.pk, two.pk), lambda: move_folder(library, two.pk, one.pk)
        )
        assert sorted(outcomes) == ["ConflictError", "ok"]
        Folder.objects.update(parent=None)


def together(*works: Any) -> list[str]:
    barrier = threading.Barrier(len(works))
    outcomes: list[str] = []

    def run(work: Any) -> None:
        try:
            barrier.wait()
            work()
            outcomes.append("ok")
        except ConflictError as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_trashed_folder_cannot_be_moved_or_trashed_again(library: Library, as_alice: Client) -> None:
    folder = create_folder(library, "a")
    trash_folder(library, folder.pk)
    base = f"/api/libraries/{library.pk}/folders/{folder.pk}"
    assert as_alice.delete(base).status_code == 404
    assert as_alice.patch(base, {"name": "b"}, JSON).status_code == 404
