"""The ASGI front: answers what must not wait for a thread, and hands everything else to Django as WSGI.

That is /healthz, and signed pictures from the cache (`alcoves.asgi_images`). A picture that has to be made first is
waited for without a thread: the answer that stands for it (`media.api.later`) says what for.
Django runs in a pool of lasting threads (ALCOVES_WEB_THREADS), so database connections live as long as their
threads. A thread never waits for a client, save for a limited number that take in files: other bodies are read before
a thread is taken, and an answer that streams is read block by block, with a thread for each block and none while the
client takes it.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar

from a2wsgi.wsgi import WSGIMiddleware, build_environ

from alcoves.wsgi import application as django_application  # isort: skip  # Django is set up before all that needs it.

from alcoves import asgi_cold, asgi_images, env
from alcoves.alerts import watching as alerts
from alcoves.asgi_bodies import (
    ClientGoneError,
    OrdinaryBody,
    Receive,
    RefusedError,
    Room,
    Scope,
    Send,
    StreamedBody,
    has_body,
    is_upload,
    no_thread,
    refuse,
    with_size,
)
from alcoves.backup import maintenance
from media.api.later import FRONT, TOLD, LaterResponse, Told
from media.checks import log_once
from media.imageproxy import Fresh, Pending

T = TypeVar("T")
logger = logging.getLogger(__name__)

THREADS = env.integer("ALCOVES_WEB_THREADS", 10, low=1, high=500)
KEPT_FREE = 3
"""Threads that uploads leave to everybody else."""
SLOT_SECONDS = 10.0
"""How long an upload waits, without a thread, for another one to end."""
STALL_SECONDS = 60.0
"""How long a client may take for one piece of an answer."""
PIECE = 64 * 1024
"""Bytes of an answer that a client must take before the next ones are put into the socket's buffer."""
FILE_BLOCK = 256 * 1024
AT_ONCE = 256 * 1024
"""Bytes of a picture that may wait in the socket's buffer."""
PERMITS = "/api/files/proxy-access/"
"""What nginx asks here, it keeps with all headers and reads again at each picture: so there are none."""
UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class FileBlocks:
    """wsgi.file_wrapper: bigger blocks than the 4 KiB that Django reads of a file."""

    def __init__(self, file: BinaryIO, block_size: int = 0) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(FILE_BLOCK):
            yield block

    def close(self) -> None:
        self.file.close()


class Answer:
    """What the WSGI application makes of one request. Every method that takes a thread's time is a turn of its own."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.permits = False
        self.start: dict[str, Any] = {}
        self.made: Any = None
        self.later: LaterResponse | None = None
        self.blocks: Iterator[bytes] = iter(())

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        code = int(status.split(" ", 1)[0])
        pairs = [
            (name.strip().encode("latin1").lower(), value.strip().encode("latin1")) for name, value in headers
        ]
        if self.permits and code == HTTPStatus.NO_CONTENT:
            pairs = []
        if code == HTTPStatus.NOT_MODIFIED:
            # Django counts the body it does not send; a client may take it for the size of what it has.
            pairs = [pair for pair in pairs if pair[0] != b"content-length"]
        self.start = {"type": "http.response.start", "status": code, "headers": pairs}
        return self.refuse_write

    def refuse_write(self, block: bytes) -> None:
        raise TypeError("write() of WSGI is not offered here: return the blocks.")

    def begin(self, environ: Any) -> bytes | None:
        """The first turn: the whole answer where it is in memory, else its first block; None when there is none."""
        self.permits = environ["PATH_INFO"].startswith(PERMITS)
        made = self.app(environ, self.start_response)
        self.later = made if isinstance(made, LaterResponse) else None
        return self.take(made)

    def finish(self, outcome: Any) -> bytes | None:
        """The turn after the wait: the true answer in place of the one that stood for it."""
        assert self.later is not None  # noqa: S101  Only then is there a wait.
        made = self.later.finish(outcome)
        cookies = [("Set-Cookie", one.output(header="")) for one in made.cookies.values()]
        self.start_response(f"{made.status_code} {made.reason_phrase}", [*made.items(), *cookies])
        return self.take(made)

    def take(self, made: Any) -> bytes | None:
        self.made = made
        if isinstance(self.made, (list, tuple)) or not getattr(self.made, "streaming", True):
            content = b"".join(self.made)
            self.close()
            return content or None
        self.blocks = iter(self.made)
        return self.next_block()

    def next_block(self) -> bytes | None:
        return next((block for block in self.blocks if block), None)

    def close(self) -> None:
        made, self.made = self.made, None
        getattr(made, "close", lambda: None)()

    def check_headers(self) -> None:
        """The server would refuse such a header when it has begun to answer; now there is still time for a 500."""
        bad = [name.decode("latin1") for name, value in self.start["headers"] if UNSENDABLE.search(value)]
        if bad:
            logger.error("An answer was withheld: control characters in %s.", ", ".join(bad))
            message = "The answer to this request cannot be sent. The log of the server says more."
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "error", message)


class Listener:
    """The client's side of one request: takes pieces of the answer, or is gone."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.receive = receive
        self.send = send
        self.left = asyncio.Event()

    @property
    def gone(self) -> bool:
        return self.left.is_set()

    async def watch(self, ended: asyncio.Event | None) -> None:
        """Once the body is there, the next message can only say that the client has gone."""
        if ended is not None:
            await ended.wait()
        while not self.gone:
            if (await self.receive())["type"] == "http.disconnect":
                self.left.set()

    async def wait_for(self, later: LaterResponse | Pending) -> Any:
        """What came of it; None when it took too long. ClientGoneError when nobody waits any more."""
        outcome: Any = asyncio.wrap_future(later.future)
        left = asyncio.get_running_loop().create_task(self.left.wait())
        try:
            await asyncio.wait({outcome, left}, timeout=later.seconds, return_when=asyncio.FIRST_COMPLETED)
            if self.gone:
                raise ClientGoneError("The client closed the connection while its picture was being made.")
            return outcome.result() if outcome.done() else None
        finally:
            left.cancel()
            outcome.cancel()

    async def take(self, block: bytes) -> None:
        for start in range(0, len(block), PIECE):
            piece = block[start : start + PIECE]
            await self.take_message({"type": "http.response.body", "body": piece, "more_body": True})

    async def take_message(self, message: Any) -> None:
        if self.gone:
            raise ClientGoneError("The client closed the connection before the whole answer was sent.")
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self.send(message)
        except TimeoutError:
            raise ClientGoneError("The client took nothing of the answer for too long.") from None


