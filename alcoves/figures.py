"""What the database, Redis and the workers say when somebody scrapes: files by state, queues, workers, bytes.

Worked out at most every fifteen seconds, each figure by itself and with a limit of its own: one that fails is missing
from the answer and counted, and the others are there.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, TypeAlias

import redis
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone
from prometheus_client import Metric

from alcoves import metrics
from alcoves.alerts.rules import keeping, machine
from alcoves.backup.models import Backup
from alcoves.metrics import figures as families
from alcoves.metrics.figures import Family
from media import backlog, controls, dispatch, tallies, workers
from media.models import Library, tally

logger = logging.getLogger(__name__)
KEPT_SECONDS: Final = 15.0
STATEMENT_MILLISECONDS: Final = 1000
TURN_SECONDS: Final = 4.0
"""For all together. Those whose turn does not come are missing this time, and first the next."""
LARGEST_LIBRARIES: Final = 20
STATES: Final = ("live", "trashed", "held")
WORKER_STATES: Final = ("alive", "draining", "drained", "offline")

Sample: TypeAlias = tuple[Family, tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One question and its answer as samples. Its name is what a failure is counted under."""

    name: str
    ask: Callable[[], Iterable[Sample]]
    database: bool = True


def files() -> Iterator[Sample]:
    found = {one.keys[0]: one.number for one in tallies.told(tally.FILES, 0)}
    for state in sorted({*STATES, *found}):
        yield families.FILES, (state,), found.get(state, 0)


def derivatives() -> Iterator[Sample]:
    for one in tallies.told(tally.DERIVATIVES, 0, 1):
        yield families.DERIVATIVES, one.keys, one.number


def ledger() -> Iterator[Sample]:
    """A paused queue is not late: what would be due in it is told as paused."""
    orders = controls.orders()
    for queue, rows in backlog.rows().items():
        open_ = orders.takes(queue)
        states = {
            "due": rows.due if open_ else 0,
            "paused": 0 if open_ else rows.due,
            "delayed": rows.delayed,
            "asleep": rows.asleep,
            "processing": rows.running,
            "divided": rows.divided,
        }
        for state, number in states.items():
            yield families.QUEUE_TASKS, (queue, state), number
        age = (timezone.now() - rows.oldest).total_seconds() if rows.oldest and open_ else 0.0
        yield families.QUEUE_OLDEST, (queue,), max(0.0, age)
        yield families.JOBS_ACTIVE, (queue,), rows.running


def messages() -> Iterator[Sample]:
    for queue, length in dispatch.queue_lengths().items():
        yield families.QUEUE_SIZE, (queue,), length


def known_workers() -> Iterator[Sample]:
    found = workers.find()
    counts = Counter(one.state for one in found)
    for state in sorted({*WORKER_STATES, *counts}):
        yield families.WORKERS, (state,), counts[state]
    for one in found:
        yield families.WORKER_AGE, (one.name,), max(0.0, time.time() - one.seen)


def connections() -> Iterator[Sample]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state IS NOT NULL GROUP BY 1"
        )
        for state, number in cursor.fetchall():
            yield families.DB_CONNECTIONS, (state,), number


def storage() -> Iterator[Sample]:
    """Libraries by the name that people gave them: that of a few, and all others as one."""
    sizes: Counter[tuple[str, str]] = Counter()
    for one in tallies.told(tally.ORIGINALS, 0, 1):
        sizes[one.keys[0], one.keys[1]] += one.amount
    for topic, kind in ((tally.MADE, "derivatives"), (tally.CACHED, "cached pictures")):
        for one in tallies.told(topic, 0):
            sizes[one.keys[0], kind] += one.amount
    totals: Counter[str] = Counter()
    for (library, _), size in sizes.items():
        totals[library] += size
    shown = [library for library, _ in totals.most_common(LARGEST_LIBRARIES)]
    names = {
        str(key): name[:64] for key, name in Library.objects.filter(pk__in=shown).values_list("pk", "name")
    }
    named: Counter[tuple[str, str]] = Counter()
    for (library, kind), size in sizes.items():
        named[names.get(library, "(others)"), kind] += size
    for keys, size in named.items():
        yield families.STORAGE_BYTES, keys, size


