"""What waits: by queue and lane, since when, and whether somebody has paused it. As `media.backlog` counts it."""

from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from alcoves.alerts.rules.kept import Kept
from media import backlog
from media.backlog import LaneState, QueueState
from media.models import Control

AWAY: Final = "Redis does not answer, so messages are not counted. Rows of the ledger wait until it is back."

KEPT_SECONDS: Final = 2.0
lately: Final = Kept(backlog.find, KEPT_SECONDS)
"""For what asks again and again, the dashboard and the pages that are open: they ask once together."""


def report() -> dict[str, Any]:
    """Rows of the ledger, messages in Redis, and the age of the oldest that may run now.

    Where `dueExact` is false, no more are due than `due`: the rest of a long queue was not looked at.
    """
    found = lately.get()
    return {
        "queues": [describe(queue) for queue in found.queues],
        "lanes": [describe_lane(lane, found.everything) for lane in found.lanes],
        "notes": [] if found.redis else [AWAY],
    }


def describe(queue: QueueState) -> dict[str, Any]:
    return {
        "queue": queue.name,
        "lane": queue.about.lane,
        "weight": queue.about.weight,
        "waiting": queue.rows,
        "due": queue.due,
        "dueExact": queue.exact,
        "running": queue.running,
        "messages": queue.depth,
        "oldestSeconds": seconds_since(queue.oldest),
        "pause": describe_pause(queue.pause),
    }


def describe_lane(lane: LaneState, everything: Control | None) -> dict[str, Any]:
    return {
        "lane": lane.name,
        "waiting": lane.rows,
        "due": lane.due,
        "dueExact": lane.exact,
        "running": lane.running,
        "messages": lane.depth,
        "oldestSeconds": None if lane.age is None else max(0.0, round(lane.age, 1)),
        "slots": lane.ordered,
        "pause": describe_pause(everything or lane.paused),
    }


def seconds_since(moment: datetime | None) -> float | None:
    return None if moment is None else max(0.0, round((timezone.now() - moment).total_seconds(), 1))


def describe_pause(control: Control | None) -> dict[str, Any] | None:
    """Who has paused it, itself, its lane or everything; None where it runs."""
    if control is None:
        return None
    at = control.set_at.isoformat() if control.set_at else None
    return {"what": control.kind, "by": control.set_by, "reason": control.reason, "at": at}
