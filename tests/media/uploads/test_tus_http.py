"""tus over HTTP: every verb, every code, who may and who may not."""

import base64
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.http import parse_http_date

from alcoves import metrics
from alcoves.accounts.models import User
from media import blobs, tasks, trash
from media.libraries import create_library, set_member
from media.models import Derivative, File, Folder, Library, Original, UnnamedBlob, Upload
from media.uploads import digests
from storage.registry import get_store
from tests.conftest import client_of
from tests.media.uploads.speaking import CHUNK, PNG, VERSION, Tus, checksum, metadata
from tests.storage.conformance import data_of, sha256_of

pytestmark = [pytest.mark.urls("tests.media.uploads.addresses")]


@pytest.fixture
def tus(alice: User) -> Tus:
    return Tus(client_of(alice))


def test_options_tell_what_the_server_can_do_to_anybody(db: None, settings: Any) -> None:
    answer = Client().options("/api/tus")
    assert answer.status_code == 204
    assert answer["Tus-Version"] == answer["Tus-Resumable"] == "1.0.0"
    assert answer["Tus-Max-Size"] == str(settings.MAX_UPLOAD_BYTES)
    assert answer["Tus-Checksum-Algorithm"] == "sha256,sha1"
    assert set(answer["Tus-Extension"].split(",")) == {
        "creation", "creation-with-upload", "creation-defer-length", "termination", "checksum", "expiration",
        "concatenation",
    }  # fmt: skip


def test_a_file_in_three_requests(tus: Tus, library: Library, any_store: str) -> None:
    data = PNG + data_of(300_000)
    created = tus.create(
        library, len(data), "../Ünï/ö.jpg", said={"mimeType": "text/html", "lastModified": "1700000000000"}
    )
    url = created["Location"]
    assert (created.status_code, created["Upload-Offset"]) == (201, "0")
    assert parse_http_date(created["Upload-Expires"]) > timezone.now().timestamp()
    assert tus.patch(url, 0, data[:100_000]).status_code == 204
    middle = tus.head(url)
    assert (middle["Upload-Offset"], middle["Upload-Length"]) == ("100000", str(len(data)))
    assert middle["Cache-Control"] == "no-store"
    assert "filename" in middle["Upload-Metadata"]
    assert "Upload-Expires" in tus.patch(url, 100_000, data[100_000:200_000])
    last = tus.patch(url, 200_000, data[200_000:])
    assert (last.status_code, last["X-Alcoves-Duplicate-Count"]) == (204, "0")
    assert "Upload-Expires" not in last
    file = File.objects.select_related("original").get(pk=last["Alcoves-File-Id"])
    assert (file.name, file.original.mime, file.original.sha256) == ("ö.jpg", "image/png", sha256_of(data))
    assert file.client_modified_at is not None
    assert file.client_modified_at.timestamp() == 1_700_000_000
    with get_store("files").open(file.original.key) as blob:
        assert blob.read() == data
    assert not UnnamedBlob.objects.filter(key=file.original.key).exists()


def test_the_answer_that_got_lost_is_given_again(tus: Tus, library: Library) -> None:
    url = tus.begin(library, len(PNG))
    first = tus.patch(url, 0, PNG)
    again = tus.patch(url, len(PNG), b"")
    assert again.status_code == 204
    assert again["Alcoves-File-Id"] == first["Alcoves-File-Id"] == tus.head(url)["Alcoves-File-Id"]
    assert tus.offset(url) == len(PNG)
    assert tus.patch(url, 0, PNG).status_code == 409
    assert tus.patch(url, len(PNG), b"x").status_code == 413
    assert tus.delete(url).status_code == 410
    assert File.objects.count() == 1
    trash.purge(library, [File.objects.get().pk])
    assert tus.head(url).status_code == 410


