"""Jobs: stuck ones, those that nobody takes up, derivers that fail, downloads of models."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import cast
from urllib.parse import urlencode

from alcoves.alerts import pulses
from alcoves.alerts.rules.base import MANY, Severity, Trouble, age, ago, counted, failed_with, page, rows
from alcoves.queues import BY_NAME, Lane
from alcoves.wording import were
from media import backlog, controls, live, tallies
from media.models import Derivative, tally
from media.models.derivative import Status

SHOWN = 20
ENDED = (Status.READY, Status.NOT_NEEDED, Status.FAILED)
SET_ASIDE = "quarantined"


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


def waiting(ledger: Mapping[str, backlog.Rows] | None = None) -> Iterator[Trouble]:
    """Queues that have work and start none of it, although nothing else of their lane runs. A pause is no trouble.

    `ledger`, where somebody has just looked at it.
    """
    since = ago(minutes=live.value("ALERT_QUEUED_MINUTES"))
    busy = set(
        Derivative.objects.filter(status=Status.PROCESSING, parts_left__isnull=True)
        .order_by()
        .values_list("queue", flat=True)
        .distinct()
    )
    orders = controls.orders()
    for name, found in (backlog.rows() if ledger is None else ledger).items():
        if not found.unknown and (found.oldest is None or found.oldest >= since):
            continue
        if busy & set(lane_queues(BY_NAME[name].lane)) or not orders.takes(name):
            continue
        if not started(name, since):
            yield Trouble(
                f"queue:{name}",
                Severity.WARNING,
                f"{what_waits(name, found)}, and none is started. Look whether its worker is there and takes work.",
                rows("media.derivative", status="queued", queue=name),
            )


def what_waits(name: str, found: backlog.Rows) -> str:
    most = "" if found.exact else "up to "
    what = "1 job is" if found.due == 1 else f"{most}{found.due} jobs are"
    if found.oldest is None:
        return f"{what} due in queue {name}, it took too long to see whether any is"
    return f"{what} due in queue {name}, the oldest for {age(found.oldest)}"


def started(queue: str, since: datetime) -> bool:
    """And has ended: nothing of it runs. Among the rows that ended last, so many of each status."""
    for status in ENDED:
        last = Derivative.objects.filter(status=status, updated_at__gte=since).order_by(
            "status", "-updated_at"
        )
        if any(
            name == queue and at is not None and at >= since
            for name, at in last.values_list("queue", "started_at")[:MANY]
        ):
            return True
    return False


def failing() -> Iterator[Trouble]:
    """Derivers of whose runs in the last while too large a share failed: from counts that are kept, by the hour."""
    moment = ago(minutes=live.value("ALERT_FAILURE_MINUTES"))
    since = tallies.hour_of(moment)
    ended: dict[str, Counter[str]] = defaultdict(Counter)
    for one in tallies.told(tally.ENDED, 1, 2, since=since):
        ended[one.keys[0]][one.keys[1]] += one.number
    codes: dict[str, Counter[str]] | None = None
    for deriver, outcomes in sorted(ended.items()):
        bad, every = outcomes["failed"], sum(outcomes[status] for status in ENDED)
        if bad >= live.value("ALERT_FAILURE_COUNT"):
            accepted = accepted_since(moment.replace(minute=0, second=0, microsecond=0), deriver, bad)
            bad, every = bad - accepted, every - accepted
        if bad < live.value("ALERT_FAILURE_COUNT") or bad * 100 < live.value("ALERT_FAILURE_PERCENT") * every:
            continue
        codes = newest_codes() if codes is None else codes
        often = codes[deriver].most_common(1)
        yield Trouble(
            f"failing:{deriver}",
            Severity.WARNING,
            f"{bad} of {every} runs of {deriver} failed since {since[-2:]}:00 UTC"
            f"{f', of late most often with {often[0][0]}' if often else ''}. "
            "See what they said, mend the cause, then reprocess them.",
            f"{page('failures')}?{urlencode({'deriver': deriver})}",
        )


def accepted_since(moment: datetime, deriver: str, most: int) -> int:
    """Failures of these hours that operators leave at that."""
    accepted = Derivative.objects.filter(accepted_at__isnull=False, finished_at__gte=moment, deriver=deriver)
    return int(accepted.exclude(error_code="cancelled").order_by().values("pk")[:most].count())


def newest_codes() -> dict[str, Counter[str]]:
    """What the jobs that failed last failed with, by deriver. Of so many only, whatever the hour brought."""
    failed = Derivative.objects.filter(status=Status.FAILED).order_by("status", "-updated_at")
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for deriver, code, accepted_at in failed.values_list("deriver", "error_code", "accepted_at")[:MANY]:
        if code != "cancelled" and accepted_at is None:
            found[deriver][code] += 1
    return found


def quarantined() -> Iterator[Trouble]:
    """Rows that were set aside because every worker that ran them died, and files that a person has set aside."""
    count = failed_with(SET_ASIDE)[: MANY + 1].count()
    if count:
        yield Trouble(
            "quarantined",
            Severity.WARNING,
            f"{counted(count, 'job')} {were(count)} set aside: each worker that ran them died. "
            "Look at their files before you reprocess them.",
            rows("media.derivative", status="failed", error_code=SET_ASIDE, accepted="no"),
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
