"""GET /api/uploads: what one is bringing in oneself, and nobody else's."""

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alcoves.accounts.models import User
from media.api import cursors
from media.folders import create_folder
from media.libraries import remove_member
from media.models import File, Library, Upload


def begin(library: Library, user: User, name: str, **fields: Any) -> Upload:
    later = timezone.now() + timedelta(days=1)
    values = {"kind": "tus", "length": 10, "offset": 4, "expires_at": later, **fields}
    upload: Upload = Upload.objects.create(library=library, user=user, name=name, **values)
    return upload


def names(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/api/uploads{query}")
    assert answer.status_code == 200, answer.content
    return [entry["name"] for entry in answer.json()["entries"]]


def test_what_is_under_way_newest_first(
    library: Library, alice: User, bob: User, file: File, as_alice: Client
) -> None:
    folder = create_folder(library, "Trip")
    begin(library, alice, "old.mov", folder=folder)
    begin(library, alice, "done.mov", offset=10, finished_at=timezone.now(), file=file)
    begin(library, alice, "new.mov", length=None, kind="tus-partial")
    begin(library, bob, "of bob.mov")
    assert names(as_alice) == ["new.mov", "old.mov"]
    assert names(as_alice, "?finished=true") == ["new.mov", "done.mov", "old.mov"]
    new, done, old = as_alice.get("/api/uploads?finished=1").json()["entries"]
    assert (new["length"], new["kind"], new["fileId"], new["finishedAt"]) == (None, "tus-partial", None, None)
    assert (done["fileId"], done["offset"], done["length"]) == (str(file.pk), 10, 10)
    assert (old["folderId"], old["libraryId"], old["offset"]) == (str(folder.pk), str(library.pk), 4)
    assert as_alice.get(f"/api/uploads/{old['id']}").json() == old


def test_only_ones_own(
    library: Library, alice: User, bob: User, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    upload = begin(library, alice, "mine.mov")
    of_bob = begin(library, bob, "of bob.mov")
    for client in (as_bob, as_charlie):
        refused = client.get(f"/api/uploads/{upload.pk}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert as_alice.get(f"/api/uploads/{uuid4()}").status_code == 404
    assert Client().get("/api/uploads").status_code == 401
    assert (names(as_bob), names(as_charlie)) == (["of bob.mov"], [])
    remove_member(library, bob.pk)
    assert names(as_bob) == []
    assert as_bob.get(f"/api/uploads/{of_bob.pk}").status_code == 404


def test_every_page_once_though_times_are_the_same(library: Library, alice: User, as_alice: Client) -> None:
    for number in range(7):
        begin(library, alice, f"{number}.mov")
    Upload.objects.filter(name__in=["2.mov", "3.mov", "4.mov"]).update(created_at=timezone.now())
    everything = names(as_alice)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = "?limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = as_alice.get(f"/api/uploads{query}").json()
        found += [entry["name"] for entry in page["entries"]]
        cursor = page["nextCursor"]
    assert found == everything
    assert len(set(found)) == 7


def forged(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["x", forged([]), forged(["now", str(UUID(int=0))]), cursors.encode("2024-01-01T00:00:00", UUID(int=0))],
)
def test_a_bad_cursor_is_a_sentence(cursor: str, as_alice: Client) -> None:
    refused = as_alice.get("/api/uploads", {"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_cursor")
    assert "Start again without it" in refused.json()["message"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "finished=perhaps"])
def test_bad_questions(query: str, as_alice: Client) -> None:
    assert as_alice.get(f"/api/uploads?{query}").status_code == 400


def test_a_list_costs_the_same_whatever_its_length(library: Library, alice: User, as_alice: Client) -> None:
    begin(library, alice, "first.mov")
    names(as_alice)
    with CaptureQueriesContext(connection) as few:
        names(as_alice)
    for number in range(12):
        begin(library, alice, f"{number}.mov")
    with CaptureQueriesContext(connection) as many:
        assert len(names(as_alice)) == 13
    assert len(many) == len(few)