def test_a_process_that_begins_in_the_middle_leaves_the_hash_to_the_queue(tus: Tus, library: Library) -> None:
    url = tus.begin(library, len(PNG))
    tus.patch(url, 0, PNG[:50])
    digests.forget()
    file = File.objects.get(pk=tus.patch(url, 50, PNG[50:])["Alcoves-File-Id"])
    assert file.original.sha256 is None
    assert Derivative.objects.get(original=file.original, deriver="hash").status == "queued"


def test_the_same_bytes_again_share_the_original(tus: Tus, library: Library, alice: User) -> None:
    ids = []
    for count in ("0", "1"):
        answer = tus.patch(tus.begin(library, len(PNG)), 0, PNG)
        assert answer["X-Alcoves-Duplicate-Count"] == count
        ids.append(answer["Alcoves-File-Id"])
    assert len(set(ids)) == 2
    assert Original.objects.count() == 1
    other = create_library(alice, "Work")
    assert tus.patch(tus.begin(other, len(PNG)), 0, PNG)["X-Alcoves-Duplicate-Count"] == "0"
    assert Original.objects.count() == 2


def test_creation_with_upload(tus: Tus, library: Library) -> None:
    answer = tus.create(library, len(PNG), data=PNG[:10], content_type=CHUNK)
    assert (answer.status_code, answer["Upload-Offset"]) == (201, "10")
    whole = tus.create(library, len(PNG), data=PNG, content_type=CHUNK)
    assert whole["Alcoves-File-Id"] == str(File.objects.get().pk)
    assert tus.create(library, len(PNG), data=PNG, content_type="image/png").status_code == 415


