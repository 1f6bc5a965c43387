"""Pictures by the front: the same answers as Django's, without Django; cold ones are waited for without a thread."""

import asyncio
import base64
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from alcoves import asgi, asgi_bodies, asgi_images, locks, metrics
from alcoves.accounts.models import AccessToken, User
from alcoves.wsgi import application as django_application
from media import bulletin, dispatch, imagecache, imagemaking, imageproxy, passes, tasks
from media.images.recipes import Recipe, query_of
from media.libraries import remove_member
from media.models import CachedImage, File, Library, Original
from media.passes import Known
from media.pictures import Picture, find_picture
from storage.registry import get_store
from tests.alcoves.test_asgi import Served
from tests.ingesting import take_in
from tests.makers import corners, make_image
from tests.workers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
OWN = {"date", "server", "x-request-id", "x-trace-id", "connection"}
"""Headers of the server, and the one that is new in every answer."""


class Counting:
    """Django, and how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, environ: Any, start: Callable[..., Any]) -> Any:
        self.count += 1
        try:
            return django_application(environ, start)
        finally:
            # An answer that streams is closed in another thread, and nobody would close this one's connection.
            connections.close_all()


@pytest.fixture(autouse=True)
def own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_known", Known())
    wait_until(bulletin.alive, 10, "the bulletin")


@pytest.fixture
def django() -> Counting:
    return Counting()


@pytest.fixture
def front(django: Counting) -> Iterator[Served]:
    made = Served(django)
    yield made
    made.stop()
    leave_together(made.threads.executor)


def leave_together(executor: Any) -> None:
    """Cold pictures are asked for in these two threads, and nobody else closes their connections."""
    both = threading.Barrier(2)

    def leave() -> None:
        both.wait(10)
        connections.close_all()

    for done in [executor.submit(leave) for _ in "ab"]:
        done.result(10)


@pytest.fixture
def photo(library: Library, tmp_path: Path) -> File:
    file = take_in(library, make_image(tmp_path / "a.jpg", corners()), "Tag 1 (ü).JPG").file
    Original.objects.filter(pk=file.original_id).update(width=120, height=80)
    return File.objects.select_related("original").get(pk=file.pk)


@pytest.fixture
def picture(photo: File) -> Picture:
    found = find_picture(photo, [])
    assert found is not None
    return found


@pytest.fixture
def bobs(bob: User) -> dict[str, str]:
    """The headers of a browser of Bob."""
    browser = Client()
    browser.force_login(bob)
    return {"cookie": f"other=1; {django_settings.SESSION_COOKIE_NAME}={browser.session.session_key}"}


def told(front: Served, file: File, headers: dict[str, str]) -> dict[str, Any]:
    answer = httpx.get(f"{front.url}/api/libraries/{file.library_id}/files/{file.pk}", headers=headers)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def card(front: Served, photo: File, picture: Picture, bobs: dict[str, str], django: Counting) -> str:
    """The signed address of a picture that is in the cache."""
    imagemaking.make(picture, picture.variants()["card"])
    address: str = told(front, photo, bobs)["images"]["card"]
    django.count = 0
    return address


def without_the_front(method: str, address: str, headers: dict[str, str]) -> httpx.Response:
    """What the Django view answers to the same request."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=asgi.Threads(Counting(), workers=1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, address, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("accelerated", [False, True])
