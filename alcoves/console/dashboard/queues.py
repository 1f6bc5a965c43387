"""What waits: by queue and lane, since when, and whether somebody has paused it."""

from collections import Counter
from datetime import datetime
from typing import Any, Final

import redis
from django.db import connection
from django.utils import timezone

from alcoves.queues import LANES, QUEUES
from media import dispatch, tallies
from media.models import Control, tally
from media.models.control import ControlKind

LOOKED_AT: Final = 1_000
"""Of the rows that were queued first: those that are not due yet, or wanted by no file, are passed over."""

OLDEST: Final = """
SELECT q.name, (
    SELECT min(first.queued_at) FROM (
        SELECT d.queued_at, d.not_before, d.original_id FROM media_derivative d
        WHERE d.status = 'queued' AND d.queue = q.name ORDER BY d.queued_at LIMIT %(most)s
    ) first
    WHERE (first.not_before IS NULL OR first.not_before <= clock_timestamp()) AND EXISTS (
        SELECT 1 FROM media_file f WHERE f.original_id = first.original_id AND f.trashed_at IS NULL)
) FROM unnest(%(names)s::text[]) AS q (name)
"""


def report() -> dict[str, Any]:
    """Rows of the ledger, messages in Redis, and the age of the oldest that may run now."""
    rows = {(one.keys[0], one.keys[1]): one.number for one in tallies.told(tally.DERIVATIVES, 1, 2)}
    messages, told = lengths()
    since = oldest()
    orders = {(row.kind, row.name): row for row in Control.objects.all()}
    queues = [
        {
            "queue": one.name,
            "lane": one.lane,
            "weight": one.weight,
            "waiting": rows.get(("queued", one.name), 0),
            "running": rows.get(("processing", one.name), 0),
            "messages": messages.get(one.name) if messages is not None else None,
            "oldestSeconds": seconds_since(since.get(one.name)),
            "pause": pause_of(orders, one.name, one.lane),
        }
        for one in QUEUES
    ]
    return {"queues": queues, "lanes": lanes(queues, orders), "notes": [told] if told else []}


def lanes(queues: list[dict[str, Any]], orders: dict[tuple[str, str], Control]) -> list[dict[str, Any]]:
    """The same by lane."""
    found = []
    for name in LANES:
        members = [one for one in queues if one["lane"] == name]
        counted: Counter[str] = sum(
            (Counter({key: one[key] or 0 for key in ("waiting", "running", "messages")}) for one in members),
            Counter(),
        )
        ages = [one["oldestSeconds"] for one in members if one["oldestSeconds"] is not None]
        order = orders.get((ControlKind.LANE, name))
        found.append(
            {
                "lane": name,
                **{key: counted[key] for key in ("waiting", "running")},
                "messages": None if members[0]["messages"] is None else counted["messages"],
                "oldestSeconds": max(ages, default=None),
                "slots": order.slots if order else None,
                "pause": pause_of(orders, "", name),
            }
        )
    return found


def lengths() -> tuple[dict[str, int] | None, str]:
    try:
        return dispatch.queue_lengths(), ""
    except (redis.RedisError, OSError):
        return (
            None,
            "Redis does not answer, so messages are not counted. Rows of the ledger wait until it is back.",
        )


def oldest() -> dict[str, datetime | None]:
    with connection.cursor() as cursor:
        cursor.execute(OLDEST, {"names": [one.name for one in QUEUES], "most": LOOKED_AT})
        return dict(cursor.fetchall())


def seconds_since(moment: datetime | None) -> float | None:
    return None if moment is None else max(0.0, round((timezone.now() - moment).total_seconds(), 1))


def pause_of(orders: dict[tuple[str, str], Control], queue: str, lane: str) -> dict[str, Any] | None:
    """Who has paused it, itself, its lane or everything; None where it runs."""
    for key in ((ControlKind.ALL, "all"), (ControlKind.LANE, lane), (ControlKind.QUEUE, queue)):
        row = orders.get(key)
        if row is not None and row.paused:
            at = row.set_at.isoformat() if row.set_at else None
            return {"what": row.kind, "by": row.set_by, "reason": row.reason, "at": at}
    return None
