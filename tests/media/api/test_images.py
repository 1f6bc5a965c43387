"""The image proxy as a view: who may see what, what it says of itself, and how few queries it needs."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from alcoves.accounts.models import AccessToken, User
from media import addresses, bulletin, dispatch, imagemaking, imageproxy, passes, trash
from media.api.later import FRONT, LaterResponse
from media.images.recipes import CONTENT_TYPES, Recipe, cache_key
from media.libraries import create_library, remove_member
from media.models import CachedImage, Derivative, File, Library, Original
from media.models.cached_image import CACHE
from media.models.derivative import Status
from media.passes import Known
from media.pictures import Picture, find_picture
from storage.registry import get_store
from tests.conftest import client_of
from tests.ingesting import take_in
from tests.makers import corners, make_image
from tests.media.api.conftest import finish
from tests.workers import wait_until

RECIPE = Recipe(60, 40, 82, "jpeg")
ASKED = {"width": "60", "height": "40", "quality": "82", "format": "jpeg"}


@pytest.fixture(autouse=True)
def own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_known", Known())
    wait_until(bulletin.alive, 10, "the bulletin")


@pytest.fixture
def photo(library: Library, tmp_path: Path) -> File:
    made: File = take_in(library, make_image(tmp_path / "a.jpg", corners()), "Ferien, Tag 1.JPG").file
    Original.objects.filter(pk=made.original_id).update(width=120, height=80)
    return File.objects.select_related("original").get(pk=made.pk)


@pytest.fixture
def picture(photo: File) -> Picture:
    found = find_picture(photo, [])
    assert found is not None
    return found


@pytest.fixture
def cached(picture: Picture) -> bytes:
    return imagemaking.make(picture, RECIPE)


@pytest.fixture
def card(picture: Picture) -> bytes:
    return imagemaking.make(picture, picture.variants()["card"])


def path_of(file: File, name: str = "a.jpg") -> str:
    return f"/api/files/proxy/{file.library_id}/{file.pk}/{name}"


def body(answer: Any) -> bytes:
    return bytes(answer.getvalue()) if answer.streaming else bytes(answer.content)


def card_of(client: Client, file: File) -> str:
    told = client.get(f"/api/libraries/{file.library_id}/files/{file.pk}").json()
    return str(told["images"]["card"])


def test_a_member_sees_it_with_safe_headers(
    photo: File, picture: Picture, cached: bytes, as_bob: Client
) -> None:
    answer = as_bob.get(path_of(photo, "Ferien.HEIC"), {**ASKED, "v": picture.version})
    assert (answer.status_code, body(answer)) == (200, cached)
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Length"] == str(len(cached))
    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer["ETag"] == f'"{picture.version}-{RECIPE.text}"'
    assert answer["Vary"] == "Cookie, Authorization"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["Content-Disposition"] == 'inline; filename="Ferien.jpeg"'
    assert "Last-Modified" in answer


def test_everybody_else_gets_the_same_404(
    photo: File, library: Library, cached: bytes, as_bob: Client, as_charlie: Client, charlie: User
) -> None:
    foreign = take_in(create_library(charlie, "Own"), b"\x89PNG\r\n\x1a\n" + bytes(99), "own.png").file
    wrong = Client(headers={"authorization": "Bearer alc_wrong"})
    tries = [
        (as_charlie, path_of(photo)),
        (Client(), path_of(photo)),
        (wrong, path_of(photo)),
        (as_charlie, f"/api/files/proxy/{library.pk}/{uuid4()}/a.jpg"),
        (as_bob, f"/api/files/proxy/{library.pk}/{uuid4()}/a.jpg"),
        (as_bob, f"/api/files/proxy/{uuid4()}/{photo.pk}/a.jpg"),
        (as_bob, f"/api/files/proxy/{library.pk}/{foreign.pk}/a.jpg"),
        (as_bob, path_of(foreign)),
    ]
    answers = [client.get(path, ASKED) for client, path in tries]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}
    # What is wrong with the query is for those who may ask.
    assert as_charlie.get(path_of(photo), {"width": "x"}).status_code == 404


def test_an_address_is_worth_nothing_to_others(
    photo: File, card: bytes, as_alice: Client, as_bob: Client, as_charlie: Client, alice: User
) -> None:
    address = card_of(as_alice, photo)
    assert as_alice.get(address).status_code == 200
    assert as_charlie.get(address).status_code == 404
    assert Client().get(address).status_code == 404
    assert as_bob.get(address).status_code == 200, "by his own membership"
    other = Client()
    other.force_login(alice)
    assert other.get(address).status_code == 200, "another session of the same person, by its membership"


def test_a_signed_address_needs_one_query(
    photo: File, cached: bytes, card: bytes, bob: User, as_bob: Client
) -> None:
    address = card_of(as_bob, photo)
    with CaptureQueriesContext(connection) as signed:
        assert as_bob.get(address).status_code == 200
    assert len(signed) == 1
    with CaptureQueriesContext(connection) as token:
        assert as_bob.get(path_of(photo), ASKED).status_code == 200
    assert len(token) == 2
    browser = Client()
    browser.force_login(bob)
    with CaptureQueriesContext(connection) as session:
        assert browser.get(path_of(photo), ASKED).status_code == 200
    assert len(session) == 3
    address = card_of(browser, photo)
    with CaptureQueriesContext(connection) as signed:
        assert browser.get(address).status_code == 200
    assert len(signed) == 1


def test_where_nothing_is_heard_the_database_is_asked(
    photo: File, card: bytes, bob: User, as_bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = card_of(as_bob, photo)
    monkeypatch.setattr(bulletin, "alive", lambda: False)
    with CaptureQueriesContext(connection) as asked:
        assert as_bob.get(address).status_code == 200
    assert len(asked) == 2
    AccessToken.objects.filter(user=bob).delete()
    assert as_bob.get(address).status_code == 404


def test_a_removed_member_and_a_revoked_token_are_out_at_once(
    photo: File, card: bytes, bob: User, library: Library, django_capture_on_commit_callbacks: Any
) -> None:
    first, second = client_of(bob), client_of(bob)
    one, two = card_of(first, photo), card_of(second, photo)
    assert (first.get(one).status_code, second.get(two).status_code) == (200, 200)
    with django_capture_on_commit_callbacks(execute=True):
        AccessToken.objects.filter(user=bob).earliest("created_at").delete()
    assert (first.get(one).status_code, second.get(two).status_code) == (404, 200)
    with django_capture_on_commit_callbacks(execute=True):
        remove_member(library, bob.pk)
    assert second.get(two).status_code == 404


def test_only_the_right_version_may_be_kept_for_ever(
    photo: File, picture: Picture, cached: bytes, as_bob: Client
) -> None:
    for version in (
        {},
        {"v": ""},
        {"v": "0" * 32},
        {"v": picture.version[:16]},
        {"v": f"{picture.version}-90"},
    ):
        answer = as_bob.get(path_of(photo), {**ASKED, **version})
        assert (answer.status_code, body(answer)) == (200, cached)
        assert answer["Cache-Control"] == "private, no-cache"
        assert answer["ETag"] == f'"{picture.version}-{RECIPE.text}"'


def test_304_without_making_anything(photo: File, picture: Picture, as_bob: Client) -> None:
    tag = f'"{picture.version}-{RECIPE.text}"'
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = as_bob.get(path_of(photo), {**ASKED, "v": picture.version}, headers={"if-none-match": given})
        assert (answer.status_code, body(answer), answer["ETag"]) == (304, b"", tag)
        assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    assert not CachedImage.objects.exists()
    assert imageproxy.flights == {}


def test_whatever_the_order_it_is_one_picture(photo: File, cached: bytes, as_bob: Client) -> None:
    queries = [
        "width=60&height=40&quality=82&format=jpeg",
        "format=jpg&quality=82&height=40&width=60",
        "height=40&format=jpeg&width=60&quality=82&nonsense=1",
        "width=0060&height=40&quality=82",
    ]
    answers = [as_bob.get(f"{path_of(photo)}?{query}") for query in queries]
    assert {body(answer) for answer in answers} == {cached}
    assert len({answer["ETag"] for answer in answers}) == 1
    assert CachedImage.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"width": "a"}, "bad_width"),
        ({"height": "1.5"}, "bad_height"),
        ({"quality": "x"}, "bad_quality"),
        ({"format": "gif"}, "bad_format"),
    ],
)
def test_what_says_no_picture_is_422(query: dict[str, str], code: str, photo: File, as_bob: Client) -> None:
    answer = as_bob.get(path_of(photo), query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["message"].endswith(".")
    assert answer["Cache-Control"] == "no-store"


def test_a_video_shows_its_poster(library: Library, tmp_path: Path, as_bob: Client) -> None:
    film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100)
    file = take_in(library, film, "film.mp4").file
    early = as_bob.get(path_of(file), ASKED)
    assert (early.status_code, early.json()["code"]) == (404, "poster_not_ready")
    assert early["Cache-Control"] == "no-store"
    Derivative.objects.create(
        original=file.original,
        deriver="poster",
        status=Status.FAILED,
        queue="thumbnail",
        error_code="damaged_file",
        queued_at=file.created_at,
    )
    failed = as_bob.get(path_of(file), ASKED)
    assert (failed.status_code, failed.json()["code"]) == (404, "no_picture")
    Derivative.objects.all().delete()
    content = make_image(tmp_path / "poster.webp", corners()).read_bytes()
    row = finish(
        file,
        "poster",
        {"poster-large.webp": (content, "image/webp")},
        {"large_width": 120, "large_height": 80},
    )
    found = find_picture(File.objects.select_related("original").get(pk=file.pk), [row])
    assert found is not None
    made = imagemaking.make(found, RECIPE)
    with CaptureQueriesContext(connection) as asked:
        answer = as_bob.get(path_of(file), ASKED)
    assert (answer.status_code, body(answer), len(asked)) == (200, made, 2)
    told = as_bob.get(f"/api/libraries/{library.pk}/files/{file.pk}").json()
    assert (told["imageVersion"], told["imageWidth"], told["imageHeight"]) == (found.version, 120, 80)


def test_a_sound_has_no_picture(library: Library, as_bob: Client) -> None:
    file = take_in(library, b"ID3\x04\0\0\0\0\0\0" + bytes(100), "sound.mp3").file
    answer = as_bob.get(path_of(file), ASKED)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_picture")
    told = as_bob.get(f"/api/libraries/{library.pk}/files/{file.pk}").json()
    assert {told[name] for name in ("images", "imageVersion", "imagePass", "imageWidth", "imageHeight")} == {
        None
    }


def test_the_trash_shows_its_pictures(photo: File, cached: bytes, library: Library, as_bob: Client) -> None:
    trash.trash(library, [photo.pk])
    assert as_bob.get(path_of(photo), ASKED).status_code == 200


def test_head_and_ranges(photo: File, cached: bytes, as_bob: Client) -> None:
    head = as_bob.head(path_of(photo), ASKED)
    assert (head.status_code, head.content, head["Content-Length"]) == (200, b"", str(len(cached)))
    part = as_bob.get(path_of(photo), ASKED, headers={"range": "bytes=10-19"})
    assert (part.status_code, body(part)) == (206, cached[10:20])
    assert part["Content-Range"] == f"bytes 10-19/{len(cached)}"
    beyond = as_bob.get(path_of(photo), ASKED, headers={"range": "bytes=999999-"})
    assert (beyond.status_code, beyond["Cache-Control"]) == (416, "no-store")
    for method in ("post", "put", "patch", "delete", "options"):
        assert getattr(as_bob, method)(path_of(photo)).status_code == 405


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("image/avif,image/webp,*/*", "avif"),
        ("image/webp,*/*", "webp"),
        ("*/*", "jpeg"),
        ("image/avif;q=0,*/*", "jpeg"),
    ],
)
def test_the_format_is_negotiated_only_if_asked_for(
    accept: str, form: Any, photo: File, picture: Picture, cached: bytes, as_bob: Client
) -> None:
    imagemaking.make(picture, Recipe(60, 40, 82, form))
    asked = {**ASKED, "format": "auto", "v": picture.version}
    answer = as_bob.get(path_of(photo), asked, headers={"accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, CONTENT_TYPES[form])
    assert answer["Vary"] == "Cookie, Authorization, Accept"
    plain = as_bob.get(path_of(photo), ASKED, headers={"accept": accept})
    assert (plain["Content-Type"], plain["Vary"]) == ("image/jpeg", "Cookie, Authorization")


def test_nginx_may_send_it(
    photo: File, picture: Picture, cached: bytes, as_bob: Client, settings: Any
) -> None:
    settings.X_ACCEL_PREFIX = "/internal-blobs"
    answer = as_bob.get(path_of(photo), {**ASKED, "v": picture.version})
    assert answer["X-Accel-Redirect"] == f"/internal-blobs/cache/{picture.cache_key(RECIPE)}"
    assert (answer.content, answer["Content-Type"]) == (b"", "image/jpeg")


def test_a_store_far_away_is_redirected_to_or_streamed(
    photo: File, picture: Picture, as_bob: Client, settings: Any
) -> None:
    settings.BLOB_STORES = {
        **settings.BLOB_STORES,
        "cache": {"BACKEND": "storage.memory.MemoryStore", "OPTIONS": {"secret": "s"}},
    }
    content = imagemaking.make(picture, RECIPE)
    assert body(as_bob.get(path_of(photo), ASKED)) == content
    settings.S3_OPTIONS = {"public_endpoint_url": "https://files.example.org"}
    away = as_bob.get(path_of(photo), ASKED)
    assert (away.status_code, away["Cache-Control"]) == (302, "private, no-store")
    lasting = as_bob.get(path_of(photo), {**ASKED, "v": picture.version})
    assert (lasting.status_code, lasting["Cache-Control"]) == (302, "private, max-age=300")
    assert lasting["Vary"] == "Cookie, Authorization"


def test_what_is_lost_is_made_anew(
    photo: File, picture: Picture, as_bob: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BLOB_STORES = {
        **settings.BLOB_STORES,
        "cache": {"BACKEND": "storage.memory.MemoryStore", "OPTIONS": {"secret": "s"}},
    }
    content = imagemaking.make(picture, RECIPE)
    get_store(CACHE).delete(picture.cache_key(RECIPE))
    monkeypatch.setattr(bulletin, "expect", lambda topic: lost())
    answer = as_bob.get(path_of(photo), ASKED)
    assert (answer.status_code, body(answer)) == (200, content)
    assert get_store(CACHE).stat(picture.cache_key(RECIPE)).size == len(content)


def lost() -> "Future[dict[str, Any]]":
    """As where Redis is away: pictures are made in this process."""
    told: Future[dict[str, Any]] = Future()
    told.set_result({"lost": True})
    return told


def test_lists_carry_addresses_that_stay(
    photo: File, library: Library, picture: Picture, as_bob: Client, as_alice: Client
) -> None:
    path = f"/api/libraries/{library.pk}/files"
    first, second = (as_bob.get(path).json()["entries"][0] for _ in "ab")
    assert first["images"] == second["images"]
    assert set(first["images"]) == {"search", "timeline", "face", "card", "preview"}
    for name, recipe in picture.variants().items():
        parts = urlsplit(first["images"][name])
        given = {key: value[0] for key, value in parse_qs(parts.query).items()}
        assert given.pop("s") == first["imagePass"]
        assert given.pop("v") == first["imageVersion"] == picture.version
        assert list(given) == sorted(given)
        assert given == {
            "format": recipe.format,
            "height": str(recipe.height),
            "quality": str(recipe.quality),
            "width": str(recipe.width),
        }
        assert parts.path == reverse("api:image", args=(library.pk, photo.pk, photo.name)).replace(",", "%2C")
    assert (first["imageWidth"], first["imageHeight"]) == (120, 80)
    assert as_alice.get(path).json()["entries"][0]["imagePass"] != first["imagePass"]


def test_a_name_cannot_leave_its_address(library: Library, tmp_path: Path, as_bob: Client) -> None:
    name = "a?b#c&d=e%2F'\"\u202e \u00fc\U0001f4f7.jpg"
    file = take_in(library, make_image(tmp_path / "a.jpg", corners()), name).file
    told = as_bob.get(f"/api/libraries/{library.pk}/files/{file.pk}").json()
    parts = urlsplit(told["images"]["search"])
    assert parts.fragment == ""
    assert parts.path.count("/") == 6
    found = find_picture(File.objects.select_related("original").get(pk=file.pk), [])
    assert found is not None
    imagemaking.make(found, found.variants()["search"])
    answer = as_bob.get(told["images"]["search"])
    assert answer.status_code == 200
    assert "\u202e" not in answer["Content-Disposition"]
    assert answer["Content-Disposition"].startswith("inline; filename=")


def test_a_turned_picture_has_another_address(photo: File, library: Library, as_bob: Client) -> None:
    before = card_of(as_bob, photo)
    File.objects.filter(pk=photo.pk).update(rotation=90)
    told = as_bob.get(f"/api/libraries/{library.pk}/files/{photo.pk}").json()
    assert told["imageVersion"].endswith("-90")
    assert (told["imageWidth"], told["imageHeight"]) == (80, 120)
    assert told["images"]["card"] != before
    turned = find_picture(File.objects.select_related("original").get(pk=photo.pk), [])
    assert turned is not None
    imagemaking.make(turned, turned.variants()["card"])
    answer = as_bob.get(told["images"]["card"])
    path = Path(get_store(CACHE).local_path(turned.cache_key(turned.variants()["card"])) or "")
    assert body(answer) == path.read_bytes()
    with Image.open(path) as image:
        assert image.size == (80, 120)


def test_templates_write_what_the_recipes_write() -> None:
    from media.images.recipes import query_of

    for recipe in (RECIPE, Recipe(None, 40), Recipe(quality=1, format="avif")):
        assert addresses.query_of(recipe, "a" * 32, "s" * 22) == query_of(recipe, "a" * 32, "s" * 22)


def test_the_key_is_that_of_the_picture(picture: Picture, cached: bytes) -> None:
    key = cache_key(picture.library_id, picture.version, RECIPE, registered=False)
    assert picture.cache_key(RECIPE) == key
    assert get_store(CACHE).stat(key).size == len(cached)


def test_a_queue_that_is_too_long_is_told_at_once(photo: File, as_bob: Client, settings: Any) -> None:
    settings.IMAGE_QUEUE_LIMIT = 1
    dispatch.redis_client().lpush(imagemaking.QUEUE, "a message")
    answer = as_bob.get(path_of(photo), ASKED)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["Cache-Control"] == "no-store"
    assert dispatch.queue_lengths()[imagemaking.QUEUE] == 1


def test_without_the_front_the_view_waits(
    photo: File, as_bob: Client, cached: bytes, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMAGE_WAIT_SECONDS = 0.2
    asked = {"width": "30", "height": "20"}
    late = as_bob.get(path_of(photo), asked)
    assert (late.status_code, late.json()["code"]) == (503, "timed_out")
    assert (late["Cache-Control"], late["Retry-After"]) == ("no-store", "30")
    assert imageproxy.flights == {}


def test_with_the_front_it_comes_later(photo: File, picture: Picture, as_bob: Client) -> None:
    environment: Any = as_bob.defaults
    environment[FRONT] = True
    answer: Any = as_bob.get(path_of(photo, "b.png"), ASKED)
    assert isinstance(answer, LaterResponse)
    told: list[int] = []
    answer.when_done(told.append)
    content = imagemaking.make(picture, RECIPE)
    final: Any = answer.finish({"ok": True})
    assert (final.status_code, body(final), told) == (200, content, [200])
    assert final["X-Request-ID"] == answer["X-Request-ID"]
    assert final["X-Frame-Options"] == "DENY"
    assert final["Content-Disposition"] == 'inline; filename="b.jpeg"'
    assert "Content-Type" not in answer
    failed: Any = as_bob.get(path_of(photo), {"width": "7"})
    refused: Any = failed.finish({"ok": False, "code": "damaged_file", "message": "Broken.", "status": 422})
    assert (refused.status_code, refused["Cache-Control"]) == (422, "no-store")
    assert refused["Content-Length"] == str(len(refused.content))
    gone: Any = as_bob.get(path_of(photo), {"width": "8"})
    assert len(imageproxy.flights) == 1
    gone.give_up()
    assert imageproxy.flights == {}


def test_access_for_a_web_server_before_us(library: Library, as_bob: Client, as_charlie: Client) -> None:
    path = f"/api/files/proxy-access/{library.pk}"
    assert as_bob.get(path).status_code == 204
    assert as_charlie.get(path).status_code == 403
    assert Client().get(path).status_code == 401
    assert as_bob.get(f"/api/files/proxy-access/{uuid4()}").status_code == 403
