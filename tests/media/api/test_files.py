import base64
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alcoves.accounts.models import User
from media.api import cursors
from media.folders import create_folder, trash_folder
from media.libraries import create_library
from media.models import File, Folder, Library, Original
from tests.ingesting import take_in
from tests.media.api.conftest import PNG, finish

JSON = "application/json"


def names(answer: Any) -> list[str]:
    return [entry["name"] for entry in answer.json()["entries"]]


def fill(library: Library, *wanted: str, folder: Folder | None = None) -> None:
    original = take_in(library, PNG, "seed.png").file
    File.objects.bulk_create(
        File(library=library, original_id=original.original_id, name=name, folder=folder) for name in wanted
    )
    original.delete()


def test_pages_follow_the_name_whatever_its_case(library: Library, as_bob: Client) -> None:
    fill(library, "b.png", "A.png", "c.png", "B.png", "ä.png", "a.png")
    path = f"/api/libraries/{library.pk}/files"
    found: list[str] = []
    cursor = ""
    for _ in range(10):
        answer = as_bob.get(path, {"limit": 2} | ({"cursor": cursor} if cursor else {}))
        found += names(answer)
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            break
    assert found == ["A.png", "a.png", "b.png", "B.png", "c.png", "ä.png"]
    assert sorted(found) == sorted({*found})


