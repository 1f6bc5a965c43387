"""A mirror on 127.0.0.1 that does what mirrors do on bad days, in the order a test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Step: TypeAlias = Callable[["Handler"], None]
PAUSE = threading.Event()
PAGE = b"<!doctype html>\n<html><body>" + b"Sorry. " * 400_000 + b"</body></html>"
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:"
    + b"a" * 64
    + b"\nsize 104857600\n"
    + b" " * 2_000_000
)


class Handler(BaseHTTPRequestHandler):
    """One request: the next step of its path, the last one for ever."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        mirror: Mirror = self.server.mirror
        mirror.asked.append((self.path, dict(self.headers)))
        steps = mirror.steps.get(self.path)
        if not steps:
            answer(404, b"no such file")(self)
            return
        (steps.pop(0) if len(steps) > 1 else steps[0])(self)

    def log_message(self, message: str, *args: Any) -> None:
        """Nothing: pytest shows what matters."""

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def break_off(self) -> None:
        self.wfile.flush()
        self.close_connection = True


@dataclass
class Mirror:
    """What it was asked, and what it answers next."""

    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    steps: dict[str, list[Step]] = field(default_factory=dict)

    def answer(self, path: str, *steps: Step) -> str:
        self.steps[path] = list(steps)
        return self.url + path

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.asked]


@contextmanager
def running_mirror() -> Iterator[Mirror]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mirror = Mirror(f"http://127.0.0.1:{server.server_address[1]}")
    server.mirror = mirror  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(status: int, body: bytes = b"", **headers: str) -> Step:
    """Any status with a body. Underscores in names of headers become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def step(handler: Handler) -> None:
        handler.begin(status, {"Content-Length": str(len(body)), **named})
        handler.wfile.write(body)

    return step


def page() -> Step:
    return answer(200, PAGE, Content_Type="application/octet-stream")


def redirect(target: str, status: int = 302) -> Step:
    return answer(status, Location=target)


def whole(content: bytes, *, etag: str = '"one"', after: int | None = None, pause: float = 0.0) -> Step:
    """The file, with ranges and If-Range as RFC 9110 has them; breaks off `after` so many bytes of an answer."""

    def step(handler: Handler) -> None:
        start = begin_of(handler, etag)
        body = content[start:]
        headers = {"Content-Length": str(len(body)), "ETag": etag, "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.begin(206 if start else 200, headers)
        send(handler, body, after, pause)

    return step


def begin_of(handler: Handler, etag: str) -> int:
    asked = handler.headers.get("Range", "")
    if not asked or handler.headers.get("If-Range", etag) != etag:
        return 0
    return int(asked.removeprefix("bytes=").removesuffix("-"))


def send(handler: Handler, body: bytes, after: int | None, pause: float) -> None:
    try:
        for at in range(0, len(body), 65536):
            if after is not None and at + 65536 > after:
                handler.wfile.write(body[at:after])
                handler.break_off()
                return
            handler.wfile.write(body[at : at + 65536])
            if pause:
                PAUSE.wait(pause)
    except OSError:
        handler.close_connection = True


def ignoring_if_range(content: bytes, etag: str) -> Step:
    """A careless server: goes on where it is asked to, of whatever version it has now."""

    def step(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        body = content[start:]
        told = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.begin(206, {"Content-Length": str(len(body)), "ETag": etag, "Content-Range": told})
        handler.wfile.write(body)

    return step


def endless(block: bytes) -> Step:
    """Without a length, and without an end."""

    def step(handler: Handler) -> None:
        handler.begin(200, {"Connection": "close"})
        try:
            while True:
                handler.wfile.write(block)
        except OSError:
            handler.close_connection = True

    return step


def without_length(content: bytes) -> Step:
    def step(handler: Handler) -> None:
        handler.begin(200, {"Connection": "close"})
        handler.wfile.write(content)
        handler.break_off()

    return step
