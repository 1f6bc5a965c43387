"""The front under a real uvicorn: no slow client holds a thread, files stream, /healthz never waits."""

import asyncio
import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from django.conf import settings
from django.urls import reverse

from alcoves import asgi, asgi_bodies
from alcoves.asgi import Front, Threads
from alcoves.asgi_bodies import ClientGoneError

BLOCK = 256 * 1024
UPLOAD_BLOCK = 16 * 1024
FILE = bytes(range(256)) * 4000
DEADLINE = 20.0


class App:
    """A WSGI application that notes what happens to it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.release = threading.Event()
        self.received = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        routes = {
            "/api/tus": self.upload,
            "/endless": self.endless,
            "/wait": self.wait,
            "/echo": self.echo,
            "/file": self.file,
            "/bad-header": self.bad_header,
        }
        return routes[environ["PATH_INFO"]](environ, start)

    def upload(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        try:
            self.seen.append("begun")
            while block := environ["wsgi.input"].read(UPLOAD_BLOCK):
                self.received += len(block)
        except ClientGoneError:
            self.seen.append("gone")
            raise
        start("200 OK", [("Content-Type", "text/plain")])
        return [str(self.received).encode()]

    def echo(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        told = [environ.get("CONTENT_LENGTH", ""), environ.get("HTTP_TRANSFER_ENCODING", "")]
        return [environ["wsgi.input"].read(), environ["QUERY_STRING"].encode(), ":".join(told).encode()]

    def file(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Type", "application/octet-stream")])
        return environ["wsgi.file_wrapper"](io.BytesIO(FILE), 4096)

    def bad_header(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        start("200 OK", [("X-Version", "1\x00")])
        return self.blocks()

    def endless(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "application/octet-stream")])
        return self.blocks()

    def blocks(self) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(BLOCK)
        finally:
            self.seen.append("closed")

    def wait(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.seen.append("waiting")
        self.release.wait(DEADLINE)
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]


class Served:
    """The front with two threads on a port of its own."""

    def __init__(self, app: Any) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.threads = Threads(app, workers=2)
        front: Any = Front(self.threads)
        self.server = uvicorn.Server(uvicorn.Config(front, lifespan="off", log_config=None, loop="asyncio"))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        asyncio.run(self.server.serve([self.listener]))

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(DEADLINE)
        self.listener.close()


@pytest.fixture
def app() -> Iterator[App]:
    made = App()
    yield made
    made.release.set()


@pytest.fixture
def served(app: App) -> Iterator[Served]:
    made = Served(app)
    yield made
    app.release.set()
    made.stop()


def until(question: Callable[[], bool]) -> None:
    limit = time.monotonic() + DEADLINE
    while not question():
        assert time.monotonic() < limit, "it did not happen in time"
        threading.Event().wait(0.02)


def test_a_request_passes_through(served: Served) -> None:
    answer = httpx.post(f"{served.url}/echo?a=%C3%BC", content=b"body")
    assert (answer.status_code, answer.text) == (200, "bodya=%C3%BC4:")


def test_a_long_body_streams_whole(served: Served, app: App) -> None:
    blocks = 100
    answer = httpx.post(
        f"{served.url}/api/tus", content=(bytes(BLOCK) for _ in range(blocks)), timeout=DEADLINE
    )
    assert answer.text == str(blocks * BLOCK)


def test_a_lost_upload_is_no_short_body(served: Served, app: App) -> None:
    with socket.create_connection(served.address) as client:
        client.sendall(b"POST /api/tus HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + bytes(BLOCK))
        until(lambda: app.received > 0)
    until(lambda: app.seen == ["begun", "gone"])


def test_lost_downloads_give_their_threads_back(served: Served, app: App) -> None:
    for _ in range(4):
        with socket.create_connection(served.address) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100)
    until(lambda: app.seen == ["closed"] * 4)
    assert httpx.get(f"{served.url}/echo").status_code == 200


def test_a_client_that_takes_nothing_loses_its_thread(
    served: Served, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "STALL_SECONDS", 0.3)
    with socket.create_connection(served.address) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: app.seen == ["closed"])


def test_a_client_that_sends_nothing_loses_its_thread(
    served: Served, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi_bodies, "PATIENCE_SECONDS", 0.3)
    with socket.create_connection(served.address) as client:
        client.sendall(b"POST /api/tus HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + bytes(BLOCK))
        until(lambda: app.seen == ["begun", "gone"])


def test_alive_is_told_while_every_thread_is_busy(served: Served, app: App) -> None:
    busy = [
        threading.Thread(target=httpx.get, args=(f"{served.url}/wait",), kwargs={"timeout": DEADLINE})
        for _ in "ab"
    ]
    for thread in busy:
        thread.start()
    until(lambda: app.seen == ["waiting"] * 2)
    answer = httpx.get(f"{served.url}/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert httpx.head(f"{served.url}/healthz").status_code == 200
    app.release.set()
    for thread in busy:
        thread.join()


class Client:
    """A raw connection, for what no library sends."""

    def __init__(self, served: Served) -> None:
        self.socket = socket.create_connection(served.address, timeout=DEADLINE)

    def send(self, method: str, path: str, headers: str, body: bytes = b"") -> "Client":
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body)
        return self

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and a body with a Content-Length."""
        file = self.socket.makefile("rb")
        status = int(file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, file.read(int(headers["content-length"]))

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def connect(served: Served) -> Iterator[Callable[[], Client]]:
    with contextlib.ExitStack() as stack:

        def make() -> Client:
            return stack.enter_context(contextlib.closing(Client(served)))

        yield make


def chunked(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def test_bodies_that_do_not_come_hold_no_thread(served: Served, connect: Callable[[], Client]) -> None:
    for _ in range(10):
        connect().send("POST", "/echo", "Content-Length: 100\r\n", b"{")
    assert httpx.post(f"{served.url}/echo", content=b"here", timeout=DEADLINE).text == "here4:"


def test_a_body_that_does_not_come_is_told_so(
    connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi_bodies, "BODY_SECONDS", 0.3)
    status, headers, body = connect().send("POST", "/echo", "Content-Length: 100\r\n", b"{").answer()
    assert (status, headers["connection"]) == (408, "close")
    assert json.loads(body) == {
        "code": "body_too_slow",
        "message": "The body of this request did not come within 0.3 seconds. Send it again.",
    }


def test_a_body_in_chunks_arrives_with_its_size(connect: Callable[[], Client]) -> None:
    client = connect().send("POST", "/echo", "Transfer-Encoding: chunked\r\n", chunked(b'{"a": 1}'))
    with client.socket.makefile("rb") as file:
        lines = iter(file.readline, b"0\r\n")
        assert b'{"a": 1}8:' in b"".join(lines)


def test_a_declared_body_over_the_limit_is_refused_unread(connect: Callable[[], Client]) -> None:
    size = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
    status, headers, body = connect().send("POST", "/echo", f"Content-Length: {size}\r\n").answer()
    assert (status, headers["content-type"]) == (413, "application/json")
    assert json.loads(body)["code"] == "body_too_large"


def test_a_body_in_chunks_over_the_limit_is_refused(connect: Callable[[], Client]) -> None:
    body = chunked(bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    assert connect().send("POST", "/echo", "Transfer-Encoding: chunked\r\n", body).answer()[0] == 413


def test_a_body_at_the_limit_passes(served: Served) -> None:
    size = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    answer = httpx.post(f"{served.url}/echo", content=bytes(size), timeout=DEADLINE)
    assert answer.content == bytes(size) + f"{size}:".encode()


def test_all_waiting_bodies_together_have_a_limit(
    served: Served, connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi_bodies, "MOST_WAITING", BLOCK)
    room = served.threads.room
    first = connect().send("POST", "/echo", "Content-Length: 1000000\r\n", bytes(BLOCK))
    until(lambda: room.held > 0)
    refused = httpx.post(f"{served.url}/echo", content=bytes(2 * BLOCK), timeout=DEADLINE)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert httpx.post(f"{served.url}/echo", content=b"small").status_code == 200
    first.close()
    until(lambda: room.held == 0)
    assert httpx.post(f"{served.url}/echo", content=bytes(BLOCK)).status_code == 200


def test_uploads_leave_threads_to_others(
    served: Served, app: App, connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "SLOT_SECONDS", 0.3)
    first = connect().send("PATCH", "/api/tus", "Content-Length: 9000000\r\n", b"{")
    until(lambda: app.seen == ["begun"])
    status, headers, body = connect().send("PATCH", "/api/tus", "Content-Length: 1\r\n", b"{").answer()
    assert (status, headers["retry-after"], json.loads(body)["code"]) == (503, "5", "uploads_busy")
    assert httpx.get(f"{served.url}/echo").status_code == 200
    first.close()
    until(lambda: app.seen == ["begun", "gone"])
    assert httpx.patch(f"{served.url}/api/tus", content=b"abc").text == "3"


def test_a_trickling_upload_loses_its_thread(
    app: App, connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi_bodies, "PATIENCE_SECONDS", 0.5)
    client = connect().send("POST", "/api/tus", "Content-Length: 9000000\r\n")
    until(lambda: app.seen == ["begun"])

    def gone_after_one_more() -> bool:
        with contextlib.suppress(OSError):
            client.socket.sendall(b"x")
        return app.seen == ["begun", "gone"]

    until(gone_after_one_more)


def test_slow_readers_hold_no_thread(served: Served, connect: Callable[[], Client]) -> None:
    for _ in range(10):
        assert connect().send("GET", "/endless", "").socket.recv(100)
    assert httpx.get(f"{served.url}/echo", timeout=DEADLINE).status_code == 200


def test_a_file_arrives_whole(served: Served) -> None:
    assert httpx.get(f"{served.url}/file").content == FILE


def test_an_answer_that_cannot_be_sent_is_a_500(served: Served, app: App) -> None:
    answer = httpx.get(f"{served.url}/bad-header", timeout=DEADLINE)
    assert (answer.status_code, answer.json()["code"]) == (500, "error")
    assert app.seen == ["closed"]


def test_whatever_goes_wrong_in_sending_ends_the_connection(
    served: Served, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_(self: Any, block: bytes) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(asgi.Listener, "take", break_)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{served.url}/endless", timeout=DEADLINE)
    until(lambda: app.seen == ["closed"])


def test_every_way_in_for_files_streams() -> None:
    key = "00000000-0000-0000-0000-000000000000"
    ways = [
        ("POST", reverse("api:tus")),
        ("PATCH", reverse("api:tus-upload", args=[key])),
        ("PUT", reverse("api:files-upload-signed")),
        ("POST", reverse("api:files", args=[key])),
        ("POST", reverse("api:upload-poster", args=[key, key])),
    ]
    assert all(asgi_bodies.is_upload(scope(method, path)) for method, path in ways)
    others = [
        ("PATCH", reverse("api:library", args=[key])),
        ("POST", reverse("api:purge", args=[key])),
        ("POST", reverse("api:poster", args=[key, key])),
    ]
    assert not any(asgi_bodies.is_upload(scope(method, path)) for method, path in others)


def scope(method: str, path: str) -> dict[str, Any]:
    return {"method": method, "path": path, "headers": [(b"content-length", b"1")]}
