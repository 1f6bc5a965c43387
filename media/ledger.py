"""Every move a Derivative row can make; nothing else makes one. docs/states.md draws them.

A claim is one compare-and-set UPDATE that raises the fence; whoever holds the newest fence, and whose
request has not been overtaken, may finish. All times are the database's own clock.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from alcoves import prepared
from media import history
from media.derivers.base import Deriver
from media.errors import RunAbandonedError
from media.models import Derivative, Original
from media.statements import (
    CLAIM,
    END_WELL,
    ENDED_WELL,
    LOST_ROW,
    PUBLISHED,
    RENEW,
    RESCUE,
    SWITCH_COLUMNS,
    TELL_PARENT,
)
from media.subject import Subject


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one derivative once, and all that the run needs to know, from one query.

    `waited` is seconds between the request and this start. A part has a `parent`; who `joins` finds its parts ready.
    `began` is of this process's own clock.
    """

    id: UUID
    fence: int
    version: int
    attempts: int
    deferrals: int
    waited: float
    deriver: str
    variant: str
    parameters: Mapping[str, Any]
    queue: str
    parent: UUID | None
    joins: bool
    queued_at: datetime
    original_id: UUID
    library_id: UUID
    key: str
    subject: Subject
    owner: str
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """For which it has been held."""
        return time.monotonic() - self.began

    @classmethod
    def read(cls, derivative_id: UUID, row: Sequence[Any], owner: str) -> "Claim":
        """The columns that CLAIM returns, in their order. Django hands JSON out as text here."""
        fence, version, attempts, deferrals, waited, deriver, variant, parameters, queue, parent, joins = row[
            :11
        ]
        queued_at = row[11]
        original_id, library_id, key, size, mime, kind, probe, hashed = row[13:21]
        on = frozenset(name for name, value in zip(SWITCH_COLUMNS, row[21:], strict=True) if value)
        return cls(
            id=derivative_id,
            fence=fence,
            version=version,
            attempts=attempts,
            deferrals=deferrals,
            waited=float(waited),
            deriver=deriver,
            variant=variant,
            parameters=json.loads(parameters),
            queue=queue,
            parent=parent,
            joins=joins,
            queued_at=queued_at,
            original_id=original_id,
            library_id=library_id,
            key=key,
            subject=Subject(
                kind, mime, size, json.loads(probe) if probe else None, on, hashed=hashed, library=library_id
            ),
            owner=owner,
        )


def claim(derivative_id: UUID, *, owner: str, lease_seconds: float) -> Claim | None:
    """Take the row, or None: not due, not wanted by a live File or a waiting parent, set aside, taken, finished."""
    with prepared.cursor() as cursor:
        cursor.execute(CLAIM, {"id": derivative_id, "owner": owner[:128], "lease": lease_seconds})
        row = cursor.fetchone()
    if row is None:
        return None
    if row[12] is not None:
        history.note_lost([json.loads(row[12])])
    return Claim.read(derivative_id, row, owner[:128])


def renew(claim: Claim, *, lease_seconds: float, progress: float, eta_seconds: float | None) -> bool:
    """Keep the lease and tell the progress, to the parent too; False when the row is ours no more.

    A lease that ran out while nobody could renew it (Postgres was away) is kept too, unless it was taken.
    """
    values: dict[str, Any] = {
        "id": claim.id,
        "fence": claim.fence,
        "lease": lease_seconds,
        "progress": min(100, max(0, int(progress))),
        "eta": None if eta_seconds is None else max(0, round(eta_seconds)),
    }
    with prepared.cursor() as cursor:
        cursor.execute(RENEW, values)
        kept = bool(cursor.rowcount == 1)
    if kept and claim.parent is not None:
        tell_parent(claim.parent)
    return kept


def tell_parent(parent: UUID) -> None:
    """How far all its parts are together (it never falls), and the time left at their pace since the first began."""
    with connection.cursor() as cursor:
        cursor.execute(TELL_PARENT, {"parent": parent})


def held(claim: Claim) -> QuerySet[Derivative]:
    """The row, if the claim still holds and its request has not been overtaken, nor its parent's."""
    rows = Derivative.objects.filter(
        pk=claim.id, fence=claim.fence, status="processing", requested_version=claim.version
    )
    if claim.parent is None:
        return rows
    return rows.filter(
        Exists(divided().filter(pk=OuterRef("parent_id"), requested_version=OuterRef("requested_version")))
    )


def divided() -> QuerySet[Derivative]:
    """Rows that wait for their parts."""
    return Derivative.objects.filter(status="processing", parts_left__isnull=False)


