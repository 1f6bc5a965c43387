"""What workers tell of themselves: each moment into Redis, for the console; every ten seconds at most into Postgres.

The row remembers a worker that has gone. A Redis that is away or emptied costs the details, not who is alive.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis
from django.utils import timezone

from media import dispatch
from media.models import Control, WorkerReport
from media.models.control import ControlKind

logger = logging.getLogger(__name__)
ROW_SECONDS: Final = 10.0
"""Between two writes of a row."""
OFFLINE: Final = timedelta(seconds=60)
TWIN_SECONDS: Final = 10.0
"""Longer than one that was replaced may have told of itself since its successor began."""
FORGOTTEN: Final = timedelta(days=7)
PREFIX: Final = "alcoves:worker:"
INDEX: Final = "alcoves:workers"


@dataclass(frozen=True, slots=True)
class Running:
    """One task that a worker is at. Ids only."""

    task: str
    id: str
    queue: str
    since: float
    """Seconds since 1970; 0 where a child has not begun."""
    subject: str = ""
    """The id that the task was given: of a Derivative, where the task is `media.derive`."""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A worker as it is now, or as it was when it was last seen."""

    name: str
    lane: str
    host: str
    pid: int
    version: str
    began: float
    seen: float
    slots: int
    caps: Mapping[str, int] = field(default_factory=dict)
    running: tuple[Running, ...] = ()
    polled: float = 0.0
    """When it last looked for work."""
    looped: float = 0.0
    """When its loop last turned."""
    draining: bool = False
    drained: bool = False
    memory: int = 0
    metrics: str = ""
    """Host and port where it answers probes; empty where it does not."""
    live: bool = True
    """False: from the row, which knows no tasks."""

    @property
    def alive(self) -> bool:
        return timezone.now().timestamp() - self.seen < OFFLINE.total_seconds()

    @property
    def state(self) -> str:
        if not self.alive:
            return "offline"
        if self.drained:
            return "drained"
        return "draining" if self.draining else "alive"

    @property
    def began_at(self) -> datetime:
        return datetime.fromtimestamp(self.began, UTC)

    @property
    def seen_at(self) -> datetime:
        return datetime.fromtimestamp(self.seen, UTC)


def tell(report: Report) -> None:
    """Into Redis, where it fades."""
    try:
        with dispatch.redis_client().pipeline(transaction=False) as pipe:
            pipe.set(PREFIX + report.name, json.dumps(asdict(report)), ex=int(OFFLINE.total_seconds()))
            pipe.zadd(INDEX, {report.name: report.seen})
            pipe.zremrangebyscore(INDEX, 0, report.seen - OFFLINE.total_seconds())
            pipe.execute()
    except redis.RedisError as error:
        logger.debug("%s is not told of: %s", report.name, error)


def twin_of(report: Report) -> Report | None:
    """Another that tells of itself under the same name at this time: they would be drained together."""
    try:
        text = dispatch.redis_client().get(PREFIX + report.name)
    except redis.RedisError:
        return None
    other = read(text) if text else None
    if other is None or (other.host, other.pid) == (report.host, report.pid):
        return None
    return other if other.seen > report.began + TWIN_SECONDS else None


def write(report: Report) -> None:
    """Into Postgres. Forgets workers that nobody has seen for long, unless they are drained."""
    WorkerReport.objects.update_or_create(
        name=report.name,
        defaults={
            "lane": report.lane,
            "host": report.host,
            "pid": report.pid,
            "version": report.version,
            "slots": report.slots,
            "running": len(report.running),
            "draining": report.draining,
            "began_at": report.began_at,
            "seen_at": report.seen_at,
        },
    )


def forget_gone() -> int:
    """Workers that nobody has seen for long; one that is drained stays."""
    drained = Control.objects.filter(kind=ControlKind.WORKER, paused=True).values("name")
    gone = WorkerReport.objects.filter(seen_at__lt=timezone.now() - FORGOTTEN).exclude(name__in=drained)
    return int(gone.delete()[0])


def find() -> list[Report]:
    """All that are known, those of Redis with what they do; by name. One query."""
    told = told_now()
    known = {row.name: from_row(row) for row in WorkerReport.objects.all()[:500]}
    return [{**known, **told}[name] for name in sorted({*known, *told})]


def told_now() -> dict[str, Report]:
    try:
        client = dispatch.redis_client()
        names = [name.decode() for name in client.zrange(INDEX, 0, 499)]
        texts = client.mget([PREFIX + name for name in names]) if names else []
    except redis.RedisError:
        return {}
    return {name: read(text) for name, text in zip(names, texts, strict=True) if text}


def read(text: bytes) -> Report:
    """Of another version of ours, too: what only one of both knows is left out."""
    content: dict[str, Any] = json.loads(text)
    content["running"] = tuple(Running(**known(Running, one)) for one in content.get("running", ()))
    return Report(**known(Report, content))


def known(shape: type, content: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(shape)}
    return {name: value for name, value in content.items() if name in names}


def from_row(row: WorkerReport) -> Report:
    return Report(
        name=row.name,
        lane=row.lane,
        host=row.host,
        pid=row.pid,
        version=row.version,
        began=row.began_at.timestamp(),
        seen=row.seen_at.timestamp(),
        slots=row.slots,
        draining=row.draining,
        live=False,
    )
