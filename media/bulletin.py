"""What processes tell each other at once: a picture is made, a library's members have changed. By Redis pub/sub.

One subscription a process, in a thread of its own that starts when it is first needed, and anew after a fork. It is
for speed only: whoever waits here hears `{"lost": True}` when Redis goes away, and finds another way.
"""

import json
import logging
import os
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Final, TypeAlias

import redis
from django.conf import settings

from media import dispatch

logger = logging.getLogger(__name__)
Message: TypeAlias = dict[str, Any]
LOST: Final[Message] = {"lost": True}
PAUSE_SECONDS: Final = 0.5
"""Between two tries to reach Redis."""
ASK_SECONDS: Final = 3.0
"""After so long a silence Redis is asked whether it is there."""
DEAF_SECONDS: Final = 8.0
"""After so long a silence the connection counts as lost: nothing else tells of a cut cable."""
START_SECONDS: Final = 2.0
CHANNELS: Final = 2
END_OF_HEAD: Final = b"\n"
"""Between a message and the bytes that came with it. In JSON on one line there is none."""


class Board:
    """The subscription of one process, and who waits for what."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Future[Message]]] = defaultdict(set)
        self._callbacks: dict[str, list[Callable[[Message], None]]] = defaultdict(list)
        self._thread: threading.Thread | None = None
        self._tried = threading.Event()
        self._subscribed = False
        self._heard_at = 0.0

    @property
    def alive(self) -> bool:
        return self._subscribed and time.monotonic() - self._heard_at < DEAF_SECONDS

    @property
    def topics(self) -> int:
        """Topics somebody waits for."""
        return len(self._waiting)

    def start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_listening, name="bulletin", daemon=True)
                self._thread.start()

    def expect(self, topic: str) -> "Future[Message]":
        self.start()
        self._tried.wait(START_SECONDS)
        future: Future[Message] = Future()
        with self._lock:
            if self.alive:
                self._waiting[topic].add(future)
                return future
        future.set_result(LOST)
        return future

    def forget(self, topic: str, future: "Future[Message]") -> None:
        with self._lock:
            waiting = self._waiting.get(topic)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[topic]

    def listen(self, topic: str, callback: Callable[[Message], None]) -> None:
        with self._lock:
            self._callbacks[topic].append(callback)
        self.start()

    def heirs(self) -> dict[str, list[Callable[[Message], None]]]:
        """Whom the board of a forked child goes on telling."""
        return {topic: list(callbacks) for topic, callbacks in self._callbacks.items()}

    def inherit(self, callbacks: Mapping[str, list[Callable[[Message], None]]]) -> None:
        self._callbacks.update(callbacks)

    def _keep_listening(self) -> None:
        pause = threading.Event()
        told = False
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError, ValueError) as error:
                if self._subscribed or not told:
                    logger.warning("what other processes tell is not heard until Redis is back: %s", error)
                    told = True
            self._lose()
            self._tried.set()
            pause.wait(PAUSE_SECONDS)

    def _listen(self) -> None:
        """Until the connection fails, which raises."""
        with (
            redis.Redis.from_url(
                settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=DEAF_SECONDS
            ) as client,
            client.pubsub() as pubsub,
        ):
            self._heard_at = time.monotonic()
            pubsub.subscribe(channel(), channel(self.name))
            while True:
                self._hear(pubsub.get_message(timeout=ASK_SECONDS))
                silence = time.monotonic() - self._heard_at
                if silence >= DEAF_SECONDS:
                    raise redis.ConnectionError("Redis has not answered for too long.")
                if silence >= ASK_SECONDS:
                    pubsub.ping()

    def _hear(self, received: Mapping[str, Any] | None) -> None:
        if received is None:
            return
        self._heard_at = time.monotonic()
        if received["type"] == "subscribe":
            # With how many there are now: that of everybody, and our own.
            self._subscribed = received["data"] == CHANNELS
            if self._subscribed:
                self._tried.set()
        elif received["type"] == "message":
            try:
                self._tell(*opened(received["data"]))
            except ValueError:
                logger.warning("a message on %s is not ours", channel())

    def _tell(self, topic: str, message: Message) -> None:
        with self._lock:
            waiting = self._waiting.pop(topic, set())
            callbacks = list(self._callbacks.get(topic, ()))
        for future in waiting:
            settle(future, message)
        for callback in callbacks:
            call(callback, message)

    def _lose(self) -> None:
        """Everybody who waits is told; what is said until the next subscription nobody hears."""
        with self._lock:
            heard_before, self._subscribed = self._subscribed, False
            waiting = [future for futures in self._waiting.values() for future in futures]
            self._waiting.clear()
            callbacks = [callback for callbacks in self._callbacks.values() for callback in callbacks]
        for future in waiting:
            settle(future, LOST)
        if heard_before:
            for callback in callbacks:
                call(callback, LOST)


def opened(told: bytes) -> tuple[str, Message]:
    """ValueError for what `envelope` has not made."""
    head, _, content = told.partition(END_OF_HEAD)
    match json.loads(head):
        case [str() as topic, dict() as message]:
            return topic, {**message, "content": content} if content else message
    raise ValueError("no topic with a message")


def settle(future: "Future[Message]", message: Message) -> None:
    """Whoever waited may have given up in this very moment."""
    with suppress(InvalidStateError):
        future.set_result(message)


def call(callback: Callable[[Message], None], message: Message) -> None:
    try:
        callback(message)
    except Exception:
        logger.exception("a listener failed; the others are told all the same")


_board = Board()


def begin_anew() -> None:
    """In a forked child: threads and futures stayed with the parent, and a lock may be held for ever."""
    global _board  # noqa: PLW0603  One board a process is the point.
    callbacks = _board.heirs()
    _board = Board()
    _board.inherit(callbacks)


os.register_at_fork(after_in_child=begin_anew)


def expect(topic: str) -> "Future[Message]":
    """The next message about `topic` that is posted after this returns. When nothing can be heard: LOST, at once.

    The future may be cancelled; whoever stops waiting calls `forget`.
    """
    return _board.expect(topic)


def forget(topic: str, future: "Future[Message]") -> None:
    _board.forget(topic, future)


def listen(topic: str, callback: Callable[[Message], None]) -> None:
    """Call back for every message about `topic`, in the thread of the bulletin: be quick, touch no database.

    LOST is told too: what was posted until the next connection has not been heard.
    """
    _board.listen(topic, callback)


def alive() -> bool:
    """Whether this process hears what is posted. Never waits; starts the subscription where there is none."""
    _board.start()
    return _board.alive


def topics() -> int:
    """How many topics are waited for in this process."""
    return _board.topics


def name() -> str:
    """Of this process, for those who tell it alone."""
    return _board.name


def channel(name: str = "") -> str:
    """One for each database of a Redis: pub/sub itself knows no databases. With a name: that of one process."""
    number = dispatch.redis_client().connection_pool.connection_kwargs.get("db") or 0
    return f"alcoves:bulletin:{number}:{name}" if name else f"alcoves:bulletin:{number}"


def envelope(
    topic: str, message: Mapping[str, Any], content: bytes = b"", *, name: str = ""
) -> tuple[str, bytes]:
    """Channel and what is said there, for a pipeline of the caller's own. `name`: to that process alone."""
    head = json.dumps([topic, message]).encode()
    return channel(name), head + END_OF_HEAD + content if content else head


def post(topic: str, **message: Any) -> bool:
    """Tell every process. False when Redis is away: then nobody has heard it, and all know that they hear nothing."""
    try:
        dispatch.redis_client().publish(*envelope(topic, message))
    except redis.RedisError as error:
        logger.warning("%s was not told: %s", topic, error)
        return False
    return True