def test_a_deferred_length(tus: Tus, library: Library) -> None:
    url = tus.begin(library, None)
    assert tus.head(url)["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in tus.head(url)
    tus.patch(url, 0, PNG[:20])
    assert tus.patch(url, 20, b"", Upload_Length="19").status_code == 413
    assert tus.patch(url, 20, PNG[20:], Upload_Length=str(len(PNG))).status_code == 204
    assert File.objects.get().original.sha256 == sha256_of(PNG)


def test_a_declared_length_stays(tus: Tus, library: Library) -> None:
    url = tus.begin(library, None)
    assert tus.patch(url, 0, b"", Upload_Length="100").status_code == 204
    assert tus.patch(url, 0, b"", Upload_Length="100").status_code == 204
    assert tus.patch(url, 0, b"", Upload_Length="101").status_code == 409
    assert tus.patch(tus.begin(library, None), 0, b"", Upload_Length="0").status_code == 422


@pytest.mark.parametrize("verb", ["head", "patch", "delete"])
def test_only_its_owner_may_touch_an_upload(
    tus: Tus, library: Library, bob: User, charlie: User, verb: str
) -> None:
    url = tus.begin(library, len(PNG))
    set_member(library, bob, "admin")  # Even a member who may write: it is not his upload.
    for user in (bob, charlie):
        other = Tus(client_of(user))
        answer = other.patch(url, 0, PNG) if verb == "patch" else getattr(other, verb)(url)
        assert answer.status_code == 404
    anybody = Tus(Client())
    answer = anybody.patch(url, 0, PNG) if verb == "patch" else getattr(anybody, verb)(url)
    assert answer.status_code == 401
    assert tus.offset(url) == 0


@pytest.mark.parametrize(("role", "status"), [(None, 404), ("viewer", 403)])
def test_an_owner_who_lost_the_library_is_out(
    library: Library, bob: User, role: str | None, status: int
) -> None:
    member = set_member(library, bob, "admin")
    his = Tus(client_of(bob))
    url = his.begin(library, len(PNG))
    if role is None:
        member.delete()
    else:
        set_member(library, bob, role)
    assert [his.head(url).status_code, his.patch(url, 0, PNG).status_code, his.delete(url).status_code] == [
        status
    ] * 3
    assert not File.objects.exists()


def test_strangers_and_viewers_cannot_begin(library: Library, bob: User, charlie: User) -> None:
    assert Tus(client_of(charlie)).create(library, 5).status_code == 404
    assert Tus(client_of(bob)).create(library, 5).status_code == 403
    assert Tus(Client()).create(library, 5).status_code == 401
    assert Tus(client_of(bob)).create(Library(pk=uuid4()), 5).status_code == 404
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412, "tus_version"),
        ({"Upload-Length": "-1"}, 400, "bad_number"),
        ({"Upload-Length": "1_0"}, 400, "bad_number"),
        ({"Upload-Length": "9" * 19}, 400, "bad_number"),
        ({"Upload-Defer-Length": "1"}, 400, "bad_length"),
        ({"Upload-Length": "0"}, 422, "empty_file"),
        ({"Upload-Length": str(2**45)}, 413, "too_large"),
        ({"Upload-Metadata": "libraryId !!"}, 400, "bad_metadata"),
        ({"Upload-Metadata": "libraryId /w=="}, 400, "bad_metadata"),
        ({"Upload-Metadata": ""}, 400, "library_missing"),
        ({"Upload-Concat": "half"}, 400, "bad_concat"),
        ({"Upload-Concat": "final;/api/tus/x"}, 400, "bad_length"),
    ],
)
def test_a_beginning_that_is_refused(
    tus: Tus, library: Library, headers: dict[str, str], status: int, code: str
) -> None:
    answer = tus.create(library, 100, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"].endswith(".")
    assert answer["Tus-Resumable"] == "1.0.0"
    assert ("Tus-Version" in answer) == (status == 412)
    assert not Upload.objects.exists()


def test_what_a_client_says_of_the_type_is_only_kept(tus: Tus, library: Library) -> None:
    tus.begin(library, 5, said={"mimeType": "text/\0html" + "x" * 200})
    assert Upload.objects.get().declared_type == ("text/html" + "x" * 200)[:127]


def test_what_came_in_is_counted(tus: Tus, library: Library) -> None:
    def counted() -> tuple[float, float]:
        new = metrics.UPLOADS.labels("tus", "new")._value.get()
        return new, metrics.UPLOAD_BYTES.labels("tus")._value.get()

    before = counted()
    tus.patch(tus.begin(library, len(PNG)), 0, PNG)
    assert counted() == (before[0] + 1, before[1] + len(PNG))


def test_a_name_is_needed(tus: Tus, library: Library) -> None:
    said = f"libraryId {base64.b64encode(str(library.pk).encode()).decode()},filename"
    answer = tus.create(library, 5, headers={"Upload-Metadata": said})
    assert (answer.status_code, answer.json()["code"]) == (400, "name_missing")


def test_requests_that_are_refused_change_nothing(tus: Tus, library: Library) -> None:
    url = tus.begin(library, 100)
    assert tus.client.patch(url, b"x", content_type=CHUNK, headers={"Upload-Offset": "0"}).status_code == 412
    assert (
        tus.client.patch(
            url, b"x", content_type="text/plain", headers=VERSION | {"Upload-Offset": "0"}
        ).status_code
        == 415
    )
    assert tus.client.patch(url, b"x", content_type=CHUNK, headers=VERSION).status_code == 400
    assert tus.patch(url, 1, b"x").status_code == 409
    assert tus.patch(url, 0, b"x" * 101).status_code == 413
    assert tus.patch(url, 0, b"x", Upload_Checksum="md4 eA==").status_code == 400
    assert tus.patch(url, 0, b"x", Upload_Checksum="sha256 ?").status_code == 400
    assert tus.offset(url) == 0
    assert tus.head(f"/api/tus/{uuid4()}").status_code == 404


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_checksums(tus: Tus, library: Library, any_store: str, algorithm: str) -> None:
    url = tus.begin(library, len(PNG))
    assert tus.patch(url, 0, PNG[:50], Upload_Checksum=checksum(PNG[:50], algorithm)).status_code == 204
    wrong = tus.patch(url, 50, b"?" * 60, Upload_Checksum=checksum(PNG[50:110], algorithm))
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
    assert tus.offset(url) == 50
    last = tus.patch(url, 50, PNG[50:], Upload_Checksum=checksum(PNG[50:], algorithm))
    assert File.objects.get(pk=last["Alcoves-File-Id"]).original.sha256 == sha256_of(PNG)


def test_wrong_bytes_never_hide_behind_a_shorter_length(tus: Tus, library: Library, any_store: str) -> None:
    url = tus.begin(library, None)
    tus.patch(url, 0, PNG)
    assert tus.patch(url, len(PNG), b"junk", Upload_Checksum=checksum(b"gold")).status_code == 460
    tus.patch(url, len(PNG), b"", Upload_Length=str(len(PNG)))
    with get_store("files").open(File.objects.get().original.key) as blob:
        assert blob.read() == PNG


def test_verbs_behind_a_post(tus: Tus, library: Library) -> None:
    url = tus.begin(library, 100)
    headers = VERSION | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert tus.client.post(url, b"0123", content_type=CHUNK, headers=headers).status_code == 204
    assert tus.offset(url) == 4
    assert tus.client.post(url, headers=VERSION | {"X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert tus.head(url).status_code == 404
    assert tus.client.post(url, headers=VERSION).status_code == 405


def test_termination_frees_the_store(tus: Tus, library: Library, any_store: str) -> None:
    url = tus.begin(library, 6_000_000)
    tus.patch(url, 0, data_of(5_500_000))
    upload = Upload.objects.get()
    assert tus.delete(url).status_code == 204
    assert tus.head(url).status_code == tus.patch(url, 0, b"x").status_code == 404
    with pytest.raises(Exception, match=r"no longer there|cannot|There is no"):
        get_store("files").finish(upload.assembly, size=5_500_000)
    blobs.sweep()
    assert list(get_store("files").iterate()) == []


def test_an_expired_upload_is_gone_and_then_swept(tus: Tus, library: Library, any_store: str) -> None:
    url = tus.begin(library, 100)
    tus.patch(url, 0, b"x")
    Upload.objects.update(expires_at=timezone.now())
    assert tus.head(url).status_code == 410
    assert tus.patch(url, 1, b"x").status_code == 410
    assert tasks.sweep_uploads() == 1
    assert tus.head(url).status_code == 404
    assert not Upload.objects.exists()


def test_a_request_puts_the_expiry_off_but_not_for_ever(tus: Tus, library: Library, settings: Any) -> None:
    url = tus.begin(library, 100)
    Upload.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    before = Upload.objects.get().expires_at
    tus.patch(url, 0, b"x")
    assert Upload.objects.get().expires_at > before
    settings.UPLOAD_EXPIRE_HOURS = 24 * 365
    tus.patch(url, 1, b"x")
    assert Upload.objects.get().expires_at - Upload.objects.get().created_at == timedelta(days=7)


def test_folders(tus: Tus, library: Library, alice: User) -> None:
    folder = Folder.objects.create(library=library, name="Trip")
    foreign = Folder.objects.create(library=create_library(alice, "Work"), name="Trip")
    gone = Folder.objects.create(library=library, name="Old", trashed_at=timezone.now())
    for bad in (foreign.pk, gone.pk, uuid4()):
        assert tus.create(library, 5, said={"folderId": str(bad)}).status_code == 404
    assert tus.create(library, 5, said={"folderId": "../.."}).status_code == 400
    url = tus.begin(library, len(PNG), said={"folderId": str(folder.pk)})
    tus.patch(url, 0, PNG)
    assert File.objects.get().folder == folder
    late = tus.begin(library, len(PNG), said={"folderId": str(folder.pk)})
    Folder.objects.filter(pk=folder.pk).update(trashed_at=timezone.now())
    assert File.objects.get(pk=tus.patch(late, 0, PNG)["Alcoves-File-Id"]).folder is None


def test_the_quota_counts_uploads_under_way(tus: Tus, library: Library) -> None:
    Library.objects.update(quota_bytes=1000)
    assert tus.create(library, 1001).status_code == 413
    tus.begin(library, 600)
    refused = tus.create(library, 600)
    assert (refused.status_code, refused.json()["code"]) == (413, "quota_exceeded")
    open_end = tus.begin(library, None)
    assert tus.patch(open_end, 0, b"x" * 401).status_code == 413
    assert tus.patch(open_end, 0, b"x" * 400).status_code == 204
    assert tus.offset(open_end) == 400


def test_the_quota_at_the_end_is_the_one_that_counts(tus: Tus, library: Library) -> None:
    url = tus.begin(library, len(PNG))
    Library.objects.update(quota_bytes=10)
    refused = tus.patch(url, 0, PNG)
    assert (refused.status_code, refused.json()["code"]) == (413, "quota_exceeded")
    assert tus.head(url).status_code == 413
    assert not File.objects.exists()
    Library.objects.update(quota_bytes=None)
    assert "Alcoves-File-Id" in tus.head(url)
    assert File.objects.get().original.sha256 == sha256_of(PNG)


def partial(tus: Tus, library: Library, data: bytes) -> str:
    url = tus.begin(library, len(data), headers={"Upload-Concat": "partial"})
    assert tus.patch(url, 0, data).status_code == 204
    return url


def final(tus: Tus, library: Library, *urls: str, name: str = "whole.png") -> Any:
    headers = VERSION | {
        "Upload-Metadata": metadata(library, name),
        "Upload-Concat": "final;" + " ".join(urls),
    }
    return tus.client.post("/api/tus", b"", content_type="application/octet-stream", headers=headers)


def test_concatenation(tus: Tus, library: Library, any_store: str) -> None:
    data = PNG + data_of(6_000_000)
    urls = [partial(tus, library, data[:3_000_000]), partial(tus, library, data[3_000_000:])]
    assert not File.objects.exists()
    assert tus.head(urls[0])["Upload-Concat"] == "partial"
    answer = final(tus, library, urls[0], f"https://media.example.org{urls[1]}")
    assert answer.status_code == 201, answer.content
    file = File.objects.select_related("original").get(pk=answer["Alcoves-File-Id"])
    assert (file.name, file.original.sha256, file.original.mime) == (
        "whole.png",
        sha256_of(data),
        "image/png",
    )
    head = tus.head(answer["Location"])
    assert (head["Upload-Length"], head["Upload-Concat"]) == (str(len(data)), "final;" + " ".join(urls))
    assert tus.patch(answer["Location"], len(data), b"").status_code == 403
    assert final(tus, library, *urls)["Location"] == answer["Location"]
    assert final(tus, library, *reversed(urls)).status_code == 404
    assert File.objects.count() == 1
    assert [tus.head(url).status_code for url in urls] == [404, 404]
    blobs.sweep()
    assert [stat.key for stat in get_store("files").iterate()] == [file.original.key]


def test_parts_that_cannot_be_joined(tus: Tus, library: Library, alice: User, bob: User) -> None:
    whole = partial(tus, library, PNG)
    open_part = tus.begin(library, 10, headers={"Upload-Concat": "partial"})
    foreign = partial(tus, create_library(alice, "Work"), PNG)
    set_member(library, bob, "admin")
    bobs = partial(Tus(client_of(bob)), library, PNG)
    ordinary = tus.begin(library, 10)
    assert final(tus, library, whole, open_part).status_code == 409
    for other in (foreign, bobs, ordinary, f"/api/tus/{uuid4()}"):
        assert final(tus, library, whole, other).status_code == 404
    assert final(tus, library, whole, whole).status_code == 400
    assert final(tus, library, "nonsense").status_code == 400
    assert final(tus, library).status_code == 400
    assert not File.objects.exists()


def test_joining_is_not_counted_twice_against_the_quota(tus: Tus, library: Library) -> None:
    Library.objects.update(quota_bytes=len(PNG))
    url = partial(tus, library, PNG)
    assert final(tus, library, url).status_code == 201
