"""Moments over HTTP: who may do what, what is told of an export, and the clip with ranges and conditions."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from alcoves.accounts.models import User
from media import ledger, moments, tags, trash
from media.libraries import create_library
from media.models import Derivative, File, Library, Moment
from tests.ingesting import take_in
from tests.media.api.conftest import PNG
from tests.media.test_moments import as_film, finished, mark

JSON = "application/json"


@pytest.fixture
def film(library: Library) -> File:
    return as_film(take_in(library, PNG, "film.mp4").file)


def base(film: File, moment: Any = None, verb: str = "") -> str:
    address = f"/api/libraries/{film.library_id}/files/{film.pk}/moments"
    return "/".join(
        [address, *([str(getattr(moment, "pk", moment))] if moment else []), *([verb] if verb else [])]
    )


def test_marked_listed_changed_and_deleted(
    film: File, library: Library, as_alice: Client, as_bob: Client
) -> None:
    tag = tags.create_tag(library, "sport")
    body = {"name": "Goal", "start": 12.5, "end": 17, "description": "at last", "tagIds": [str(tag.pk)]}
    made = as_alice.post(base(film), body, JSON)
    assert made.status_code == 201
    told = made.json()
    assert (told["start"], told["end"], told["exportVersion"]) == (12.5, 17.0, 1)
    assert told["tags"] == [{"id": str(tag.pk), "name": "sport", "color": tag.color}]
    assert told["createdBy"]["name"] == "Alice"
    unexported = ("exportStatus", "exportProgress", "exportEtaSeconds", "exportedVersion", "exportError")
    assert {told[name] for name in (*unexported, "downloadUrl", "posterUrl")} == {None}
    assert told["stale"] is False
    as_alice.post(base(film), {"name": "Before", "start": 1, "end": 2}, JSON)
    assert [one["name"] for one in as_bob.get(base(film)).json()] == ["Before", "Goal"]
    assert as_bob.get(base(film, told["id"])).json() == told
    changed = as_alice.patch(base(film, told["id"]), {"end": 18.0004}, JSON).json()
    assert (changed["end"], changed["exportVersion"], changed["name"]) == (18.0, 2, "Goal")
    assert as_alice.patch(base(film, told["id"]), {"name": "Own goal"}, JSON).json()["exportVersion"] == 2
    assert as_alice.delete(base(film, told["id"])).status_code == 204
    assert [one["name"] for one in as_bob.get(base(film)).json()] == ["Before"]
    assert [one["name"] for one in as_bob.get(f"{base(film)}?trashed=1").json()] == ["Own goal"]
    assert as_alice.delete(base(film, told["id"])).status_code == 404
    assert as_alice.patch(base(film, told["id"]), {"name": "x"}, JSON).status_code == 404
    assert as_bob.get(base(film, told["id"])).json()["trashedAt"] is not None
    restored = as_alice.post(base(film, told["id"], "restore"))
    assert (restored.status_code, restored.json()["trashedAt"]) == (200, None)
    assert as_alice.post(base(film, told["id"], "restore")).status_code == 404


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        ({}, 400),
        ({"name": "a", "start": 1}, 400),
        ({"name": "", "start": 1, "end": 2}, 400),
        ({"name": "x" * 201, "start": 1, "end": 2}, 400),
        ({"name": "a", "start": "x", "end": 2}, 400),
        ({"name": "a", "start": "nan", "end": 2}, 400),
        ({"name": "a", "start": 1, "end": "inf"}, 400),
        ({"name": "a", "start": 1, "end": 1e12}, 400),
        ({"name": "a", "start": -1, "end": 2}, 400),
        ({"name": "a", "start": 1, "end": 2, "tagIds": ["x"]}, 400),
        ({"name": "a", "start": 1, "end": 2, "tagIds": [str(uuid4())]}, 404),
        ({"name": "a", "start": 2, "end": 2}, 422),
        ({"name": "a", "start": 2, "end": 2.04}, 422),
        ({"name": "a", "start": 2, "end": 61}, 422),
    ],
)
def test_bad_input(film: File, as_alice: Client, bad: dict[str, Any], status: int) -> None:
    answer = as_alice.post(base(film), bad, JSON)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert not Moment.objects.exists()


def test_bad_changes(film: File, as_alice: Client) -> None:
    moment = mark(film)
    for bad, status in (
        ({"start": 5}, 422),
        ({"end": 99}, 422),
        ({"start": None}, 400),
        ({"name": "\u200b"}, 400),
        ({"description": 1 * "x" * 10_001}, 400),
    ):
        assert as_alice.patch(base(film, moment), bad, JSON).status_code == status
    for place in ({}, {"at": "x"}, {"at": None}):
        assert as_alice.post(base(film, moment, "split"), place, JSON).status_code == 400
    refused = as_alice.post(base(film, moment, "split"), {"at": 1.01}, JSON)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_span")
    for tag_keys in ({}, {"tagIds": "x"}, {"tagIds": ["1"]}):
        assert as_alice.put(base(film, moment, "tags"), tag_keys, JSON).status_code == 400
    moment.refresh_from_db()
    assert (moment.name, moment.export_version) == ("Goal", 1)


def test_pictures_have_no_moments(library: Library, as_alice: Client) -> None:
    picture = as_film(take_in(library, PNG, "a.png").file, kind="image")
    answer = as_alice.post(base(picture), {"name": "a", "start": 1, "end": 2}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_moments")
    assert as_alice.get(base(picture)).json() == []


def test_viewers_look_and_strangers_do_not(film: File, as_bob: Client, as_charlie: Client) -> None:
    moment, gone = mark(film), mark(film, 2, 3)
    finished(moment)
    moments.trash_moment(gone)
    for client, status in ((as_bob, 403), (as_charlie, 404)):
        assert client.post(base(film), {"name": "a", "start": 1, "end": 2}, JSON).status_code == status
        assert client.patch(base(film, moment), {"name": "x"}, JSON).status_code == status
        assert client.delete(base(film, moment)).status_code == status
        assert client.put(base(film, moment, "tags"), {"tagIds": []}, JSON).status_code == status
        assert client.post(base(film, moment, "split"), {"at": 2}, JSON).status_code == status
        assert client.post(base(film, moment, "export")).status_code == status
        assert client.post(base(film, gone, "restore")).status_code == status
    for address in (
        base(film),
        base(film, moment),
        base(film, moment, "download"),
        base(film, moment, "poster"),
    ):
        assert as_bob.get(address).status_code == 200
        assert as_charlie.get(address).status_code == 404


def test_a_moment_is_found_at_its_own_file_only(
    film: File, library: Library, alice: User, as_alice: Client
) -> None:
    moment = mark(film)
    finished(moment)
    sibling = as_film(take_in(library, PNG, "copy.mp4").file)
    other = as_film(take_in(create_library(alice, "Other"), PNG, "film.mp4").file)
    for file in (sibling, other):
        for verb in ("", "download", "poster"):
            assert as_alice.get(base(file, moment, verb)).status_code == 404
        assert as_alice.patch(base(file, moment), {"name": "x"}, JSON).status_code == 404
        assert as_alice.post(base(file, moment, "export")).status_code == 404
    assert as_alice.get(base(film, uuid4())).status_code == 404


def test_the_full_set_of_tags_is_put(film: File, library: Library, alice: User, as_alice: Client) -> None:
    moment = mark(film)
    one, two = tags.create_tag(library, "one"), tags.create_tag(library, "Two")
    theirs = tags.create_tag(create_library(alice, "Other"), "theirs")
    put = as_alice.put(base(film, moment, "tags"), {"tagIds": [str(two.pk), str(one.pk)]}, JSON)
    assert [tag["name"] for tag in put.json()["tags"]] == ["one", "Two"]
    assert as_alice.get(f"/api/libraries/{library.pk}/tags").json()[0]["usageCount"] == 1
    refused = as_alice.put(base(film, moment, "tags"), {"tagIds": [str(theirs.pk)]}, JSON)
    assert (refused.status_code, refused.json()["code"]) == (404, "tag_not_found")
    assert as_alice.put(base(film, moment, "tags"), {"tagIds": []}, JSON).json()["tags"] == []
    assert put.json()["exportVersion"] == 1


def test_an_export_is_told_while_it_goes_on(film: File, as_alice: Client, as_bob: Client) -> None:
    moment = mark(film)
    asked = as_alice.post(base(film, moment, "export"))
    assert (asked.status_code, asked.json()["exportStatus"]) == (202, "queued")
    row = Derivative.objects.get(variant=moment.variant)
    claim = ledger.claim(row.pk, owner="test", lease_seconds=60)
    assert claim is not None
    ledger.renew(claim, lease_seconds=60, progress=42, eta_seconds=7)
    told = as_bob.get(base(film, moment)).json()
    assert (told["exportStatus"], told["exportProgress"], told["exportEtaSeconds"]) == ("processing", 42, 7)
    ledger.fail(claim, code="damaged_file", message="The file is damaged.", detail="")
    told = as_bob.get(base(film, moment)).json()
    assert (told["exportStatus"], told["exportError"]) == ("failed", "The file is damaged.")
    refused = as_alice.get(base(film, moment, "download"))
    assert (refused.status_code, refused.json()["code"]) == (409, "export_failed")
    finished(moment)
    again = as_alice.post(base(film, moment, "export"))
    assert (again.status_code, again.json()["exportStatus"], again.json()["exportedVersion"]) == (
        200,
        "ready",
        1,
    )
    assert Derivative.objects.get(variant=moment.variant).requested_version == 2


def test_the_clip_is_a_file_with_ranges_and_conditions(film: File, as_alice: Client, as_bob: Client) -> None:
    moment = mark(film, name='T\u00e4glich "Tor" / 3:2')
    finished(moment, b"0123456789")
    told = as_bob.get(base(film, moment)).json()
    whole = as_bob.get(told["downloadUrl"])
    assert (whole.status_code, whole.getvalue()) == (200, b"0123456789")
    assert whole["Content-Type"] == "video/mp4"
    name = whole["Content-Disposition"]
    assert name.startswith("attachment; filename=\"T_glich _Tor_ _ 3_2.mp4\"; filename*=UTF-8''T%C3%A4glich")
    part = as_bob.get(told["downloadUrl"], headers={"range": "bytes=2-4"})
    assert (part.status_code, part.getvalue(), part["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    last = as_bob.get(told["downloadUrl"], headers={"range": "bytes=-3"})
    assert (last.status_code, last.getvalue()) == (206, b"789")
    assert as_bob.get(told["downloadUrl"], headers={"range": "bytes=20-"}).status_code == 416
    assert as_bob.get(told["downloadUrl"], headers={"if-none-match": whole["ETag"]}).status_code == 304
    moments.change_moment(moment, end=7)
    finished(moment, b"0123456789")
    newer = as_bob.get(told["downloadUrl"])
    assert newer["ETag"] != whole["ETag"]
    stale = as_bob.get(told["downloadUrl"], headers={"range": "bytes=2-4", "if-range": whole["ETag"]})
    assert stale.status_code == 200


def test_a_stale_clip_is_served_and_told_as_such(film: File, as_alice: Client) -> None:
    moment = mark(film)
    finished(moment, b"old")
    told = as_alice.patch(base(film, moment), {"end": 9}, JSON).json()
    assert (told["stale"], told["exportVersion"], told["exportedVersion"]) == (True, 2, 1)
    assert as_alice.get(told["downloadUrl"]).getvalue() == b"old"
    told = as_alice.post(base(film, moment, "export")).json()
    assert (told["stale"], told["exportStatus"]) == (True, "queued")
    assert as_alice.get(told["downloadUrl"]).getvalue() == b"old"
    finished(moment, b"new")
    told = as_alice.get(base(film, moment)).json()
    assert (told["stale"], told["exportedVersion"]) == (False, 2)
    assert as_alice.get(told["downloadUrl"]).getvalue() == b"new"


def test_a_download_that_is_not_there_queues_it(film: File, as_bob: Client) -> None:
    moment = mark(film)
    assert as_bob.head(base(film, moment, "download")).status_code == 404
    assert not Derivative.objects.filter(deriver="moment").exists()
    for _ in range(2):
        answer = as_bob.get(base(film, moment, "download"))
        assert (answer.status_code, answer.json()["exportStatus"]) == (202, "queued")
        assert answer["Retry-After"] == "2"
    assert Derivative.objects.get(deriver="moment").requested_version == 1
    assert as_bob.get(base(film, moment, "poster")).status_code == 404


def test_the_picture_of_the_clip_may_be_kept_by_its_version(film: File, as_bob: Client) -> None:
    moment = mark(film)
    finished(moment, b"picture")
    address = as_bob.get(base(film, moment)).json()["posterUrl"]
    found = as_bob.get(address)
    assert (found.status_code, found.getvalue()) == (200, b"picture")
    assert "immutable" in found["Cache-Control"]
    assert "immutable" not in as_bob.get(base(film, moment, "poster"))["Cache-Control"]


def test_both_halves_are_told(film: File, as_alice: Client) -> None:
    moment = mark(film, 10, 20)
    answer = as_alice.post(base(film, moment, "split"), {"at": 13.25}, JSON)
    assert answer.status_code == 201
    halves = answer.json()
    assert (halves["left"]["id"], halves["left"]["end"]) == (str(moment.pk), 13.25)
    assert (halves["right"]["name"], halves["right"]["start"]) == ("Goal (2)", 13.25)
    assert halves["right"]["createdBy"]["name"] == "Alice"


def test_of_a_file_in_the_trash_moments_are_only_looked_at(
    film: File, library: Library, as_alice: Client
) -> None:
    moment = mark(film)
    finished(moment)
    trash.trash(library, [film.pk])
    assert len(as_alice.get(base(film)).json()) == 1
    assert as_alice.get(base(film, moment, "download")).status_code == 200
    asked = [
        as_alice.post(base(film), {"name": "a", "start": 1, "end": 2}, JSON),
        as_alice.patch(base(film, moment), {"name": "x"}, JSON),
        as_alice.delete(base(film, moment)),
        as_alice.put(base(film, moment, "tags"), {"tagIds": []}, JSON),
        as_alice.post(base(film, moment, "split"), {"at": 2}, JSON),
        as_alice.post(base(film, moment, "export")),
    ]
    assert {(one.status_code, one.json()["code"]) for one in asked} == {(409, "in_trash")}


def test_a_hundred_moments_cost_as_many_queries_as_one(
    film: File, library: Library, alice: User, as_bob: Client, django_assert_max_num_queries: Any
) -> None:
    tag = tags.create_tag(library, "sport")
    for number in range(100):
        moment = moments.create_moment(
            film, alice, name=f"{number}", start=number / 2, end=number / 2 + 1, tag_keys=[tag.pk]
        )
        moments.request_export(moment)
    with django_assert_max_num_queries(8):
        assert len(as_bob.get(base(film)).json()) == 100


def test_a_library_may_ask_for_all_clips_anew(film: File, as_alice: Client, as_bob: Client) -> None:
    row = finished(mark(film))
    address = f"/api/libraries/{film.library_id}/reprocess"
    assert as_bob.post(address, {"deriver": "moment"}, JSON).status_code == 403
    assert as_alice.post(address, {"deriver": "moment"}, JSON).json() == {"count": 1}
    row.refresh_from_db()
    assert (row.status, row.parameters["version"]) == ("queued", 1)
    once = as_alice.post(
        f"/api/libraries/{film.library_id}/files/{film.pk}/reprocess", {"deriver": "moment"}, JSON
    )
    assert once.status_code == 400


def test_the_file_tells_no_columns_of_clips(film: File, as_alice: Client) -> None:
    finished(mark(film))
    told = as_alice.get(f"/api/libraries/{film.library_id}/files/{film.pk}").json()
    assert not [name for name in told if name.startswith("moment")]
