"""What waits in which queue, what of it runs, and what is paused: for the console, the API, the command, the doctor
and the metrics. Nothing else counts queues.

Sums come from `media.tallies`, so that a million rows cost no more than ten. Of each queue the first rows are looked
at one by one: those that are to be tried later, or that nobody wants now, are not due. Where none of very many is due,
all of that queue are looked at together, for a moment; what could not be seen in it is told as unknown.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from alcoves import limited
from alcoves.queues import LANES, QUEUES, Lane, Queue
from media import dispatch, tallies, workers
from media.models import Control, tally
from media.models.control import ControlKind
from media.statements import PARENT_WAITS
from media.workers import Report

LOOKED_AT = 1_000
"""Of each queue, the rows that were queued first. Those behind them may be due or not: then `due` is a bound."""
LOOKED_FOR = 20_000
"""So many are passed over, in search of one that is due."""
SEARCH_MILLISECONDS = 900
"""For a look at all of a queue, where none of those was."""

LATE = "coalesce(d.not_before > clock_timestamp(), FALSE)"
WANTED = f"""
    EXISTS (SELECT 1 FROM media_file f WHERE f.original_id = d.original_id AND f.trashed_at IS NULL OFFSET 0)
    AND NOT EXISTS (SELECT 1 FROM media_original o WHERE o.id = d.original_id AND o.held_at IS NOT NULL OFFSET 0)
    AND (d.parent_id IS NULL OR {PARENT_WAITS})"""  # noqa: S608  Only constants are put in.
"""As `ledger.waiting`. OFFSET 0 makes Postgres ask row by row, so that it ends with the first that is due."""

LOOK = f"""
WITH divided AS (
    SELECT queue, count(*) AS number FROM media_derivative
    WHERE status = 'processing' AND parts_left IS NOT NULL GROUP BY queue
)
SELECT q.name, looked.late, looked.unwanted, due.queued_at, coalesce(divided.number, 0)
FROM unnest(%(names)s::text[]) AS q (name) LEFT JOIN divided ON divided.queue = q.name
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE late) AS late, count(*) FILTER (WHERE NOT late AND NOT wanted) AS unwanted
    FROM (SELECT {LATE} AS late, {WANTED} AS wanted FROM media_derivative d
          WHERE d.status = 'queued' AND d.queue = q.name ORDER BY d.queued_at LIMIT %(looked)s) first
) looked
LEFT JOIN LATERAL (
    SELECT d.queued_at FROM (SELECT * FROM media_derivative d
          WHERE d.status = 'queued' AND d.queue = q.name ORDER BY d.queued_at LIMIT %(far)s) d
    WHERE NOT {LATE} AND {WANTED} ORDER BY d.queued_at LIMIT 1
) due ON TRUE
"""  # noqa: S608  Only constants of this module are put in.

SEARCH = f"""
SELECT queue, count(*), count(*) FILTER (WHERE late), count(*) FILTER (WHERE NOT late AND NOT wanted),
    min(queued_at) FILTER (WHERE NOT late AND wanted)
FROM (SELECT d.queue, d.queued_at, {LATE} AS late, {WANTED.replace(" OFFSET 0", "")} AS wanted
      FROM media_derivative d WHERE d.status = 'queued' AND d.queue = ANY(%(names)s)) every
GROUP BY queue
"""  # noqa: S608  As above.
"""Without OFFSET 0 Postgres may put live files into a hash, and ask that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one queue in the ledger."""

    queued: int = 0
    delayed: int = 0
    """Of them, to be tried later."""
    asleep: int = 0
    """Of them, wanted by nobody now: in the trash, set aside, or of a parent that does not wait."""
    oldest: datetime | None = None
    """Of those that are due."""
    processing: int = 0
    divided: int = 0
    """Of these, waiting for their parts."""
    searched: bool = False
    """All were looked at, however many."""

    @property
    def unknown(self) -> bool:
        """None of those that were looked at is due, and nobody could see whether one behind them is."""
        return self.oldest is None and not self.searched and self.queued > LOOKED_FOR

    @property
    def due(self) -> int:
        there = self.oldest is not None or self.unknown
        return max(0, self.queued - self.delayed - self.asleep) if there else 0

    @property
    def exact(self) -> bool:
        """Each row was looked at. Otherwise no more are due than `due` says, and perhaps less, or none."""
        return self.searched or self.queued <= LOOKED_AT or not self.due

    @property
    def running(self) -> int:
        return max(0, self.processing - self.divided)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue at this moment."""

    about: Queue
    depth: int | None
    """Messages in Redis; None where it is away."""
    ledger: Rows
    told: int
    """Tasks that workers tell of. Upkeep has no rows."""
    pause: Control | None
    """Its own, its lane's, or that of everything."""

    @property
    def rows(self) -> int:
        return self.ledger.queued

    @property
    def due(self) -> int:
        """Rows that may run now, in a queue from which work is taken."""
        return self.ledger.due if self.pause is None else 0

    @property
    def exact(self) -> bool:
        return self.ledger.exact

    @property
    def oldest(self) -> datetime | None:
        """Also where the queue is paused: so long somebody has waited."""
        return self.ledger.oldest

    @property
    def running(self) -> int:
        return max(self.ledger.running, self.told)

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def own_pause(self) -> Control | None:
        return self.pause if self.pause is not None and self.pause.name == self.name else None

    @property
    def age(self) -> float | None:
        """Seconds that the oldest row has waited."""
        return (timezone.now() - self.oldest).total_seconds() if self.oldest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """A lane with its queues."""

    name: Lane
    queues: tuple[QueueState, ...]
    control: Control | None
    workers: int
    """Those alive that serve it."""
    slots: int
    """All that they have together."""
    configured: int
    """What the environment says, for one worker."""

    @property
    def depth(self) -> int | None:
        depths = [queue.depth for queue in self.queues]
        return None if None in depths else sum(depth or 0 for depth in depths)

    @property
    def rows(self) -> int:
        return sum(queue.rows for queue in self.queues)

    @property
    def due(self) -> int:
        return sum(queue.due for queue in self.queues)

    @property
    def exact(self) -> bool:
        return all(queue.exact for queue in self.queues)

    @property
    def running(self) -> int:
        return sum(queue.running for queue in self.queues)

    @property
    def age(self) -> float | None:
        return max((queue.age for queue in self.queues if queue.age is not None), default=None)

    @property
    def paused(self) -> Control | None:
        return self.control if self.control is not None and self.control.paused else None

    @property
    def ordered(self) -> int | None:
        return self.control.slots if self.control is not None else None


