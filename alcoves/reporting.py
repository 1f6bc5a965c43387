"""What a worker tells of itself: a moment's picture by its loop, carried to Redis and Postgres by a thread.

And a heartbeat for Flower, which knows a worker by its events alone: one that has nothing to do would have none.
"""

import contextlib
import logging
import os
import re
import socket
import time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from celery import bootsteps
from celery.worker import state as worker_state
from celery.worker.consumer.events import Events
from celery.worker.heartbeat import Heart
from django.conf import settings

from alcoves import env
from alcoves.queues import BY_NAME
from alcoves.scheduling import LAST_POLL, pulse, slots
from media import workers
from media.workers import Report, Running

logger = logging.getLogger(__name__)
NAME = env.text("ALCOVES_WORKER_NAME")
ALLOWED: Final = re.compile(r"[A-Za-z0-9._/@-]{1,100}")
SECONDS: Final = 2.0
BEAT_SECONDS: Final = 10.0
"""Flower takes a worker for gone that was silent for twice as long."""


def name_of(lane: str) -> str:
    """Under which Celery, Flower and the console know this worker: lane@host, unless it was given another.

    A name without @ stands for the host.
    """
    given = NAME or socket.gethostname()
    if not ALLOWED.fullmatch(given):
        raise env.BadVariableError(
            "ALCOVES_WORKER_NAME is up to 100 letters, digits and . _ / @ -, like encoder@left."
        )
    return given if "@" in given else f"{lane}@{given}"


class Reporter:
    """`look` is called by the worker's loop, `tell` by a thread: the sets of Celery change under other threads."""

    def __init__(self, name: str, lane: str) -> None:
        self.name, self.lane = name, lane
        self.began = time.time()
        self.running: tuple[Running, ...] = ()
        self.reserved = 0
        self.draining_since: float | None = None
        self.written_at = float("-inf")
        self.warned = False
        self.memory, self.weighed_at = 0, float("-inf")

    def look(self) -> None:
        self.running = tuple(describe(request) for request in tuple(worker_state.reserved_requests))
        self.reserved = len(worker_state.reserved_requests)

    def drain(self, *, draining: bool) -> None:
        if not draining:
            self.draining_since = None
        elif self.draining_since is None:
            self.draining_since = time.monotonic()

    @property
    def drained(self) -> bool:
        """Has nothing, and a poll that was under way when it was told has ended."""
        since = self.draining_since
        return since is not None and not self.reserved and time.monotonic() - since > 1

    def report(self) -> Report:
        now, ticks = time.time(), time.monotonic()
        return Report(
            name=self.name,
            lane=self.lane,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=str(settings.SPECTACULAR_SETTINGS["VERSION"]),
            began=self.began,
            seen=now,
            slots=slots.total,
            caps=dict(slots.caps),
            running=self.running,
            polled=now - (ticks - pulse.get(LAST_POLL, ticks)),
            looped=now - (ticks - pulse.get("hub", ticks)),
            draining=self.draining_since is not None,
            drained=self.drained,
            memory=self.weigh(),
            metrics=metrics_address(),
        )

    def weigh(self) -> int:
        """Seldom: the kernel walks all pages for it."""
        if time.monotonic() - self.weighed_at >= workers.ROW_SECONDS:
            self.memory, self.weighed_at = memory(), time.monotonic()
        return self.memory

    def tell(self) -> None:
        report = self.report()
        self.look_for_twin(report)
        workers.tell(report)
        if time.monotonic() - self.written_at >= workers.ROW_SECONDS:
            self.written_at = time.monotonic()  # Also where it fails: Postgres is not to be hammered.
            workers.write(report)
            workers.forget_gone()

    def look_for_twin(self, report: Report) -> None:
        twin = None if self.warned else workers.twin_of(report)
        if twin is not None:
            self.warned = True
            logger.warning(
                "process %d on %s is named %s, too: give one another ALCOVES_WORKER_NAME, or a drain is of both",
                twin.pid,
                twin.host,
                self.name,
            )


class Heartbeat(Heart):
    """Celery's own tries for ever where Redis is away, and the loop of the worker stands still meanwhile."""

    def _send(self, event: str, retry: bool = False) -> None:  # noqa: FBT001, FBT002  As the parent does.
        super()._send(event, retry=False)  # type: ignore[misc]


class TellFlower(bootsteps.StartStopStep):
    """A step of the consumer."""

    requires = (Events,)
    heart: Heartbeat | None = None

    def start(self, parent: Any) -> None:
        self.heart = Heartbeat(parent.timer, parent.event_dispatcher, BEAT_SECONDS)
        self.heart.start()

    def stop(self, parent: Any) -> None:
        heart, self.heart = self.heart, None
        if heart is not None:
            heart.stop()

    shutdown = stop


def metrics_address() -> str:
    """Where this worker answers, as others reach it: by its name where it listens to everybody."""
    host, port = settings.WORKER_METRICS_HOST, settings.WORKER_METRICS_PORT
    if host in {"0.0.0.0", "::"}:  # noqa: S104  Compared, not bound.
        host = socket.gethostname()
    return f"{f'[{host}]' if ':' in host else host}:{port}" if port else ""


def describe(request: Any) -> Running:
    """Of a Celery request. Of its arguments only one that is an id."""
    queue = (request.delivery_info or {}).get("routing_key", "")
    return Running(
        task=str(request.name),
        id=str(request.id),
        queue=queue if queue in BY_NAME else "",
        since=float(request.time_start or 0),
        subject=next((one for one in (request.args or ())[:1] if is_id(one)), ""),
        pid=int(request.worker_pid or 0),
    )


def is_id(given: Any) -> bool:
    try:
        return isinstance(given, str) and str(UUID(given)) == given
    except ValueError:
        return False


def memory() -> int:
    """Bytes of this process and its children, what they share counted once. 0 where the system does not tell."""
    return sum(proportional(pid) for pid in (os.getpid(), *children()))


def children() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return []


def proportional(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
