"""The whole web process as it is started: what strangers send cannot stop it, and chunked bodies count."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from alcoves.accounts.models import AccessToken, User
from media.libraries import create_library
from tests.workers import Process, answers, free_port, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    number = free_port()
    arguments = ["-m", "uvicorn", "alcoves.asgi:application", "--port", str(number), "--lifespan", "off"]
    process = Process(arguments, tmp_path, ALCOVES_WEB_THREADS="4")
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{number}/healthz"), 30, "web")
        yield number
    finally:
        process.kill_all()


def ask(
    port: int, method: str, path: str, token: str = "", body: Any = None, more: Any = None
) -> tuple[int, dict[str, str], bytes]:
    """A body that is an iterator goes out in chunks."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    headers |= more or {}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def test_a_body_in_chunks_counts_like_any_other(port: int) -> None:
    owner = User.objects.create_user("owner@example.org", "owner-password")
    library = create_library(owner, "Before")
    _, token = AccessToken.issue(owner, "chunks")
    path = f"/api/libraries/{library.pk}"
    status, _, content = ask(port, "PATCH", path, token, iter([b'{"name": ', b'"After"}']))
    assert (status, json.loads(content)["name"]) == (200, "After")
    library.refresh_from_db()
    assert library.name == "After"

    long = iter([b'{"name": "', b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE, b'"}'])
    status, _, content = ask(port, "PATCH", path, token, long)
    assert (status, json.loads(content)["code"]) == (413, "body_too_large")
    library.refresh_from_db()
    assert library.name == "After"


def test_a_picture_of_oneself_may_be_longer_than_other_bodies(port: int) -> None:
    _, token = AccessToken.issue(User.objects.create_user("face@example.org", "face-password"), "face")
    png = b"\x89PNG\r\n\x1a\n" + bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for content, code in ((png, 400), (png * 5, 413)):
        body = head + content + b"\r\n--x--\r\n"
        status, _, said = ask(port, "POST", "/api/auth/me/avatar", token, body, kind)
        assert (status, "picture" in json.loads(said)["message"]) == (code, True)


def test_strangers_who_send_slowly_stop_nobody(port: int) -> None:
    ways = [
        ("POST", "/api/auth/login"),
        ("POST", "/api/tus"),
        ("POST", "/api/libraries/00000000-0000-0000-0000-000000000000/files"),
        ("PUT", "/api/files/upload-signed?token=x"),
    ]
    with ExitStack() as stack:
        for method, path in ways * 10:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            kind = "multipart/form-data; boundary=x" if path.endswith("files") else "application/json"
            client.sendall(
                f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
                f"Content-Length: 100\r\n\r\n{{".encode()
            )
        assert ask(port, "GET", "/api/capabilities")[0] in {200, 401, 403}
        # A way in for files turns strangers away before it reads what they send.
        assert ask(port, "POST", "/api/tus", body=b"{}")[0] in {401, 403}


def test_the_schema_gives_no_parameter_back_in_a_header(port: int) -> None:
    for version in ("%00", "%01", "%7f", "v9"):
        status, headers, _ = ask(port, "GET", f"/api/schema/?version={version}")
        assert status in {200, 400}
        assert "v9" not in headers.get("content-disposition", "")
