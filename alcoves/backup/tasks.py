"""What Celery calls: slices of long work, and the clock that begins it by itself."""

import logging
import time
from datetime import timedelta
from typing import Any, Final

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.backup import (
    choosing,
    examining,
    looking,
    maintenance,
    mending,
    restoring,
    targets,
    verifying,
    working,
    writing,
)
from alcoves.backup.errors import BackupError, BusyError
from alcoves.backup.models import Backup, Check, Look, State
from alcoves.backup.restoring import Named, Restoring
from media import audit, live
from media.audit import Actor
from media.models import SweepHold
from media.models.audit import Via
from storage.errors import StoreError

logger = logging.getLogger(__name__)
SLICE: Final = 300.0
"""Seconds of a slice, so that other upkeep has its turn."""
TRIED_AGAIN_AFTER: Final = timedelta(hours=1)
MEND_BATCH: Final = 20
NIGHT: Final = timedelta(hours=20)
LOST_AFTER: Final = timedelta(minutes=15)


@shared_task(name="backup.make", acks_late=True, ignore_result=False)
def make(backup_id: str) -> None:
    """One slice of a backup, then a message to go on. The row says what became of it."""
    row = Backup.objects.filter(pk=backup_id, state__in=(State.QUEUED, State.RUNNING)).first()
    if row is None:
        return
    try:
        ended = writing.make(row, seconds=SLICE)
        while not ended and nobody_waits():
            ended = writing.make(row, seconds=SLICE)
    except BusyError as error:
        logger.info("backup %s: %s", row.name, error)
        return
    except BackupError as error:
        logger.warning("backup %s failed: %s", row.name, error)
        return
    if not ended:
        make.apply_async((backup_id,), queue="maintenance")


def nobody_waits() -> bool:
    """In maintenance no other upkeep has its turn, and a message would wait for the end of it. But a restore waits."""
    told = maintenance.standing()
    return told.on and not told.restoring


@shared_task(name="backup.check", acks_late=True, ignore_result=False)
def check(check_id: str) -> None:
    """One slice of the check of a set, then a message to go on. What was found is kept with the set."""
    row = Check.objects.filter(pk=check_id, state__in=(State.QUEUED, State.RUNNING)).first()
    if row is None:
        return
    try:
        ended = verifying.verify(row, seconds=SLICE)
        while not ended and nobody_waits():
            ended = verifying.verify(row, seconds=SLICE)
    except BackupError as error:
        logger.warning("the check of %s ends: %s", row.backup, error)
        return
    if not ended:
        check.apply_async((check_id,), queue="maintenance")


@shared_task(name="backup.look", acks_late=True, ignore_result=False)
def look(look_id: str, seconds: float = SLICE) -> None:
    """One slice of a look at the blobs."""
    row = Look.objects.filter(pk=look_id, state__in=(State.QUEUED, State.RUNNING)).first()
    if row is None:
        return
    try:
        ended = looking.look(row, seconds=min(seconds, SLICE))
        while not ended and not row.nightly and nobody_waits():
            ended = looking.look(row, seconds=SLICE)
    except BackupError as error:
        logger.warning("the look at the blobs ends: %s", error)
        return
    left = seconds - SLICE if row.nightly else seconds
    if not ended and left > 0:
        look.apply_async((look_id, left), queue="maintenance")


@shared_task(name="backup.mend", acks_late=True, ignore_result=False)
def mend(keys: list[str], actor: str) -> None:
    """Findings that somebody asked to be repaired, in batches; after a slice the rest goes to the end of the lane."""
    by = Actor(Via.CONSOLE, User.objects.filter(pk=actor).first() if actor else None)
    until = time.monotonic() + SLICE
    while keys and time.monotonic() < until:
        mending.mend_asked(keys[:MEND_BATCH], by=by)
        keys = keys[MEND_BATCH:]
    if keys:
        mend.apply_async((keys, actor), queue="maintenance")


@shared_task(name="backup.restore", acks_late=True, ignore_result=True)
def restore(target: str, name: str, by: str, over: str, epoch: str, *, with_losses: bool = False) -> None:
    """A restore that was asked for in the console. What became of it is in its file, and in the audit log.

    A message that comes again, or late, after another restore was done, must not undo that one.
    """
    if not choosing.is_meant(epoch, name):
        logger.info("restore of %s: one was done since that was asked for", name)
        return
    actor = Named(Via.CONSOLE, None, None, "", by)
    try:
        of = examining.opened(targets.by_name(target), name, settings.BACKUP_PASSPHRASE)
        with choosing.chosen(of, over, actor, with_losses=with_losses) as accepts:
            examining.check(of, with_losses=accepts)
            examining.check_room(of)
            Restoring(of, actor).run()
    except (BackupError, StoreError) as error:
        logger.warning("restore of %s: %s", name, error)
        restoring.refused(name, target, str(error))


