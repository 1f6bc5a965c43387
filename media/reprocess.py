"""Puts rows back to queued: by deriver, version, status, library or file. Admin, API and command line come here."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from media import dispatch, ledger, pipeline
from media.derivers.base import takes
from media.derivers.registry import all_derivers, get_deriver
from media.errors import ConflictError, RequestError
from media.models import Derivative, File, Library, Original

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows. Everything given must hold; nothing given selects all. Parts go with their parent."""

    deriver: str = ""
    status: str = ""
    older_than: int | None = None
    """Made by a lower version of the deriver than this."""
    library: UUID | None = None
    file: UUID | None = None
    error_code: str = ""

    def query(self) -> Q:
        parts: dict[str, Any] = {
            "deriver": self.deriver,
            "status": self.status,
            "error_code": self.error_code,
            "original__library": self.library,
            "made_by__version__lt": self.older_than,
        }
        query = Q(
            parent__isnull=True, **{name: value for name, value in parts.items() if value not in ("", None)}
        )
        if self.file is None:
            return query
        return query & Q(Exists(File.objects.filter(pk=self.file, original=OuterRef("original_id"))))


def check_deriver(name: str) -> None:
    """RequestError that lists what there is."""
    if name and name not in settings.DERIVERS:
        known = ", ".join(sorted(settings.DERIVERS))
        raise RequestError(f"There is no deriver named {name}. Known are: {known}.", code="deriver_unknown")


def reprocess(selection: Selection) -> int:
    """Ask for all selected rows anew, in batches that each commit and publish; returns how many."""
    check_deriver(selection.deriver)
    total, last = 0, None
    while True:
        rows = Derivative.objects.filter(selection.query()).order_by("id")
        batch = list((rows.filter(id__gt=last) if last else rows).values_list("id", "queue")[:BATCH])
        if not batch:
            return total
        last = batch[-1][0]
        total += request([key for key, _ in batch])


def request(keys: list[UUID]) -> int:
    """Ask for these rows anew and send their messages after commit."""
    with transaction.atomic():
        rows = Derivative.objects.filter(pk__in=keys, parent__isnull=True).makeable()
        count = ledger.request_again(rows)
        dispatch.publish_after_commit(rows.wanted())
    return count


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


def plan_missing(library: Library | None = None) -> int:
    """Create rows that today's derivers would plan and that are not there, after a version brought a new kind."""
    total, last = 0, None
    derivers = all_derivers()
    while True:
        originals = Original.objects.wanted().select_related("library").order_by("id")
        if library is not None:
            originals = originals.filter(library=library)
        batch = list((originals.filter(id__gt=last) if last else originals)[:BATCH])
        if not batch:
            return total
        last = batch[-1].pk
        for original in batch:
            with transaction.atomic():
                planned = pipeline.plan(original.subject(original.library.switches()), derivers)
                rows = pipeline.create_rows(original, planned)
                dispatch.publish_after_commit(rows)
            total += len(rows)
