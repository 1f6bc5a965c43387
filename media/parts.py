"""Work that is divided: its parts are rows of their own, any worker makes them, and the row that waits joins them.

`media.runs` divides and counts down, in transactions that hold the original locked; `media.reconcile` finds what a
crash left between them. A part carries the number of the request it works for, so parts of an older request are
known, and go. docs/states.md draws it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from media import dispatch, ledger
from media.derivers.base import Divided, FinishedPart
from media.derivers.registry import get_deriver
from media.errors import PermanentError
from media.ledger import Claim
from media.models import Derivative, Original, UnnamedBlob
from media.models.blob import FILES
from media.statements import ENDED_WELL
from storage.errors import BlobNotFoundError
from storage.registry import get_store

BATCH = 200


@dataclass(slots=True)
class StoredPart:
    """A finished part, read from its store when asked. Implements `media.derivers.base.FinishedPart`."""

    variant: str
    parameters: Mapping[str, Any]
    facts: Mapping[str, Any]
    row: Derivative

    def size(self, name: str) -> int:
        return int(self.output(name)["size"])

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        try:
            with get_store(FILES).open(self.output(name)["key"]) as stream:
                yield stream
        except BlobNotFoundError as error:
            raise self.missing(name) from error

    def output(self, name: str) -> dict[str, Any]:
        found = self.row.output(name)
        if found is None:
            raise self.missing(name)
        return found

    def missing(self, name: str) -> PermanentError:
        return PermanentError(
            "A finished part of this work is missing. Reprocess it to make all parts anew.",
            code="part_missing",
            detail=f"{self.row.deriver} {self.variant}: {name}",
        )


def find_finished(claim: Claim) -> tuple[FinishedPart, ...]:
    """What the joining run gets, by variant; empty where nothing was divided for this request."""
    if not claim.joins:
        return ()
    rows = Derivative.objects.filter(parent=claim.id, requested_version=claim.version).order_by("variant")
    return tuple(StoredPart(row.variant, row.parameters, row.facts, row) for row in rows)


def divide(claim: Claim, result: Divided) -> None:
    """Parts in place of older ones, and the row waits. Inside a transaction that holds the original locked."""
    refuse_nonsense(claim, result)
    remove(Derivative.objects.filter(parent=claim.id))
    ledger.divide(claim, len(result.parts))
    rows = [
        Derivative(
            original_id=claim.original_id,
            parent_id=claim.id,
            deriver=part.deriver,
            variant=part.variant,
            parameters=dict(part.parameters),
            queue=get_deriver(part.deriver).queue,
            requested_version=claim.version,
            queued_at=Now(),
        )
        for part in result.parts
    ]
    dispatch.publish_after_commit(Derivative.objects.bulk_create(rows))


def refuse_nonsense(claim: Claim, result: Divided) -> None:
    """What only a fault in a deriver can ask for; it would wait, or go round, for ever.

    A row is unique by original, deriver and variant, so two parents of one original must name their parts apart.
    """
    if claim.parent is not None or claim.joins:
        raise PermanentError("A part, or work that has its parts, was divided again.", code="divided_twice")
    names = {(part.deriver, part.variant) for part in result.parts}
    if not names or len(names) < len(result.parts) or any(not variant for _, variant in names):
        raise PermanentError(
            "This work was divided into no parts, or parts without names of their own.", code="badly_divided"
        )
    others = Derivative.objects.filter(original=claim.original_id, deriver__in={name for name, _ in names})
    taken = set(others.exclude(parent=claim.id).values_list("deriver", "variant")) & names
    if taken:
        raise PermanentError(
            "Parts of this work are named as other work on the same file.",
            code="parts_collide",
            detail=", ".join(sorted(f"{deriver} {variant}" for deriver, variant in taken)),
        )


def remove(rows: QuerySet[Derivative]) -> int:
    """Parts that nobody needs any more; what they made is swept a little later. Who still runs one loses it."""
    found = list(rows.select_for_update().values_list("pk", "outputs"))
    UnnamedBlob.objects.retire(output["key"] for _, outputs in found for output in outputs)
    Derivative.objects.filter(pk__in=[key for key, _ in found]).delete()
    return len(found)


def follow_up(parent: UUID) -> None:
    """What its parts now mean for the row that waits: failed, to be joined, or further on.

    Inside a transaction that holds the original locked.
    """
    failed = (
        Derivative.objects.filter(
            parent=parent, requested_version=F("parent__requested_version"), status="failed"
        )
        .order_by("finished_at")
        .first()
    )
    if failed is not None:
        ledger.fail_parent(
            parent,
            code=failed.error_code,
            message=failed.error_message,
            detail=f"part_failed: {failed.deriver} {failed.variant}\n{failed.error_detail}",
        )
        return
    ledger.tell_parent(parent)
    if ledger.count_down(parent):
        dispatch.publish_after_commit(Derivative.objects.filter(pk=parent))


def fail(claim: Claim, parent: UUID, *, code: str, message: str, detail: str) -> bool:
    """A part failed for good, and all it was a part of with it. False where the claim does not hold any more."""
    with transaction.atomic():
        Original.objects.select_for_update(no_key=True).filter(pk=claim.original_id).first()
        failed = ledger.fail(claim, code=code, message=message, detail=detail)
        if failed:
            follow_up(parent)
    return failed


def find_unheard() -> QuerySet[Derivative]:
    """Rows that wait for nothing: each part is there, one has failed, or they are gone; a crash came between."""
    parts = Derivative.objects.filter(parent=OuterRef("pk"), requested_version=OuterRef("requested_version"))
    to_come = parts.exclude(status__in=(*ENDED_WELL, "failed"))
    return ledger.divided().filter(~Exists(to_come) | Exists(parts.filter(status="failed")))


def take_up() -> int:
    """Go on where a crash came between a part and its parent, or a part was set aside; returns with how many rows."""
    found = list(find_unheard().values_list("pk", "original_id")[:BATCH])
    for parent, original in found:
        with transaction.atomic():
            Original.objects.select_for_update(no_key=True).filter(pk=original).first()
            follow_up(parent)
    return len(found)


def find_left_over() -> QuerySet[Derivative]:
    """Parts whose parent neither waits for them nor joins them: it was cancelled, failed or asked for anew."""
    needed = Q(
        parent__status__in=("queued", "processing"),
        parent__requested_version=F("requested_version"),
    )
    return Derivative.objects.filter(parent__isnull=False).exclude(needed)


def sweep() -> int:
    """Remove what is left over, one original a transaction; returns how many parts went."""
    originals = set(find_left_over().values_list("original_id", flat=True)[: BATCH * 10])
    swept = 0
    for original in originals:
        with transaction.atomic():
            Original.objects.select_for_update(no_key=True).filter(pk=original).first()
            # Looked at again under the lock, by key: a row and its parent cannot be locked in one query.
            left = list(find_left_over().filter(original=original).values_list("pk", flat=True))
            swept += remove(Derivative.objects.filter(pk__in=left))
    return swept
