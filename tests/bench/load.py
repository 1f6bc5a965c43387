"""A cheap HTTP client: `python -m tests.bench.load PLAN.json` prints what it has seen as one line of JSON.

A program of its own, so that it takes its own core time and nobody else's. Connections are kept alive and requests
are written down before the clock starts: of an answer only the end of its head and its length are looked for.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import uvloop

from tests.workers import PROJECT

ROOM: Final = 256 * 1024
LENGTH: Final = b"\r\ncontent-length: "


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask. `paths` are asked once each, by whichever connection is free, or again and again for `seconds`."""

    ports: Sequence[int]
    paths: Sequence[str]
    clients: int = 16
    """Spread evenly over the ports."""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    processes: int = 1
    """How many programs share the clients. More than one where one could be what is waited for."""


@dataclass(frozen=True, slots=True)
class Seen:
    requests: int
    seconds: float
    statuses: dict[str, int]
    bytes: int
    client_cpu_seconds: float
    latencies: list[float]
    """Of each request, where each was asked once."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def run(plan: Plan, folder: Path) -> Seen:
    """Ask from other processes."""
    path = folder / "plan.json"
    path.write_text(json.dumps({**asdict(plan), "clients": plan.clients // plan.processes}), encoding="utf-8")
    arguments = [sys.executable, "-m", "tests.bench.load", str(path)]
    children = [
        subprocess.Popen(arguments, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for _ in range(plan.processes)
    ]
    told = [child.communicate()[0] for child in children]
    assert not any(child.returncode for child in children), [child.returncode for child in children]
    return together([Seen(**json.loads(text)) for text in told])


def together(parts: Sequence[Seen]) -> Seen:
    """What several programs have seen at the same time."""
    return Seen(
        requests=sum(part.requests for part in parts),
        seconds=max(part.seconds for part in parts),
        statuses=dict(sum((Counter(part.statuses) for part in parts), Counter())),
        bytes=sum(part.bytes for part in parts),
        client_cpu_seconds=sum(part.client_cpu_seconds for part in parts),
        latencies=[seconds for part in parts for seconds in part.latencies],
    )


class Load:
    """What all connections share: the requests that are left, and what came of them."""

    def __init__(self, plan: Plan) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
        written = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode() for path in plan.paths]
        self.requests: Iterator[bytes] = iter(written) if plan.seconds is None else cycle(written)
        self.until = None if plan.seconds is None else time.perf_counter() + plan.seconds
        self.statuses: Counter[bytes] = Counter()
        self.bytes = 0
        self.latencies: list[float] = []

    def next(self, now: float) -> bytes | None:
        return None if self.until is not None and now >= self.until else next(self.requests, None)

    def note(self, status: bytes, size: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.bytes += size
        if self.until is None:
            self.latencies.append(seconds)


class Connection(asyncio.BufferedProtocol):
    """Asks, reads to the end of the answer, asks again. `ended` is set when there is nothing left to ask."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.room = bytearray(ROOM)
        self.view = memoryview(self.room)
        self.filled = 0
        """Bytes of the head that are here, as long as it is not whole."""
        self.missing = 0
        """Bytes of the body that are still to come."""
        self.status = b""
        self.size = 0
        self.began = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self) -> None:
        self.began = time.perf_counter()
        request = self.load.next(self.began)
        if request is None:
            self.transport.close()
        else:
            self.transport.write(request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.view[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if self.status:
            self.missing -= nbytes
        elif not self.take_head(nbytes):
            return
        if self.missing <= 0:
            self.load.note(self.status, self.size, time.perf_counter() - self.began)
            self.status = b""
            self.ask()

    def take_head(self, nbytes: int) -> bool:
        """False until it is whole."""
        self.filled += nbytes
        end = self.room.find(b"\r\n\r\n", 0, self.filled)
        if end < 0:
            return False
        head = bytes(self.room[: end + 2]).lower()
        start = head.index(LENGTH) + len(LENGTH)
        self.size = int(head[start : head.index(b"\r\n", start)])
        self.status = head[9:12]
        self.missing = self.size - (self.filled - end - 4)
        self.filled = 0
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self.status or self.filled:
            self.load.note(b"cut", 0, 0.0)
        self.ended.set_result(None)


async def measure(plan: Plan) -> Seen:
    loop = asyncio.get_running_loop()
    load = Load(plan)
    connections = []
    for number in range(plan.clients):
        port = plan.ports[number % len(plan.ports)]
        _, connection = await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
        connections.append(connection)
    began, cpu = time.perf_counter(), cpu_seconds()
    if plan.seconds is not None:
        load.until = began + plan.seconds
    for connection in connections:
        connection.ask()
    await asyncio.gather(*(connection.ended for connection in connections))
    return Seen(
        requests=load.statuses.total(),
        seconds=time.perf_counter() - began,
        statuses={name.decode(): count for name, count in load.statuses.items()},
        bytes=load.bytes,
        client_cpu_seconds=cpu_seconds() - cpu,
        latencies=load.latencies,
    )


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(path: Path) -> None:
    plan = Plan(**json.loads(path.read_text(encoding="utf-8")))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(measure(plan)))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
