"""Forms and raw bodies: streamed into the store, all or nothing, access before the first byte."""

import io
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.utils import timezone

from alcoves.accounts.models import User
from media import blobs
from media.api.uploads import ReceiveFiles
from media.libraries import create_library
from media.models import File, Folder, Library, Original, UnnamedBlob
from media.sniffing import sniff
from storage.registry import get_store
from tests.conftest import client_of
from tests.media.uploads.speaking import PNG, BrokenStream
from tests.storage.conformance import data_of, sha256_of

pytestmark = [pytest.mark.urls("tests.media.uploads.addresses")]
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture
def client(alice: User) -> Client:
    return client_of(alice)


def address(library: Library) -> str:
    return f"/api/libraries/{library.pk}/files"


def raw(client: Client, library: Library, data: bytes, name: str = "a.png", **headers: str) -> Any:
    named = {"X-Upload-Name": quote(name), **{key.replace("_", "-"): value for key, value in headers.items()}}
    return client.post(address(library), data, content_type="application/octet-stream", headers=named)


def form(client: Client, library: Library, *files: tuple[str, bytes], **fields: Any) -> Any:
    uploads = [SimpleUploadedFile(name, data) for name, data in files]
    return client.post(address(library), {"file": uploads, **fields})


def nothing_is_left(library: Library) -> bool:
    """After the sweeper has been, neither a file nor a byte."""
    blobs.sweep()
    return (
        not File.objects.exists()
        and list(get_store("files").iterate()) == []
        and not UnnamedBlob.objects.exists()
    )


def test_a_raw_body(client: Client, library: Library, any_store: str) -> None:
    data = PNG + data_of(6_000_000)
    answer = raw(client, library, data, "Grüße 🐎.png", X_Upload_Last_Modified="1700000000000")
    assert answer.status_code == 201, answer.content
    told = answer.json()
    file = File.objects.select_related("original").get()
    assert told == {
        "id": str(file.pk), "name": "Grüße 🐎.png", "size": len(data), "mime": "image/png", "kind": "image",
        "sha256": sha256_of(data), "duplicate": False,
    }  # fmt: skip
    assert answer["X-Alcoves-Duplicate-Count"] == "0"
    assert file.client_modified_at is not None
    with get_store("files").open(file.original.key) as blob:
        assert blob.read() == data
    assert not UnnamedBlob.objects.exists()


def test_a_form(client: Client, library: Library, any_store: str) -> None:
    folder = Folder.objects.create(library=library, name="Trip")
    data = PNG + data_of(700_000)
    answer = form(client, library, ("../../a.png", data), folder=str(folder.pk), lastModified="1700000000000")
    assert answer.status_code == 201, answer.content
    file = File.objects.select_related("original").get()
    assert (file.name, file.folder, file.original.sha256) == ("a.png", folder, sha256_of(data))
    assert file.client_modified_at is not None
    assert answer.json()["id"] == str(file.pk)


def test_a_form_with_several_files(client: Client, library: Library) -> None:
    answer = form(
        client,
        library,
        ("a.png", PNG),
        ("b.txt", b"words"),
        ("c.png", PNG),
        lastModified=["1000", "1000000000000"],
    )
    told = answer.json()["files"]
    assert [one["name"] for one in told] == ["a.png", "b.txt", "c.png"]
    assert sorted(one["duplicate"] for one in told) == [False, False, True]
    assert answer["X-Alcoves-Duplicate-Count"] == "1"
    moments = dict(File.objects.values_list("name", "client_modified_at"))
    assert [getattr(moments[name], "year", None) for name in ("a.png", "b.txt", "c.png")] == [
        1970,
        2001,
        None,
    ]
    assert Original.objects.count() == 2


