"""Compares the ledger with what is running and takes up what fell: the reason a lost message is no loss.

A round: rows whose lease ran out go back to the queue; rows that wait for parts hear of them; parts nobody waits
for go; queued rows without a message get one. It runs in
a thread of every worker, one worker at a time (a Postgres advisory lock), so it needs neither Redis nor beat.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import redis
from django.conf import settings
from django.db import connection
from django.db.models import Count, Q

from alcoves import metrics
from media import dispatch, imagemaking, ledger, parts
from media.models import Derivative

logger = logging.getLogger(__name__)
ADVISORY_LOCK = 0x416C636F
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    rescued: int = 0
    quarantined: int = 0
    resent: int = 0
    taken_up: int = 0
    """Rows that waited for parts of which nobody told them."""


def reconcile(*, rescue: bool = True) -> Round | None:
    """One round, or None when another worker is at it.

    Without `rescue` leases that ran out are left alone: after an outage of Postgres every lease has, and their
    workers live and need a moment to renew them.
    """
    with alone() as free:
        if not free:
            return None
        moved = ledger.rescue() if rescue and settled() else []
        taken_up = parts.take_up()
        parts.sweep()
        resent = resend()
    quarantined = sum(status == "failed" for _, status in moved)
    result = Round(len(moved) - quarantined, quarantined, resent, taken_up)
    for reason in ("rescued", "quarantined", "resent", "taken_up"):
        metrics.RECONCILED.labels(reason=reason).inc(getattr(result, reason))
    if result != Round():
        logger.info("reconciled: %s", result)
    return result


def settled() -> bool:
    """Whether Postgres has been up for longer than a lease, so that a lease that ran out tells of a dead worker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() - pg_postmaster_start_time()")
        return bool(cursor.fetchone()[0].total_seconds() > settings.LEASE_SECONDS)


@contextmanager
def alone() -> Iterator[bool]:
    """Whether this process holds the round. A lock of the session, so that rows are not held while messages go out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
        free = bool(cursor.fetchone()[0])
    try:
        yield free
    finally:
        if free:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def resend() -> int:
    """Messages for rows that have none: never sent, due again, or fewer messages in the queue than rows waiting.

    A message says nothing but an id, and a twin finds nothing to claim, so sending one too many is harmless;
    counting keeps a long healthy backlog from being sent again every round.
    """
    try:
        lengths = dispatch.queue_lengths()
    except redis.RedisError as error:
        logger.warning("the broker is away, nothing sent: %s", error)
        return 0
    counts = (
        ledger.waiting()
        .values("queue")
        .annotate(silent=Count("id", filter=Q(published_at__isnull=True)), all=Count("id"))
    )
    sent = 0
    for row in counts:
        missing = max(row["silent"], row["all"] - lengths.get(row["queue"], 0))
        if missing > 0:
            sent += resend_queue(row["queue"], min(missing, BATCH))
    return sent


def resend_queue(queue: str, count: int) -> int:
    """The rows that were told longest ago go first: queues are first in, first out, so theirs are the lost ones."""
    rows = ledger.waiting().filter(queue=queue).order_by("published_at").values_list("id", "queue")
    silent = list(rows.filter(published_at__isnull=True)[:count])
    told = list(
        rows.filter(published_at__lt=ledger.after(-settings.RECONCILE_SECONDS))[: count - len(silent)]
    )
    return dispatch.publish([*silent, *told], force=True)


def sweep_scratch(root: Path | None = None) -> int:
    """Remove folders that a killed run left behind: those whose claim is not the row's newest any more.

    And those of pictures on demand.
    """
    root = root or Path(settings.SCRATCH_PATH)
    left = [folder for folder in root.glob("*-*") if folder.is_dir()] if root.is_dir() else []
    swept = 0
    for folder in left:
        key, _, fence = folder.name.rpartition("-")
        try:
            alive = Derivative.objects.filter(pk=UUID(key), fence=int(fence), status="processing").exists()
        except ValueError:
            continue  # Not ours.
        if not alive:
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
    return swept + imagemaking.sweep_scratch(root)
