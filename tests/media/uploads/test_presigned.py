"""Presigned PUT and its confirm; the signed links of stores without a web server."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from media import blobs, tasks, trash
from media.libraries import create_library
from media.models import Derivative, File, Folder, Library, Original, UnnamedBlob, Upload
from media.uploads import presigned
from storage.errors import BlobNotFoundError
from storage.registry import get_store
from storage.signing import Grant, sign
from tests.conftest import client_of
from tests.ingesting import take_in
from tests.media.uploads.speaking import PNG, BrokenStream
from tests.storage.conformance import data_of, sha256_of

pytestmark = [pytest.mark.urls("tests.media.uploads.addresses")]
SECRET = "test-store-secret"


@pytest.fixture
def client(alice: User) -> Client:
    return client_of(alice)


def ask(client: Client, library: Library, data: bytes = PNG, **more: Any) -> Any:
    said = {"name": "../a.png", "size": len(data), "contentType": "image/png", **more}
    return client.post(f"/api/libraries/{library.pk}/uploads", said, content_type="application/json")


def put(granted: dict[str, Any], data: bytes, **headers: str) -> int:
    """As a browser would, to whatever address was given."""
    sent = granted["headers"] | headers
    if granted["url"].startswith("/"):
        content_type = sent.pop("Content-Type")
        return Client().put(granted["url"], data, content_type=content_type, headers=sent).status_code
    return httpx.request(granted["method"], granted["url"], content=data, headers=sent).status_code


def confirm(client: Client, granted: dict[str, Any]) -> Any:
    return client.post(f"/api/uploads/{granted['id']}/confirm")


@pytest.mark.parametrize("promised", [True, False])
def test_ask_put_confirm(client: Client, library: Library, any_store: str, promised: bool) -> None:
    data = PNG + data_of(400_000)
    folder = Folder.objects.create(library=library, name="Trip")
    extra = {"sha256": sha256_of(data).upper()} if promised else {}
    answer = ask(
        client, library, data, folder=str(folder.pk), lastModified=1000, contentType="text/html", **extra
    )
    assert answer.status_code == 201, answer.content
    granted = answer.json()
    assert granted["method"] == "PUT"
    assert put(granted, data) == 200
    told = confirm(client, granted)
    assert told.status_code == 200, told.content
    file = File.objects.select_related("original").get()
    assert (told.json()["id"], told.json()["mime"], told.json()["duplicate"]) == (
        str(file.pk),
        "image/png",
        False,
    )
    assert (file.name, file.folder, file.original.size) == ("a.png", folder, len(data))
    if promised or any_store != "s3":
        assert file.original.sha256 == sha256_of(data)
    else:
        assert Derivative.objects.get(original=file.original, deriver="hash").status == "queued"
    assert confirm(client, granted).json()["id"] == str(file.pk)
    assert File.objects.count() == 1
    assert put(granted, data) in {410, 412}


def test_confirmed_before_the_bytes_are_there(client: Client, library: Library, any_store: str) -> None:
    granted = ask(client, library).json()
    early = confirm(client, granted)
    assert (early.status_code, early.json()["code"]) == (409, "not_uploaded")
    assert put(granted, PNG) == 200
    assert confirm(client, granted).status_code == 200


def test_the_store_refuses_what_was_not_promised(client: Client, library: Library, any_store: str) -> None:
    granted = ask(client, library, PNG, sha256=sha256_of(PNG)).json()
    for data, headers in (
        (PNG[1:], {}),
        (PNG + b"x", {}),
        (PNG, {"Content-Type": "text/html"}),
        (PNG[:-1] + b"?", {}),
    ):
        assert put(granted, data, **headers) in {400, 403, 422}
    assert confirm(client, granted).status_code == 409
    assert put(granted, PNG) == 200
    assert confirm(client, granted).status_code == 200


def test_other_bytes_than_promised_are_dropped(client: Client, library: Library, any_store: str) -> None:
    """A store that did not check: the size is its own figure, the checksum where it has one."""
    for promise in ({"size": len(PNG) + 1}, {"sha256": "0" * 64}):
        granted = ask(client, library, PNG, **promise).json()
        upload = Upload.objects.get(pk=granted["id"])
        get_store("files").put(upload.key, [PNG])
        answer = confirm(client, granted)
        if any_store == "local" and "sha256" in promise:
            assert answer.status_code == 200  # A file on a disk vouches for nothing: the hash queue reads it.
            assert Derivative.objects.filter(deriver="hash", status="queued").count() == 1
            continue
        assert (answer.status_code, answer.json()["code"]) == (422, "promise_broken")
        with pytest.raises(BlobNotFoundError):
            get_store("files").stat(upload.key)
        assert confirm(client, granted).status_code == 410
        assert UnnamedBlob.objects.filter(key=upload.key).exists()


def test_known_bytes_share_the_original(client: Client, library: Library, any_store: str) -> None:
    told = []
    for _ in range(2):
        granted = ask(client, library, PNG, sha256=sha256_of(PNG)).json()
        put(granted, PNG)
        told.append(confirm(client, granted))
    assert [answer["X-Alcoves-Duplicate-Count"] for answer in told] == ["0", "1"]
    one, two = File.objects.select_related("original").all()
    assert one.original == two.original
    # The link of the second is still good for a while: its key is watched until it has died.
    assert [stat.key for stat in get_store("files").iterate()] == [one.original.key]
    assert UnnamedBlob.objects.get().due_at > timezone.now() + timedelta(hours=24)


def purge(file: File) -> None:
    assert trash.purge(file.library, [file.pk]) == 1


def merge_late(file: File) -> None:
    """The hash queue has read the bytes: the library had them."""
    digest = sha256_of(PNG)
    known = take_in(file.library, PNG, "known.png").file
    Original.objects.filter(pk=file.original_id).update(sha256=None)
    Original.objects.filter(pk=known.original_id).update(sha256=digest)
    assert Original.objects.get(pk=file.original_id).adopt_digest(digest).pk == known.original_id


@pytest.mark.parametrize("dissolve", [purge, merge_late])
def test_a_second_put_after_the_original_is_gone_is_swept_too(
    dissolve: Callable[[File], None], client: Client, library: Library, any_store: str, settings: Any
) -> None:
    settings.SWEEP_GRACE_SECONDS = 0
    data = PNG + b"first"
    granted = ask(client, library, data).json()
    put(granted, data)
    confirm(client, granted)
    file = File.objects.get()
    key = file.original.key
    dissolve(file)
    assert blobs.sweep() == 1
    kept = {stat.key for stat in get_store("files").iterate()}
    assert key not in kept
    watched = UnnamedBlob.objects.get()
    assert (watched.key, blobs.sweep()) == (key, 0)
    link_dies = Upload.objects.get().expires_at
    assert watched.due_at >= link_dies + presigned.LAST_PUT
    assert put(granted, data) == 200  # The link is still good, and nothing lies under its key.
    assert key in {stat.key for stat in get_store("files").iterate()}
    past = timezone.now() - timedelta(seconds=1)
    UnnamedBlob.objects.update(due_at=past, watched_until=past)
    assert blobs.sweep() == 1
    assert {stat.key for stat in get_store("files").iterate()} == kept
    assert not UnnamedBlob.objects.exists()


def test_only_the_one_who_asked_may_confirm(
    client: Client, library: Library, bob: User, charlie: User
) -> None:
    granted = ask(client, library).json()
    put(granted, PNG)
    assert confirm(client_of(bob), granted).status_code == 404
    assert confirm(client_of(charlie), granted).status_code == 404
    assert confirm(Client(), granted).status_code == 401
    assert confirm(client, {"id": uuid4()}).status_code == 404
    library.memberships.update(role="admin")
    assert not File.objects.exists()
    assert confirm(client, granted).status_code == 200


def test_who_may_ask(library: Library, bob: User, charlie: User) -> None:
    assert ask(client_of(charlie), library).status_code == 404
    assert ask(client_of(bob), library).status_code == 403
    assert ask(Client(), library).status_code == 401
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"size": 0}, 422),
        ({"size": -1}, 400),
        ({"size": 2**60}, 413),
        ({"size": 5 * 2**30 + 1}, 413),
        ({"name": ""}, 400),
        ({"sha256": "abc"}, 400),
        ({"contentType": "image/png\r\nX: y"}, 400),
        ({"folder": str(uuid4())}, 404),
        ({"lastModified": 10**30}, 400),
    ],
)
def test_what_cannot_be_asked(client: Client, library: Library, said: dict[str, Any], status: int) -> None:
    assert ask(client, library, **said).status_code == status
    assert not Upload.objects.exists()
    assert not UnnamedBlob.objects.exists()


def test_the_quota_counts_what_was_promised(client: Client, library: Library) -> None:
    Library.objects.update(quota_bytes=len(PNG) * 2 - 1)
    assert ask(client, library).status_code == 201
    assert ask(client, library).json()["code"] == "quota_exceeded"


def test_a_folder_of_another_library(client: Client, library: Library, alice: User) -> None:
    foreign = Folder.objects.create(library=create_library(alice, "Work"), name="Trip")
    assert ask(client, library, folder=str(foreign.pk)).status_code == 404


def test_what_is_never_confirmed_is_swept(client: Client, library: Library, any_store: str) -> None:
    granted = ask(client, library).json()
    put(granted, PNG)
    Upload.objects.update(expires_at=timezone.now())
    assert confirm(client, granted).status_code == 410
    assert tasks.sweep_uploads() == 1
    assert blobs.sweep() == 0
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert blobs.sweep() == 1
    assert list(get_store("files").iterate()) == []
    assert confirm(client, granted).status_code == 404
    if any_store != "s3":
        assert put(granted, PNG) == 410


def test_a_put_that_breaks_off_stores_nothing(client: Client, library: Library) -> None:
    granted = ask(client, library).json()
    for silently in (True, False):
        environ: dict[str, Any] = {"wsgi.input": BrokenStream(PNG[:9], silently=silently)}
        environ |= {"CONTENT_LENGTH": str(len(PNG)), "CONTENT_TYPE": "image/png"}
        answer = Client().generic("PUT", granted["url"], **environ)
        assert answer.status_code == 400
    assert confirm(client, granted).status_code == 409


def test_a_key_nobody_waits_for_is_not_written(db: None) -> None:
    grant = Grant("put", "files", "a/b/blob", 2**40, content_type="image/png", size=len(PNG))
    url = f"/api/files/upload-signed?token={sign(grant, SECRET)}"
    assert Client().put(url, PNG, content_type="image/png").status_code == 410
    assert list(get_store("files").iterate()) == []


# Signed links.


def link(name: str | None = None, kind: str | None = "image/png", **changes: Any) -> str:
    said: dict[str, Any] = {"verb": "get", "store": "files", "key": "k", "expires_at": 2**40} | changes
    grant = Grant(**said, filename=name, content_type=kind)
    return f"/api/files/signed?token={sign(grant, SECRET)}"


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


@pytest.fixture
def blob(any_store: str) -> bytes:
    data = data_of(3000)
    get_store("files").put("k", [data])
    return data


@pytest.mark.parametrize("any_store", ["local", "memory"], indirect=True)  # S3 serves its own links.
def test_a_signed_link_is_read_in_whole_and_in_parts(blob: bytes, db: None) -> None:
    client = Client()
    whole = client.get(link())
    assert (whole.status_code, body(whole)) == (200, blob)
    assert whole["Content-Length"] == "3000"
    for wanted, start, end in (
        ("bytes=10-19", 10, 20),
        ("bytes=2990-", 2990, 3000),
        ("bytes=-10", 2990, 3000),
    ):
        part = client.get(link(), headers={"Range": wanted})
        assert (part.status_code, body(part)) == (206, blob[start:end])
        assert part["Content-Range"] == f"bytes {start}-{end - 1}/3000"
    beyond = client.get(link(), headers={"Range": "bytes=3000-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, "bytes */3000")
    assert client.get(link(), headers={"Range": "bytes=0-1,5-6"}).status_code == 200
    assert client.get(link(), headers={"If-None-Match": whole["ETag"]}).status_code == 304
    stale = client.get(link(), headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (stale.status_code, body(stale)) == (200, blob)
    fresh = client.get(link(), headers={"Range": "bytes=0-1", "If-Range": whole["ETag"]})
    assert (fresh.status_code, body(fresh)) == (206, blob[:2])
    head = client.head(link())
    assert (head.status_code, head["Content-Length"], body(head)) == (200, "3000", b"")


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [
        ("image/png", None, "image/png"),
        ("video/mp4", None, "video/mp4"),
        ("audio/flac", None, "audio/flac"),
        ("image/png", 'a";\r\nX: y.png', None),
        ("image/svg+xml", None, False),
        ("IMAGE/SVG+XML; charset=utf-8", None, False),
        ("text/html", None, False),
        ("application/pdf", None, False),
        (None, None, False),
    ],
)
def test_nothing_runs_on_our_origin(kind: str | None, name: str | None, shown: Any, db: None) -> None:
    get_store("files").put("k", [b"<svg onload='alert(1)'>"])
    answer = Client().get(link(name, kind))
    body(answer)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["Content-Disposition"].startswith("inline" if shown else "attachment")
    assert answer["Content-Type"] == (kind if shown or shown is None else "application/octet-stream")
    assert "private" in answer["Cache-Control"]


def test_links_that_are_not_ours(db: None) -> None:
    get_store("files").put("k", [b"x"])
    good = link()
    bad = [
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        link(expires_at=1),
        link(verb="put"),
        "/api/files/signed",
        "/api/files/signed?token=x",
        f"/api/files/signed?token={sign(Grant('get', 'files', 'k', 2**40), 'another')}",
    ]
    assert [Client().get(url).status_code for url in bad] == [403] * len(bad)
    assert Client().get(link(key="other")).status_code == 404
    assert (
        Client().put(good.replace("signed?", "upload-signed?"), b"x", content_type="image/png").status_code
        == 403
    )
    assert Client().get(good).status_code == 200


def test_the_most_for_one_put_is_said_with_the_way_out(library: Library, alice: User) -> None:
    with pytest.raises(Exception, match="by tus"):
        presigned.permit(presigned.Asking(library, alice.pk, "a", presigned.LARGEST_PUT + 1))