def test_what_is_declared_changes_nothing(client: Client, library: Library) -> None:
    lying = SimpleUploadedFile("a.jpg", HTML, content_type="image/jpeg")
    told = client.post(address(library), {"file": lying}).json()
    expected = sniff(HTML, len(HTML))
    assert (told["mime"], told["kind"]) == (expected.mime, "other")


@pytest.mark.parametrize("way", [raw, lambda client, library, data: form(client, library, ("a.png", data))])
def test_the_same_bytes_again(client: Client, library: Library, alice: User, way: Any) -> None:
    assert [way(client, library, PNG).json()["duplicate"] for _ in range(2)] == [False, True]
    assert Original.objects.count() == 1
    assert not way(client, create_library(alice, "Work"), PNG).json()["duplicate"]


@pytest.mark.parametrize("way", [raw, lambda client, library, data: form(client, library, ("a.png", data))])
def test_who_may_not_is_told_before_a_byte_is_read(
    library: Library, bob: User, charlie: User, way: Any
) -> None:
    assert way(client_of(charlie), library, PNG).status_code == 404
    assert way(client_of(bob), library, PNG).status_code == 403
    assert way(client_of(bob), Library(pk=uuid4()), PNG).status_code == 404
    assert way(Client(), library, PNG).status_code == 401
    assert not UnnamedBlob.objects.exists()