NO_LEASE: dict[str, Any] = {
    "lease_owner": "",
    "lease_expires_at": None,
    "parts_left": None,
    "eta_seconds": None,
    "updated_at": Now(),
}
NO_ERROR: dict[str, Any] = {"error_code": "", "error_message": "", "error_detail": ""}
FRESH: dict[str, Any] = {"attempts": 0, "lost_claims": 0, "deferrals": 0}


def finish_ready(
    claim: Claim,
    *,
    outputs: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    made_by: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Name the new outputs; returns the old ones, for sweeping. Inside the caller's transaction.

    RunAbandonedError when the claim no longer holds: then nothing is named.
    """
    return end_well(claim, "ready", outputs=outputs, facts=facts, made_by=made_by)


def finish_not_needed(claim: Claim, reason: str) -> list[dict[str, Any]]:
    """Nothing to make, and that is fine. Old outputs are handed back for sweeping."""
    return end_well(claim, "not_needed", outputs=[], facts={"reason": reason}, made_by=None)


def end_well(
    claim: Claim,
    status: str,
    *,
    outputs: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    made_by: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    """One statement, so that nobody comes between the look at the row and its move. No `made_by`: as it was."""
    as_json = partial(connection.ops.adapt_json_value, encoder=None)
    values = {
        "id": claim.id,
        "fence": claim.fence,
        "version": claim.version,
        "status": status,
        "outputs": as_json(list(outputs)),
        "facts": as_json(dict(facts)),
        "made_by": None if made_by is None else as_json(dict(made_by)),
    }
    with prepared.cursor() as cursor:
        cursor.execute(END_WELL, values)
        row = cursor.fetchone()
    if row is None:
        raise RunAbandonedError("Another run has taken this over.")
    old: list[dict[str, Any]] = json.loads(row[0])
    return old


def give(
    original: Original,
    deriver: Deriver,
    variant: str,
    *,
    outputs: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
) -> Derivative:
    """A result that a person has brought along: a new row that is ready from its beginning.

    Inside the caller's transaction, which names the blobs and holds the original locked.
    """
    row: Derivative = Derivative.objects.create(
        original=original,
        deriver=deriver.name,
        variant=variant,
        queue=deriver.queue,
        status="ready",
        claimed_version=1,
        ready_version=1,
        progress=100,
        outputs=list(outputs),
        facts=dict(facts),
        made_by={"deriver": deriver.name, "version": deriver.version, "given": True},
        queued_at=Now(),
        finished_at=Now(),
    )
    return row


def divide(claim: Claim, parts: int) -> None:
    """The row gives its lease back and waits for so many parts. Inside the caller's transaction."""
    values = {**NO_LEASE, **NO_ERROR, **FRESH, "parts_left": parts}
    if not held(claim).update(**values):
        raise RunAbandonedError("Another run has taken this over.")


def count_down(parent: UUID) -> bool:
    """Count the parts that are still to come; when all are there the row is queued, to join them, and this is True.

    The caller holds the original locked, so that of two last parts one sees the other.
    """
    parts = Derivative.objects.filter(parent=parent, requested_version=F("parent__requested_version"))
    left = parts.exclude(status__in=ENDED_WELL).count()
    row = divided().filter(pk=parent)
    if left:
        row.update(parts_left=left)
        return False
    return bool(row.update(status="queued", published_at=None, not_before=None, **NO_LEASE))


def fail_parent(parent: UUID, *, code: str, message: str, detail: str) -> bool:
    """One of its parts has failed for good. The old outputs stay and are served."""
    return bool(
        divided()
        .filter(pk=parent)
        .update(
            status="failed",
            error_code=code,
            error_message=history.without_nul(message),
            error_detail=history.clean(detail),
            finished_at=Now(),
            **NO_LEASE,
        )
    )


def fail(claim: Claim, *, code: str, message: str, detail: str) -> bool:
    """The end of the tries. The old outputs stay and are served."""
    return bool(
        held(claim).update(
            status="failed",
            attempts=F("attempts") + 1,
            error_code=code,
            error_message=history.without_nul(message),
            error_detail=history.clean(detail),
            finished_at=Now(),
            **NO_LEASE,
        )
    )


def try_later(
    claim: Claim, *, delay_seconds: float, burn: bool, code: str, message: str, detail: str
) -> bool:
    """Back to the queue, due after the delay. `burn` counts it as an attempt, else as a deferral."""
    counter = {"attempts": F("attempts") + 1} if burn else {"deferrals": F("deferrals") + 1}
    return bool(
        held(claim).update(
            status="queued",
            not_before=after(delay_seconds),
            published_at=None,
            error_code=code,
            error_message=history.without_nul(message),
            error_detail=history.clean(detail),
            **counter,
            **NO_LEASE,
        )
    )


def wake(rows: QuerySet[Derivative], code: str) -> int:
    """What rows waited for under this error code has come: they are due now. The caller publishes or leaves it to
    the reconciler."""
    waiting = rows.filter(status="queued", error_code=code, not_before__isnull=False)
    return waiting.update(not_before=None, published_at=None)


def release(claim: Claim) -> bool:
    """The worker is told to stop: give the row back at once, at no cost."""
    progress = {} if claim.joins else {"progress": 0}
    return bool(held(claim).update(status="queued", published_at=None, **progress, **NO_LEASE))


def rescue(limit: int = 500) -> list[tuple[UUID, str]]:
    """Rows whose lease ran out: back to the queue, or set aside after too many lost workers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RESCUE, {"limit": limit})
        moved = cursor.fetchall()
        lost = [dict(zip(LOST_ROW, row[1:], strict=True)) for row in moved]
        history.note_lost(lost)
    return [(row["id"], status) for row, (status, *_) in zip(lost, moved, strict=True)]


def request_again(rows: QuerySet[Derivative], *, parameters: Mapping[str, Any] | None = None) -> int:
    """Reprocess: whatever the state, wanted anew. A run under way loses its claim and is discarded.

    Parts are left alone: they end with the request of their parent.
    `parameters` take the place of those of before; the outputs that are served still answer the old ones.
    """
    changed = {} if parameters is None else {"parameters": dict(parameters)}
    with transaction.atomic():
        return in_order(rows.filter(parent__isnull=True)).update(
            status="queued",
            requested_version=F("requested_version") + 1,
            queued_at=Now(),
            not_before=None,
            published_at=None,
            started_at=None,
            finished_at=None,
            progress=0,
            **changed,
            **NO_LEASE,
            **NO_ERROR,
            **FRESH,
        )


def cancel(rows: QuerySet[Derivative]) -> int:
    """Stop what is queued or running. The old result, if there is one, stays. Parts stop with their parent alone."""
    with transaction.atomic():
        return in_order(rows.filter(parent__isnull=True, status__in=("queued", "processing"))).update(
            status="failed",
            error_code="cancelled",
            error_message="Cancelled. Reprocess it to start again.",
            error_detail="",
            finished_at=Now(),
            **NO_LEASE,
        )


def accept(rows: QuerySet[Derivative]) -> int:
    """What failed is left at that, with its parts, until it is queued again. No row moves; counts only those whole."""
    failed = rows.filter(parent__isnull=True, status="failed", accepted_at__isnull=True)
    return mark_accepted(failed, Now())


def unaccept(rows: QuerySet[Derivative]) -> int:
    """They count as failures again."""
    return mark_accepted(rows.filter(parent__isnull=True, accepted_at__isnull=False), None)


def mark_accepted(rows: QuerySet[Derivative], at: Any) -> int:
    with transaction.atomic():
        keys = list(in_order(rows).values_list("pk", flat=True))
        in_order(Derivative.objects.filter(parent__in=keys, status="failed")).update(accepted_at=at)
        return Derivative.objects.filter(pk__in=keys).update(accepted_at=at)


def put_back(rows: QuerySet[Derivative]) -> int:
    """Who runs these stops, and they wait in the queue: nobody asked for them anew, and no try is counted.

    A row that waits for its parts goes on waiting.
    """
    with transaction.atomic():
        return in_order(rows.filter(status="processing", parts_left__isnull=True)).update(
            status="queued", published_at=None, **NO_LEASE
        )


def in_order(rows: QuerySet[Derivative]) -> QuerySet[Derivative]:
    """The same rows, locked by their keys: who moves many at once waits for others, and never in a ring with them."""
    locked = rows.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True)
    return Derivative.objects.filter(pk__in=list(locked))


def mark_published(ids: Iterable[UUID]) -> int:
    """A message for these rows is on its way. Rows already claimed are left alone."""
    keys = list(ids)
    if not keys:
        return 0
    with prepared.cursor() as cursor:
        cursor.execute(PUBLISHED, {"ids": keys})
        return int(cursor.rowcount)


def waiting() -> QuerySet[Derivative]:
    """Queued rows that may run now: wanted by a live File, and by a parent that waits if they are parts; and due.

    Not those that operators have set aside.
    """
    whole = Q(parent__isnull=True)
    part = Q(
        parent__status="processing",
        parent__parts_left__isnull=False,
        parent__requested_version=F("requested_version"),
    )
    return Derivative.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=Now()),
        whole | part,
        status="queued",
        original__held_at__isnull=True,
    ).wanted()


def after(seconds: float) -> Any:
    """The database's now plus so many seconds."""
    return Now() + timedelta(seconds=seconds)
