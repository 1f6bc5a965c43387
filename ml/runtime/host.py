"""The model host: the process that holds the models of a machine, and runs them for whoever asks.

    python -m ml.runtime.host SOCKET OPTIONS

`ml.runtime.spawn` starts it, as nobody's child. It says `ready` when it listens, and ends when it has had no client for
some seconds, or nothing to do for so long that its models are to be given back. Before that it says goodbye, so that
whoever was about to ask goes to the next host.

Each connection has a thread, which reads a question, puts it into a lane, and hands on progress and the answer. A
client that closes its connection ends its run.
"""

import fcntl
import json
import logging
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from ml.runtime import shades, wire
from ml.runtime.failing import FailedError, UnusableError
from ml.runtime.lanes import NICE, Call, Lane
from ml.runtime.shelf import Shelf, give_back
from ml.runtime.wire import Arrays

logger = logging.getLogger("model-host")

LOOK_EVERY: Final = 0.5
QUIET_AFTER: Final = 5.0
STUCK_AFTER: Final = 600.0
"""Seconds in which any run ends that was told to."""
BACKLOG: Final = 64
MOST_DETAIL: Final = 2000
"""Characters."""
CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group of who has connected (struct ucred)."""


class Host:
    """One host from its first client to its end."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.threads = int(options["threads"])
        self.idle_seconds = float(options["idle_seconds"])
        self.linger_seconds = float(options["linger_seconds"])
        self.shelf = Shelf(self.idle_seconds)
        self.lanes = {
            False: Lane("ordinary", int(options["concurrency"]), NICE, self.work),
            True: Lane("urgent", 1, 0, self.work),
        }
        self.guard = threading.Lock()
        self.clients: set[socket.socket] = set()
        self.busy = 0
        self.ending = False
        self.left = self.worked = self.tidied = time.monotonic()
        self.listener = listen(path)
        self.socket = identity(path)

    def serve(self) -> None:
        """Returns when it has nothing more to do and has said so to all."""
        while not self.may_end():
            if is_readable(self.listener, LOOK_EVERY):
                self.welcome()
            self.shelf.sweep()
            self.tidy()
            if self.is_stuck():
                logger.error("a run does not end; the host ends, and another is started")
                return

    def is_stuck(self) -> bool:
        """Native code that hangs would block its lane for ever."""
        now = time.monotonic()
        return any(lane.longest_ended(now) > STUCK_AFTER for lane in self.lanes.values())

    def tidy(self) -> None:
        """Once after each burst of work: what it has needed beside its models goes back to the system."""
        with self.guard:
            quiet = not self.busy and self.tidied < self.worked <= time.monotonic() - QUIET_AFTER
            if quiet:
                self.tidied = self.worked
        if quiet:
            give_back()

    def welcome(self) -> None:
        channel, _ = self.listener.accept()
        if user_of(channel) != os.getuid():
            logger.warning("refused a connection of another user")
            channel.close()
            return
        with self.guard:
            self.clients.add(channel)
        threading.Thread(target=self.attend, args=(channel,), name="client", daemon=True).start()

    def attend(self, channel: socket.socket) -> None:
        """One client, until it goes."""
        try:
            wire.send(channel, {"hello": os.getpid()})
            while True:
                header, arrays = wire.receive(channel)
                with self.guard:
                    if self.ending:
                        return
                    self.busy += 1
                try:
                    # Who has not read this may ask the next host: nothing was begun.
                    wire.send(channel, {"taken": True})
                    self.answer(channel, Call(header, arrays))
                finally:
                    del arrays
                    with self.guard:
                        self.busy -= 1
                        self.worked = time.monotonic()
        except wire.ClosedError:
            pass
        except wire.BadFrameError as error:
            logger.warning("a client does not speak as we do: %s", error)
        finally:
            with self.guard:
                self.clients.discard(channel)
                self.left = time.monotonic()
            channel.close()

    def answer(self, channel: socket.socket, call: Call) -> None:
        """Until the answer is sent or the client has gone, which ends the run."""
        self.lanes[bool(call.header.get("urgent"))].put(call)
        waiting = select.poll()
        waiting.register(channel, select.POLLIN | select.POLLRDHUP)
        waiting.register(call.news, select.POLLIN)
        try:
            while True:
                ready = {number for number, _ in waiting.poll()}
                if call.news in ready:
                    os.eventfd_read(call.news)
                    while call.told:
                        header, arrays = call.told.popleft()
                        wire.send(channel, header, arrays)
                        if "progress" not in header:
                            return
                if channel.fileno() in ready:
                    # Nobody sends a second question before the first is answered: this is the end.
                    raise wire.ClosedError
        finally:
            call.end()

    def work(self, call: Call) -> None:
        """In a thread of a lane: the answer, whatever happens."""
        name = Path(str(call.header.get("path"))).name
        try:
            header, arrays = self.done(call)
            call.tell(header, arrays)
        except FileNotFoundError as error:
            call.tell({"error": "missing", "name": name, "detail": str(error)})
        except (UnusableError, OSError) as error:
            call.tell({"error": "unusable", "name": name, "detail": str(error)[-MOST_DETAIL:]})
        except Exception as error:
            if not isinstance(error, FailedError):
                logger.exception("%s", name)
            call.tell(
                {"error": "failed", "name": name, "detail": f"{type(error).__name__}: {error}"[-MOST_DETAIL:]}
            )

    def done(self, call: Call) -> tuple[dict[str, Any], Arrays]:
        match call.header.get("do"):
            case "probe":
                return self.probe(call)
            case "run":
                return self.run(call)
            case "speech":
                return self.speech(call)
            case other:
                raise UnusableError(f"Nobody knows how to {other!r}.")

    def probe(self, call: Call) -> tuple[dict[str, Any], Arrays]:
        with self.graph(Path(call.header["path"])) as graph:
            return {"about": graph.about()}, {}

    def run(self, call: Call) -> tuple[dict[str, Any], Arrays]:
        with self.graph(Path(call.header["path"])) as graph:
            began = time.monotonic()
            feeds = shades.applied(call.arrays, call.header.get("shades") or {}, graph.takes)
            given = graph.run(feeds, call.header.get("outputs") or (), call.stopped_by)
            return {"seconds": time.monotonic() - began}, given

    def graph(self, path: Path) -> Any:
        from ml.runtime.onnx import Graph

        return self.shelf.using("onnx", path, lambda found: Graph(found, self.threads))

    def speech(self, call: Call) -> tuple[dict[str, Any], Arrays]:
        """No voice, and the model is not even loaded."""
        from ml.runtime.silero import Detector
        from ml.runtime.whisper import Voice, spoken

        with ExitStack() as stack:
            vad = call.header.get("vad")
            detector = stack.enter_context(self.shelf.using("vad", Path(vad), Detector)) if vad else None
            samples, timeline = spoken(call.arrays["samples"], detector)
            if not len(samples):
                return {"language": "", "probability": None, "segments": [], "seconds": 0.0}, {}
            voice = stack.enter_context(
                self.shelf.using(
                    "speech", Path(call.header["path"]), lambda found: Voice(found, self.threads)
                )
            )
            began = time.monotonic()
            language = str(call.header.get("language") or "")
            heard = voice.transcribe(
                samples, timeline, language, Told(call, self.lanes[False]), call.gone.is_set
            )
            return {**heard, "seconds": time.monotonic() - began}, {}

    def may_end(self) -> bool:
        now = time.monotonic()
        with self.guard:
            alone = not self.clients and now - self.left >= self.linger_seconds
            idle = not self.busy and now - self.worked >= self.idle_seconds
        return (alone or idle or self.is_replaced()) and self.end()

    def is_replaced(self) -> bool:
        """Whether another host listens where we did: its starter gave up on us, or was killed before we were ready."""
        return identity(self.path) != self.socket

    def end(self) -> bool:
        """Nobody starts another host while we take leave. False where somebody is about to, or has just asked."""
        with ExitStack() as stack:
            try:
                held = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, held)
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except FileNotFoundError:
                logger.info("the folder of the socket is gone: nobody can find us any more")
            with self.guard:
                if self.busy:
                    return False
                self.ending = True
                leaving = list(self.clients)
            # From here on the lock is held until the process ends: the next host comes when this one is gone.
            stack.pop_all()
        if not self.is_replaced():
            self.path.unlink(missing_ok=True)
        for channel in leaving:
            with suppress(wire.ClosedError):
                wire.send(channel, {"goodbye": True})
        self.listener.close()
        return True


class Told:
    """What a transcription calls after each half minute of sound: tells whole percents, once, and gives way."""

    def __init__(self, call: Call, lane: Lane) -> None:
        self.call = call
        self.lane = lane
        self.last = -1

    def __call__(self, percent: float) -> None:
        # The last half minute counts as a whole one.
        if (whole := min(100, int(percent))) > self.last:
            self.last = whole
            self.call.tell({"progress": self.last})
        self.lane.give_way(lambda other: other.header.get("do") != "speech")


def listen(path: Path) -> socket.socket:
    """The caller holds the lock, so a socket that lies there is of a host that was killed."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    return listener


def identity(path: Path) -> tuple[int, int, int] | None:
    """Which socket lies there; None: none. A number of a file may be given again, its time is another one then."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def user_of(channel: socket.socket) -> int:
    told = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(told)[1])


def is_readable(channel: socket.socket, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(channel, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def main(argv: list[str]) -> None:
    """Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    host = Host(Path(argv[0]), json.loads(argv[1]))
    os.write(1, b"ready\n")
    os.dup2(2, 1)
    try:
        host.serve()
    except Exception:
        logger.exception("the host ends")
    finally:
        # Threads of libraries are not waited for, and whisper.cpp does not survive the end of the interpreter.
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
