"""Workers and beat: those that are gone, and lanes that nobody serves. Workers tell of themselves (`WorkerReport`)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.conf import settings

from alcoves.alerts import pulses
from alcoves.alerts.rules import keeping
from alcoves.alerts.rules.base import Severity, Trouble, age, ago, page, used_since
from alcoves.queues import LANES, Lane
from media import backlog, live
from media.models import Control, WorkerReport
from media.models.control import ControlKind

BEAT_SECONDS: Final = 180
"""Beat sends something each minute."""
NEVER_SECONDS: Final = 600
"""So long a new installation may be without beat."""
FORGET_HOURS: Final = 24
"""After that a worker that is gone is one that was taken away."""
ALL: Final = "all"


def workers() -> Iterator[Trouble]:
    """Workers that ended without a word."""
    since, forgotten = ago(seconds=live.value("ALERT_WORKER_SECONDS")), ago(hours=FORGET_HOURS)
    gone = WorkerReport.objects.filter(seen_at__lt=since, seen_at__gt=forgotten, draining=False)
    for name, seen_at in gone.order_by("name").values_list("name", "seen_at"):
        yield Trouble(
            f"worker:{name}",
            Severity.WARNING,
            f"Worker {name} has told nothing of itself for {age(seen_at)}. Start it again, or look at its log.",
            page("workers"),
        )


def versions() -> Iterator[Trouble]:
    """Workers that an upgrade forgot."""
    told = pulses.family(pulses.VERSION).get(pulses.WEB)
    ours = told[1] if told is not None else str(settings.SPECTACULAR_SETTINGS["VERSION"])
    alive = WorkerReport.objects.filter(seen_at__gte=ago(seconds=live.value("ALERT_WORKER_SECONDS")))
    for name, version in alive.order_by("name").values_list("name", "version"):
        if version and version != ours:
            yield Trouble(
                f"version:{name}",
                Severity.WARNING,
                f"Worker {name} runs version {version}, and the web part {ours}. Start the same version of both.",
                page("workers"),
            )


def lanes() -> Iterator[Trouble]:
    """Lanes for whose queues no worker looks."""
    since = ago(seconds=live.value("ALERT_WORKER_SECONDS"))
    reports = list(WorkerReport.objects.values_list("lane", "seen_at", "began_at"))
    alive = {lane for lane, seen_at, _ in reports if seen_at >= since}
    if ALL in alive:
        return
    # Workers of other lanes that have lived for a while: so this is no installation that is just starting.
    settled = any(began_at < since for *_, began_at in reports) or waits_since(since)
    for lane in LANES:
        if not serves(alive, lane) and settled:
            last = max((at for name, at, _ in reports if name in {lane, ALL}), default=None)
            yield Trouble(
                f"lane:{lane}",
                Severity.CRITICAL,
                f"No worker serves the lane {lane}{f', for {age(last)} now' if last else ''}: its jobs wait. "
                "Start a worker for it.",
                page("workers"),
            )


def serves(alive: set[str], lane: Lane) -> bool:
    """Every worker takes maintenance when it has nothing else to do, unless that is done apart."""
    return lane in alive or (lane == "maintenance" and bool(alive) and not settings.UPKEEP_APART)


def waits_since(since: datetime) -> bool:
    return any(one.oldest is not None and one.oldest < since for one in backlog.rows().values())


def paused() -> Iterator[Trouble]:
    """Everything rests, and nobody is at maintenance: what a restore or a backup that died leaves behind."""
    if not Control.objects.filter(kind=ControlKind.ALL, paused=True).exists():
        return
    if not keeping.objects("backup.Maintenance").filter(pk=1, on=True).exists():
        sentence = "All lanes are paused, and maintenance is off. Resume them."
        yield Trouble("paused:all", Severity.CRITICAL, sentence, page("queues"))


def in_use_since(moment: datetime) -> bool:
    """A worker has lived, or a file lain here, for as long."""
    return WorkerReport.objects.filter(began_at__lt=moment).exists() or used_since(moment)


def beat() -> Iterator[Trouble]:
    """What sends upkeep on its way."""
    at = pulses.heard(pulses.BEAT)
    if at is None and in_use_since(ago(seconds=NEVER_SECONDS)):
        sentence = "Beat has never told of itself: no upkeep begins by itself, no backup, no check. Start it."
        yield Trouble("beat", Severity.CRITICAL, sentence, page("doctor"))
    elif at is not None and at < ago(seconds=BEAT_SECONDS):
        yield Trouble(
            "beat",
            Severity.CRITICAL,
            f"Beat has sent nothing for {age(at)}: no upkeep begins by itself. Start it again.",
            page("doctor"),
        )
