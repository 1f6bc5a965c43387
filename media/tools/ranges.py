"""A loopback server that lets ffmpeg and ffprobe read a blob of a bucket by range, for as long as one run lasts.

It listens on 127.0.0.1, on a free port, and serves one address with a key in it that nobody can guess; where the
system tells whose a connection is, only processes of our own user are let in. Errors of the store are kept for the run:
a program says of a film whose bytes stop coming that it is damaged, which would be a lie.
"""

import hmac
import os
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from media.errors import InfrastructureError
from media.tools.blocks import Blocks, Opener
from media.tools.sources import Loopback

HOST: Final = "127.0.0.1"
SEND_BUFFER: Final = 256 * 1024
"""What the system may hold of an answer that nobody has read yet: all of it was fetched, perhaps for nothing."""
SLOW: Final = 15.0
"""Seconds without a byte from the store after which a program's failure is laid to the store."""
CONNECTIONS: Final = Path("/proc/net/tcp")
RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


class RangeServer:
    """Serves one blob until it is closed. `trouble` tells what went wrong with the store meanwhile."""

    def __init__(self, opener: Opener, size: int) -> None:
        self.blocks = Blocks(opener, size)
        self.path = f"/{secrets.token_urlsafe(32)}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._waiting: dict[int, float] = {}
        self._trouble: Exception | None = None
        self._listener = socket.create_server((HOST, 0), backlog=16)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        port = self._listener.getsockname()[1]
        self.source = Loopback(f"http://{HOST}:{port}{self.path}", size, self._read)
        threading.Thread(target=self._accept, name="ranges", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection. Threads that wait for the store leave as soon as it answers."""
        with suppress(OSError):
            # Wakes the thread in `accept`, which closing alone would not.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def trouble(self) -> Exception | None:
        """The first error of the store, or that it has kept a reader waiting until now."""
        with self._lock:
            waiting = min(self._waiting.values(), default=None)
            found = self._trouble
        if found is None and waiting is not None and time.monotonic() - waiting > SLOW:
            return InfrastructureError(
                f"The store has sent nothing for {SLOW:g} seconds; it is tried again.",
                code="store_unavailable",
            )
        return found

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """Bytes for an answer. What the store raises is noted before it is passed on."""
        with closing(self.blocks.read(start, end)) as blocks:
            while True:
                with self._lock:
                    self._waiting[threading.get_ident()] = time.monotonic()
                try:
                    piece = next(blocks, b"")
                except Exception as error:
                    with self._lock:
                        self._trouble = self._trouble or error
                    raise
                finally:
                    with self._lock:
                        del self._waiting[threading.get_ident()]
                if not piece:
                    return
                yield piece

    def _read(self, start: int, length: int) -> bytes:
        return b"".join(self.blocks.read(start, start + length))

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._answer, args=(connection, address), name="ranges", daemon=True
            ).start()

    def _answer(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            # A client that leaves in the middle of an answer, and a run that ends, both look like this.
            with connection, suppress(OSError):
                if is_ours(address, connection.getsockname()):
                    Answers(connection, address, self)  # type: ignore[arg-type]  # It asks its server for nothing.
        finally:
            with self._lock:
                self._open.discard(connection)


class Answers(BaseHTTPRequestHandler):
    """One connection, kept for as many requests as the client likes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any
    close_connection: bool

    def version_string(self) -> str:
        return "alcoves"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The base class names it so.
        """Nothing: the path carries the key."""

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        if not hmac.compare_digest(self.path.encode(), self.server.path.encode()):
            return self.refuse(HTTPStatus.NOT_FOUND)
        size = self.server.blocks.size
        asked = self.headers.get("Range")
        span = span_of(asked, size)
        if span is None:
            return self.refuse(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, ("Content-Range", f"bytes */{size}")
            )
        start, end = span
        partial = asked is not None and RANGE.fullmatch(asked) is not None
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(end - start))
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        if with_body:
            self.send(start, end)
        return None

    def send(self, start: int, end: int) -> None:
        try:
            for piece in self.server.pieces(start, end):
                self.wfile.write(piece)
        except OSError:
            raise
        except Exception:  # noqa: BLE001  It is noted; the client learns of it by an answer that ends too early.
            self.close_connection = True

    def refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()


def span_of(asked: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the end of what is asked for; None for what lies beyond. Several ranges are as good as none."""
    found = RANGE.fullmatch(asked) if asked else None
    if found is None:
        return 0, size
    first, last, length = found.groups()
    if length:
        start, end = max(0, size - int(length)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None


def is_ours(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """False where the system says that a connection is another user's: what programs are started with can be read
    by everybody on a machine, and the address with its key is part of that.
    """
    try:
        lines = CONNECTIONS.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return True
    # Whatever its state: a client that has closed its own half still reads all that it is sent.
    owners = {(fields[1], fields[2]): fields[7] for fields in map(str.split, lines)}
    ends = named(client), named(server)
    if ends[::-1] not in owners:
        return True  # A table without our own end of it tells nothing.
    return owners.get(ends) == str(os.getuid())


def named(address: tuple[str, int]) -> str:
    """As the kernel writes it: the four bytes as one number of this machine, then the port."""
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"
