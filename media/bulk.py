"""One act on a selection of jobs: few in the request, many by a task that walks through them in batches.

A row keeps which are meant and how far it is, and is written in the transaction of each batch: a message may be lost,
sent again or come twice, and nothing is done twice or left out. The audit log has an entry when it is asked for, and
one with the count when it is done.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from alcoves.wording import counted, were
from media import audit, selecting
from media.audit import Actor
from media.errors import ConflictError, InfrastructureError, MediaError
from media.models import Bulk, uuid7
from media.models.audit import Via
from media.models.bulk import OPEN, BulkState
from media.selecting import ACTS, Selection

TASK: Final = "media.act_on_many"
TRIES: Final = 5
"""So often in a row it may be begun without getting any further."""


@dataclass(frozen=True, slots=True)
class Acted:
    """What has come of it: how many by now, or the task that does it."""

    count: int
    task: str = ""


def act_on(act: str, selection: Selection, by: Actor, *, counted: int | None = None) -> Acted:
    """At once where they are few; else by a task. Where that cannot be sent there is no entry either.

    `counted` is what `selecting.count` has just said.
    """
    selecting.check(selection)
    number = selecting.count(act, selection) if counted is None else counted
    if number <= selecting.BATCH:
        keys = list(selecting.meant(act, selection).values_list("pk", flat=True)[: selecting.BATCH])
        return Acted(selecting.act_on_keys(act, keys, by, selection))
    with transaction.atomic():
        row: Bulk = Bulk.objects.create(
            act=act,
            selection=selection.as_json(),
            actor=by.user,
            via=by.via,
            request_id=by.request_id,
            until=uuid7(),
        )
        audit.note(
            f"derivatives.{act}",
            by=by,
            text=f"{selecting.told(number)} jobs are to be {ACTS[act]}, in batches: {selection}.",
            count=number,
            selection=selection.as_json(),
            task=str(row.pk),
        )
        send(row)
    return Acted(number, str(row.pk))


def send(row: Bulk) -> None:
    """Once more does no harm. InfrastructureError where the broker is away."""
    Bulk.objects.filter(pk=row.pk).update(sent_at=Now())
    try:
        current_app.send_task(TASK, (str(row.pk),), task_id=str(row.pk), queue="maintenance")
    except Exception as error:
        raise InfrastructureError(
            "The broker does not answer, so nothing was begun. Try again in a little while.",
            detail=str(error),
        ) from error


def go_on(key: UUID) -> None:
    """To its end. Two who do so at once take turns."""
    begun = Bulk.objects.filter(pk=key, state__in=OPEN)
    if begun.filter(tries__gte=TRIES).exists():
        fail(key, f"It was begun {TRIES} times and got no further; the log says why.")
        return
    begun.update(tries=F("tries") + 1)
    try:
        while one_batch(key):
            pass
    except MediaError as error:
        if isinstance(error, InfrastructureError):
            raise
        fail(key, error.message)


def one_batch(key: UUID) -> bool:
    """The next rows and how far that is, in one transaction. False at the end."""
    with transaction.atomic():
        row = Bulk.objects.select_for_update().filter(pk=key, state__in=OPEN).first()
        if row is None:
            return False
        selection = Selection.from_json(row.selection)
        selecting.check(selection)
        if row.total is None:
            rows = selecting.meant(row.act, selection).filter(pk__lte=row.until)
            row.total, row.state, row.began_at = rows.count(), BulkState.RUNNING, timezone.now()
        keys = selecting.next_keys(row.act, selection, after=row.last, until=row.until)
        if keys:
            row.done, row.last = row.done + selecting.done_to(row.act, keys), keys[-1]
            row.tries = 0
        else:
            finish(row, selection)
        row.save()
        return bool(keys)


def finish(row: Bulk, selection: Selection) -> None:
    row.state, row.ended_at = BulkState.DONE, timezone.now()
    if row.done:
        selecting.note_done(row.act, selection, actor_of(row), row.done)


def fail(key: UUID, why: str) -> None:
    rows = Bulk.objects.filter(pk=key, state__in=OPEN)
    rows.update(state=BulkState.FAILED, text=why[:500], ended_at=Now())


def stop(key: UUID, by: Actor) -> None:
    """A batch that runs is waited for; no other comes, and what is done stays done. ConflictError at its end."""
    with transaction.atomic():
        row = Bulk.objects.select_for_update().filter(pk=key, state__in=OPEN).first()
        if row is None:
            raise ConflictError("It has come to its end already, so nothing was stopped.", code="ended")
        row.state, row.ended_at = BulkState.STOPPED, timezone.now()
        row.save()
        audit.note(
            "derivatives.stop",
            by=by,
            text=f"Stopped after {counted(row.done, 'job')} {were(row.done)} {ACTS[row.act]}: "
            f"{Selection.from_json(row.selection)}.",
            target=row,
            count=row.done,
            selection=row.selection,
            task=str(row.pk),
        )


def prune(days: int) -> int:
    """Forget those that ended longer ago. The audit log keeps that they were."""
    gone, _ = Bulk.objects.filter(ended_at__lt=timezone.now() - timedelta(days=days)).delete()
    return int(gone)


def actor_of(row: Bulk) -> Actor:
    """Without the address: the entry of the asking has it, with the same request."""
    return Actor(Via(row.via), row.actor, None, row.request_id)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is. `total` is None until a worker has begun, `seconds_left` until something is done."""

    state: str
    """waiting, running, done, failed, stopped."""
    done: int
    total: int | None
    seconds_left: float | None
    text: str


def progress(task: UUID | str) -> Progress | None:
    """None for a task that nobody asked for."""
    row: Any = Bulk.objects.filter(pk=task).first()
    if row is None:
        return None
    return Progress(row.state, row.done, row.total, seconds_left(row, timezone.now()), row.text)


def seconds_left(row: Bulk, now: datetime) -> float | None:
    """At the pace so far."""
    if row.state != BulkState.RUNNING or not row.done or row.total is None or row.began_at is None:
        return None
    return (now - row.began_at).total_seconds() * max(0, row.total - row.done) / row.done
