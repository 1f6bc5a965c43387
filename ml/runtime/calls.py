"""One question to the host, on one of the connections that this process keeps.

Connections belong to the process that made them: a child that was forked closes what it has inherited and connects
anew. A host says when it has taken a question. One that ends because it was idle says goodbye instead, and the question
goes to the next one; one that is gone after that is lost (HostLostError), and the row is tried again.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from media.errors import RunAbandonedError, TransientError
from ml.errors import HostLostError, ModelError, ModelMissingError
from ml.runtime import places, spawn, wire
from ml.runtime.places import Place
from ml.runtime.wire import Arrays

TRIES: Final = 4
"""Hosts in a row that may go before they have taken a question."""
KEPT: Final = 4
"""Idle connections of a process."""
ASK_EVERY: Final = 0.25
"""Seconds between two questions whether the run is abandoned."""


class Connections:
    """Those of this process that nobody uses at the moment, by place."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.idle: list[tuple[Place, socket.socket]] = []

    def take(self, place: Place) -> socket.socket:
        while (channel := self.kept(place)) is not None:
            if not is_readable(channel):
                return channel
            # It has said goodbye, or was killed, while nobody was asking.
            channel.close()
        return greeted(place)

    def kept(self, place: Place) -> socket.socket | None:
        with self.guard:
            for number, (one, channel) in enumerate(self.idle):
                if one == place:
                    del self.idle[number]
                    return channel
        return None

    def give_back(self, place: Place, channel: socket.socket) -> None:
        with self.guard:
            self.idle.append((place, channel))
            spare = self.idle.pop(0)[1] if len(self.idle) > KEPT else None
        if spare is not None:
            spare.close()

    def forget(self) -> None:
        """Close all that is idle. In a child after a fork: they are its parent's."""
        self.guard = threading.Lock()
        idle, self.idle = self.idle, []
        for _, channel in idle:
            channel.close()


connections = Connections()
os.register_at_fork(after_in_child=connections.forget)


def greeted(place: Place) -> socket.socket:
    """A new connection that the host has taken. One that is about to end may close it instead: then the next host."""
    for _ in range(TRIES):
        channel = spawn.connected(place)
        try:
            wire.receive(channel)
        except (wire.ClosedError, wire.BadFrameError):
            channel.close()
        else:
            return channel
    raise lost("it takes no connection")


def is_readable(channel: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(channel, select.POLLIN)
    return bool(waiting.poll(0))


def ask(
    header: Mapping[str, Any],
    arrays: Arrays | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    abandoned: Callable[[], bool] | None = None,
) -> tuple[dict[str, Any], Arrays]:
    """The host's answer. Raises ModelError, TransientError, HostLostError; RunAbandonedError where `abandoned` says so.

    An abandoned question ends its run in the host: the connection is closed.
    """
    place = places.current()
    for _ in range(TRIES):
        channel = connections.take(place)
        try:
            taken = is_taken(channel, header, arrays)
            answer = read_answer(channel, progress, abandoned) if taken else None
        except wire.ClosedError as error:
            channel.close()
            raise lost("it was gone before it had answered") from error
        except BaseException:
            channel.close()
            raise
        if answer is not None:
            connections.give_back(place, channel)
            return judged(*answer)
        channel.close()
    raise lost("it takes no question")


def is_taken(channel: socket.socket, header: Mapping[str, Any], arrays: Arrays | None) -> bool:
    """False where the host says goodbye, or has gone before it began with this: then the next one may be asked."""
    try:
        wire.send(channel, header, arrays)
        return "taken" in wire.receive(channel)[0]
    except wire.ClosedError:
        return False


def read_answer(
    channel: socket.socket,
    progress: Callable[[float], None] | None,
    abandoned: Callable[[], bool] | None,
) -> tuple[dict[str, Any], Arrays]:
    """Of a question that the host has taken."""
    claim = Claim(abandoned) if abandoned is not None else None
    while True:
        if claim is not None:
            claim.wait(channel)
        header, arrays = wire.receive(channel)
        if "progress" not in header:
            return header, arrays
        if progress is not None:
            progress(float(header["progress"]))


class Claim:
    """Asks now and then whether the run is abandoned, however much there is to read."""

    def __init__(self, abandoned: Callable[[], bool]) -> None:
        self.abandoned = abandoned
        self.next = time.monotonic() + ASK_EVERY

    def wait(self, channel: socket.socket) -> None:
        """Returns when there is something to read. RunAbandonedError."""
        waiting = select.poll()
        waiting.register(channel, select.POLLIN)
        while True:
            left = self.next - time.monotonic()
            if left <= 0:
                self.next = time.monotonic() + ASK_EVERY
                if self.abandoned():
                    raise RunAbandonedError("The run was cancelled or asked for anew.")
            elif waiting.poll(left * 1000):
                return


def judged(header: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    match header.get("error"):
        case None:
            return header, arrays
        case "missing":
            raise ModelMissingError(
                f"The model {header['name']} is not on this machine any more. It is fetched again.",
                detail=header["detail"],
            )
        case "unusable":
            raise ModelError(
                f"The model {header['name']} cannot be used. Fetch it again, or choose another.",
                detail=header["detail"],
            )
        case _:
            raise TransientError(
                f"The model {header['name']} has failed on this file. Try again later.",
                code="model_failed",
                detail=header["detail"],
            )


def lost(detail: str) -> HostLostError:
    return HostLostError("The process that runs the models was lost. It is started anew.", detail=detail)
