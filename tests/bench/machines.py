"""What the benches measure on: real workers and a real web server with their children, all ended afterwards."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from django.contrib.auth import get_user_model

from alcoves.embedded.processes import children_of, stat_fields
from media.libraries import create_library
from media.models import Library
from tests.workers import Process, answers, free_port, running_worker, wait_until

LANES = ("interactive", "standard", "heavy")


@contextmanager
def worker(folder: Path, *arguments: str, **extra: str) -> Iterator[Process]:
    """A worker with the times of a real installation, apart from the reconciler, which has nothing to do here."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
        "ALCOVES_LEASE_SECONDS": "20",
        "ALCOVES_RECONCILE_SECONDS": "3600",
        "ALCOVES_VISIBILITY_TIMEOUT": "120",
        "ALCOVES_LOG_LEVEL": "WARNING",
        **extra,
    }
    with running_worker(folder, *arguments, **environment) as process:
        yield process


@contextmanager
def lanes(folder: Path, **extra: str) -> Iterator[Process]:
    """A process for each lane. They come up one after another; all answer before the block begins."""
    with worker(folder, "--lanes", ",".join(LANES), **extra) as process:
        wait_until(lambda: "All lanes consume." in process.text(), 60, "lanes")
        yield process


@contextmanager
def web(folder: Path, **extra: str) -> Iterator[tuple[int, int]]:
    """uvicorn as `script/up` starts it; yields its port and its process id."""
    port = free_port()
    arguments = [
        *("-m", "uvicorn", "alcoves.asgi:application", "--host", "127.0.0.1", "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log"),
    ]
    process = Process(arguments, folder, DJANGO_SETTINGS_MODULE="tests.bench.settings", **extra)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 60, "web")
        yield port, process.popen.pid
    finally:
        process.kill_all()


@contextmanager
def webs(folder: Path, count: int = 2, **extra: str) -> Iterator[dict[int, int]]:
    """So many web processes, each on a port of its own so that clients can be spread evenly: process ids by port."""
    with ExitStack() as stack:
        yield dict(stack.enter_context(web(folder, **extra)) for _ in range(count))


def memory(pid: int, field: str) -> float:
    """VmRSS or VmHWM (the highest it has been) of a process, in MB; 0 of one that has ended."""
    return in_mb(Path(f"/proc/{pid}/status"), field)


def proportional_memory(pid: int) -> float:
    """PSS of a process and its children, in MB."""
    return sum(in_mb(Path(f"/proc/{each}/smaps_rollup"), "Pss") for each in (pid, *children_of(pid)))


def in_mb(told: Path, field: str) -> float:
    """A child may end between being listed and being read."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid: int) -> float:
    """What a process, its children and those of them that have ended have used of the cores."""
    ticks = 0
    for each in (pid, *children_of(pid)):
        fields = stat_fields(each)
        ticks += sum(map(int, fields[11:15])) if fields is not None else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def library() -> Library:
    """A library of its own for one bench."""
    owner = get_user_model().objects.create(email=f"{uuid4()}@example.org", name="Bench")
    return create_library(owner, f"bench {time.time_ns()}")