class Threads(WSGIMiddleware):
    """A WSGI application in its threads."""

    def __init__(self, app: Any, workers: int) -> None:
        super().__init__(app, workers=workers)
        self.room = Room()
        self.slots = asyncio.Semaphore(max(1, workers - KEPT_FREE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            if is_upload(scope):
                await self.answer_upload(scope, receive, send)
            else:
                await self.answer_ordinary(scope, receive, send)
        except RefusedError as refused:
            await refuse(refused, receive, send)
        except ClientGoneError:
            # Nobody is left to be told.
            return

    async def answer_ordinary(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = Listener(receive, send)
        body = OrdinaryBody(self.room)
        try:
            if has_body(scope):
                await body.fill(scope, receive)
                scope = with_size(scope, body.size)
            async with watching(listener, None):
                await self.answer(scope, body.file, listener)
        finally:
            body.leave()

    async def answer_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = Listener(receive, send)
        body = StreamedBody(asyncio.get_running_loop(), receive)
        async with self.slot(), watching(listener, body.ended):
            await self.answer(scope, body, listener)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(SLOT_SECONDS):
                await self.slots.acquire()
        except TimeoutError:
            raise no_thread() from None
        try:
            yield
        finally:
            self.slots.release()

    async def answer(self, scope: Scope, body: Any, listener: Listener) -> None:
        """Any other exception leaves here for the server, which logs it and ends the connection."""
        answer = Answer(self.app)
        environ: Any = build_environ(scope, body)
        environ["wsgi.file_wrapper"] = FileBlocks
        environ[FRONT] = True
        environ[TOLD] = scope.get(TOLD)
        try:
            block = await self.turn(answer.begin, environ)
            if answer.later is not None:
                block = await self.turn(answer.finish, await self.outcome(answer.later, listener))
            answer.check_headers()
            await listener.take_message(answer.start)
            while block is not None:
                await listener.take(block)
                # An answer that was in memory has been closed in the first turn, and has no other.
                block = await self.turn(answer.next_block) if answer.made is not None else None
            await listener.take_message({"type": "http.response.body", "body": b""})
        finally:
            if answer.made is not None:
                await self.turn(answer.close)

    async def outcome(self, later: LaterResponse | Pending, listener: Listener) -> Any:
        """Waits without a thread."""
        try:
            return await listener.wait_for(later)
        except BaseException:
            later.give_up()
            raise

    async def answer_cold(
        self, wanted: asgi_images.Wanted, receive: Receive, send: Send
    ) -> asgi_images.Hit | Told | None:
        """A picture that has to be made; None where Django has to look at it itself."""
        asked = await self.turn(asgi_cold.ask, wanted)
        if isinstance(asked, Fresh):
            return asgi_cold.hit_of(wanted, asked)
        if not isinstance(asked, Pending):
            return asked
        listener = Listener(receive, send)
        async with watching(listener, None):
            return asgi_cold.hear(wanted, asked, await self.outcome(asked, listener))

    async def turn(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.executor, work, *arguments)


@asynccontextmanager
async def watching(listener: Listener, ended: asyncio.Event | None) -> AsyncIterator[None]:
    watcher = asyncio.get_running_loop().create_task(listener.watch(ended))
    try:
        yield
    finally:
        watcher.cancel()


class Front:
    """/healthz is answered here: it says that the process lives, even when every thread is busy. Pictures, too."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
        elif scope["path"] == "/healthz":
            await answer_alive(scope, send)
        elif scope["path"].startswith(asgi_images.PREFIX) and not maintenance.known.peek().on:
            await self.answer_picture(scope, receive, send)
        else:
            await self.inner(scope, receive, send)

    async def answer_picture(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Signed pictures; Django has the rest, and what came of those that were waited for and not made."""
        found = asgi_images.find_hit(scope)
        try:
            if isinstance(found, asgi_images.Wanted):
                found = await self.inner.answer_cold(found, receive, send)
        except ClientGoneError:
            return
        if isinstance(found, Told):
            try:
                await self.inner({**scope, TOLD: found}, receive, send)
            finally:
                found.give_up()
        elif found is None or not await sent(found, receive, send):
            await self.inner(scope, receive, send)


async def sent(hit: asgi_images.Hit, receive: Receive, send: Send) -> bool:
    """Whether the bytes were there."""
    content: Any = hit.content
    if content is None:
        content = await asyncio.get_running_loop().run_in_executor(None, asgi_images.read_whole, hit.path)
        if content is None:
            return False
    await send({"type": "http.response.start", "status": hit.status, "headers": hit.headers})
    with suppress(ClientGoneError):
        if len(content) > AT_ONCE:
            await Listener(receive, send).take(content)
            content = b""
        await send({"type": "http.response.body", "body": content})
    return True


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
alerts.start()
django: Any = django_application
application = Front(Threads(django, workers=THREADS))
