"""The front under a real uvicorn: long bodies stream, lost clients free their thread, /healthz never waits."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from alcoves import asgi
from alcoves.asgi import ClientGoneError, Front, Threads

BLOCK = 256 * 1024
DEADLINE = 20.0


class App:
    """A WSGI application that notes what happens to it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.release = threading.Event()
        self.received = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        routes = {"/upload": self.upload, "/endless": self.endless, "/wait": self.wait, "/echo": self.echo}
        return routes[environ["PATH_INFO"]](environ, start)

    def upload(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        try:
            while block := environ["wsgi.input"].read(BLOCK):
                self.received += len(block)
        except ClientGoneError:
            self.seen.append("gone")
            raise
        start("200 OK", [("Content-Type", "text/plain")])
        return [str(self.received).encode()]

    def echo(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read(), environ["QUERY_STRING"].encode()]

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
        front: Any = Front(Threads(app, workers=2, send_queue_size=2))
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
    assert (answer.status_code, answer.text) == (200, "bodya=%C3%BC")


def test_a_long_body_streams_whole(served: Served, app: App) -> None:
    blocks = 100
    answer = httpx.post(
        f"{served.url}/upload", content=(bytes(BLOCK) for _ in range(blocks)), timeout=DEADLINE
    )
    assert answer.text == str(blocks * BLOCK)


def test_a_lost_upload_is_no_short_body(served: Served, app: App) -> None:
    with socket.create_connection(served.address) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + bytes(BLOCK))
        until(lambda: app.received > 0)
    until(lambda: app.seen == ["gone"])


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
    monkeypatch.setattr(asgi, "STALL_SECONDS", 0.3)
    with socket.create_connection(served.address) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + bytes(BLOCK))
        until(lambda: app.seen == ["gone"])


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
