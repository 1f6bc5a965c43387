"""How the body of a request reaches Django: read whole before a thread is taken, or streamed on the ways in for files.

A thread that waits for a client is a thread that others lack. So bodies of ordinary requests, which are small, are
read in the event loop. Files are too big for that: they stream, in a limited number of threads and not too slowly.
"""

import asyncio
import io
import json
import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeAlias
from uuid import uuid4

from a2wsgi.wsgi import Body
from django.conf import settings

Scope: TypeAlias = Any
"""A dictionary, by the ASGI specification. a2wsgi's own types are stricter than what servers send."""
Receive: TypeAlias = Any
Send: TypeAlias = Any

UPLOADS = re.compile(
    r"\w+ /api/tus(?:/.*)?|PUT /api/files/upload-signed"
    r"|POST /api/(?:libraries/[^/]+/files(?:/[^/]+/poster/upload)?|auth/me/avatar)",
    re.ASCII,
)
"""The ways in for files, as method and path. Nothing else may bring a body over the limit."""

BODY_SECONDS = 15.0
"""How long an ordinary body may take in all."""
PATIENCE_SECONDS = 60.0
"""How long the client of a file may keep a thread waiting; what it sends gives it time back, at SLOWEST_RATE."""
SLOWEST_RATE = 1024
"""Bytes a second."""
LINGER_SECONDS = 2.0
"""How long we go on reading after a refusal: a client that is still sending would lose our answer otherwise."""
SMALL = 64 * 1024
"""Bytes of a body that the server holds anyway; they are not counted, so that a login always finds room."""
MOST_WAITING = 64 * 1024 * 1024
"""Bytes that all ordinary bodies of this process may have beyond that."""


class ClientGoneError(ConnectionError):
    """The client closed the connection, or neither sent nor took anything for too long."""


class RefusedError(Exception):
    """A request that Django never sees. The sentence is for the client."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.content = json.dumps({"code": code, "message": message}).encode()
        self.retry_after = retry_after


def too_large() -> RefusedError:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    message = (
        f"The body of this request may have {limit} bytes at most. Send less at once; files go to /api/tus."
    )
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", message)


def too_slow() -> RefusedError:
    message = f"The body of this request did not come within {BODY_SECONDS:g} seconds. Send it again."
    return RefusedError(HTTPStatus.REQUEST_TIMEOUT, "body_too_slow", message)


def no_room() -> RefusedError:
    message = "Too many requests with a big body are under way. Send it again in a moment."
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", message, retry_after=5)


def no_thread() -> RefusedError:
    message = "As many uploads are under way as this server takes at once. Send it again in a moment."
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "uploads_busy", message, retry_after=5)


async def refuse(refused: RefusedError, receive: Receive, send: Send) -> None:
    """The answer is on its way at once; then the connection ends, as nobody will read the rest of the body."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(refused.content)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    name = uuid4().hex.encode()
    headers += [(b"x-request-id", name), (b"x-trace-id", name)]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(refused.retry_after).encode()))
    await send({"type": "http.response.start", "status": int(refused.status), "headers": headers})
    await send({"type": "http.response.body", "body": refused.content, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b""})


def is_upload(scope: Scope) -> bool:
    return has_body(scope) and UPLOADS.fullmatch(f"{scope['method']} {scope['path']}") is not None


def has_body(scope: Scope) -> bool:
    names = {name for name, value in scope["headers"] if value != b"0"}
    return bool(names & {b"content-length", b"transfer-encoding"})


def declared_size(scope: Scope) -> int:
    """0 for a chunked body, whose size nobody knows yet."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


def with_size(scope: Scope, size: int) -> Scope:
    """A body that came in chunks has a size now. Django takes a body without one for an empty body."""
    framing = {b"content-length", b"transfer-encoding"}
    headers = [pair for pair in scope["headers"] if pair[0] not in framing]
    return {**scope, "headers": [*headers, (b"content-length", str(size).encode())]}


class Room:
    """What all ordinary bodies of this process may take of the memory. Many at once cannot fill it."""

    def __init__(self) -> None:
        self.held = 0


class OrdinaryBody:
    """A body that is read whole in the event loop. Its bytes count until the request is over."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.file = io.BytesIO()
        self.size = 0

    async def fill(self, scope: Scope, receive: Receive) -> None:
        """RefusedError for a body that is too long or too slow, ClientGoneError for one that ends early."""
        if declared_size(scope) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while await self.take_block(receive):
                    pass
        except TimeoutError:
            raise too_slow() from None
        self.file.seek(0)

    async def take_block(self, receive: Receive) -> bool:
        """False when it was the last one."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("The client closed the connection before the whole body had come.")
        self.grow(self.file.write(message.get("body", b"")))
        if self.size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise too_large()
        if self.room.held > MOST_WAITING and self.size > SMALL:
            raise no_room()
        return bool(message.get("more_body", False))

    def grow(self, size: int) -> None:
        before = counted(self.size)
        self.size += size
        self.room.held += counted(self.size) - before

    def leave(self) -> None:
        self.room.held -= counted(self.size)


def counted(size: int) -> int:
    return max(0, size - SMALL)


class StreamedBody(Body):
    """The body of a file, read from a thread. Tells a lost connection from the end of the body."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        super().__init__(loop, receive)
        self.ended = asyncio.Event()
        self.patience = PATIENCE_SECONDS

    def _receive_more_data(self) -> bytes:
        if not self._has_more:
            return b""
        message = asyncio.run_coroutine_threadsafe(self.next_message(), loop=self.loop).result()
        if message["type"] == "http.disconnect":
            self._has_more = False
            raise ClientGoneError("The client closed the connection before the whole body had come.")
        self._has_more = message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def next_message(self) -> Any:
        """Only the waiting counts against the client, not the time in which we write what it sent."""
        message: Any = {"type": "http.disconnect"}
        began = self.loop.time()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self.patience)):
                message = await self.receive()
        earned = len(message.get("body", b"")) / SLOWEST_RATE
        self.patience = min(PATIENCE_SECONDS, self.patience - (self.loop.time() - began) + earned)
        if not message.get("more_body", False):
            self.ended.set()
        return message
