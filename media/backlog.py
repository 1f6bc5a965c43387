"""What waits in which queue, what of it runs, and what is paused: for the console, the API and the command.

Counts come from `media.tallies`, so that a million rows cost no more than ten.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from alcoves.queues import LANES, QUEUES, Lane, Queue
from media import dispatch, tallies, workers
from media.models import Control, tally
from media.models.control import ControlKind
from media.workers import Report

OLDEST = """
SELECT q.name, (SELECT d.queued_at FROM media_derivative d WHERE d.queue = q.name AND d.status = 'queued'
                ORDER BY d.queued_at LIMIT 1)
FROM unnest(%s::text[]) AS q (name)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue at this moment."""

    about: Queue
    depth: int | None
    """Messages in Redis; None where it is away."""
    rows: int
    oldest: datetime | None
    running: int
    pause: Control | None
    """Its own, its lane's, or that of everything."""

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
    lengths, waiting, oldest = depths(), counts(), oldest_rows()
    running = Counter(task.queue for report in alive for task in report.running)
    lanes = []
    for name in LANES:
        lane = ordered.get((ControlKind.LANE, name))
        queues = tuple(
            QueueState(
                about=queue,
                depth=None if lengths is None else lengths[queue.name],
                rows=waiting[queue.name],
                oldest=oldest.get(queue.name),
                running=running[queue.name],
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


def counts() -> Counter[str]:
    """Rows that wait, by queue."""
    return Counter(
        {one.keys[0]: one.number for one in tallies.told(tally.DERIVATIVES, 2, 1) if one.keys[1] == "queued"}
    )


def oldest_rows() -> dict[str, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(OLDEST, [[queue.name for queue in QUEUES]])
        return {name: moment for name, moment in cursor.fetchall() if moment is not None}
