"""What the console's pages hand to a worker. Each keeps its result, and writes into the audit log batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import shared_task
from django.contrib.auth import get_user_model
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_results.models import TaskResult

from alcoves.console import upkeep
from media import audit, bulk, epochs, trash
from media.admin import many
from media.admin.many import Asked
from media.audit import Actor
from media.epochs import StaleError
from media.models import Bulk, Library
from media.models.audit import Via
from media.models.bulk import OPEN


@shared_task(name=many.TASK, ignore_result=False, acks_late=True)
def act_on_files(what: str, keys: list[str], actor: str, epoch: str = "", before: str = "") -> int:
    """How many were done. Twice changes nothing: what is done already is left alone."""
    with told_when_stale(many.TASK, epoch):
        asked = Asked(epoch, before or timezone.now().isoformat())
        return many.do(what, [UUID(key) for key in keys], by=actor_of(actor), asked=asked)


@shared_task(name=many.EMPTY, ignore_result=False, acks_late=True)
def empty_trash(library: str, before: str, actor: str, epoch: str = "") -> int:
    """Of one library. One that is gone meanwhile has nothing left to be deleted."""
    with told_when_stale(many.EMPTY, epoch):
        found = Library.objects.filter(pk=UUID(library)).first()
        if found is None:
            return 0
        when = datetime.fromisoformat(before)
        return trash.empty(found, before=when, by=actor_of(actor), epoch=epoch)


@contextmanager
def told_when_stale(task: str, epoch: str) -> Iterator[None]:
    """What was asked for before a restore is not done to the rows that came back; the audit log says so.

    A message without an epoch is of an older version of ours: nobody knows which rows it means.
    """
    try:
        epochs.require(epoch)
        yield
    except StaleError:
        audit.note(
            "tasks.stale",
            by=audit.SYSTEM,
            text=f"{many.HANDED[task]} that was asked for before a restore was not done, or not to its end.",
            task=task,
        )
        raise


def actor_of(key: str) -> Actor:
    """Whoever asked for it; if their account is gone, the console."""
    user: Any = get_user_model().objects.filter(pk=key).first()
    return Actor(Via.CONSOLE, user)


@shared_task(name="console.tell_lost", ignore_result=True)
def tell_lost() -> int:
    """What was handed over and nobody has any more is told as failed, here and in the audit log. Nothing is done again.

    Redis may have been emptied, or a worker may have died; to destroy files hours later would surprise whoever asked.
    """
    rows = list(TaskResult.objects.filter(task_name__in=many.HANDED, status__in=upkeep.UNFINISHED))
    known = upkeep.held()
    send_again(known)
    return sum(tell(row) for row in rows if upkeep.lost(row, known) and not just_begun(row))


def send_again(known: set[str] | None) -> int:
    """Acts on many jobs that nobody has any more: their rows know how far they are."""
    if known is None:
        return 0
    quiet = Now() - upkeep.SURE
    rows = Bulk.objects.filter(state__in=OPEN, updated_at__lt=quiet, sent_at__lt=quiet)
    lost = [row for row in rows if str(row.pk) not in known]
    for row in lost:
        bulk.send(row)
    return len(lost)


def just_begun(row: Any) -> bool:
    """Its worker has said so to the database, and not yet to the others."""
    return row.date_started is not None and row.date_started > timezone.now() - upkeep.SURE


def tell(row: Any) -> int:
    with audit.noting("tasks.lost", by=audit.SYSTEM) as noted:
        noted.count = upkeep.settle(
            row.task_id, "Its message was lost, or its worker: look, and ask for it again"
        )
        noted.text = (
            f"{many.HANDED[row.task_name]} was lost before its end: look what is left, and ask for it again."
        )
        noted.detail = {"task": row.task_id}
    return noted.count