def test_equal_names_are_neither_lost_nor_doubled(library: Library, as_bob: Client) -> None:
    fill(library, *["same.png"] * 7)
    path = f"/api/libraries/{library.pk}/files"
    seen, cursor = [], None
    while True:
        page = as_bob.get(path, {"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        seen += [entry["id"] for entry in page["entries"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7


def test_a_page_has_50_and_at_most_200(library: Library, as_bob: Client) -> None:
    fill(library, *(f"{number:03}.png" for number in range(210)))
    path = f"/api/libraries/{library.pk}/files"
    assert len(names(as_bob.get(path))) == 50
    assert len(names(as_bob.get(path, {"limit": 1000}))) == 200
    assert as_bob.get(path, {"limit": 0}).status_code == 400


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%%%",
        "WzFd",
        base64.urlsafe_b64encode(b"[" * 900).decode(),
        base64.urlsafe_b64encode(json.dumps(["a\0", str(UUID(int=7))]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(["a", "no id"]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(["\ud800", str(UUID(int=7))]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps({"a": 1}).encode()).decode(),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str, library: Library, as_bob: Client) -> None:
    answer = as_bob.get(f"/api/libraries/{library.pk}/files", {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2024-01-01T00:00:00"]
)
def test_a_cursor_of_a_moment_that_no_database_has(moment: str, library: Library, as_bob: Client) -> None:
    cursor = cursors.encode(moment, uuid4())
    answer = as_bob.get(f"/api/libraries/{library.pk}/files", {"cursor": cursor, "order": "-date"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


def test_folders_kinds_and_the_trash(library: Library, alice: User, as_bob: Client) -> None:
    folder = create_folder(library, "Holiday")
    fill(library, "inside.png", folder=folder)
    fill(library, "top.png")
    take_in(library, b"%PDF-1.7 not a picture", "paper.pdf")
    gone = take_in(library, PNG, "gone.png").file
    File.objects.filter(pk=gone.pk).update(trashed_at="2025-01-01T00:00Z")
    path = f"/api/libraries/{library.pk}/files"
    assert names(as_bob.get(path)) == ["paper.pdf", "top.png"]
    assert names(as_bob.get(path, {"folder": str(folder.pk)})) == ["inside.png"]
    assert names(as_bob.get(path, {"folder": "any"})) == ["inside.png", "paper.pdf", "top.png"]
    assert names(as_bob.get(path, {"folder": "any", "kind": "image"})) == ["inside.png", "top.png"]
    assert names(as_bob.get(path, {"trashed": "true"})) == ["gone.png"]
    assert names(as_bob.get(path, {"q": "P.PN"})) == ["top.png"]
    other = create_folder(create_library(alice, "Other"), "Secret")
    assert as_bob.get(path, {"folder": str(other.pk)}).status_code == 404
    for bad in ({"folder": "x"}, {"kind": "x"}, {"q": "a\0"}, {"trashed": "perhaps"}):
        assert as_bob.get(path, bad).status_code == 400, bad


def test_percent_and_underscore_are_letters(library: Library, as_bob: Client) -> None:
    fill(library, "100%.png", "1000.png", "a_b.png", "axb.png", "back\\slash.png")
    path = f"/api/libraries/{library.pk}/files"
    assert names(as_bob.get(path, {"q": "0%"})) == ["100%.png"]
    assert names(as_bob.get(path, {"q": "a_b"})) == ["a_b.png"]
    assert names(as_bob.get(path, {"q": "\\s"})) == ["back\\slash.png"]


def test_queries_do_not_grow_with_the_page(library: Library, as_bob: Client) -> None:
    path = f"/api/libraries/{library.pk}/files"
    take_in(library, PNG + b"0", "0.png")
    as_bob.get(path)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert len(names(as_bob.get(path, {"limit": 100}))) == 1
    for number in range(1, 60):
        take_in(library, PNG + str(number).encode(), f"{number}.png")
    with CaptureQueriesContext(connection) as many:
        assert len(names(as_bob.get(path, {"limit": 100}))) == 60
    assert len(few) == len(many) <= 4


def test_a_file_with_its_jobs(library: Library, finished: File, as_bob: Client) -> None:
    found = as_bob.get(f"/api/libraries/{library.pk}/files/{finished.pk}").json()
    assert found["preview_status"] == "ready"
    assert (found["preview_version"], found["previewed_version"]) == (1, 1)
    assert (found["metadata_status"], found["metadata_extracted_version"]) == ("queued", 0)
    assert (found["poster_status"], found["posterUrl"], found["waveform_peaks_per_second"]) == (
        None,
        None,
        None,
    )
    assert (found["color"], found["thumbhash"]) == ("#336699", "1QcSHQRnh493V4dIh4eXh1h4kJUI")
    assert "hash_status" not in found
    assert found["hash"] == Original.objects.get().sha256
    assert as_bob.get(found["previewUrl"]).status_code == 200


def test_a_video_shows_its_poster_and_a_sound_its_waveform(library: Library, as_bob: Client) -> None:
    file = take_in(library, PNG, "film.mp4").file
    finish(file, "poster", dict.fromkeys(("poster.webp", "poster-large.webp"), (b"w", "image/webp")))
    finish(file, "waveform", {"waveform.json": (b"{}", "application/json")}, {"peaks_per_second": 50})
    found = as_bob.get(f"/api/libraries/{library.pk}/files/{file.pk}").json()
    assert found["posterUrl"].split("?")[0].endswith("/derivatives/poster/poster.webp")
    assert found["thumbUrl"] == found["posterUrl"]
    assert "poster-large.webp" in found["previewUrl"]
    assert (found["waveform_peaks_per_second"], found["thumbnail_file_id"]) == (50, str(file.pk))


def test_rename_and_move(library: Library, file: File, as_alice: Client, alice: User) -> None:
    path = f"/api/libraries/{library.pk}/files/{file.pk}"
    folder = create_folder(library, "Holiday")
    changed = as_alice.patch(path, {"name": "../new\n.png", "folderId": str(folder.pk)}, JSON).json()
    assert (changed["name"], changed["folderId"]) == ("new.png", str(folder.pk))
    assert as_alice.patch(path, {"folderId": None}, JSON).json()["folderId"] is None
    elsewhere = create_folder(create_library(alice, "Other"), "Theirs")
    trash_folder(library, folder.pk)
    for target in (elsewhere.pk, folder.pk, uuid4()):
        refused = as_alice.patch(path, {"folderId": str(target)}, JSON)
        assert (refused.status_code, refused.json()["code"]) == (404, "folder_not_found")
    for bad in ({"name": ""}, {"name": "x" * 256}, {"folderId": "x"}, {"name": "\0"}):
        assert as_alice.patch(path, bad, JSON).status_code == 400


def test_trash_restore_purge(library: Library, file: File, as_alice: Client) -> None:
    base = f"/api/libraries/{library.pk}/files"
    keys = {"fileIds": [str(file.pk)]}
    assert as_alice.post(f"{base}/purge", keys, JSON).json() == {"count": 0}
    assert as_alice.delete(f"{base}/{file.pk}").status_code == 204
    assert as_alice.get(f"{base}/{file.pk}").json()["trashedAt"] is not None
    refused = as_alice.patch(f"{base}/{file.pk}", {"name": "b.png"}, JSON)
    assert (refused.status_code, refused.json()["code"]) == (409, "in_trash")
    assert as_alice.post(f"{base}/restore", keys, JSON).json() == {"count": 1}
    as_alice.delete(f"{base}/{file.pk}")
    assert as_alice.post(f"{base}/purge", keys, JSON).json() == {"count": 1}
    assert as_alice.get(f"{base}/{file.pk}").status_code == 404
    assert not Original.objects.exists()
    bad: Any
    for bad in (dict[str, list[str]](), {"fileIds": []}, {"fileIds": ["x"]}):
        assert as_alice.post(f"{base}/purge", bad, JSON).status_code == 400
        assert as_alice.post(f"{base}/restore", bad, JSON).status_code == 400


def test_another_librarys_files_are_passed_over(library: Library, file: File, charlie: User) -> None:
    from tests.conftest import client_of

    own = create_library(charlie, "Own")
    File.objects.filter(pk=file.pk).update(trashed_at="2025-01-01T00:00Z")
    client = client_of(charlie)
    keys = {"fileIds": [str(file.pk)]}
    assert client.post(f"/api/libraries/{own.pk}/files/restore", keys, JSON).json() == {"count": 0}
    assert client.post(f"/api/libraries/{own.pk}/files/purge", keys, JSON).json() == {"count": 0}
    assert client.get(f"/api/libraries/{own.pk}/files/{file.pk}").status_code == 404
    assert File.objects.filter(pk=file.pk).exists()


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("patch", "/{file}", {"name": "b"}),
        ("delete", "/{file}", None),
        ("post", "/restore", {"fileIds": ["{file}"]}),
        ("post", "/purge", {"fileIds": ["{file}"]}),
        ("post", "/{file}/reprocess", {"deriver": "preview"}),
        ("post", "/{file}/derivatives/preview/cancel", None),
    ],
)
def test_writing_needs_a_role(
    method: str, tail: str, body: Any, library: Library, file: File, as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/libraries/{library.pk}/files{tail}".format(file=file.pk)
    content = json.dumps(body).replace("{file}", str(file.pk)) if body else None
    for client, status in ((as_bob, 403), (as_charlie, 404)):
        answer = getattr(client, method)(path, content, JSON)
        assert answer.status_code == status
        assert answer.json()["message"]


def test_a_name_stays_a_name(library: Library, as_alice: Client) -> None:
    evil = "<img src=x onerror=alert(1)>.png"
    file = take_in(library, PNG, evil).file
    found = as_alice.get(f"/api/libraries/{library.pk}/files/{file.pk}")
    assert found.json()["name"] == evil
    assert found["Content-Type"] == "application/json"
