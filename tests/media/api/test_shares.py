"""Links to moments by the API and by their page: who makes them, who sees what, and how they end."""

import hashlib
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from alcoves.accounts.models import User
from media import ledger, shares
from media.models import Derivative, File, Library, Moment, MomentShare, Original
from storage.registry import get_store
from tests.ingesting import take_in

JSON = "application/json"
CLIP = b"\0\0\0\x20ftypisom" + bytes(range(256)) * 8
STILL = b"RIFF\x1a\0\0\0WEBPVP8 " + b"\1" * 300


@pytest.fixture
def film(library: Library) -> File:
    Library.objects.filter(pk=library.pk).update(sharing=True)
    file = take_in(library, CLIP + uuid4().bytes, "beach.mp4").file
    Original.objects.filter(pk=file.original_id).update(kind="video", mime="video/mp4", duration=20)
    file.refresh_from_db()
    return file


@pytest.fixture
def moment(film: File, alice: User) -> Moment:
    made: Moment = Moment.objects.create(
        file=film, name="The <b>wave</b>", description="Look", start=1, end=4, created_by=alice
    )
    return made


def export(moment: Moment) -> Derivative:
    """What a worker leaves behind."""
    outputs = []
    for name, content, kind in (("moment.mp4", CLIP, "video/mp4"), ("poster.webp", STILL, "image/webp")):
        key = f"{moment.file.library_id}/{moment.file.original_id}/moment/{uuid4().hex}-1/{name}"
        get_store("files").put(key, [content])
        digest = hashlib.sha256(content).hexdigest()
        outputs.append(
            {"name": name, "key": key, "size": len(content), "content_type": kind, "sha256": digest}
        )
    row, _ = Derivative.objects.update_or_create(
        original_id=moment.file.original_id,
        deriver="moment",
        variant=moment.variant,
        defaults={
            "queue": "moment-export",
            "status": "ready",
            "ready_version": 1,
            "outputs": outputs,
            "queued_at": moment.created_at,
            "facts": {"version": moment.export_version, "duration": 3.0},
        },
    )
    return row


def address(moment: Moment) -> str:
    file = moment.file
    return f"/api/libraries/{file.library_id}/files/{file.pk}/moments/{moment.pk}/shares"


def make(client: Client, moment: Moment, **given: Any) -> dict[str, Any]:
    answer = client.post(address(moment), given, content_type=JSON)
    assert answer.status_code == 201, answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_a_link_is_made_listed_and_ended(moment: Moment, as_alice: Client, client: Client) -> None:
    told = make(as_alice, moment)
    assert told["url"].endswith(f"/s/{told['token']}")
    assert told["hasPassword"] is False
    assert told["views"] == 0
    assert as_alice.get(address(moment)).json() == [told]
    assert as_alice.delete(f"{address(moment)}/{told['token']}").status_code == 204
    assert as_alice.get(address(moment)).json() == []
    assert as_alice.delete(f"{address(moment)}/{told['token']}").status_code == 404
    assert client.get(f"/api/share/{told['token']}").status_code == 404
    assert client.get(f"/s/{told['token']}").status_code == 404


def test_a_link_asks_for_the_export_of_its_moment(moment: Moment, as_alice: Client) -> None:
    make(as_alice, moment)
    row = Derivative.objects.get(deriver="moment", variant=moment.variant)
    assert row.status == "queued"


def test_viewers_and_strangers_make_see_and_end_no_links(
    moment: Moment, as_alice: Client, as_bob: Client, as_charlie: Client, client: Client
) -> None:
    token = make(as_alice, moment)["token"]
    for other, status in ((as_bob, 403), (as_charlie, 404), (client, 401)):
        assert other.get(address(moment)).status_code == status
        assert other.post(address(moment), {}, content_type=JSON).status_code == status
        assert other.delete(f"{address(moment)}/{token}").status_code == status
    assert MomentShare.objects.filter(revoked_at=None).count() == 1


def test_a_link_is_ended_at_its_own_moment_only(
    moment: Moment, film: File, as_alice: Client, client: Client
) -> None:
    token = make(as_alice, moment)["token"]
    other = Moment.objects.create(file=film, name="Other", start=5, end=6)
    assert as_alice.delete(f"{address(other)}/{token}").status_code == 404
    assert client.get(f"/api/share/{token}").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"expiresAt": "yesterday"},
        {"expiresAt": "2001-01-01T00:00:00Z"},
        {"password": "abc"},
        {"password": "x" * 129},
        {"password": {"a": 1}},
    ],
)
def test_bad_wishes_are_refused_with_a_sentence(moment: Moment, as_alice: Client, given: Any) -> None:
    answer = as_alice.post(address(moment), given, content_type=JSON)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert not MomentShare.objects.exists()


