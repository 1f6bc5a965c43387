"""Jobs: stuck ones, those that nobody takes up, derivers that fail, files whose bytes are gone, downloads of models."""

from collections.abc import Iterator
from datetime import datetime
from typing import cast
from urllib.parse import urlencode

from django.db.models import Count, Q

from alcoves.alerts import pulses
from alcoves.alerts.rules.base import MANY, Severity, Trouble, age, ago, counted, page, rows
from alcoves.queues import BY_NAME, Lane
from media import backlog, controls, live
from media.models import Derivative
from media.models.derivative import Status

SHOWN = 20
ENDED = (Status.READY, Status.NOT_NEEDED, Status.FAILED)
SET_ASIDE = "quarantined"
GONE = "source_missing"


def progress() -> dict[str, str]:
    """How far each run has come, by row and claim: what `pulses.remember` keeps from look to look."""
    running = Derivative.objects.filter(status=Status.PROCESSING, parts_left__isnull=True)
    found = running.values_list("pk", "fence", "progress")
    return {f"{key}:{fence}": str(percent) for key, fence, percent in found}


def stuck() -> Iterator[Trouble]:
    """Runs whose lease is kept and that have come no further for a long time."""
    minutes = live.value("ALERT_STUCK_MINUTES")
    since = ago(minutes=minutes)
    known = pulses.family(pulses.PROGRESS)
    running = Derivative.objects.filter(
        status=Status.PROCESSING, parts_left__isnull=True, started_at__lt=since
    ).order_by("started_at")
    shown = 0
    for row in running.only("pk", "fence", "deriver", "variant", "started_at", "lease_owner", "progress"):
        began = cast("datetime", row.started_at)  # Rows without are not asked for.
        moved = known.get(f"{row.pk}:{row.fence}", (began, ""))[0]
        if moved < since and shown < SHOWN:
            shown += 1
            yield Trouble(
                f"stuck:{row.pk}",
                Severity.WARNING,
                f"{row.deriver} has stood at {row.progress} % for {age(max(moved, began))} "
                f"on {row.lease_owner}. Cancel the job, or look what its worker does.",
                rows("media.derivative", id=row.pk),
            )


def lane_queues(lane: Lane) -> list[str]:
    return [queue.name for queue in BY_NAME.values() if queue.lane == lane]


def waiting() -> Iterator[Trouble]:
    """Queues that have work and start none of it, although nothing else of their lane runs. A pause is no trouble."""
    since = ago(minutes=live.value("ALERT_QUEUED_MINUTES"))
    busy = set(
        Derivative.objects.filter(status=Status.PROCESSING, parts_left__isnull=True)
        .order_by()
        .values_list("queue", flat=True)
        .distinct()
    )
    orders = controls.orders()
    for name, found in backlog.rows().items():
        if found.oldest is None or found.oldest >= since:
            continue
        if busy & set(lane_queues(BY_NAME[name].lane)) or not orders.takes(name):
            continue
        if not started(name, since):
            what = "1 job is" if found.due == 1 else f"{found.due} jobs are"
            yield Trouble(
                f"queue:{name}",
                Severity.WARNING,
                f"{what} due in queue {name}, the oldest for {age(found.oldest)}, and none is started. "
                "Look whether its worker is there and takes work.",
                rows("media.derivative", status="queued", queue=name),
            )


def started(queue: str, since: datetime) -> bool:
    """And has ended: nothing of it runs. By the index of what has changed lately."""
    ended = Derivative.objects.filter(status__in=ENDED, updated_at__gte=since)
    return ended.filter(queue=queue, started_at__gte=since).exists()


def failing() -> Iterator[Trouble]:
    """Derivers of whose runs in the last while too large a share failed."""
    minutes, percent = live.value("ALERT_FAILURE_MINUTES"), live.value("ALERT_FAILURE_PERCENT")
    ended = Derivative.objects.filter(
        status__in=ENDED,
        updated_at__gte=ago(minutes=minutes),
        finished_at__gte=ago(minutes=minutes),
    ).exclude(error_code="cancelled")
    counts = (
        ended.order_by()
        .values("deriver")
        .annotate(all=Count("pk"), bad=Count("pk", filter=Q(status="failed")))
    )
    for row in counts:
        if row["bad"] < live.value("ALERT_FAILURE_COUNT") or row["bad"] * 100 < percent * row["all"]:
            continue
        codes = (
            ended.filter(status=Status.FAILED, deriver=row["deriver"])
            .order_by()
            .values_list("error_code")
            .annotate(count=Count("pk"))
        )
        code, often = max(codes, key=lambda one: one[1], default=("unknown", 0))
        yield Trouble(
            f"failing:{row['deriver']}",
            Severity.WARNING,
            f"{row['bad']} of {row['all']} runs of {row['deriver']} failed in the last {minutes} minutes, "
            f"most often with {code} ({often}). See what they said, mend the cause, then reprocess them.",
            f"{page('failures')}?{urlencode({'deriver': row['deriver']})}",
        )


def missing_blobs() -> Iterator[Trouble]:
    """Originals whose bytes a run did not find."""
    failed = Derivative.objects.filter(status=Status.FAILED, error_code=GONE).order_by()
    count = failed.values("original").distinct()[: MANY + 1].count()
    if count:
        yield Trouble(
            "blobs:source",
            Severity.CRITICAL,
            f"The bytes of {counted(count, 'original')} are missing in the store. "
            "Put them back from a backup, then reprocess the failed rows.",
            rows("media.derivative", status="failed", error_code=GONE),
        )


def quarantined() -> Iterator[Trouble]:
    """Rows that were set aside because every worker that ran them died, and files that a person has set aside."""
    count = Derivative.objects.filter(status=Status.FAILED, error_code=SET_ASIDE)[: MANY + 1].count()
    if count:
        yield Trouble(
            "quarantined",
            Severity.WARNING,
            f"{counted(count, 'job')} {'was' if count == 1 else 'were'} set aside: each worker that ran them died. "
            "Look at their files before you reprocess them.",
            rows("media.derivative", status="failed", error_code=SET_ASIDE),
        )


def downloads() -> Iterator[Trouble]:
    """Models that did not come."""
    from ml.models import Download

    for row in Download.objects.filter(state="failed").order_by("name")[:SHOWN]:
        yield Trouble(
            f"model:{row.name}",
            Severity.WARNING,
            f"The model file {row.name} did not come: {row.error[:300]}",
            rows("ml.download", state="failed"),
        )
