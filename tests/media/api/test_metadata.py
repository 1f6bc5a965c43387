from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from media.api import cursors
from media.intake import Place, admit
from media.models import File, Library, Original
from tests.ingesting import put_bytes, run_queued, take_in
from tests.makers import exif_of, make_image
from tests.media.api.conftest import PNG
from tests.media.test_xmp import bag, packet

TAGS = {
    "main": {0x010F: "TestCam", 0x0110: "TC-1", 0x0112: 6},
    "exif": {
        0x9003: "2021:07:14 18:30:05",
        0x9011: "+02:00",
        0x8827: 200,
        0x829D: 2.8,
        0x829A: 0.005,
        0x920A: 50.0,
    }
    | {0xA434: "TC 50mm", 0xA001: 1},
    "gps": {1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (16.0, 22.2, 0.0), 5: b"\1", 6: 3.5},
}
CAPTION = "word " * 200
WORDS = packet(
    f"<dc:title>{bag('Title', kind='Alt')}</dc:title><dc:description>{bag(CAPTION, kind='Alt')}</dc:description>"
    f"<dc:subject>{bag(*(f'k{number}' for number in range(30)))}</dc:subject>",
    "xmp:Rating='4'",
)


@pytest.fixture
def photo(library: Library, tmp_path: Path) -> File:
    source = make_image(tmp_path / "a.jpg", exif=exif_of(**TAGS), xmp=WORDS)
    file = take_in(library, source, "a.jpg").file
    run_queued()
    return file


def test_members_are_told_all(library: Library, photo: File, as_bob: Client) -> None:
    found = as_bob.get(f"/api/libraries/{library.pk}/files/{photo.pk}").json()
    assert found["camera"] == {
        "make": "TestCam",
        "model": "TC-1",
        "lens": "TC 50mm",
        "iso": 200,
        "fNumber": 2.8,
        "exposureSeconds": 0.005,
        "focalLengthMm": 50.0,
    }
    assert found["location"] == {"latitude": 48.2, "longitude": 16.37, "altitude": -3.5}
    assert (found["capturedAt"], found["capturedOffset"]) == ("2021-07-14T16:30:05Z", 120)
    assert (found["capturedZone"], found["effectiveAt"]) == ("Europe/Vienna", "2021-07-14T16:30:05Z")
    assert (found["orientation"], found["colorProfile"]) == (6, "sRGB")
    assert (found["title"], found["caption"], found["rating"]) == ("Title", CAPTION.strip(), 4)
    assert found["keywords"] == [f"k{number}" for number in range(30)]
    assert found["probe"]["raw"]["exif"]["Make"] == "TestCam"


def test_lists_are_told_less(library: Library, photo: File, as_bob: Client) -> None:
    (entry,) = as_bob.get(f"/api/libraries/{library.pk}/files").json()["entries"]
    assert (len(entry["caption"]), len(entry["keywords"])) == (300, 20)
    assert entry["location"]["latitude"] == 48.2
    assert "probe" not in entry


def test_lists_do_not_read_what_they_do_not_tell(library: Library, photo: File, as_bob: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        as_bob.get(f"/api/libraries/{library.pk}/files")
    assert not [query for query in queries if '"media_original"."probe"' in query["sql"]]


def test_what_is_not_known_is_null(library: Library, as_bob: Client) -> None:
    file = take_in(library, PNG, "a.png").file
    found = as_bob.get(f"/api/libraries/{library.pk}/files/{file.pk}").json()
    for name in ("camera", "location", "capturedAt", "capturedOffset", "title", "caption", "rating", "probe"):
        assert found[name] is None, name
    assert found["keywords"] == []


def admitted(library: Library, content: bytes, name: str, changed: datetime | None) -> File:
    return admit(put_bytes(library, content), Place(library, name, client_modified_at=changed)).file


def test_the_date_that_counts(library: Library, tmp_path: Path) -> None:
    """Captured, else last changed by its owner, else uploaded; told at once, mended when more is known."""
    changed = datetime(2019, 5, 5, tzinfo=UTC)
    taken = make_image(tmp_path / "a.jpg", exif=exif_of(exif={0x9003: "2021:07:14 18:30:05"})).read_bytes()
    photo = admitted(library, taken, "a.jpg", changed)
    plain = admitted(library, PNG, "b.png", changed)
    bare = admitted(library, PNG + b"1", "c.png", None)
    assert (photo.effective_at, plain.effective_at) == (changed, changed)
    assert abs(bare.effective_at - bare.created_at) < timedelta(seconds=5)
    run_queued()
    again = admitted(library, taken, "again.jpg", changed)
    for file in (photo, plain, bare):
        file.refresh_from_db()
    captured = datetime(2021, 7, 14, 18, 30, 5, tzinfo=UTC)
    assert (photo.effective_at, plain.effective_at) == (captured, changed)
    assert again.effective_at == captured
    assert bare.effective_at.date() == bare.created_at.date()


def test_the_date_that_counts_when_bytes_are_known_late(library: Library, tmp_path: Path) -> None:
    taken = make_image(tmp_path / "a.jpg", exif=exif_of(exif={0x9003: "2021:07:14 18:30:05"})).read_bytes()
    take_in(library, taken, "a.jpg")
    run_queued()
    late = take_in(library, taken, "late.jpg", hashed=False).file
    assert late.effective_at.year > 2021
    run_queued()
    late.refresh_from_db()
    assert Original.objects.count() == 1
    assert late.effective_at == datetime(2021, 7, 14, 18, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize("order", ["date", "-date"])
def test_pages_by_date(library: Library, as_bob: Client, order: str) -> None:
    seed = take_in(library, PNG, "seed.png").file
    days = [3, 1, 2, 2, 2, 5]
    for number, day in enumerate(days):
        at = datetime(2020, 1, day, 12, tzinfo=UTC)
        File.objects.create(library=library, original=seed.original, name=f"{number}.png", effective_at=at)
    File.objects.filter(pk=seed.pk).delete()
    path, found, cursor = f"/api/libraries/{library.pk}/files", [], None
    while True:
        asked: Any = {"limit": 2, "order": order} | ({"cursor": cursor} if cursor else {})
        answer = as_bob.get(path, asked).json()
        found += [(entry["effectiveAt"], entry["id"]) for entry in answer["entries"]]
        cursor = answer["nextCursor"]
        if cursor is None:
            break
    assert len(set(found)) == len(days)
    assert found == sorted(found, reverse=order == "-date")


def test_orders_and_cursors_that_do_not_fit_are_refused(
    library: Library, as_bob: Client, as_charlie: Client
) -> None:
    path = f"/api/libraries/{library.pk}/files"
    key = UUID(int=0)
    asked: dict[str, Any]
    for text in ("a name", "2020-01-01", "2020-01-01T00:00:00", "", "9" * 50):
        asked = {"order": "-date", "cursor": cursors.encode(text, key)}
        refused = as_bob.get(path, asked)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_cursor"), text
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        asked = {"order": "date", "cursor": cursors.encode(moment, key)}
        assert as_bob.get(path, asked).status_code in {200, 400}
    assert as_bob.get(path, {"order": "size"}).status_code == 400
    assert as_charlie.get(path, {"order": "-date"}).status_code == 404