def test_no_link_while_sharing_is_off(moment: Moment, as_alice: Client) -> None:
    Library.objects.update(sharing=False)
    answer = as_alice.post(address(moment), {}, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "sharing_off")


def test_sharing_that_is_switched_off_ends_every_link_at_once(
    moment: Moment, as_alice: Client, client: Client, library: Library
) -> None:
    export(moment)
    token = make(as_alice, moment)["token"]
    assert client.get(f"/api/share/{token}/video").status_code == 200
    off = as_alice.patch(f"/api/libraries/{library.pk}", {"sharing": False}, content_type=JSON)
    assert off.status_code == 200
    for path in (
        f"/api/share/{token}",
        f"/api/share/{token}/video",
        f"/api/share/{token}/thumbnail",
        f"/s/{token}",
    ):
        assert client.get(path).status_code == 404


def test_who_holds_the_link_sees_the_clip_and_nothing_else(
    moment: Moment, as_alice: Client, client: Client
) -> None:
    export(moment)
    token = make(as_alice, moment)["token"]
    told = client.get(f"/api/share/{token}").json()
    assert told == {
        "locked": False,
        "name": "The <b>wave</b>",
        "description": "Look",
        "kind": "video",
        "status": "ready",
        "duration": 3.0,
        "mimeType": "video/mp4",
        "videoUrl": f"/api/share/{token}/video",
        "thumbnailUrl": f"/api/share/{token}/thumbnail",
    }
    whole = client.get(told["videoUrl"])
    assert whole.getvalue() == CLIP
    piece = client.get(told["videoUrl"], headers={"range": "bytes=4-11"})
    assert (piece.status_code, piece.getvalue()) == (206, CLIP[4:12])
    assert piece["Cache-Control"].startswith("private")
    assert piece["X-Robots-Tag"] == "noindex, nofollow"
    again = client.get(told["videoUrl"], headers={"if-none-match": piece["ETag"]})
    assert again.status_code == 304
    assert client.get(told["thumbnailUrl"]).getvalue() == STILL
    text = str(told) + str(dict(piece.items()))
    for secret in (moment.file.library_id, moment.file.pk, moment.pk, moment.file.original_id, "beach"):
        assert str(secret) not in text


def test_a_link_shows_the_old_clip_until_the_edited_one_is_there_and_asks_for_it(
    moment: Moment, as_alice: Client, client: Client
) -> None:
    Original.objects.update(probe={"kind": "video"})
    row = export(moment)
    token = make(as_alice, moment)["token"]
    edited = as_alice.patch(address(moment).removesuffix("/shares"), {"end": 2}, content_type=JSON).json()
    assert (edited["exportStatus"], edited["stale"], edited["exportVersion"]) == ("queued", True, 2)
    row.refresh_from_db()
    assert row.parameters == {"start": "1.000", "end": "2.000", "version": 2}
    told = client.get(f"/api/share/{token}").json()
    assert (told["status"], told["duration"]) == ("ready", 3.0)
    old = client.get(told["videoUrl"])
    assert old.getvalue() == CLIP
    ledger.cancel(Derivative.objects.filter(pk=row.pk))
    assert client.get(told["videoUrl"]).status_code == 200


def test_an_edit_asks_for_no_clip_that_no_link_shows(moment: Moment, as_alice: Client) -> None:
    Original.objects.update(probe={"kind": "video"})
    export(moment)
    token = make(as_alice, moment)["token"]
    as_alice.delete(f"{address(moment)}/{token}")
    edited = as_alice.patch(address(moment).removesuffix("/shares"), {"end": 2}, content_type=JSON).json()
    assert (edited["exportStatus"], edited["stale"]) == ("ready", True)


def test_a_moment_in_the_trash_is_shown_by_no_link_until_it_comes_back(
    moment: Moment, as_alice: Client, client: Client
) -> None:
    export(moment)
    token = make(as_alice, moment)["token"]
    base = address(moment).removesuffix("/shares")
    paths = [f"/api/share/{token}{end}" for end in ("", "/video", "/thumbnail")] + [f"/s/{token}"]
    assert as_alice.delete(base).status_code == 204
    assert [client.get(path).status_code for path in paths] == [404] * 4
    assert as_alice.post(f"{base}/restore").status_code == 200
    assert [client.get(path).status_code for path in paths] == [200] * 4


