"""Pictures through real web processes and a real worker: made once for all who ask, and shown to members only."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.test import Client
from PIL import Image

from alcoves.accounts.models import User
from media.libraries import remove_member
from media.models import CachedImage, File, Library
from tests.deploy.test_nginx import nginx_before
from tests.ingesting import take_in
from tests.makers import make_image
from tests.workers import Process, answers, free_port, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 30
SAME = (
    "content-type",
    "content-length",
    "etag",
    "last-modified",
    "cache-control",
    "vary",
    "content-security-policy",
    "x-content-type-options",
    "cross-origin-resource-policy",
    "x-frame-options",
    "referrer-policy",
)


@pytest.fixture
def webs(tmp_path: Path) -> Iterator[list[str]]:
    """Two web processes with two threads each, and a worker."""
    with ExitStack() as stack:
        bases = []
        for _ in "ab":
            port = free_port()
            arguments = [
                *("-m", "uvicorn", "alcoves.asgi:application"),
                *("--port", str(port), "--lifespan", "off"),
            ]
            process = Process(arguments, tmp_path, ALCOVES_WEB_THREADS="2")
            stack.callback(process.kill_all)
            bases.append(f"http://127.0.0.1:{port}")
        worker = stack.enter_context(running_worker(tmp_path))
        for base in bases:
            wait_until(partial(answers, f"{base}/healthz"), 60, "web")
        yield [*bases, f"http://127.0.0.1:{worker.port}"]


@pytest.fixture
def photo(library: Library, tmp_path: Path) -> File:
    return take_in(library, make_image(tmp_path / "a.jpg", size=(1600, 1200)), "a.jpg").file


@pytest.fixture
def bobs(bob: User) -> dict[str, str]:
    browser = Client()
    browser.force_login(bob)
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={browser.session.session_key}"}


def images_of(base: str, file: File, headers: dict[str, str]) -> dict[str, str]:
    answer = httpx.get(f"{base}/api/libraries/{file.library_id}/files", headers=headers, timeout=30)
    found: dict[str, str] = answer.json()["entries"][0]["images"]
    return found


def is_refused(url: str, headers: dict[str, str]) -> bool:
    return httpx.get(url, headers=headers, timeout=30).status_code == 404


def test_made_once_for_all_and_shown_to_members(
    webs: list[str], photo: File, bobs: dict[str, str], bob: User, charlie: User, library: Library
) -> None:
    first, second, worker = webs
    address = images_of(first, photo, bobs)["card"]
    with ThreadPoolExecutor(MANY) as pool:
        asked = [
            pool.submit(httpx.get, f"{base}{address}", headers=bobs, timeout=60)
            for base in (first, second)
            for _ in range(MANY // 2)
        ]
        made = [one.result() for one in asked]
    assert {answer.status_code for answer in made} == {200}
    assert len({answer.content for answer in made}) == 1
    assert {answer.headers["cache-control"] for answer in made} == {"private, max-age=31536000, immutable"}
    with Image.open(BytesIO(made[0].content)) as image:
        assert (image.format, image.size) == ("JPEG", (480, 360))
    assert CachedImage.objects.filter(size__gt=0).count() == 1
    transforms = [
        float(line.rpartition(" ")[2])
        for line in httpx.get(f"{worker}/metrics", timeout=30).text.splitlines()
        if line.startswith("alcoves_image_transforms_total{")
    ]
    assert transforms == [1.0]

    stranger = Client()
    stranger.force_login(charlie)
    theirs = {"cookie": f"{settings.SESSION_COOKIE_NAME}={stranger.session.session_key}"}
    for base in (first, second):
        again = httpx.get(f"{base}{address}", headers=bobs, timeout=30)
        assert (again.status_code, again.content) == (200, made[0].content)
        assert httpx.get(f"{base}{address}", headers=theirs, timeout=30).status_code == 404
        assert httpx.get(f"{base}{address}", timeout=30).status_code == 404

    remove_member(library, bob.pk)
    for base in (first, second):
        wait_until(
            partial(is_refused, f"{base}{address}", bobs), 3, "the other process to hear that Bob is out"
        )


def test_clients_that_go_leave_the_threads_to_others(
    webs: list[str], photo: File, bobs: dict[str, str]
) -> None:
    first = webs[0]
    address = images_of(first, photo, bobs)["preview"]
    host, port = urlsplit(first).hostname, urlsplit(first).port
    for number in range(20):
        # Each asks for another size, so that all of them are cold.
        path = address.replace("height=1080", f"height={1000 - number}")
        with socket.create_connection((host, port), timeout=30) as client:
            client.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {bobs['cookie']}\r\n\r\n".encode()
            )
    assert httpx.get(f"{first}/api/auth/me", headers=bobs, timeout=30).status_code == 200
    answer = httpx.get(f"{first}{address}", headers=bobs, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")


def test_what_cannot_be_made_is_told_with_a_reason(
    webs: list[str], library: Library, bobs: dict[str, str], tmp_path: Path
) -> None:
    whole = make_image(tmp_path / "b.jpg", size=(400, 300)).read_bytes()
    file = take_in(library, whole[:300], "broken.jpg").file
    address = images_of(webs[0], file, bobs)["card"]
    answer = httpx.get(f"{webs[0]}{address}", headers=bobs, timeout=60)
    assert answer.status_code == 422
    assert answer.json()["message"].endswith(".")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]


def test_nginx_and_the_web_part_send_the_same(
    webs: list[str], photo: File, bobs: dict[str, str], charlie: User, tmp_path: Path
) -> None:
    web = webs[0]
    address = images_of(web, photo, bobs)["card"]
    assert httpx.get(f"{web}{address}", headers=bobs, timeout=60).status_code == 200
    # It is told before it is kept.
    wait_until(CachedImage.objects.filter(size__gt=0).exists, 30, "the picture in the cache")
    ours = httpx.get(f"{web}{address}", headers=bobs, timeout=30)
    port = urlsplit(web).port or 0
    theirs = {"cookie": bobs["cookie"].replace("=", "=x")}
    with nginx_before(port, tmp_path, tmp_path / "stores") as base:
        cached = httpx.get(f"{base}{address}", headers=bobs, timeout=30)
        assert (cached.status_code, cached.content) == (200, ours.content)
        assert cached.headers["content-disposition"] == "inline", "nginx itself has sent it"
        for name in SAME:
            assert cached.headers[name] == ours.headers[name], name
        cold = httpx.get(f"{base}{images_of(base, photo, bobs)['search']}", headers=bobs, timeout=60)
        assert cold.status_code == 200
        assert cold.headers["content-disposition"].startswith("inline; filename="), "the web part has"
        for stranger in ({}, theirs):
            assert httpx.get(f"{base}{address}", headers=stranger, timeout=30).status_code == 404