def test_both_answer_the_same_header_by_header(
    accelerated: bool,
    front: Served,
    photo: File,
    picture: Picture,
    bobs: dict[str, str],
    django: Counting,
    settings: Any,
) -> None:
    settings.X_ACCEL_PREFIX = "/internal-blobs" if accelerated else ""
    addresses = told(front, photo, bobs)["images"]
    asked = django.count
    for variant, method in product(("card", "timeline"), ("GET", "HEAD")):
        recipe = picture.variants()[variant]
        content = imagemaking.make(picture, recipe)
        tag = f'"{picture.version}-{recipe.text}"'
        for given, status in ((None, 200), ('"x"', 200), (tag, 304), (f'"x", W/{tag}', 304), ("*", 304)):
            headers = {**bobs, **({"if-none-match": given} if given else {})}
            ours = httpx.request(method, front.url + addresses[variant], headers=headers)
            theirs = without_the_front(method, addresses[variant], headers)
            assert ours.status_code == theirs.status_code == status
            mine, others = (
                {name: value for name, value in answer.headers.items() if name not in OWN}
                for answer in (ours, theirs)
            )
            assert mine == others
            assert len(ours.headers["x-request-id"]) == len(theirs.headers["x-request-id"]) == 32
            empty = method == "HEAD" or accelerated or status == 304
            assert ours.content == theirs.content == (b"" if empty else content)
    assert django.count == asked, "Django was asked"


def test_a_token_does_as_well_and_a_name_is_kept(
    front: Served, photo: File, card: str, bob: User, django: Counting
) -> None:
    _, secret = AccessToken.issue(bob, "program")
    headers = {"authorization": f"Bearer {secret}", "x-request-id": "abcdefgh-1"}
    address = told(front, photo, headers)["images"]["card"]
    assert address != card
    django.count = 0
    answer = httpx.get(front.url + address, headers=headers)
    assert (answer.status_code, django.count) == (200, 0)
    assert answer.headers["x-request-id"] == "abcdefgh-1"


def test_free_sizes_are_answered_and_their_use_is_noted(
    front: Served, photo: File, picture: Picture, card: str, bobs: dict[str, str], django: Counting
) -> None:
    recipe = Recipe(33, None, 50, "webp")
    content = imagemaking.make(picture, recipe)
    signature = card.partition("&s=")[2][:22]
    CachedImage.objects.update(used_at=timezone.now() - timedelta(days=9))
    imagecache.uses.flush()
    imagecache.uses._noted.clear()
    address = urlsplit(card).path + "?" + query_of(recipe, picture.version, signature)
    answer = httpx.get(front.url + address, headers=bobs)
    assert (answer.content, django.count) == (content, 0)
    assert imagecache.uses.flush() == 1
    row = CachedImage.objects.get(key=picture.cache_key(recipe))
    assert timezone.now() - row.used_at < timedelta(minutes=5)


def changed(card: str, old: str, new: str) -> str:
    assert old in card
    return card.replace(old, new)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda card: re.sub("&s=[^&]*", "", card), 200),
        (lambda card: re.sub("&v=[^&]*", "", card), 200),
        (lambda card: card + "&x=1", 200),
        (lambda card: changed(card, "format=jpeg&", ""), 200),
        (lambda card: changed(card, "format=jpeg", "format=jpg"), 200),
        (lambda card: changed(card, "quality=82", "quality=082"), 200),
        (lambda card: changed(card, "/api/files/", "/api//files/"), 404),
        (lambda card: changed(card, "JPG?", "JPG/?"), 404),
        (lambda card: changed(card, "JPG?", "JPG%00?"), 400),
        (lambda card: changed(card, "&v=", "&v=../../"), 200),
        (lambda card: changed(card, "&s=", "&s=x"), 200),
        (lambda card: card.upper().replace("/API/FILES/PROXY", "/api/files/proxy"), 404),
    ],
)
def test_what_is_unusual_goes_to_django(
    change: Callable[[str], str],
    status: int,
    front: Served,
    card: str,
    picture: Picture,
    bobs: dict[str, str],
    django: Counting,
) -> None:
    answer = httpx.get(front.url + change(card), headers=bobs)
    assert (answer.status_code, django.count) == (status, 1)
    if status == 200:
        assert ("immutable" in answer.headers["cache-control"]) == (f"&v={picture.version}" in change(card))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"range": "bytes=0-9"}, 206),
        ({"if-modified-since": "Sun, 06 Nov 2050 08:49:37 GMT"}, 304),
        ({"host": "bad host"}, 400),
        ({"authorization": "Basic eDp5"}, 200),
        ({"content-length": "2"}, 200),
    ],
)
def test_so_do_unusual_headers(
    headers: dict[str, str], status: int, front: Served, card: str, bobs: dict[str, str], django: Counting
) -> None:
    content = b"ab" if "content-length" in headers else None
    answer = httpx.request("GET", front.url + card, headers={**bobs, **headers}, content=content)
    assert (answer.status_code, django.count) == (status, 1)