def test_a_clip_that_is_not_made_yet_is_told_so(moment: Moment, as_alice: Client, client: Client) -> None:
    token = make(as_alice, moment)["token"]
    told = client.get(f"/api/share/{token}").json()
    assert (told["status"], told["videoUrl"], told["thumbnailUrl"]) == ("processing", None, None)
    video = client.get(f"/api/share/{token}/video")
    assert (video.status_code, video.json()["code"]) == (409, "not_ready")
    assert client.get(f"/api/share/{token}/thumbnail").status_code == 404
    assert b"still being made" in client.get(f"/s/{token}").content


def test_views_are_counted_where_somebody_looks(moment: Moment, as_alice: Client, client: Client) -> None:
    export(moment)
    token = make(as_alice, moment)["token"]
    client.get(f"/s/{token}")
    client.get(f"/api/share/{token}")
    client.get(f"/api/share/{token}/video")
    client.head(f"/s/{token}")
    assert as_alice.get(address(moment)).json()[0]["views"] == 2


def test_a_protected_link_tells_nothing_until_it_is_opened(
    moment: Moment, as_alice: Client, client: Client
) -> None:
    export(moment)
    token = make(as_alice, moment, password="tide-pool")["token"]
    told = client.get(f"/api/share/{token}").json()
    assert told["locked"] is True
    assert {value for name, value in told.items() if name != "locked"} == {None}
    page = client.get(f"/s/{token}")
    assert b"wave" not in page.content
    assert b'type="password"' in page.content
    for path in ("video", "thumbnail"):
        assert client.get(f"/api/share/{token}/{path}").status_code == 401
    wrong = client.post(f"/api/share/{token}/unlock", {"password": "nope"}, content_type=JSON)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "share_locked")
    right = client.post(f"/api/share/{token}/unlock", {"password": "tide-pool"}, content_type=JSON)
    assert right.status_code == 204
    cookie = right.cookies[shares.cookie_name(MomentShare.objects.get())]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert client.get(f"/api/share/{token}").json()["name"] == "The <b>wave</b>"
    assert client.get(f"/api/share/{token}/video").status_code == 200
    assert as_alice.get(address(moment)).json()[0]["views"] == 1


def test_the_page_opens_by_its_form(moment: Moment, as_alice: Client) -> None:
    export(moment)
    token = make(as_alice, moment, password="tide-pool")["token"]
    browser = Client(enforce_csrf_checks=True)
    browser.get(f"/s/{token}")
    hidden = browser.cookies["csrftoken"].value
    forged = browser.post(f"/s/{token}", {"password": "tide-pool"})
    assert forged.status_code == 403
    wrong = browser.post(f"/s/{token}", {"password": "no", "csrfmiddlewaretoken": hidden})
    assert wrong.status_code == 401
    assert b"not the password" in wrong.content
    right = browser.post(f"/s/{token}", {"password": "tide-pool", "csrfmiddlewaretoken": hidden})
    assert (right.status_code, right["Location"]) == (302, f"/s/{token}")
    assert b"<video" in browser.get(f"/s/{token}").content


def test_passwords_cannot_be_tried_for_ever(moment: Moment, as_alice: Client, client: Client) -> None:
    token = make(as_alice, moment, password="tide-pool")["token"]
    told = [
        client.post(f"/api/share/{token}/unlock", {"password": "no"}, content_type=JSON).status_code
        for _ in range(12)
    ]
    assert told[:10] == [401] * 10
    assert told[10:] == [429, 429]


def test_one_link_cannot_be_tried_from_everywhere(moment: Moment, as_alice: Client, client: Client) -> None:
    token = make(as_alice, moment, password="tide-pool")["token"]
    told = [
        client.post(
            f"/api/share/{token}/unlock", {"password": "no"}, content_type=JSON, REMOTE_ADDR=f"10.0.{n}.1"
        ).status_code
        for n in range(62)
    ]
    assert told.count(401) == 60
    assert told[-1] == 429


def test_the_page_shows_the_clip_and_escapes_its_words(
    moment: Moment, as_alice: Client, client: Client
) -> None:
    export(moment)
    token = make(as_alice, moment)["token"]
    page = client.get(f"/s/{token}")
    text = page.content.decode()
    assert page.status_code == 200
    assert "The &lt;b&gt;wave&lt;/b&gt;" in text
    assert f'src="/api/share/{token}/video"' in text
    assert f'property="og:video" content="http://127.0.0.1:8000/api/share/{token}/video"' in text
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert page["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", ["/api/share/{}", "/api/share/{}/video", "/api/share/{}/thumbnail", "/s/{}"])
@pytest.mark.parametrize("token", ["x", "A" * 54, "%00", "..%2f..", "é"])
def test_guesses_find_nothing(client: Client, db: None, path: str, token: str) -> None:
    assert client.get(path.format(token)).status_code in {400, 404}
