"""The ASGI front: answers what must not wait for a thread, and hands everything else to Django as WSGI.

Django runs in a pool of lasting threads (ALCOVES_WEB_THREADS), so database connections live as long as their
threads. Two things are ours on top of a2wsgi. A client that goes away in mid-upload is an error for whoever reads the
body, not a short body. And a client that goes away or stalls in mid-download frees its thread.
"""

import asyncio
import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from a2wsgi.wsgi import Body, WSGIMiddleware, WSGIResponder, build_environ

from alcoves import env
from alcoves.wsgi import application as django_application
from media.checks import log_once

Scope: TypeAlias = Any
"""A dictionary, by the ASGI specification. a2wsgi's own types are stricter than what servers send."""
Receive: TypeAlias = Any
Send: TypeAlias = Any

THREADS = env.integer("ALCOVES_WEB_THREADS", 10, low=1, high=500)
QUEUED_BLOCKS = 2
"""Blocks of an answer (1 MiB each) that wait for a slow client, for each thread."""
STALL_SECONDS = 60.0
"""How long a client may send or take nothing before its thread is given to somebody else."""


class ClientGoneError(ConnectionError):
    """The client closed the connection, or neither sent nor took anything for too long."""


class WatchedBody(Body):
    """A request body that tells a lost connection from the end of the body."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        super().__init__(loop, receive)
        self.ended = asyncio.Event()

    def _receive_more_data(self) -> bytes:
        if not self._has_more:
            return b""
        future = asyncio.run_coroutine_threadsafe(self.next_message(), loop=self.loop)
        message = future.result()
        if message["type"] == "http.disconnect":
            self._has_more = False
            raise ClientGoneError("The client closed the connection before the whole body had come.")
        self._has_more = message.get("more_body", False)
        return bytes(message.get("body", b""))

    def expect_nothing(self) -> None:
        self._has_more = False
        self.ended.set()

    async def next_message(self) -> Any:
        message: Any
        try:
            message = await asyncio.wait_for(self.receive(), STALL_SECONDS)
        except TimeoutError:
            message = {"type": "http.disconnect"}
        if not message.get("more_body", False):
            self.ended.set()
        return message


class Responder(WSGIResponder):
    """One request in one thread; notices when nobody listens any more."""

    def __init__(self, app: Any, executor: ThreadPoolExecutor, send_queue_size: int) -> None:
        super().__init__(app, executor, send_queue_size)
        self.gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = WatchedBody(self.loop, receive)
        if not has_body(scope):
            body.expect_nothing()
        watcher = self.loop.create_task(self.watch(body, receive))
        try:
            with contextlib.suppress(ClientGoneError):
                await self.respond(scope, body, send)
        finally:
            self.gone = True
            watcher.cancel()

    async def respond(self, scope: Scope, body: WatchedBody, send: Send) -> None:
        """What a2wsgi does, with our body in it."""
        sender = self.loop.create_task(self.sender(send))
        try:
            environ = build_environ(scope, body)
            work = functools.partial(self.wsgi, environ, self.start_response)
            await self.loop.run_in_executor(self.executor, work)
            await self.send_queue.put(None)
            await sender
            if self.exc_info is not None:
                raise self.exc_info[0].with_traceback(self.exc_info[1], self.exc_info[2])
        finally:
            sender.cancel()

    async def watch(self, body: WatchedBody, receive: Receive) -> None:
        """Once the body is there, the next message can only say that the client has gone."""
        await body.ended.wait()
        while not self.gone:
            self.gone = (await receive())["type"] == "http.disconnect"

    def send(self, message: Any) -> None:
        if self.gone:
            raise ClientGoneError("The client closed the connection before the whole answer was sent.")
        super().send(message)

    async def sender(self, send: Send) -> None:
        """After a lost connection the queue is still emptied, so that the thread is never left waiting on it."""
        while (message := await self.send_queue.get()) is not None:
            if not self.gone:
                try:
                    await asyncio.wait_for(send(message), STALL_SECONDS)
                except (TimeoutError, OSError):
                    self.gone = True


def has_body(scope: Scope) -> bool:
    names = {name for name, value in scope["headers"] if value != b"0"}
    return bool(names & {b"content-length", b"transfer-encoding"})


class Threads(WSGIMiddleware):
    """Django in its threads."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await Responder(self.app, self.executor, self.send_queue_size)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Front:
    """/healthz is answered here: it says that the process lives, even when every thread is busy."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/healthz":
            await answer_alive(scope, send)
        else:
            await self.inner(scope, receive, send)


async def answer_alive(scope: Scope, send: Send) -> None:
    content = b'{"status": "ok"}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


log_once()
django: Any = django_application
application = Front(Threads(django, workers=THREADS, send_queue_size=QUEUED_BLOCKS))
