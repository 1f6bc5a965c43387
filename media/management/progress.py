"""What is being made of some originals: counted in the database, waited for, told as a table or a phrase per file."""

import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django.db.models import Count, F, Q, Sum
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from rich.table import Table

from media.models import Derivative
from media.models.derivative import Status

POLL_SECONDS = 0.5
LIMIT_SECONDS = 180.0
PATIENCE_SECONDS = 10.0
"""So long nothing may change before workers are asked whether there are any."""
NO_WORKER = "No worker answers, so what is queued waits. Start one with script/up or manage.py worker."
WORDS = {
    Status.READY: "ready",
    Status.PROCESSING: "under way",
    Status.QUEUED: "queued",
    Status.NOT_NEEDED: "not needed",
    Status.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """How far one deriver is. `seconds` is the time its runs took, added up."""

    deriver: str
    ready: int
    not_needed: int
    failed: int
    unfinished: int
    seconds: float


def count(originals: Collection[UUID]) -> list[Tally]:
    """One query, whatever the number of originals."""
    took = Sum(F("finished_at") - F("started_at"), filter=Q(finished_at__isnull=False))
    rows: Any = (
        Derivative.objects.filter(original__in=originals)
        .values("deriver")
        .annotate(took=took, **{status.value: Count("pk", filter=Q(status=status)) for status in Status})
        .order_by("deriver")
    )
    return [
        Tally(
            row["deriver"],
            row["ready"],
            row["not_needed"],
            row["failed"],
            row["queued"] + row["processing"],
            (row["took"] or timedelta()).total_seconds(),
        )
        for row in rows
    ]


def wait(originals: Collection[UUID]) -> tuple[list[Tally], str]:
    """Until nothing is queued or under way, and a sentence that says how it ended. Results plan further results
    in their own transaction, so nothing unfinished means that all of it is there.
    """
    began = moved = time.monotonic()
    before: list[Tally] = []
    while True:
        tallies, now = count(originals), time.monotonic()
        unfinished = sum(tally.unfinished for tally in tallies)
        if not unfinished:
            return tallies, f"Everything that was planned is done after {now - began:.0f} s."
        if now - began >= LIMIT_SECONDS:
            return (
                tallies,
                f"{unfinished} are unfinished after {LIMIT_SECONDS:.0f} s. They go on without this command.",
            )
        if tallies != before:
            before, moved = tallies, now
        elif now - moved >= PATIENCE_SECONDS:
            if not worker_answers():
                return tallies, NO_WORKER
            moved = now
        time.sleep(POLL_SECONDS)


def worker_answers() -> bool:
    """Whether there is a worker at all; a busy one answers too. Without Redis there is none that could work."""
    try:
        return bool(current_app.control.ping(timeout=1.0))
    except (OperationalError, RedisError, OSError):
        return False


def table_of(tallies: Collection[Tally]) -> Table:
    table = Table("Made", "Ready", "Not needed", "Failed", "Unfinished", "Seconds")
    for tally in tallies:
        numbers = (tally.ready, tally.not_needed, tally.failed, tally.unfinished)
        table.add_row(tally.deriver, *map(str, numbers), f"{tally.seconds:.1f}")
    return table


def phrases(originals: Collection[UUID]) -> dict[UUID, str]:
    """Of each original what is made of it, such as `metadata ready; hash, preview queued`. One query."""
    found: dict[UUID, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    rows = Derivative.objects.filter(original__in=originals).order_by("deriver", "variant")
    for original, deriver, status in rows.values_list("original_id", "deriver", "status"):
        found[original][status].append(deriver)
    return {
        original: "; ".join(f"{', '.join(by[key])} {word}" for key, word in WORDS.items() if key in by)
        for original, by in found.items()
    }
