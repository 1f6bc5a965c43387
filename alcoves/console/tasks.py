"""What the console's pages hand to a worker. Each keeps its result, and writes into the audit log batch by batch."""

from datetime import datetime
from typing import Any
from uuid import UUID

from celery import shared_task
from django.contrib.auth import get_user_model
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_results.models import TaskResult

from alcoves.console import upkeep
from media import audit, bulk, trash
from media.admin import many
from media.audit import Actor
from media.models import Bulk, Library
from media.models.audit import Via
from media.models.bulk import OPEN

EMPTY = "console.empty_trash"
HANDED = {many.TASK: "An act on many files", EMPTY: "Emptying a trash"}
"""Tasks that pages hand over and that nothing sends again, by the names that people are told."""


@shared_task(name=many.TASK, ignore_result=False, acks_late=True)
def act_on_files(what: str, keys: list[str], actor: str) -> int:
    """How many were done. Twice changes nothing: what is done already is left alone."""
    return many.do(what, [UUID(key) for key in keys], by=actor_of(actor))


@shared_task(name=EMPTY, ignore_result=False, acks_late=True)
def empty_trash(library: str, before: str, actor: str) -> int:
    """Of one library. One that is gone meanwhile has nothing left to be deleted."""
    found = Library.objects.filter(pk=UUID(library)).first()
    if found is None:
        return 0
    return trash.empty(found, before=datetime.fromisoformat(before), by=actor_of(actor))


def actor_of(key: str) -> Actor:
    """Whoever asked for it; if their account is gone, the console."""
    user: Any = get_user_model().objects.filter(pk=key).first()
    return Actor(Via.CONSOLE, user)


@shared_task(name="console.tell_lost", ignore_result=True)
def tell_lost() -> int:
    """What was handed over and nobody has any more is told as failed, here and in the audit log. Nothing is done again.

    Redis may have been emptied, or a worker may have died; to destroy files hours later would surprise whoever asked.
    """
    rows = list(TaskResult.objects.filter(task_name__in=HANDED, status__in=upkeep.UNFINISHED))
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
            f"{HANDED[row.task_name]} was lost before its end: look what is left, and ask for it again."
        )
        noted.detail = {"task": row.task_id}
    return noted.count
