from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from media.models import File, Library, Original
from storage.registry import get_store
from tests.ingesting import take_in
from tests.media.api.conftest import PICTURE, PNG


def body(answer: Any) -> bytes:
    return bytes(answer.getvalue()) if answer.streaming else bytes(answer.content)


def original(file: File) -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}/original"


def test_the_whole_file_with_safe_headers(file: File, as_bob: Client) -> None:
    answer = as_bob.get(original(file))
    assert (answer.status_code, body(answer)) == (200, PNG)
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Length"] == str(len(PNG))
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["Cache-Control"] == "private, no-cache"
    assert answer["Content-Disposition"] == 'inline; filename="picture.png"'
    assert answer["ETag"] == f'"{Original.objects.get().sha256}"'


@pytest.mark.parametrize(
    ("wanted", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=10-19", 206, 10, 20),
        ("bytes=10-", 206, 10, len(PNG)),
        ("bytes=-5", 206, len(PNG) - 5, len(PNG)),
        ("bytes=0-99999", 206, 0, len(PNG)),
        ("bytes=0-1,4-5", 200, 0, len(PNG)),
        ("lines=0-1", 200, 0, len(PNG)),
        ("bytes=9-3", 200, 0, len(PNG)),
    ],
)
def test_ranges(wanted: str, status: int, start: int, end: int, file: File, as_bob: Client) -> None:
    answer = as_bob.get(original(file), headers={"range": wanted})
    assert (answer.status_code, body(answer)) == (status, PNG[start:end])
    assert answer["Content-Length"] == str(end - start)
    if status == 206:
        assert answer["Content-Range"] == f"bytes {start}-{end - 1}/{len(PNG)}"


def test_a_range_beyond_the_end(file: File, as_bob: Client) -> None:
    answer = as_bob.get(original(file), headers={"range": f"bytes={len(PNG)}-"})
    assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{len(PNG)}")
    assert answer.json()["message"]


def test_conditions(file: File, as_bob: Client) -> None:
    first = as_bob.get(original(file))
    tag, moment = first["ETag"], first["Last-Modified"]
    assert parsedate_to_datetime(moment).year > 2000
    for headers in (
        {"if-none-match": tag},
        {"if-none-match": f'"x", W/{tag}'},
        {"if-modified-since": moment},
    ):
        answer = as_bob.get(original(file), headers=headers)
        assert (answer.status_code, body(answer), answer["ETag"]) == (304, b"", tag)
    assert (
        as_bob.get(original(file), headers={"if-none-match": '"x"', "if-modified-since": moment}).status_code
        == 200
    )
    for condition, status in ((tag, 206), (moment, 206), ('"x"', 200), (f"W/{tag}", 200)):
        answer = as_bob.get(original(file), headers={"range": "bytes=0-3", "if-range": condition})
        assert answer.status_code == status, condition


def test_head_says_the_same_and_sends_nothing(file: File, as_bob: Client) -> None:
    answer = as_bob.head(original(file))
    assert (answer.status_code, answer.content, answer["Content-Length"]) == (200, b"", str(len(PNG)))
    part = as_bob.head(original(file), headers={"range": "bytes=0-9"})
    assert (part.status_code, part["Content-Length"]) == (206, "10")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<!doctype html><script>alert(1)</script>", "page.png"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "drawing.svg"),
        (b"%PDF-1.7\n", "paper.pdf"),
        (b"plain text", "notes.txt"),
    ],
)
def test_what_could_run_a_script_is_a_download(
    content: bytes, name: str, library: Library, as_bob: Client
) -> None:
    answer = as_bob.get(original(take_in(library, content, name).file))
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Security-Policy"].startswith("sandbox")


def test_names_cannot_break_out_of_their_header(library: Library, as_bob: Client) -> None:
    file = take_in(library, PNG, 'a"; filename=evil.exe; x="ü.png').file
    told = as_bob.get(original(file), {"download": "1"})["Content-Disposition"]
    assert told.startswith("attachment; filename=\"a__ filename=evil.exe_ x=__.png\"; filename*=UTF-8''")
    assert told.count('"') == 2


def test_derived_bytes_may_be_kept_at_their_own_address(
    finished: File, as_bob: Client, as_charlie: Client
) -> None:
    url = as_bob.get(f"/api/libraries/{finished.library_id}/files/{finished.pk}").json()["previewUrl"]
    answer = as_bob.get(url, headers={"accept": "image/webp"})
    assert (answer.status_code, body(answer), answer["Content-Type"]) == (200, PICTURE, "image/webp")
    assert answer["Cache-Control"] == "private, max-age=86400, immutable"
    assert as_bob.get(url.split("?")[0])["Cache-Control"] == "private, no-cache"
    assert as_bob.get(f"{url.split('?')[0]}x").status_code == 404
    assert as_charlie.get(url).status_code == 404


def test_nginx_may_send_it(file: File, as_bob: Client, settings: Any) -> None:
    settings.X_ACCEL_PREFIX = "/blobs/"
    answer = as_bob.get(original(file))
    assert answer["X-Accel-Redirect"] == f"/blobs/files/{file.original.key}"
    assert (answer.content, answer["Content-Type"]) == (b"", "image/png")


def test_lost_bytes_are_told_without_their_key(file: File, as_bob: Client) -> None:
    get_store("files").delete(file.original.key)
    answer = as_bob.get(original(file))
    assert (answer.status_code, answer.json()["code"]) == (404, "blob_not_found")
    assert file.original.key not in answer.content.decode()


def test_a_store_without_files_streams(file: File, as_bob: Client, settings: Any, tmp_path: Path) -> None:
    settings.BLOB_STORES = {
        **settings.BLOB_STORES,
        "files": {"BACKEND": "storage.memory.MemoryStore", "OPTIONS": {"secret": "s"}},
    }
    get_store("files").put(file.original.key, [PNG])
    answer = as_bob.get(original(file), headers={"range": "bytes=1-3"})
    assert (answer.status_code, body(answer)) == (206, PNG[1:4])
    settings.S3_OPTIONS = {"public_endpoint_url": "https://files.example.org"}
    away = as_bob.get(original(file))
    assert (away.status_code, away["Cache-Control"]) == (302, "private, no-store")
    assert "token=" in away["Location"] or "signed" in away["Location"]
