"""Model hosts of tests: asked who they are, killed as a machine would, gone when the test ends."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alcoves.embedded.processes import is_alive
from ml.runtime import calls, places, spawn
from ml.runtime.client import OnnxModel
from ml.runtime.host import CREDENTIALS
from tests.workers import wait_until

pool = ThreadPoolExecutor(8, "asking")


def find_pid() -> int | None:
    """Of the host of this test, if there is one."""
    channel = spawn.connect(places.current())
    if channel is None:
        return None
    with channel:
        told = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        return int(CREDENTIALS.unpack(told)[0])


def pid() -> int:
    found = find_pid()
    assert found is not None
    return found


def kill(number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
    wait_until(lambda: not is_alive(number), 10, "the host is dead")


def end() -> None:
    calls.connections.forget()
    if (found := find_pid()) is not None:
        kill(found)


def resident(number: int) -> int:
    """Bytes that a process holds in memory of its own, shared files apart."""
    text = Path(f"/proc/{number}/status").read_text(encoding="ascii")
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("RssAnon"))


def turns(number: int) -> dict[str, Any]:
    """For `plain.slow`."""
    return {"turns": np.array(number)}


def in_background(work: Callable[[], Any]) -> "Future[Any]":
    return pool.submit(work)


def busy(model: OnnxModel, number: int = 10_000_000) -> "Future[Any]":
    """A run that lasts for minutes, unless it is ended; returned when the host works on it."""
    began = cpu_seconds(pid())
    running = in_background(lambda: model.run(turns(number)))
    wait_until(lambda: cpu_seconds(pid()) > began + 0.3 or running.done(), 120, "the run has begun")
    return running


def watch_taken(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once the host has said that it has the next question."""
    taken, real = threading.Event(), calls.is_taken

    def tell(*asked: Any) -> bool:
        if answer := real(*asked):
            taken.set()
        return answer

    monkeypatch.setattr(calls, "is_taken", tell)
    return taken


def cpu_seconds(number: int) -> float:
    fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads_are_gone(name: str) -> bool:
    return not any(one.name.startswith(name) for one in threading.enumerate())
