"""One Celery worker process of ours: its queues and slots, its reconciler, its watchdog, its port for probes.

`manage.py worker` calls `run`. Three threads live beside Celery's own loop: the reconciler (media.reconcile),
the watchdog that ends a worker which has stopped looking for work (its supervisor starts it again), and the
little HTTP server for /healthz, /readyz and /metrics.
"""

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from celery import bootsteps, signals
from celery.exceptions import SecurityWarning
from celery.worker import state as worker_state
from django.conf import settings
from django.db import DatabaseError, connection

from alcoves import metrics, obeying, priority, reporting, worker_http
from alcoves.celery import app
from alcoves.queues import QUEUES, Lane, in_lanes
from alcoves.scheduling import LAST_POLL, pulse, slots
from media import reconcile
from media.checks import log_once

logger = logging.getLogger(__name__)
WATCH_SECONDS = 5.0
STUCK_SECONDS = float(getattr(settings, "WORKER_STUCK_SECONDS", 45.0))
"""So that with the pause between two looks it is noticed within a minute. Tests set less."""
BEAT_SECONDS = min(5.0, STUCK_SECONDS / 5)
"""From one sign of life of the loop to the next."""
OVERSLEPT = 2 * WATCH_SECONDS
"""The watchdog itself came so late that the whole machine stood still."""
STUCK_EXIT = 70
consuming = threading.Event()
"""Set when this worker has its pool and takes messages for the first time."""
NICE: dict[Lane, int] = {"interactive": 0, "standard": 5, "heavy": 10, "maintenance": 15}


class Loop(threading.Thread):
    """Does `work` every `seconds` until the process ends. A failure is told and does not end it."""

    def __init__(self, name: str, seconds: float, work: Callable[[], None], *, at_once: bool = False) -> None:
        super().__init__(name=name, daemon=True)
        self.seconds, self.work, self.first = seconds, work, 0.0 if at_once else seconds
        self.stopped = threading.Event()

    def run(self) -> None:
        pause = self.first
        while not self.stopped.wait(pause):
            pause = self.seconds
            began = time.monotonic()
            try:
                self.work()
            except DatabaseError as error:
                logger.warning("%s: the database is away (%s)", self.name, error)
                connection.close()
                metrics.DB_RETRIES.labels(where=self.name).inc()
                metrics.BACKGROUND_ERRORS.labels(task=self.name).inc()
            except Exception:
                logger.exception("%s failed; it goes on", self.name)
                metrics.BACKGROUND_ERRORS.labels(task=self.name).inc()
            else:
                metrics.BACKGROUND_SUCCESS.labels(task=self.name).set(time.time())
            metrics.BACKGROUND_SECONDS.labels(task=self.name).observe(time.monotonic() - began)


class Reconciling:
    """Rounds of media.reconcile. After one that found Postgres away, the next only hands out messages."""

    def __init__(self) -> None:
        self.was_away = False

    def __call__(self) -> None:
        try:
            reconcile.reconcile(rescue=not self.was_away)
            reconcile.sweep_scratch()
            self.was_away = False
        except DatabaseError:
            self.was_away = True
            raise
        finally:
            connection.close_if_unusable_or_obsolete()


class Beside(bootsteps.StartStopStep):
    """Starts our threads once the worker consumes."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.loops: list[Loop] = []

    def start(self, parent: Any) -> None:
        pulse[LAST_POLL] = pulse["hub"] = time.monotonic()
        parent.hub.call_repeatedly(BEAT_SECONDS, beat)
        if self.loops:
            return  # Reconnected: the threads are still there.
        self.loops = [
            Loop("reconciler", settings.RECONCILE_SECONDS, Reconciling(), at_once=True),
            Loop("watchdog", WATCH_SECONDS, Watchdog()),
        ]
        if obeying.here is not None:
            self.loops.append(Loop("reporter", reporting.SECONDS, obeying.here.reporter.tell, at_once=True))
        for loop in self.loops:
            loop.start()

    def terminate(self, parent: Any) -> None:
        for loop in self.loops:
            loop.stopped.set()


def beat() -> None:
    pulse["hub"] = time.monotonic()


def stuck_for() -> float:
    """Seconds since this worker last turned its loop, or last looked for work although it had a slot free."""
    now = time.monotonic()
    asleep = now - pulse.get("hub", now)
    busy = len(worker_state.reserved_requests) >= max(1, slots.total)
    return asleep if busy else max(asleep, now - pulse.get(LAST_POLL, now))


class Watchdog:
    """A worker that is alive and does not consume helps nobody: end it, hard, and let it be started anew.

    Where the machine was paused, or had no time for anybody, the loop has its turn before it is judged.
    """

    def __init__(self) -> None:
        self.awake = time.monotonic()

    def __call__(self) -> None:
        slept, self.awake = time.monotonic() - self.awake, time.monotonic()
        if slept > OVERSLEPT or stuck_for() < STUCK_SECONDS or not worker_http.broker_answers():
            return
        logger.critical(
            "no look for work in %.0f s: this worker ends itself to be started again", stuck_for()
        )
        os._exit(STUCK_EXIT)


def run(lane: Lane | None = None, *, concurrency: int | None = None) -> int:
    """Consume until told to stop. Without a lane: all queues with capped slots; with one: that lane alone."""
    if lane is None:
        queues = QUEUES
        own = obeying.Sizes(concurrency or settings.WORKER_CONCURRENCY, settings.LANE_CAPS)
    else:
        queues = in_lanes({lane}, apart=settings.UPKEEP_APART)
        own = obeying.Sizes(concurrency or int(settings.LANE_CAPS.get(lane, settings.INTERACTIVE_SLOTS)))
        priority.lower_process(NICE[lane])
    name = reporting.name_of(lane or "all")
    obeying.begin(name, lane, own)
    app.steps["consumer"].update((Beside, obeying.Obey, reporting.TellFlower))
    # Once, and before the pool is forked: children inherit what this ffmpeg can do.
    log_once()
    # Its advice against root is about pickled messages; ours are JSON only.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    with worker_http.serving(
        settings.WORKER_METRICS_PORT, stuck_for, STUCK_SECONDS, consumes=consuming.is_set
    ):
        worker = app.Worker(
            hostname=name,
            queues=[queue.name for queue in queues],
            concurrency=slots.total,
            pool="alcoves.priority:TaskPool",
            loglevel=settings.LOG_LEVEL,
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            task_events=True,
        )
        worker.start()
        return int(worker.exitcode or 0)


@signals.worker_ready.connect
def tell_ready(**_: Any) -> None:
    consuming.set()


@signals.setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Django has set logging up; Celery leaves it as it is."""