def test_others_get_nothing_by_the_same_address(
    front: Served, card: str, bobs: dict[str, str], charlie: User, django: Counting
) -> None:
    name = django_settings.SESSION_COOKIE_NAME
    stranger = Client()
    stranger.force_login(charlie)
    theirs = f"{name}={stranger.session.session_key}"
    _, secret = AccessToken.issue(charlie, "program")
    mine = bobs["cookie"].partition("; ")[2]
    tries = [
        {},
        {"cookie": theirs},
        {"cookie": f"{name}=x"},
        {"cookie": f"{name}="},
        {"cookie": f"{mine}; {theirs}"},
        {"cookie": f"x{mine}"},
        {"cookie": f"y=1,{mine}"},
        {"authorization": f"Bearer {secret}"},
        {"authorization": "Bearer wrong"},
        {**bobs, "authorization": f"Bearer {secret}"},
    ]
    for headers in tries:
        answer = httpx.get(front.url + card, headers=headers)
        assert answer.status_code == 404, headers
        assert answer.headers["cache-control"] == "no-store"
    assert django.count == len(tries)
    assert httpx.get(front.url + card, headers=bobs).status_code == 200
    assert django.count == len(tries)


def test_who_is_out_is_out_at_once(
    front: Served, photo: File, card: str, bobs: dict[str, str], bob: User, library: Library, django: Counting
) -> None:
    _, secret = AccessToken.issue(bob, "program")
    program = {"authorization": f"Bearer {secret}"}
    other = told(front, photo, program)["images"]["card"]
    assert httpx.get(front.url + other, headers=program).status_code == 200
    AccessToken.objects.filter(user=bob).delete()
    assert httpx.get(front.url + other, headers=program).status_code == 404
    assert httpx.get(front.url + card, headers=bobs).status_code == 200
    remove_member(library, bob.pk)
    before = django.count
    assert httpx.get(front.url + card, headers=bobs).status_code == 404
    assert django.count == before + 1


def test_a_session_ends_however_it_is_left(
    front: Served, photo: File, card: str, bob: User, charlie: User, django: Counting
) -> None:
    ways: list[Callable[[Client], object]] = [
        lambda browser: browser.post("/api/auth/logout"),
        lambda browser: browser.logout(),
        # Without a word of goodbye: Django takes the old session away.
        lambda browser: browser.force_login(charlie),
    ]
    for leave in ways:
        browser = Client()
        browser.force_login(bob)
        headers = {"cookie": f"{django_settings.SESSION_COOKIE_NAME}={browser.session.session_key}"}
        own = told(front, photo, headers)["images"]["card"]
        before = django.count
        assert httpx.get(front.url + own, headers=headers).status_code == 200
        assert django.count == before, "it is remembered"
        leave(browser)
        assert httpx.get(front.url + own, headers=headers).status_code == 404