@dataclass(frozen=True, slots=True)
class Backlog:
    """All of it."""

    lanes: tuple[LaneState, ...]
    everything: Control | None
    """Maintenance, where all is paused."""
    redis: bool

    @property
    def queues(self) -> list[QueueState]:
        return [queue for lane in self.lanes for queue in lane.queues]


def find(reports: Iterable[Report] | None = None) -> Backlog:
    """Three queries, and one for the workers where their reports are not given."""
    alive = [report for report in (workers.find() if reports is None else reports) if report.alive]
    ordered = {(row.kind, row.name): row for row in Control.objects.all()}
    everything = standing(ordered.get((ControlKind.ALL, "all")))
    lengths, ledger = depths(), rows()
    told = Counter(task.queue for report in alive for task in report.running)
    lanes = []
    for name in LANES:
        lane = ordered.get((ControlKind.LANE, name))
        queues = tuple(
            QueueState(
                about=queue,
                depth=None if lengths is None else lengths[queue.name],
                ledger=ledger[queue.name],
                told=told[queue.name],
                pause=standing(ordered.get((ControlKind.QUEUE, queue.name))) or standing(lane) or everything,
            )
            for queue in QUEUES
            if queue.lane == name
        )
        serving = [report for report in alive if report.lane in {"all", name}]
        lanes.append(
            LaneState(
                name=name,
                queues=queues,
                control=lane,
                workers=len(serving),
                slots=sum(slots_of(report, name) for report in serving),
                configured=configured(name),
            )
        )
    return Backlog(tuple(lanes), everything, lengths is not None)


def standing(control: Control | None) -> Control | None:
    return control if control is not None and control.paused else None


def slots_of(report: Report, lane: Lane) -> int:
    return report.caps.get(lane, report.slots) if report.lane == "all" else report.slots


def configured(lane: Lane) -> int:
    return int(settings.LANE_CAPS.get(lane, settings.INTERACTIVE_SLOTS))


def depths() -> dict[str, int] | None:
    try:
        return dispatch.queue_lengths()
    except redis.RedisError:
        return None


def rows() -> dict[str, Rows]:
    """Of every queue. Two queries; what they read does not grow with what waits. A third where it must be searched."""
    counts = Counter(
        {(one.keys[0], one.keys[1]): one.number for one in tallies.told(tally.DERIVATIVES, 2, 1)}
    )
    names = [queue.name for queue in QUEUES]
    with connection.cursor() as cursor:
        cursor.execute(LOOK, {"names": names, "looked": LOOKED_AT, "far": LOOKED_FOR})
        found = {
            name: Rows(
                queued=counts[name, "queued"],
                delayed=late,
                asleep=unwanted,
                oldest=oldest,
                processing=counts[name, "processing"],
                divided=divided,
            )
            for name, late, unwanted, oldest, divided in cursor.fetchall()
        }
    return found | search({name: one for name, one in found.items() if one.unknown})


def search(unknown: dict[str, Rows]) -> dict[str, Rows]:
    """The same, of which all rows were looked at. As they were, where that takes too long."""
    if not unknown:
        return {}
    try:
        with limited.statements_within(SEARCH_MILLISECONDS), connection.cursor() as cursor:
            cursor.execute(SEARCH, {"names": list(unknown)})
            looked = cursor.fetchall()
    except limited.TooLateError:
        return unknown
    return {
        name: replace(
            unknown[name], queued=queued, delayed=late, asleep=unwanted, oldest=oldest, searched=True
        )
        for name, queued, late, unwanted, oldest in looked
    }
