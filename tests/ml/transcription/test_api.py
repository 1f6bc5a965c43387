"""Transcripts over the API: asked for, read in pages, corrected, downloaded, offered to players; who may do what."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alcoves.accounts.models import User
from media import trash
from media.models import Derivative, File, Library, Original
from ml.models import LibraryLanguage
from tests.conftest import client_of
from tests.ingesting import run_queued, take_in
from tests.makers import make_image, make_tone
from tests.ml.transcription.conftest import row_of, transcript_of

pytestmark = pytest.mark.django_db
HELLO = "Hello small world."


def address(file: File, rest: str = "") -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}/transcripts{rest}"


def send(client: Client, method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    return getattr(client, method)(url, body or {}, content_type="application/json")


@pytest.fixture
def owner(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def viewer(bob: User) -> Client:
    return client_of(bob)


@pytest.fixture
def stranger(charlie: User) -> Client:
    return client_of(charlie)


def page(client: Client, file: File, query: str = "") -> Any:
    answer = client.get(address(file, f"/default{query}"))
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_tracks_of_a_file_and_what_is_written_down_of_them(recording: File, viewer: Client) -> None:
    (track,) = viewer.get(address(recording)).json()
    written = track.pop("transcript")
    assert track == {
        "track": 0,
        "default": True,
        "title": None,
        "tagged": None,
        "asked": None,
        "status": "ready",
        "progress": 100,
        "etaSeconds": None,
        "errorCode": None,
        "error": None,
        "kept": [],
    }
    assert (written["language"], written["languageFound"], written["model"]) == ("en", True, "says-hello")
    assert (written["segmentCount"], written["wordCount"]) == (2, 6)
    assert (written["editedAt"], written["editedBy"], written["newer"]) == (None, None, False)
    assert set(written["urls"]) == {"vtt", "srt", "txt", "json"}


def test_segments_with_their_words_in_pages(recording: File, viewer: Client) -> None:
    whole = page(viewer, recording)
    assert whole["text"] == f"{HELLO} {HELLO}"
    assert [one["start"] for one in whole["segments"]] == [0.5, 30.5]
    assert [word["text"] for word in whole["segments"][0]["words"]] == ["Hello", "small", "world."]
    assert whole["nextCursor"] is None
    first = page(viewer, recording, "?limit=1&words=0")
    assert [(one["position"], one["words"]) for one in first["segments"]] == [(0, [])]
    second = page(viewer, recording, f"?limit=1&cursor={first['nextCursor']}")
    assert [one["position"] for one in second["segments"]] == [1]
    assert second["nextCursor"] is None
    assert page(viewer, recording)["track"] == viewer.get(address(recording, "/0")).json()["track"] == 0


def test_a_page_costs_few_queries(recording: File, viewer: Client) -> None:
    page(viewer, recording)
    with CaptureQueriesContext(
        connection,
    ) as spent:
        page(viewer, recording)
    assert len(spent) <= 8


@pytest.mark.parametrize("query", ["?limit=0", "?limit=5000", "?cursor=nonsense", "?words=perhaps"])
def test_bad_questions(recording: File, viewer: Client, query: str) -> None:
    assert viewer.get(address(recording, f"/default{query}")).status_code == 400


@pytest.mark.parametrize("track", ["/7", "/none", "/-1", "/999999999999999999999"])
def test_tracks_that_are_not_there(recording: File, owner: Client, track: str) -> None:
    for method in ("get", "post", "patch"):
        answer = send(
            owner, method, address(recording, track), {"revision": 1} if method == "patch" else None
        )
        assert answer.status_code == 404
        assert "There are: 0." in answer.json()["message"]


def test_downloads_have_their_types_and_names(recording: File, viewer: Client) -> None:
    expected = {
        "vtt": ("text/vtt; charset=utf-8", "tone.en.vtt", b"WEBVTT\n\n00:00:00.500"),
        "srt": ("application/x-subrip; charset=utf-8", "tone.en.srt", b"1\n00:00:00,500"),
        "txt": ("text/plain; charset=utf-8", "tone.en.txt", HELLO.encode()),
        "json": ("application/json", "tone.en.json", b'{"language": "en"'),
    }
    urls = page(viewer, recording)["transcript"]["urls"]
    for form, (kind, name, begins) in expected.items():
        answer: Any = viewer.get(urls[form])
        assert answer["Content-Type"] == kind
        assert name in answer["Content-Disposition"]
        assert answer["Content-Disposition"].startswith("attachment")
        assert b"".join(answer.streaming_content).startswith(begins)
        assert "immutable" in answer["Cache-Control"]
    assert viewer.get(address(recording, "/0/transcript.doc")).status_code == 404
    assert viewer.get(urls["vtt"], headers={"range": "bytes=0-5"}).status_code == 206


def content(client: Client, url: str) -> bytes:
    answer: Any = client.get(url)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_players_are_offered_what_is_said(recording: File, viewer: Client, owner: Client) -> None:
    sources = f"/api/libraries/{recording.library_id}/files/{recording.pk}/playback-sources"
    (track,) = viewer.get(sources).json()["subtitles"]
    assert (track["language"], track["transcript"], track["default"]) == ("en", True, False)
    assert track["track"] == 0
    assert content(viewer, track["url"]).startswith(b"WEBVTT")
    first, _ = page(owner, recording)["segments"]
    change = {"op": "change", "id": first["id"], "text": "Corrected."}
    assert edit(owner, recording, [change]).status_code == 200
    (after,) = viewer.get(sources).json()["subtitles"]
    assert after["url"] != track["url"]
    assert b"Corrected." in content(viewer, after["url"])


def edit(client: Client, file: File, changes: list[dict[str, Any]], **more: Any) -> Any:
    revision = more.pop("revision", None) or transcript_of(file).revision
    return send(
        client, "patch", address(file, "/default"), {"revision": revision, "changes": changes, **more}
    )


def test_corrections(recording: File, owner: Client, alice: User) -> None:
    first, second = page(owner, recording)["segments"]
    changes = [
        {"op": "change", "id": first["id"], "text": "Hello big world.", "start": 0.4, "end": 2.7},
        {"op": "split", "id": second["id"], "at": 5},
        {"op": "insert", "start": 10.0, "end": 12.0, "text": "A tone."},
    ]
    answer = edit(owner, recording, changes, language="de-AT")
    assert answer.status_code == 200, answer.content
    written = answer.json()["transcript"]
    assert (written["language"], written["languageFound"], written["segmentCount"]) == ("de", False, 4)
    assert written["editedBy"] == {"id": str(alice.pk), "name": "Alice"}
    after = page(owner, recording)
    assert [(one["start"], one["text"]) for one in after["segments"]] == [
        (0.4, "Hello big world."),
        (10.0, "A tone."),
        (30.5, "Hello"),
        (after["segments"][3]["start"], "small world."),
    ]
    assert after["segments"][0]["id"] == first["id"]
    assert after["segments"][0]["words"] == []
    srt = content(owner, after["transcript"]["urls"]["srt"]).decode()
    assert "00:00:10,000 --> 00:00:12,000\nA tone." in srt


def test_who_was_slower_is_told(recording: File, owner: Client) -> None:
    first, _ = page(owner, recording)["segments"]
    seen = transcript_of(recording).revision
    change = {"op": "change", "id": first["id"], "text": "Mine."}
    assert edit(owner, recording, [change], revision=seen).status_code == 200
    answer = edit(owner, recording, [{**change, "text": "Yours."}], revision=seen)
    assert (answer.status_code, answer.json()["code"]) == (409, "revision_conflict")
    assert "Mine." in page(owner, recording)["text"]


@pytest.mark.parametrize(
    "change",
    [
        {"op": "shout"},
        {"op": "change"},
        {"op": "split", "id": "00000000-0000-0000-0000-000000000000"},
        {"op": "remove", "id": "00000000-0000-0000-0000-000000000000"},
        {"op": "insert", "start": -1, "end": 1, "text": "x"},
        {"op": "insert", "start": 2, "end": 1, "text": "x"},
        {"op": "insert", "start": 1, "end": 2, "text": "x" * 5001},
        {"op": "insert", "start": 1, "end": 99999, "text": "x"},
    ],
)
def test_changes_that_cannot_be(recording: File, owner: Client, change: dict[str, Any]) -> None:
    answer = edit(owner, recording, [change])
    assert answer.status_code == 400, answer.content
    assert answer.json()["message"]
    assert page(owner, recording)["transcript"]["editedAt"] is None


def test_what_else_cannot_be_sent(recording: File, owner: Client) -> None:
    url = address(recording, "/default")
    assert send(owner, "patch", url, {"changes": []}).status_code == 400
    assert send(owner, "patch", url, {"revision": 1, "changes": [{"op": "merge"}] * 1001}).status_code == 400
    assert edit(owner, recording, [], language="klingon").json()["code"] == "language_unknown"
    assert send(owner, "post", url, {"language": "klingon"}).status_code == 400
    assert send(owner, "post", address(recording, "/default/revert"), {}).status_code == 400


def test_asking_anew_keeps_corrections_until_they_may_go(recording: File, owner: Client) -> None:
    first, _ = page(owner, recording)["segments"]
    edit(owner, recording, [{"op": "remove", "id": first["id"]}])
    answer = send(owner, "post", address(recording, "/default"), {"language": "de"})
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["asked"]) == ("queued", "de")
    run_queued()
    kept = page(owner, recording)
    assert (kept["text"], kept["transcript"]["newer"], kept["transcript"]["language"]) == (HELLO, True, "en")
    revision = kept["transcript"]["revision"]
    assert (
        send(owner, "post", address(recording, "/default/revert"), {"revision": revision - 1}).status_code
        == 409
    )
    back = send(owner, "post", address(recording, "/default/revert"), {"revision": revision}).json()[
        "transcript"
    ]
    assert (back["language"], back["segmentCount"], back["editedAt"], back["newer"]) == ("de", 2, None, False)
    again = send(owner, "post", address(recording, "/default/revert"), {"revision": back["revision"]})
    assert (again.status_code, again.json()["code"]) == (409, "not_corrected")
    edit(owner, recording, [{"op": "remove", "id": page(owner, recording)["segments"][0]["id"]}])
    send(owner, "post", address(recording, "/default"), {"language": None, "replace": True})
    run_queued()
    fresh = page(owner, recording)
    assert (fresh["asked"], fresh["transcript"]["language"], len(fresh["segments"])) == (None, "en", 2)


def test_many_at_once(
    recording: File, owner: Client, viewer: Client, stranger: Client, tmp_path: Path
) -> None:
    url = f"/api/libraries/{recording.library_id}/transcripts"
    picture = take_in(recording.library, make_image(tmp_path / "a.png"), "a.png").file
    gone = take_in(recording.library, make_tone(tmp_path / "gone.wav"), "gone.wav").file
    run_queued()
    trash.trash(recording.library, [gone.pk])
    unknown = "00000000-0000-0000-0000-000000000000"
    body = {"fileIds": [str(recording.pk), str(picture.pk), str(gone.pk), unknown], "language": "German"}
    assert send(owner, "post", url, body).json()["code"] == "language_unknown"
    answer = send(owner, "post", url, {**body, "language": "de"})
    assert answer.status_code == 202
    assert answer.json()["queued"] == [str(recording.pk)]
    assert [(one["fileId"], one["reason"]) for one in answer.json()["skipped"]] == [
        (str(picture.pk), "no_audio"),
        (str(gone.pk), "in_trash"),
        (unknown, "not_found"),
    ]
    assert (row_of(recording).status, row_of(recording).parameters) == ("queued", {"language": "de"})
    assert send(owner, "post", url, {"fileIds": []}).status_code == 400
    assert send(viewer, "post", url, body).status_code == 403
    assert send(stranger, "post", url, body).status_code == 404


def test_stopping_a_job(recording: File, owner: Client) -> None:
    assert send(owner, "post", address(recording, "/default/cancel")).status_code == 409
    send(owner, "post", address(recording, "/default"))
    answer = send(owner, "post", address(recording, "/default/cancel"))
    assert (answer.status_code, answer.json()["errorCode"]) == (202, "cancelled")
    assert answer.json()["transcript"]["segmentCount"] == 2, "what was there before stays"


def test_what_was_not_made_yet(says_hello: Path, spoken_library: Library, tone: Path, owner: Client) -> None:
    file = take_in(spoken_library, tone, "tone.wav").file
    assert owner.get(address(file)).json() == [], "its headers were not read yet"
    assert owner.get(address(file, "/default")).status_code == 404
    picture = take_in(spoken_library, make_image(tone.parent / "a.png"), "a.png").file
    run_queued()
    assert owner.get(address(picture)).json() == []
    assert send(owner, "post", address(picture, "/default")).status_code == 404


def test_a_library_that_does_not_want_transcripts(
    says_hello: Path, library: Library, tone: Path, owner: Client
) -> None:
    file = take_in(library, tone, "tone.wav").file
    run_queued()
    (track,) = owner.get(address(file)).json()
    assert (track["status"], track["transcript"]) == (None, None)
    assert send(owner, "post", address(file, "/default")).status_code == 409


def test_the_trash_is_left_alone(recording: File, owner: Client) -> None:
    first, _ = page(owner, recording)["segments"]
    trash.trash(recording.library, [recording.pk])
    assert send(owner, "post", address(recording, "/default")).json()["code"] == "in_trash"
    answer = edit(owner, recording, [{"op": "remove", "id": first["id"]}])
    assert (answer.status_code, answer.json()["code"]) == (409, "in_trash")


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("post", "/default", {}),
        ("patch", "/default", {"revision": 1}),
        ("post", "/default/revert", {"revision": 1}),
        ("post", "/default/cancel", {}),
    ],
)
def test_who_may_change_it(
    recording: File, viewer: Client, stranger: Client, method: str, rest: str, body: dict[str, Any]
) -> None:
    before = row_of(recording).requested_version
    assert send(viewer, method, address(recording, rest), body).status_code == 403
    assert send(stranger, method, address(recording, rest), body).status_code == 404
    assert send(Client(), method, address(recording, rest), body).status_code in {401, 403}
    assert row_of(recording).requested_version == before


def test_strangers_read_nothing(recording: File, stranger: Client) -> None:
    for rest in ("", "/default", "/0/transcript.vtt"):
        assert stranger.get(address(recording, rest)).status_code == 404


@pytest.fixture
def twice_corrected(recording: File, tone: Path, owner: Client) -> File:
    """In two uploads of the same bytes: that they are is known only when the later one is hashed."""
    late = take_in(recording.library, tone, "late.wav", hashed=False).file
    Derivative.objects.filter(original=late.original_id, deriver="hash").update(
        not_before="2100-01-01T00:00Z"
    )
    run_queued()
    for file, text in ((late, "What the first wrote."), (recording, "What the second wrote.")):
        first, _ = page(owner, file)["segments"]
        assert edit(owner, file, [{"op": "change", "id": first["id"], "text": text}]).status_code == 200
    with transaction.atomic():
        copy = Original.objects.select_for_update().get(pk=late.original_id)
        copy.adopt_digest(str(Original.objects.get(pk=recording.original_id).sha256))
    return recording


def test_what_two_have_corrected_is_shown_and_goes_when_somebody_deletes_it(
    twice_corrected: File, owner: Client, viewer: Client, stranger: Client
) -> None:
    (track,) = viewer.get(address(twice_corrected)).json()
    (kept,) = track["kept"]
    assert page(viewer, twice_corrected)["segments"][0]["text"] == "What the second wrote."
    assert set(kept["urls"]) == {"vtt", "srt", "txt", "json"}
    assert b"What the first wrote." in b"".join(viewer.get(kept["urls"]["txt"]))
    assert (kept["segmentCount"], kept["editedBy"]["name"]) == (2, track["transcript"]["editedBy"]["name"])
    offered = viewer.get(address(twice_corrected).replace("transcripts", "playback-sources")).json()
    assert [one["kept"] for one in offered["subtitles"]] == [None, kept["id"]]
    assert str(twice_corrected.pk) in viewer.get("/api/search", {"q": "first wrote"}).content.decode()
    # A run anew, and dropping the corrections that stand, leave it alone.
    revision = track["transcript"]["revision"]
    for rest, body in (("/revert", {"revision": revision}), ("", {"replace": True})):
        assert send(owner, "post", address(twice_corrected, f"/default{rest}"), body).status_code < 300
    run_queued()
    assert [one["id"] for one in page(owner, twice_corrected)["kept"]] == [kept["id"]]
    url = address(twice_corrected, f"/default/kept/{kept['id']}")
    assert [client.delete(url).status_code for client in (stranger, viewer)] == [404, 403]
    assert owner.delete(address(twice_corrected, "/7/kept/" + kept["id"])).status_code == 404
    standing = transcript_of(twice_corrected).pk
    assert owner.delete(address(twice_corrected, f"/default/kept/{standing}")).status_code == 404
    assert owner.delete(url).status_code == 204
    assert owner.delete(url).status_code == 404
    assert page(owner, twice_corrected)["kept"] == []
    assert page(owner, twice_corrected)["segments"][0]["text"] == HELLO


def test_the_language_of_a_library(
    spoken_library: Library, owner: Client, viewer: Client, stranger: Client
) -> None:
    url = f"/api/libraries/{spoken_library.pk}/language"
    assert viewer.get(url).json() == {"language": None, "name": None}
    assert send(owner, "put", url, {"language": "ger"}).json() == {"language": "de", "name": "German"}
    assert viewer.get(url).json()["language"] == "de"
    assert send(owner, "put", url, {"language": "fr"}).json()["name"] == "French"
    assert LibraryLanguage.objects.count() == 1
    assert send(owner, "put", url, {"language": "klingon"}).json()["code"] == "language_unknown"
    assert send(owner, "put", url, {}).status_code == 400
    assert send(viewer, "put", url, {"language": "fr"}).status_code == 403
    assert send(stranger, "put", url, {"language": "fr"}).status_code == stranger.get(url).status_code == 404
    assert send(owner, "put", url, {"language": None}).json()["language"] is None
    assert not LibraryLanguage.objects.exists()


def test_a_library_is_heard_in_its_language(
    says_hello: Path, spoken_library: Library, tone: Path, owner: Client
) -> None:
    send(owner, "put", f"/api/libraries/{spoken_library.pk}/language", {"language": "de"})
    file = take_in(spoken_library, tone, "tone.wav").file
    run_queued()
    written = page(owner, file)["transcript"]
    assert (written["language"], written["languageFound"]) == ("de", False)
    assert row_of(file).made_by["language_by"] == "library"


def test_a_model_that_does_not_know_the_language_says_so(
    says_hello: Path, spoken_library: Library, tone: Path, owner: Client
) -> None:
    send(owner, "put", f"/api/libraries/{spoken_library.pk}/language", {"language": "fr"})
    file = take_in(spoken_library, tone, "tone.wav").file
    run_queued()
    (track,) = owner.get(address(file)).json()
    assert (track["status"], track["errorCode"]) == ("failed", "language_not_spoken")
    assert "knows only English and German, and this track is in French" in track["error"]


def test_lists_of_files_do_not_get_dearer_with_transcripts(recording: File, owner: Client) -> None:
    url = f"/api/libraries/{recording.library_id}/files"
    owner.get(url)
    with CaptureQueriesContext(connection) as before:
        owner.get(url)
    edit(owner, recording, [{"op": "remove", "id": page(owner, recording)["segments"][0]["id"]}])
    with CaptureQueriesContext(connection) as after:
        entry = owner.get(url).json()["entries"][0]
    assert len(after) == len(before)
    assert (entry["transcript_status"], entry["transcribed_version"]) == ("ready", 1)
    assert Derivative.objects.filter(original=recording.original_id, deriver="transcript").count() == 2
