"""The jobs that take longest: those that run, and those that ended within a day."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from alcoves.alerts.rules.base import rows
from media.models import Derivative

SHOWN: Final = 10
LOOKED_AT: Final = 2_000
"""Of the slowest of a calendar day, which may lie before the last 24 hours."""

SLOWEST: Final = """
SELECT id, deriver, variant, status, extract(epoch FROM took), finished_at FROM (
    SELECT id, deriver, variant, status, finished_at - started_at AS took, finished_at FROM media_derivative
    WHERE finished_at IS NOT NULL AND started_at IS NOT NULL AND (finished_at AT TIME ZONE 'UTC')::date = %(day)s
    ORDER BY finished_at - started_at DESC LIMIT %(most)s
) of_day WHERE finished_at >= %(since)s LIMIT %(shown)s
"""
"""By the index derivative_slowest_of_day."""


def report() -> dict[str, Any]:
    return {"now": running(), "day": ended(datetime.now(UTC))}


def running() -> list[dict[str, Any]]:
    """Longest first. Those that wait for their parts are not at work themselves."""
    found = Derivative.objects.filter(status="processing", parts_left__isnull=True).order_by("started_at")
    now = timezone.now()
    fields = ("pk", "deriver", "variant", "started_at", "progress", "eta_seconds", "lease_owner")
    return [
        {
            "deriver": f"{deriver} {variant}".strip(),
            "seconds": round((now - began).total_seconds(), 1) if began else None,
            "progress": progress,
            "etaSeconds": eta,
            "worker": owner,
            "link": rows("media.derivative", id=key),
        }
        for key, deriver, variant, began, progress, eta, owner in found.values_list(*fields)[:SHOWN]
    ]


def ended(now: datetime) -> list[dict[str, Any]]:
    """Of the last 24 hours, longest first."""
    since = now - timedelta(days=1)
    found: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for day in sorted({since.date(), now.date()}):
            values: dict[str, Any] = {"day": day, "since": since, "most": LOOKED_AT, "shown": SHOWN}
            cursor.execute(SLOWEST, values)
            found += cursor.fetchall()
    return [
        {
            "deriver": f"{deriver} {variant}".strip(),
            "status": status,
            "seconds": round(float(seconds), 1),
            "finished": finished.isoformat(),
            "link": rows("media.derivative", id=key),
        }
        for key, deriver, variant, status, seconds, finished in sorted(found, key=lambda row: -row[4])[:SHOWN]
    ]
