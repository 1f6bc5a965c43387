"""Puts rows back to queued: by deriver, version, status, library or file; plans what is missing.

Which rows are meant is in `media.selecting`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from media import dispatch, ledger, pipeline, selecting
from media.audit import Actor
from media.derivers.base import Deriver, takes
from media.derivers.registry import all_derivers, get_deriver
from media.errors import ConflictError
from media.models import Derivative, File, Library, Original
from media.selecting import BATCH, Selection, check_deriver, request

__all__ = [
    "BATCH",
    "Asked",
    "Selection",
    "check_deriver",
    "plan_missing",
    "reprocess",
    "reprocess_file",
    "reprocess_files",
    "request",
    "require_live",
]


def reprocess(selection: Selection, by: Actor | None = None) -> int:
    """Ask for all selected rows anew, in batches that each commit and publish; returns how many.

    `by` is whoever does so for others; members of a library, who do so in their own, leave no entry.
    """
    if by is None:
        return sum(request(keys) for keys in selecting.batches(selecting.REPROCESS, selection))
    return selecting.act_on_all(selecting.REPROCESS, selection, by)


def reprocess_file(
    file: File, deriver: str, parameters: dict[str, Any] | None = None, variant: str = ""
) -> Derivative:
    """One deriver of one file. Creates the row where planning left it out but the deriver accepts.

    `parameters` take the place of the row's own; None leaves them. `variant` is one that the deriver can make.
    """
    check_deriver(deriver)
    with transaction.atomic():
        original = Original.objects.select_for_update(no_key=True).get(pk=file.original_id)
        library = Library.objects.get(pk=file.library_id)
        about = get_deriver(deriver)
        if (about.hidden and not about.planned) or not takes(about, original.subject(library.switches())):
            raise ConflictError(
                f"{deriver} is not made for this kind of file, or the library has it switched off.",
                code="not_accepted",
            )
        pipeline.create_rows(original, [pipeline.Planned(about.name, about.queue, variant)])
        row: Derivative = Derivative.objects.get(original=original, deriver=deriver, variant=variant)
        if parameters is not None and parameters != row.parameters:
            Derivative.objects.filter(pk=row.pk).update(parameters=parameters)
        fresh = row.status == "queued" and row.requested_version == 1 and row.published_at is None
        if not fresh:
            ledger.request_again(Derivative.objects.filter(pk=row.pk))
        row.refresh_from_db()
        dispatch.publish_after_commit([row])
    return row


def plan_missing(library: Library | None = None, deriver: str = "") -> int:
    """Create rows that today's derivers would plan and that are not there, after a version brought a new kind."""
    check_deriver(deriver)
    total, last = 0, None
    derivers = [get_deriver(deriver)] if deriver else all_derivers()
    originals = Original.objects.wanted().select_related("library").order_by("id")
    if library is not None:
        originals = originals.filter(library=library)
    while True:
        with transaction.atomic():
            # Locked as the end of a run locks it, so that its plan and this one do not pass each other by.
            ahead = originals.filter(id__gt=last) if last else originals
            batch = list(ahead.select_for_update(of=("self",), no_key=True)[:BATCH])
            if not batch:
                return total
            total += plan_batch(batch, derivers)
        last = batch[-1].pk


def plan_batch(batch: Sequence[Original], derivers: Sequence[Deriver]) -> int:
    """The rows that are missing of these originals, in four statements; their messages go after commit."""
    there = set(
        Derivative.objects.filter(original__in=batch, variant="").values_list("original_id", "deriver")
    )
    pairs = []
    for original in batch:
        planned = pipeline.plan(original.subject(original.library.switches()), derivers)
        pairs.append((original, [one for one in planned if (original.pk, one.deriver) not in there]))
    pipeline.create_all(pairs)
    made = {(original.pk, one.deriver) for original, planned in pairs for one in planned}
    silent = Derivative.objects.filter(original__in=batch, status="queued", published_at__isnull=True)
    dispatch.publish_after_commit(row for row in silent if (row.original_id, row.deriver) in made)
    return len(made)


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one file of many. No reason: it is queued."""

    file: UUID
    reason: str = ""
    message: str = ""


def reprocess_files(library: Library, keys: Sequence[UUID], deriver: str) -> list[Asked]:
    """One deriver of each of these files. What cannot be made is passed over, and told why."""
    check_deriver(deriver)
    files = {row.pk: row for row in File.objects.filter(library=library, pk__in=keys)}
    return [asked(files.get(key), key, deriver) for key in dict.fromkeys(keys)]


def asked(file: File | None, key: UUID, deriver: str) -> Asked:
    if file is None:
        return Asked(key, "not_found", "There is no such file in this library.")
    try:
        require_live(file)
        reprocess_file(file, deriver)
    except ConflictError as error:
        return Asked(key, error.code, error.message)
    return Asked(key)


def require_live(file: File) -> None:
    """ConflictError for what lies in the trash: it is not worked on."""
    if file.trashed_at is not None:
        raise ConflictError("This file is in the trash. Restore it first.", code="in_trash")
