"""Workers that are known, and what each does now."""

import time
from typing import Any, Final
from uuid import UUID

from alcoves.alerts.rules.base import rows
from media import workers
from media.models import Derivative
from media.workers import Report, Running

LEASES: Final = 200


def report() -> dict[str, Any]:
    """By name. Where Redis is away, who lives is known by the rows, and what is done by the leases."""
    found = workers.find()
    jobs = about({one.subject for worker in found for one in worker.running if one.subject})
    alive = [one for one in found if one.alive]
    dark = bool(alive) and not any(one.live for one in alive)
    notes = [
        "Workers tell of what they do through Redis, which does not answer: shown is what the leases say."
    ]
    return {
        "alive": len(alive),
        "workers": [described(one, jobs) for one in found],
        "leases": leases() if dark or not alive else [],
        "notes": notes if dark else [],
    }


def alive() -> int:
    return sum(one.alive for one in workers.find())


def described(worker: Report, jobs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": worker.name,
        "lane": worker.lane,
        "host": worker.host,
        "state": worker.state,
        "version": worker.version,
        "slots": worker.slots,
        "since": worker.began_at.isoformat(),
        "seen": worker.seen_at.isoformat(),
        "memory": worker.memory or None,
        "doing": [task(one, jobs) for one in worker.running],
    }


def task(running: Running, jobs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    seconds = round(time.time() - running.since, 1) if running.since else None
    told = {"task": running.task, "queue": running.queue, "seconds": seconds}
    return {**told, **jobs.get(running.subject, {"deriver": None, "progress": None, "link": None})}


def about(keys: set[str]) -> dict[str, dict[str, Any]]:
    """What is known of the jobs with these ids. One query."""
    valid = [key for key in keys if is_key(key)]
    found = Derivative.objects.filter(pk__in=valid).values_list("pk", "deriver", "variant", "progress")
    return {
        str(key): {
            "deriver": f"{deriver} {variant}".strip(),
            "progress": progress,
            "link": rows("media.derivative", id=key),
        }
        for key, deriver, variant, progress in found
    }


def is_key(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def leases() -> list[dict[str, Any]]:
    """Who holds what, by the ledger alone."""
    held = Derivative.objects.filter(status="processing", lease_expires_at__isnull=False)
    found = held.order_by("lease_expires_at").values_list("lease_owner", "pk", "deriver", "progress")[:LEASES]
    return [
        {"worker": owner, "deriver": deriver, "progress": progress, "link": rows("media.derivative", id=key)}
        for owner, key, deriver, progress in found
    ]
