"""Starts the model host: the one place of `ml` that starts a process.

It gets a session of its own, no secrets of ours in its environment, and our stderr, so that what it has to say stands
in the log of the worker that started it. It leaves its starter at once (`ml.runtime.host`), so a worker that ends, or
is killed, takes no model from the others.
"""

import fcntl
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

from media.tools.run import ENVIRONMENT
from ml.errors import HostLostError
from ml.runtime import detach
from ml.runtime.places import Place

PROJECT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60.0
"""Seconds until it must listen. It takes half of one, and longer where disk and processors are busy."""
READY: Final = b"ready\n"
QUIET: Final = {"OMP_WAIT_POLICY": "passive", "GGML_NO_BACKTRACE": "1", "MALLOC_ARENA_MAX": "2"}
"""Threads of whisper.cpp sleep while they wait for each other. Else they spin, and where others want the processors
too, eleven seconds of speech take up to eight seconds instead of one. And no debugger is started to tell how
whisper.cpp has ended, and threads of clients have no heaps of their own."""


def connected(place: Place) -> socket.socket:
    """A connection to the host, which is started where none answers. HostLostError where it does not start."""
    if (found := connect(place)) is not None:
        return found
    with alone(place):
        # Another process may have started it while we waited for the lock.
        if (found := connect(place)) is not None:
            return found
        launch(place)
        if (found := connect(place)) is not None:
            return found
    raise lost("it was ready and does not answer")


def connect(place: Place) -> socket.socket | None:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.connect(str(place.socket))
    except (FileNotFoundError, ConnectionRefusedError):
        channel.close()
        return None
    except OSError:
        channel.close()
        raise
    return channel


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """One starter at a time. The kernel frees the lock of a process that dies."""
    held = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def launch(place: Place) -> None:
    """Returns when it listens."""
    command = [
        *(sys.executable, "-S", "-E", "-I", detach.__file__),
        sys.executable,
        "-E",
        "-s",
        "-m",
        "ml.runtime.host",
        str(place.socket),
        json.dumps(asdict(place.options)),
    ]
    ours = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    environment = ours | QUIET | {"LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - Popen was asked for it.
        said = first_words(process.stdout)
    if said != READY:
        raise lost("it has ended before it was ready; its log says why" if not said else f"it said {said!r}")


def first_words(pipe: IO[bytes]) -> bytes:
    """What it says when it listens; nothing where it ended before. HostLostError where it says nothing for too long."""
    said, until = b"", time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not said.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise lost(f"it was not ready after {PATIENCE:g} seconds")
            if not (piece := os.read(pipe.fileno(), 64)):
                break
            said += piece
    return said


def lost(detail: str) -> HostLostError:
    return HostLostError(
        "The process that runs the models does not start. Try again, or look at the log of the worker.",
        detail=detail,
    )
