"""The poster of a file over HTTP: who may decide it, what is told, what is refused."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from alcoves.accounts.models import User
from media import prewarm
from media.libraries import set_member
from media.models import Derivative, File, Library
from tests.conftest import client_of
from tests.ingesting import run_queued, take_in
from tests.makers import make_image, make_png, make_video

JSON = "application/json"


@pytest.fixture
def film(library: Library, tmp_path: Path) -> File:
    source = make_video(tmp_path / "film.mp4", seconds=4, size=(160, 90), audio=False, options=["-g", "10"])
    file = take_in(library, source, "film.mp4").file
    run_queued()
    return file


@pytest.fixture
def own(tmp_path: Path) -> bytes:
    return make_image(tmp_path / "own.jpg", size=(900, 600)).read_bytes()


def base(file: File) -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}"


def told(client: Client, file: File) -> dict[str, Any]:
    answer = client.get(f"{base(file)}/poster")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def upload(client: Client, file: File, content: bytes, name: str = "own.jpg") -> Any:
    return client.post(f"{base(file)}/poster/upload", {"file": SimpleUploadedFile(name, content)})


def size_at(client: Client, address: str, folder: Path) -> tuple[int, int]:
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
    (folder / "told.webp").write_bytes(answer.getvalue())
    with Image.open(folder / "told.webp") as image:
        return image.size


def test_what_is_shown_and_what_may_be(film: File, as_bob: Client, tmp_path: Path) -> None:
    found = told(as_bob, film)
    assert (found["source"], found["status"], found["error"]) == ("auto", "ready", None)
    assert [one["place"] for one in found["candidates"]] == [10, 25, 50, 75, 90]
    assert sum(one["chosen"] for one in found["candidates"]) == 1
    assert all(
        set(one) == {"place", "second", "score", "dark", "url", "chosen"} for one in found["candidates"]
    )
    assert size_at(as_bob, found["candidates"][2]["url"], tmp_path) == (160, 90)
    assert found["posterUrl"] == as_bob.get(base(film)).json()["posterUrl"]


@pytest.mark.parametrize("given", [{"second": 2.35}, {"candidate": 75}])
def test_a_frame_is_chosen(film: File, as_alice: Client, as_bob: Client, given: dict[str, float]) -> None:
    before = told(as_bob, film)["posterUrl"]
    versions = as_bob.get(base(film)).json()["imageVersion"]
    answer = as_alice.post(f"{base(film)}/poster", given, JSON)
    assert answer.status_code == 202
    found = answer.json()
    assert (found["source"], found["status"], found["posterUrl"]) == ("selected", "queued", before)
    assert as_bob.get(base(film)).json()["posterUrl"] == before
    run_queued()
    found = told(as_bob, film)
    assert (found["status"], found["progress"]) == ("ready", 100)
    assert found["posterUrl"] != before
    assert as_bob.get(found["posterUrl"]).status_code == 200
    shown = as_bob.get(base(film)).json()
    assert shown["posterUrl"] == shown["thumbUrl"] == found["posterUrl"]
    assert shown["imageVersion"] != versions
    assert [prewarm.warm(one) for one in prewarm.claim()] == ["warm"]
    assert as_bob.get(shown["images"]["card"]).status_code == 200
    assert shown["poster_status"] == "ready"
    assert [one["place"] for one in found["candidates"] if one["chosen"]] == (
        [75] if "candidate" in given else []
    )


def test_a_picture_of_ones_own(
    film: File, own: bytes, as_alice: Client, as_bob: Client, tmp_path: Path
) -> None:
    answer = upload(as_alice, film, own)
    assert answer.status_code == 201
    found = answer.json()
    assert (found["source"], found["status"], found["second"]) == ("uploaded", "ready", None)
    assert size_at(as_bob, found["posterUrl"], tmp_path) == (480, 320)
    shown = as_bob.get(base(film)).json()
    assert (shown["posterUrl"], shown["imageWidth"], shown["imageHeight"]) == (found["posterUrl"], 900, 600)
    assert [prewarm.warm(one) for one in prewarm.claim()] == ["warm"]
    assert as_bob.get(shown["images"]["card"]).status_code == 200
    assert as_bob.get(shown["previewUrl"]).status_code == 200
    assert as_alice.delete(f"{base(film)}/poster").status_code == 204
    assert told(as_bob, film)["source"] == "auto"
    assert as_bob.get(found["posterUrl"]).status_code == 404


def test_the_picture_may_be_the_body_itself(film: File, own: bytes, as_alice: Client) -> None:
    path = f"{base(film)}/poster/upload"
    answer = as_alice.generic("POST", path, own, content_type="image/jpeg")
    assert (answer.status_code, answer.json()["source"]) == (201, "uploaded")
    again = as_alice.generic("POST", path, own, content_type="image/jpeg")
    assert again.json()["posterUrl"] == answer.json()["posterUrl"]
    assert Derivative.objects.filter(original=film.original_id, deriver="poster").count() == 2


@pytest.mark.parametrize(
    ("method", "path"), [("post", "poster"), ("post", "poster/upload"), ("delete", "poster")]
)
def test_who_may_decide(
    film: File, own: bytes, charlie: User, as_charlie: Client, method: str, path: str
) -> None:
    def ask() -> int:
        address = f"{base(film)}/{path}"
        if path.endswith("upload"):
            return int(upload(as_charlie, film, own).status_code)
        body = {"data": {"second": 1}, "content_type": JSON} if method == "post" else {}
        return int(getattr(as_charlie, method)(address, **body).status_code)

    assert ask() == 404
    set_member(film.library, charlie, "viewer")
    assert ask() == 403
    assert as_charlie.get(f"{base(film)}/poster").status_code == 200
    assert File.objects.get(pk=film.pk).poster_variant == ""
    set_member(film.library, charlie, "admin")
    assert ask() in {201, 202, 204}


def test_strangers_see_nothing(film: File, as_charlie: Client, client: Client) -> None:
    assert as_charlie.get(f"{base(film)}/poster").status_code == 404
    assert client.get(f"{base(film)}/poster").status_code == 401


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"second": 1, "candidate": 10}, 400, "invalid"),
        ({"second": -1}, 400, "invalid"),
        ({"second": "soon"}, 400, "invalid"),
        ({"second": 4.5}, 422, "after_the_end"),
        ({"second": 999_999_999}, 422, "after_the_end"),
        ({"second": 1e300}, 400, "invalid"),
        ({"candidate": 33}, 422, "no_candidate"),
    ],
)
def test_what_cannot_be_chosen(
    film: File, as_alice: Client, given: dict[str, Any], status: int, code: str
) -> None:
    answer = as_alice.post(f"{base(film)}/poster", given, JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"].endswith(".")
    assert Derivative.objects.filter(original=film.original_id, deriver="poster").count() == 1


def test_what_cannot_be_uploaded(film: File, as_alice: Client, tmp_path: Path) -> None:
    bomb = make_png(tmp_path / "bomb.png", 60_000, 60_000).read_bytes()
    for content, status in ((b"", 400), (b"no picture at all", 400), (bomb, 400), (bytes(10_485_761), 413)):
        answer = upload(as_alice, film, content)
        assert answer.status_code == status
        assert answer.json()["message"].endswith(".")
    path = f"{base(film)}/poster/upload"
    raw = as_alice.generic("POST", path, bytes(10_485_761), content_type="image/png")
    assert (raw.status_code, raw.json()["code"]) == (413, "too_large")
    assert as_alice.post(path, {"other": "x"}).json()["code"] == "file_missing"
    assert as_alice.generic("POST", path, b"{}", content_type=JSON).status_code == 400
    assert told(as_alice, film)["source"] == "auto"


def test_pictures_have_no_poster_and_the_trash_is_left_alone(
    film: File, file: File, own: bytes, as_alice: Client
) -> None:
    assert as_alice.get(f"{base(file)}/poster").json()["code"] == "no_poster"
    assert upload(as_alice, file, own).json()["code"] == "no_poster"
    as_alice.delete(base(film))
    assert as_alice.post(f"{base(film)}/poster", {"second": 1}, JSON).json()["code"] == "in_trash"
    assert as_alice.delete(f"{base(film)}/poster").json()["code"] == "in_trash"


def test_a_choice_that_cannot_be_made_says_why(film: File, as_alice: Client) -> None:
    as_alice.post(f"{base(film)}/poster", {"second": 1}, JSON)
    reason = "There is no picture at this second of the video. Choose another one."
    Derivative.objects.filter(variant="at-1000").update(
        status="failed", error_code="no_frame", error_message=reason
    )
    found = told(as_alice, film)
    assert (found["status"], found["error"], found["source"]) == ("failed", reason, "selected")
    assert as_alice.get(found["posterUrl"]).status_code == 200, "The one made by itself."


def test_lists_cost_the_same_with_and_without_choices(
    film: File, library: Library, own: bytes, as_alice: Client, tmp_path: Path
) -> None:
    twins = [take_in(library, tmp_path / "film.mp4", f"{number}.mp4").file for number in range(3)]
    as_alice.get(f"/api/libraries/{library.pk}/files")
    with CaptureQueriesContext(connection) as before:
        as_alice.get(f"/api/libraries/{library.pk}/files")
    for twin in twins[:2]:
        upload(as_alice, twin, own + bytes(str(twin.pk), "ascii"))
    with CaptureQueriesContext(connection) as after:
        listed = as_alice.get(f"/api/libraries/{library.pk}/files").json()["entries"]
    assert len(after) == len(before)
    assert len({one["posterUrl"].split("?")[1] for one in listed}) == 3
    assert len({one["imageVersion"] for one in listed}) == 2, "Both uploads are the same picture in the end."


def test_another_file_of_the_library_has_no_part_in_it(
    film: File, library: Library, own: bytes, as_alice: Client, bob: User, tmp_path: Path
) -> None:
    other = take_in(library, make_video(tmp_path / "b.mp4", seconds=0.3), "b.mp4").file
    address = upload(as_alice, film, own).json()["posterUrl"]
    elsewhere = address.replace(str(film.pk), str(other.pk))
    assert client_of(bob).get(elsewhere).status_code == 404