def backups() -> Iterator[Sample]:
    last = Backup.objects.sound().values_list("finished_at", flat=True).first()
    if last is not None:
        yield families.BACKUP_SUCCESS, (), last.timestamp()
    yield families.BACKUP_EXPECTED, (), keeping.allowed() * 3600
    counts = Counter(Backup.objects.values_list("state", flat=True)[:10_000])
    for state in sorted({*("done", "failed", "running"), *counts}):
        yield families.BACKUPS, (state,), counts[state]


def disks() -> Iterator[Sample]:
    for disk in machine.all_disks.get():
        for place in disk.places:
            yield families.DISK_FREE, (place,), disk.free
            yield families.DISK_SIZE, (place,), disk.total


FIGURES: Final = (
    Figure("messages", messages, database=False),
    Figure("files", files),
    Figure("derivatives", derivatives),
    Figure("ledger", ledger),
    Figure("workers", known_workers),
    Figure("connections", connections),
    Figure("storage", storage),
    Figure("backups", backups),
    Figure("disks", disks, database=False),
)


class Figures:
    """A collector of Prometheus. What was worked out a moment ago is told again."""

    def __init__(self, figures: Iterable[Figure] = FIGURES) -> None:
        self.waiting = list(figures)
        self.lock = threading.Lock()
        self.asked_at = float("-inf")
        self.samples: list[Sample] = []

    def collect(self) -> Iterator[Metric]:
        with self.lock:
            if time.monotonic() - self.asked_at >= KEPT_SECONDS:
                self.samples = self.ask()
                self.asked_at = time.monotonic()
            samples = self.samples
        return iter(metrics_of(samples))

    def describe(self) -> list[Metric]:
        """Nothing is asked when this is registered."""
        return []

    def ask(self) -> list[Sample]:
        until = time.monotonic() + TURN_SECONDS
        samples: list[Sample] = []
        late: list[Figure] = []
        for figure in self.waiting:
            if time.monotonic() > until:
                metrics.SCRAPE_ERRORS.labels(figure.name).inc()
                late.append(figure)
            else:
                samples += asked(figure)
        self.waiting = [*late, *(one for one in self.waiting if one not in late)]
        return samples


def asked(figure: Figure) -> list[Sample]:
    try:
        with limited() if figure.database else nullcontext():
            return list(figure.ask())
    except (DatabaseError, InterfaceError) as error:
        trouble, source = str(error).strip(), "database"
    except redis.RedisError as error:
        trouble, source = str(error), "redis"
    except Exception as error:
        logger.exception("the figure %s cannot be worked out", figure.name)
        trouble, source = type(error).__name__, "other"
    logger.warning("the figure %s is missing from the metrics: %s", figure.name, trouble)
    metrics.SCRAPE_ERRORS.labels(figure.name).inc()
    if figure.ask in {ledger, messages}:
        metrics.QUEUE_SYNC_FAILURES.labels(source).inc()
    return []


@contextmanager
def limited() -> Iterator[None]:
    """A transaction in which no statement takes long. The limit ends with it, also where it is one inside another."""
    with transaction.atomic():
        limit(str(STATEMENT_MILLISECONDS))
        yield
        limit("DEFAULT")


def limit(milliseconds: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout TO {milliseconds}")


def metrics_of(samples: Iterable[Sample]) -> list[Metric]:
    made: dict[str, Metric] = {}
    for family, labels, value in samples:
        metric = made.setdefault(family.name, Metric(family.name, family.help, "gauge"))
        metric.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)
    return list(made.values())


figures = Figures()