class Untouched(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("the body was read")


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/octet-stream"])
def test_a_stranger_with_a_session_has_no_byte_read_either(
    library: Library, charlie: User, kind: str
) -> None:
    """The CSRF check of session authentication must not parse the form to find its field."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    client.cookies["csrftoken"] = "a" * 32
    for headers, status in (({"X-CSRFToken": "a" * 32}, 404), ({}, 403)):
        environ: dict[str, Any] = {"wsgi.input": Untouched(), "CONTENT_LENGTH": "1000", "CONTENT_TYPE": kind}
        answer = client.generic("POST", address(library), headers=headers, **environ)
        assert answer.status_code == status, answer.content


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X_Upload_Folder_Id": "nonsense"}, 400, "bad_folder"),
        ({"X_Upload_Folder_Id": str(uuid4())}, 404, "folder_not_found"),
        ({"X_Upload_Last_Modified": "yesterday"}, 400, "bad_time"),
        ({"X_Upload_Last_Modified": "9" * 30}, 400, "bad_time"),
        ({"X_Upload_Name": ""}, 400, "name_missing"),
    ],
)
def test_a_raw_body_that_is_refused(
    client: Client, library: Library, headers: Any, status: int, code: str
) -> None:
    answer = raw(client, library, PNG, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert nothing_is_left(library)


def test_folders_of_others_and_of_the_trash(client: Client, library: Library, alice: User) -> None:
    foreign = Folder.objects.create(library=create_library(alice, "Work"), name="Trip")
    gone = Folder.objects.create(library=library, name="Old", trashed_at=timezone.now())
    for folder in (foreign, gone):
        assert raw(client, library, PNG, X_Upload_Folder_Id=str(folder.pk)).status_code == 404
        assert form(client, library, ("a.png", PNG), folder=str(folder.pk)).status_code == 404
    assert nothing_is_left(library)


def test_empty_files_are_refused_by_name(client: Client, library: Library, any_store: str) -> None:
    assert raw(client, library, b"").json()["code"] == "empty_file"
    answer = form(client, library, ("a.png", PNG), ("b.png", b""))
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_file")
    assert "b.png" in answer.json()["message"]
    assert nothing_is_left(library)


def test_too_much(client: Client, library: Library, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = len(PNG) - 1
    assert raw(client, library, PNG).json()["code"] == "too_large"
    assert form(client, library, ("a.png", PNG)).json()["code"] == "too_large"
    settings.MAX_UPLOAD_BYTES = len(PNG)
    Library.objects.update(quota_bytes=len(PNG) + 1)
    assert form(client, library, ("a.png", PNG), ("b.png", PNG[1:])).json()["code"] == "quota_exceeded"
    assert nothing_is_left(library)
    assert raw(client, library, PNG).status_code == 201
    assert raw(client, library, PNG + b"x").status_code == 413


@pytest.mark.parametrize("fields", [{}, {"other": SimpleUploadedFile("a.png", PNG)}, {"file": "text"}])
def test_a_form_without_a_file(client: Client, library: Library, fields: Any) -> None:
    answer = client.post(address(library), fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "file_missing")
    assert nothing_is_left(library)


def test_forms_that_cannot_be_read(client: Client, library: Library, settings: Any) -> None:
    answer = client.post(address(library), b"x" * 50, content_type="multipart/form-data; boundary=")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_form")
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    answer = client.post(address(library), head + PNG, content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_form")
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    assert form(client, library, ("a.png", PNG), ("b.png", b"x")).json()["code"] == "bad_form"
    assert nothing_is_left(library)


def broken(user: User, library: Library, kind: str, data: bytes, *, silently: bool, **more: str) -> Any:
    """A request whose body ends too early, as a server tells of it: by an error, or not at all."""
    environ: dict[str, Any] = {"wsgi.input": BrokenStream(data, silently=silently), "CONTENT_TYPE": kind}
    request = RequestFactory().generic(
        "POST", address(library), HTTP_X_UPLOAD_NAME="a.png", **(environ | more)
    )
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    request.user = user
    return ReceiveFiles.as_view()(request, library_id=library.pk).render()


@pytest.mark.parametrize("silently", [True, False])
def test_a_line_that_breaks_leaves_nothing(
    library: Library, alice: User, any_store: str, silently: bool
) -> None:
    data = data_of(1_500_000)
    answer = broken(
        alice, library, "application/octet-stream", data, silently=silently, CONTENT_LENGTH="2000000"
    )
    assert answer.status_code == 400
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    for end in (b"", b"\r\n--x\r\n"):
        answer = broken(
            alice, library, "multipart/form-data; boundary=x", head + data + end, silently=silently,
            CONTENT_LENGTH="2000000",
        )  # fmt: skip
        assert (answer.status_code, answer.data["code"]) == (400, "body_ended_early")
    assert nothing_is_left(library)


def test_a_body_of_unknown_length(library: Library, alice: User, settings: Any) -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked"}
    answer = broken(alice, library, "image/png", PNG * 9000, silently=True, **chunked)
    assert (answer.status_code, answer.data["size"]) == (201, len(PNG) * 9000)
    assert answer.data["sha256"] == sha256_of(PNG * 9000)
    form = broken(alice, library, "multipart/form-data; boundary=x", PNG, silently=True, **chunked)
    assert form.status_code == 411
    settings.MAX_UPLOAD_BYTES = len(PNG) * 9000
    answer = broken(alice, library, "image/png", PNG * 9001, silently=True, **chunked)
    assert (answer.status_code, answer.data["code"]) == (413, "too_large")
    assert File.objects.count() == 1


def test_a_store_that_fails_in_the_middle_of_a_form(client: Client, library: Library, settings: Any) -> None:
    store: Any = get_store("files")
    store.min_free_bytes = 2**62
    answer = form(client, library, ("a.png", PNG + data_of(3_000_000)))
    assert (answer.status_code, answer.json()["code"]) == (507, "store_full")
    store.min_free_bytes = 0
    assert nothing_is_left(library)


@pytest.mark.parametrize(
    ("milliseconds", "kept"),
    [
        ("253402300799000", None),
        ("-62135596800000", None),
        ("7258118400000", None),
        ("7258118399000", datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("-1000", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_clock_that_is_wrong_costs_nobody_the_file(
    client: Client, library: Library, milliseconds: str, kept: datetime | None
) -> None:
    answer = raw(client, library, PNG, X_Upload_Last_Modified=milliseconds)
    assert answer.status_code == 201, answer.content
    assert File.objects.get().client_modified_at == kept