def test_what_is_kept_of_an_address_is_short(
    front: Served, card: str, bobs: dict[str, str], django: Counting
) -> None:
    asgi_images.known_headers.cache_clear()
    asgi_images.is_known_host.cache_clear()
    folder, query = card.split("?")
    folder = folder.rpartition("/")[0]
    for number in range(3):
        address = f"{folder}/{number}{'x' * 255}?{query}"
        assert httpx.get(front.url + address, headers=bobs).status_code == 200
        host = {"host": f"{number}.{'x' * 300}.example.org"}
        assert httpx.get(front.url + card, headers={**bobs, **host}).status_code in {200, 400}
    assert django.count == 6
    assert asgi_images.known_headers.cache_info().currsize == 0
    assert asgi_images.is_known_host.cache_info().currsize == 0
    assert httpx.get(f"{front.url}{folder}/{'x' * 255}?{query}", headers=bobs).status_code == 200
    assert django.count == 6


@pytest.mark.parametrize("error", [BlockingIOError, OSError])
def test_what_is_not_in_memory_is_read_by_a_thread(
    error: type[OSError],
    front: Served,
    card: str,
    picture: Picture,
    bobs: dict[str, str],
    django: Counting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: Any) -> int:
        raise error

    content = httpx.get(front.url + card, headers=bobs).content
    names: list[str] = []
    read = asgi_images.read_whole

    def noted(path: str) -> bytes | None:
        names.append(threading.current_thread().name)
        return read(path)

    monkeypatch.setattr(os, "preadv", refuse)
    monkeypatch.setattr(asgi_images, "read_whole", noted)
    assert httpx.get(front.url + card, headers=bobs).content == content
    assert (len(names), django.count) == (1, 0)
    assert names[0].startswith("asyncio")
    # It may leave the cache in that very moment: then Django answers.
    monkeypatch.setattr(asgi_images, "read_whole", lambda path: None)
    monkeypatch.undo()
    assert httpx.get(front.url + card, headers=bobs).content == content