@shared_task(name="backup.tick", ignore_result=True)
def tick() -> None:
    """Each ten minutes: tells of who was killed; begins what is due."""
    for backup in working.bury(Backup):
        SweepHold.objects.let_go(writing.hold_of(backup))
    for model in (Check, Look):
        working.bury(model)
    mending.settle()
    if maintenance.standing().on:
        return
    send_again(timezone.now())
    if is_due(timezone.now()):
        begin_scheduled()
    begin_check(timezone.now())
    begin_night(timezone.now())


def send_again(now: Any) -> None:
    """For rows that nobody has and whose message may be lost. One that comes twice finds the row taken."""
    waiting = {"state__in": (State.QUEUED, State.RUNNING), "holder": "", "updated_at__lt": now - LOST_AFTER}
    for backup in Backup.objects.filter(**waiting):
        Backup.objects.filter(pk=backup.pk).update(updated_at=now)
        send_backup(backup)
    if keys := mending.lost(now):
        send_mend(keys, "")
    for made in Check.objects.filter(**waiting):
        send_check(made)
    for row in Look.objects.filter(**waiting, nightly=False):
        send_look(row)


def begin_scheduled() -> None:
    try:
        row = writing.ask(
            str(live.value("BACKUP_TARGET")),
            str(live.value("BACKUP_BLOBS")),
            by=audit.SYSTEM,
            scheduled=True,
            named_only=True,
        )
    except BusyError:
        return  # The next tick asks again.
    except BackupError as error:
        logger.warning("no backup was begun: %s", error)
        return
    make.apply_async((str(row.pk),), queue="maintenance")


def is_due(now: Any) -> bool:
    """Whether the last time of the schedule has passed without a backup that was begun since.

    One that failed or was killed is tried again, once in an hour.
    """
    schedule = live.value("BACKUP_SCHEDULE")
    if schedule == "off":
        return False
    at = now.replace(hour=int(live.value("BACKUP_HOUR")), minute=0, second=0, microsecond=0)
    at = at if at <= now else at - timedelta(days=1)
    if schedule == "weekly":
        wanted = settings.WEEKDAYS.index(live.value("BACKUP_WEEKDAY"))
        at -= timedelta(days=(at.weekday() - wanted) % 7)
    since = Backup.objects.filter(scheduled=True, created_at__gte=at)
    ended_badly = Q(state__in=(State.FAILED, State.KILLED), created_at__lte=now - TRIED_AGAIN_AFTER)
    return not since.exclude(ended_badly).exists()


def begin_check(now: Any) -> None:
    """The newest set is read back each VERIFY_DAYS; a check that was killed goes on."""
    backup = verifying.due(now)
    if backup is None:
        return
    try:
        row = verifying.resume(backup) or verifying.ask(backup, by=audit.SYSTEM, scheduled=True)
    except BusyError:
        return  # The next tick asks again.
    send_check(row)


def begin_night(now: Any) -> None:
    """The part of this night, in its hour: the pass that is under way, or a new one when the last is old enough."""
    days = int(live.value("VERIFY_DAYS"))
    if not days or now.hour != int(live.value("VERIFY_HOUR")):
        return
    passes = Look.objects.filter(nightly=True).order_by("-id")
    row = passes.filter(state=State.QUEUED).first()
    if row is not None and row.alive_at and row.alive_at > now - timedelta(hours=2):
        return  # The part of this night is done, or waits for its turn.
    stopped = passes.filter(state=State.STOPPED, finished_at__gt=now - NIGHT).order_by("-finished_at").first()
    if row is None and stopped is not None:
        return  # Somebody wants rest this night.
    if row is None:
        recent = passes.filter(
            state__in=(State.DONE, State.RUNNING), created_at__gt=now - timedelta(days=days)
        )
        if recent.exists():
            return
        ended = (State.KILLED, State.STOPPED)
        killed = passes.filter(state__in=ended, created_at__gt=now - timedelta(days=days)).first()
        row = killed or Look.objects.create(nightly=True, deep=True)
    Look.objects.filter(pk=row.pk).update(state=State.QUEUED, alive_at=now, error="", finished_at=None)
    look.apply_async((str(row.pk), 60.0 * int(live.value("VERIFY_MINUTES"))), queue="maintenance")


def send_backup(row: Backup) -> None:
    make.apply_async((str(row.pk),), queue="maintenance")


def send_look(row: Look) -> None:
    look.apply_async((str(row.pk), 7 * 86400.0), queue="maintenance")


def send_mend(keys: list[str], actor: str, *, after: float = 0) -> None:
    mend.apply_async((keys, actor), queue="maintenance", countdown=after, retry=False)


def send_check(row: Check) -> None:
    check.apply_async((str(row.pk),), queue="maintenance")
