"""Real workers for tests: started as an operator would, killed as a machine would."""

import contextlib
import os
import signal
import socket
import subprocess  # noqa: TID251  A test starts and kills real workers.
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

PROJECT = Path(__file__).resolve().parents[1]
PAUSE = threading.Event()
STARTS: float = 120
"""Seconds in which a worker takes up work. It costs less than two of a processor, which are long in coming where a
dozen other processes want the same two processors. One that has died is noticed at once."""


def niceness(more: int = 0) -> int:
    """Of a process that is so much nicer than these tests, which may be nice themselves."""
    return min(19, os.getpriority(os.PRIO_PROCESS, 0) + more)


def wait_until(condition: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """The first true answer of `condition`; AssertionError when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := condition():
            return answer
        PAUSE.wait(0.05)
    raise AssertionError(f"not within {seconds} s: {what or condition}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> int:
    """The first of so many free ports in a row: the lanes of one supervisor count up from theirs."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


def database_url() -> str:
    about = connection.settings_dict
    return f"postgresql://{about['USER']}@/{about['NAME']}?host={about['HOST']}&port={about['PORT'] or 5432}"


class Process:
    """One process of ours with its log; ended, with its children, when the test ends."""

    def __init__(self, arguments: list[str], folder: Path, **extra: str) -> None:
        self.folder = folder
        self.port = int(extra.get("WORKER_METRICS_PORT", "0"))
        self.log = folder / f"process-{time.monotonic_ns()}.log"
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.worker_settings",
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "ALCOVES_DATA_PATH": str(folder / "data"),
            "ALCOVES_STORAGE_PATH": str(folder / "stores"),
            "ALCOVES_SCRATCH_PATH": str(folder / "scratch"),
            "ALCOVES_STORE_RESERVE_BYTES": "0",
            "ALCOVES_TEST_FLAGS": str(folder),
            **extra,
        }
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill_all(self) -> None:
        """As a machine that loses its power: the process and all its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)

    def text(self) -> str:
        return self.log.read_text(errors="replace")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running_worker(folder: Path, *arguments: str, **extra: str) -> Iterator[Process]:
    """A worker that consumes, with a short lease so that tests do not wait long."""
    port = free_ports(3)
    times = {
        "ALCOVES_LEASE_SECONDS": "2",
        "ALCOVES_RECONCILE_SECONDS": "1",
        "ALCOVES_VISIBILITY_TIMEOUT": "6",
    }
    process = Process(
        ["manage.py", "worker", *arguments], folder, WORKER_METRICS_PORT=str(port), **{**times, **extra}
    )
    try:
        wait_until(
            lambda: answers(f"http://127.0.0.1:{port}/healthz") or process.popen.poll() is not None,
            STARTS,
            "the worker takes up work",
        )
        assert process.popen.poll() is None, process.text()
        yield process
    except BaseException:
        print(process.text()[:6000])
        raise
    finally:
        process.kill_all()


def run_python(*arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    """A short-lived program of ours, with exactly these variables added to a bare environment."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**bare, **extra},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