def test_a_long_one_is_sent_in_pieces(
    front: Served, card: str, picture: Picture, bobs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = httpx.get(front.url + card, headers=bobs).content
    monkeypatch.setattr(asgi, "AT_ONCE", 10)
    monkeypatch.setattr(asgi, "PIECE", 100)
    answer = httpx.get(front.url + card, headers=bobs)
    assert (answer.content, answer.headers["content-length"]) == (content, str(len(content)))


def test_a_client_that_takes_nothing_of_it_is_left(
    front: Served, card: str, bobs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[bool] = []

    async def never(self: asgi.Listener, block: bytes) -> None:
        left.append(True)
        raise asgi_bodies.ClientGoneError("It took nothing.")

    monkeypatch.setattr(asgi, "AT_ONCE", 10)
    monkeypatch.setattr(asgi.Listener, "take", never)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(front.url + card, headers=bobs)
    assert left == [True]


def test_a_link_in_the_cache_is_not_followed(
    front: Served, card: str, picture: Picture, bobs: dict[str, str], tmp_path: Path, settings: Any
) -> None:
    root = Path(settings.BLOB_STORES["cache"]["OPTIONS"]["root"])
    blob = root / picture.cache_key(picture.variants()["card"])
    blob.unlink()
    (tmp_path / "secret").write_bytes(b"secret")
    blob.symlink_to(tmp_path / "secret")
    settings.IMAGE_WAIT_SECONDS = 0.2
    answer = httpx.get(front.url + card, headers=bobs)
    assert answer.status_code != 200
    assert b"secret" not in answer.content


def test_hits_are_counted_by_their_route(front: Served, card: str, bobs: dict[str, str]) -> None:
    httpx.get(front.url + card, headers=bobs)
    lines = metrics.render().decode().splitlines()
    route = 'route="api/files/proxy/<uuid:library_id>/<uuid:file_id>/<str:filename>"'
    counted = [line for line in lines if route in line and 'status="200"' in line and "_count" in line]
    assert counted
    assert float(counted[0].rpartition(" ")[2]) >= 1


def test_a_permission_for_nginx_has_no_headers_and_a_refusal_has(
    front: Served, photo: File, bobs: dict[str, str]
) -> None:
    path = f"{front.url}/api/files/proxy-access/{photo.library_id}"
    permits = httpx.get(path, headers=bobs)
    assert (permits.status_code, set(permits.headers) - {"date", "server"}) == (204, set())
    refuses = httpx.get(f"{front.url}/api/files/proxy-access/{photo.pk}", headers=bobs)
    assert (refuses.status_code, refuses.headers["x-frame-options"]) == (403, "DENY")


def test_cold_pictures_hold_no_thread(
    front: Served, photo: File, picture: Picture, bobs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[object] = []
    wait_for = asgi.Listener.wait_for

    async def noted(listener: asgi.Listener, later: Any) -> Any:
        waiting.append(later)
        return await wait_for(listener, later)

    monkeypatch.setattr(asgi.Listener, "wait_for", noted)
    address = told(front, photo, bobs)["images"]["preview"]
    recipe = picture.variants()["preview"]
    answers: list[httpx.Response] = []
    clients = [
        threading.Thread(
            target=lambda: answers.append(httpx.get(front.url + address, headers=bobs, timeout=20))
        )
        for _ in range(12)
    ]
    for client in clients:
        client.start()
    wait_until(lambda: len(waiting) == 12, 10, "all to wait")
    # Both threads of this server are free, while twelve wait.
    assert httpx.get(f"{front.url}/api/auth/me", headers=bobs, timeout=5).status_code == 200
    content = imagemaking.make(picture, recipe)
    bulletin.post(picture.cache_key(recipe), ok=True)
    for client in clients:
        client.join(20)
    assert [answer.content for answer in answers] == [content] * 12
    assert {answer.headers["cache-control"] for answer in answers} == {"private, max-age=31536000, immutable"}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 12
    assert {answer.headers["x-frame-options"] for answer in answers} == {"DENY"}
    assert imageproxy.flights == {}


@contextmanager
def working() -> Iterator[None]:
    """A worker, as far as pictures go."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.01):
            message = dispatch.redis_client().rpop("imageproxy")
            if message is not None:
                tasks.make_image(*json.loads(base64.b64decode(json.loads(message)["body"]))[0])
        connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    ended.set()
    worker.join(20)


def forget_picture(picture: Picture, recipe: Recipe) -> None:
    key = picture.cache_key(recipe)
    lock = locks.PREFIX + imagemaking.lock_name(key)
    wait_until(lambda: not dispatch.redis_client().exists(lock), 10, "it to be kept")
    get_store("cache").delete(key)
    dispatch.redis_client().delete(*(name(key) for name in (imagemaking.transient_key, imagemaking.bad_key)))


def by_both(front: Served, address: str, headers: dict[str, str]) -> list[httpx.Response]:
    return [
        httpx.get(front.url + address, headers=headers, timeout=20),
        without_the_front("GET", address, headers),
    ]


def assert_same(ours: httpx.Response, djangos: httpx.Response) -> None:
    assert ours.status_code == djangos.status_code
    assert ours.content == djangos.content
    assert headers_of(ours) == headers_of(djangos)


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OWN}


@pytest.mark.parametrize("variant", ["card", "timeline"])
def test_a_cold_one_is_answered_as_by_django(
    variant: str, front: Served, photo: File, picture: Picture, bobs: dict[str, str], django: Counting
) -> None:
    address, recipe = told(front, photo, bobs)["images"][variant], picture.variants()[variant]
    asked = django.count
    with working():
        ours = httpx.get(front.url + address, headers={**bobs, "x-request-id": "front-12"}, timeout=20)
        forget_picture(picture, recipe)
        djangos = without_the_front("GET", address, bobs)
    assert django.count == asked
    assert (ours.status_code, ours.headers["x-request-id"]) == (200, "front-12")
    assert_same(ours, djangos)


def test_what_cannot_be_shown_is_told_as_by_django(
    front: Served, photo: File, picture: Picture, bobs: dict[str, str], settings: Any
) -> None:
    address, recipe = told(front, photo, bobs)["images"]["card"], picture.variants()["card"]
    answers = []
    settings.IMAGE_QUEUE_LIMIT = 0
    answers += by_both(front, address, bobs)
    settings.IMAGE_QUEUE_LIMIT = 10
    bad = {"ok": False, "code": "damaged_file", "message": "It is broken.", "status": 422}
    dispatch.redis_client().set(imagemaking.bad_key(picture.cache_key(recipe)), json.dumps(bad))
    answers += by_both(front, address, bobs)
    Original.objects.filter(pk=photo.original_id).update(width=40_000, height=40_000)
    answers += by_both(front, address, bobs)
    Original.objects.filter(pk=photo.original_id).update(kind="other")
    answers += by_both(front, address, bobs)
    File.objects.filter(pk=photo.pk).delete()
    answers += by_both(front, address, bobs)
    for ours, djangos in batched(answers):
        assert_same(ours, djangos)
        assert ours.headers["cache-control"] == "no-store"
    assert [answer.status_code for answer in answers[::2]] == [503, 422, 422, 404, 404]
    assert "retry-after" in answers[0].headers
    assert imageproxy.flights == {}


def batched(answers: list[httpx.Response]) -> Iterator[tuple[httpx.Response, httpx.Response]]:
    return zip(answers[::2], answers[1::2], strict=True)


def test_a_failure_that_was_waited_for_is_told_as_by_django(
    front: Served, photo: File, picture: Picture, bobs: dict[str, str]
) -> None:
    address, recipe = told(front, photo, bobs)["images"]["card"], picture.variants()["card"]
    get_store("files").delete(picture.key)
    answers = []
    with working():
        answers.append(httpx.get(front.url + address, headers=bobs, timeout=20))
        forget_picture(picture, recipe)
        answers.append(without_the_front("GET", address, bobs))
    assert answers[0].json()["code"] == "source_missing"
    assert_same(*answers)


def test_a_connection_that_was_cut_is_replaced(
    front: Served, photo: File, picture: Picture, bobs: dict[str, str]
) -> None:
    images = told(front, photo, bobs)["images"]
    with working():
        for variant in ("card", "timeline", "preview"):
            answer = httpx.get(front.url + images[variant], headers=bobs, timeout=20)
            assert answer.status_code == 200
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%rotation%'"
                )


def test_a_client_that_goes_leaves_nothing(
    front: Served, photo: File, picture: Picture, bobs: dict[str, str]
) -> None:
    address = told(front, photo, bobs)["images"]["preview"]
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(front.url + address, headers=bobs, timeout=0.5)
    wait_until(lambda: imageproxy.flights == {}, 10, "to be forgotten")
    assert bulletin.topics() == 0


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (
            {"ok": False, "code": "damaged_file", "message": "It is broken.", "status": 422},
            422,
            "damaged_file",
        ),
        (None, 503, "timed_out"),
    ],
)
def test_what_cannot_be_made_is_told(
    outcome: dict[str, Any] | None,
    status: int,
    code: str,
    front: Served,
    photo: File,
    picture: Picture,
    bobs: dict[str, str],
    settings: Any,
) -> None:
    settings.IMAGE_WAIT_SECONDS = 10 if outcome else 0.3
    address = told(front, photo, bobs)["images"]["preview"]
    answers: list[httpx.Response] = []
    client = threading.Thread(
        target=lambda: answers.append(httpx.get(front.url + address, headers=bobs, timeout=20))
    )
    client.start()
    if outcome:
        wait_until(lambda: imageproxy.flights, 10, "it to wait")
        bulletin.post(picture.cache_key(picture.variants()["preview"]), **outcome)
    client.join(20)
    assert (answers[0].status_code, answers[0].json()["code"]) == (status, code)
    assert answers[0].headers["cache-control"] == "no-store"
    assert answers[0].headers["x-request-id"]
    assert imageproxy.flights == {}
