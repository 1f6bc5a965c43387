"""Moments: marking a span of a film or a recording, changing it, splitting it, and asking for its export.

The export is a Derivative of the file's original (deriver `moment`, variant of the moment), so queue, progress, retries
and "the old one is served until the new one is there" are the engine's. What is asked for lies in its parameters; what
the outputs answer, in its facts: an edit of the span raises `export_version`, and the export is stale until both agree.

Whatever changes a moment locks the original first and then the moment, as the purge does.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from media import dispatch, ledger, pipeline, tags
from media.derivers.registry import get_deriver
from media.errors import ConflictError, RequestError
from media.intake import one_line
from media.models import Derivative, File, Moment, MomentShare, Original
from media.models.derivative import Status
from media.models.moment import LONGEST_NAME, SHORTEST

DERIVER: Final = "moment"
CLIPS: Final = ("moment.mp4", "moment.m4a")
POSTER: Final = "poster.webp"
MILLISECOND: Final = Decimal("0.001")
TOLERANCE: Final = Decimal("0.1")
"""Seconds by which a player's clock may run past the end of the file: such an end is the end."""
NUMBERED: Final = re.compile(r"^(?P<name>.*?)(?: \((?P<number>\d{1,6})\))?$", re.DOTALL)
UNDER_WAY: Final = (Status.QUEUED, Status.PROCESSING)


class SpanError(RequestError):
    """No such span can be cut out of this file."""

    code = "bad_span"
    http_status = 422


class MomentMissingError(RequestError):
    """No such moment of this file."""

    code = "moment_not_found"
    http_status = 404


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds from the beginning of the file, in whole milliseconds."""

    start: Decimal
    end: Decimal


def moments_of(file: File, *, trashed: bool = False) -> QuerySet[Moment]:
    """By start, with all that is told of them, in two queries whatever their number."""
    rows: QuerySet[Moment] = Moment.objects.filter(file=file, trashed_at__isnull=not trashed)
    return rows.select_related("created_by").prefetch_related("tags").order_by("start", "id")


def find_moment(file: File, key: UUID, *, trashed: bool | None = False) -> Moment:
    """Of this file; `trashed` None finds it wherever it is. MomentMissingError else."""
    rows = Moment.objects.filter(file=file, pk=key).select_related("created_by").prefetch_related("tags")
    found: Moment | None = (rows if trashed is None else rows.filter(trashed_at__isnull=not trashed)).first()
    if found is None:
        raise MomentMissingError("There is no such moment of this file. It may have been deleted.")
    found.file = file
    return found


def find_exports(moments: Iterable[Moment], original_id: UUID) -> dict[str, Derivative]:
    """By the moment's variant, of moments of one original; one query."""
    variants = [moment.variant for moment in moments]
    rows = Derivative.objects.filter(original=original_id, deriver=DERIVER, variant__in=variants)
    return {row.variant: row for row in rows.defer("error_detail", "lease_owner")}


def find_export(moment: Moment) -> Derivative | None:
    """The row that holds its export, or None where nobody has asked for one."""
    return find_exports([moment], moment.file.original_id).get(moment.variant)


def find_clip(export: Derivative | None) -> dict[str, Any] | None:
    """The output that is the clip, film or sound; None while there is none."""
    found = [export.output(name) for name in CLIPS] if export else []
    return next((output for output in found if output), None)


def exported_version(export: Derivative | None) -> int | None:
    """Of the clip that is served: to which `export_version` of the moment it answers."""
    return export.facts.get("version") if export is not None and find_clip(export) else None


def create_moment(
    file: File,
    user: Any,
    *,
    name: str,
    start: float,
    end: float,
    description: str = "",
    tag_keys: Collection[UUID] = (),
) -> Moment:
    require_live(file)
    span = span_in(file.original, start, end)
    with transaction.atomic():
        made: Moment = Moment.objects.create(
            file=file,
            created_by=user,
            name=clean(name),
            description=description,
            start=span.start,
            end=span.end,
        )
        tags.put_on(made, file.library, tag_keys)
    return made


def change_moment(
    moment: Moment,
    *,
    name: str | None = None,
    description: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> None:
    """What is None stays. Another span raises the version of the export; one under way begins anew with it."""
    with locked(moment) as (original, row):
        row.name = row.name if name is None else clean(name)
        row.description = row.description if description is None else description
        if start is not None or end is not None:
            span = span_in(original, row.start if start is None else start, row.end if end is None else end)
            move(original, row, span)
        row.save()


def tag_moment(moment: Moment, keys: Collection[UUID]) -> None:
    """The full set."""
    with locked(moment) as (_, row):
        tags.put_on(row, row.file.library, keys)


def trash_moment(moment: Moment) -> None:
    """It is told and exported no more; its clip stays for the day it is restored."""
    with locked(moment) as (original, row):
        row.trashed_at = timezone.now()
        row.save()
        ledger.cancel(export_rows(original, row))


def restore_moment(moment: Moment) -> None:
    with locked(moment, trashed=True) as (_, row):
        row.trashed_at = None
        row.save()


def split_moment(moment: Moment, at: float, user: Any) -> Moment:
    """The right half becomes a moment of its own, then the left one ends there. Returns the right one."""
    with locked(moment) as (original, row):
        cut = in_milliseconds(at)
        if cut - row.start < SHORTEST or row.end - cut < SHORTEST:
            raise SpanError(
                f"A moment can be split where each half is at least {SHORTEST} s long: "
                f"between {row.start + SHORTEST} and {row.end - SHORTEST}. Choose another place."
            )
        right: Moment = Moment.objects.create(
            file_id=row.file_id,
            created_by=user,
            name=next_name(row),
            description=row.description,
            start=cut,
            end=row.end,
        )
        right.tags.set(row.tags.all())
        move(original, row, Span(row.start, cut))
        row.save()
    return right


def request_export(moment: Moment) -> Derivative:
    """The export of the moment as it is now: found, under way, or asked for. The old one is served meanwhile."""
    with locked(moment) as (original, row):
        wanted = parameters_of(row)
        rows = export_rows(original, row)
        export: Derivative | None = rows.first()
        if export is None:
            about = get_deriver(DERIVER)
            pipeline.create_rows(original, [pipeline.Planned(DERIVER, about.queue, row.variant, wanted)])
        elif is_current(export, row) or (export.status in UNDER_WAY and export.parameters == wanted):
            return export
        else:
            ledger.request_again(rows, parameters=wanted)
        found: Derivative = rows.get()
        dispatch.publish_after_commit([found])
    return found


def is_current(export: Derivative, moment: Moment) -> bool:
    """Whether the clip is there and is that of the moment as it is now."""
    return export.status == Status.READY and exported_version(export) == moment.export_version


def move(original: Original, moment: Moment, span: Span) -> None:
    """Within `locked`: the span, and with it the export that is under way or shown by a link. The caller saves.

    Who holds a link shall not go on seeing what was cut away until somebody thinks of the export.
    """
    if span == Span(moment.start, moment.end):
        return
    moment.start, moment.end = span.start, span.end
    moment.export_version += 1
    rows = export_rows(original, moment)
    if not MomentShare.objects.good().filter(moment=moment).exists():
        rows = rows.filter(status__in=UNDER_WAY)
    if ledger.request_again(rows, parameters=parameters_of(moment)):
        dispatch.publish_after_commit(export_rows(original, moment))


def export_rows(original: Original, moment: Moment) -> QuerySet[Derivative]:
    rows: QuerySet[Derivative] = Derivative.objects.filter(
        original=original, deriver=DERIVER, variant=moment.variant
    )
    return rows


def parameters_of(moment: Moment) -> dict[str, Any]:
    """What the deriver is told. Text: a float would not keep the thousandths of a long recording."""
    return {"start": str(moment.start), "end": str(moment.end), "version": moment.export_version}


@contextmanager
def locked(moment: Moment, *, trashed: bool = False) -> Iterator[tuple[Original, Moment]]:
    """One change of a moment at a time; what the caller holds is brought up to date with it."""
    with transaction.atomic():
        originals = Original.objects.select_for_update(no_key=True, of=("self",))
        original = originals.filter(files__moments=moment.pk).first()
        rows = Moment.objects.select_for_update(of=("self",))
        row = rows.filter(pk=moment.pk, trashed_at__isnull=not trashed).first()
        if original is None or row is None:
            raise gone()
        require_live(row.file)
        yield original, row
    try:
        moment.refresh_from_db()
    except Moment.DoesNotExist as error:
        raise gone() from error


def gone() -> MomentMissingError:
    return MomentMissingError(
        "This moment was deleted, restored or merged just now. Load the moments of the file again."
    )


def require_live(file: File) -> None:
    """ConflictError for a file in the trash: its moments are only looked at."""
    if file.trashed_at is not None:
        raise ConflictError("This file is in the trash. Restore it first.", code="in_trash")


def span_in(original: Original, start: float | Decimal, end: float | Decimal) -> Span:
    """Checked against the file and rounded to milliseconds. SpanError with a sentence else."""
    if original.kind not in {"video", "audio"}:
        raise SpanError(
            "Moments are spans of videos and recordings. This file is neither.", code="no_moments"
        )
    if original.probe is None:
        raise ConflictError(
            "The length of this file is not known yet. Try again when its metadata has been read.",
            code="not_probed",
        )
    span = Span(in_milliseconds(start), in_milliseconds(end))
    if original.duration is not None:
        span = Span(span.start, within(span.end, Decimal(str(original.duration))))
    if span.start < 0 or span.end - span.start < SHORTEST:
        raise SpanError(
            f"A moment starts at 0 or later and is at least {SHORTEST} s long. Choose another span."
        )
    return span


def within(end: Decimal, duration: Decimal) -> Decimal:
    """An end a little past that of the file is the end of the file, whose last frame belongs to it."""
    if end > duration + TOLERANCE:
        raise SpanError(f"This file is {duration:.3f} s long, and a moment ends there at the latest.")
    return min(end, duration.quantize(MILLISECOND, ROUND_CEILING))


def in_milliseconds(seconds: float | Decimal) -> Decimal:
    return Decimal(str(seconds)).quantize(MILLISECOND, ROUND_HALF_UP)


def next_name(moment: Moment) -> str:
    """`Goal` gives `Goal (2)`; where that is there, `Goal (3)`."""
    base = base_of(moment.name)[0]
    names = Moment.objects.filter(file=moment.file_id, trashed_at__isnull=True).values_list("name", flat=True)
    numbers = [number for name, number in map(base_of, names) if name == base]
    suffix = f" ({max(numbers, default=1) + 1})"
    return base[: LONGEST_NAME - len(suffix)] + suffix


def base_of(name: str) -> tuple[str, int]:
    """A name without its number, and the number: 1 where it has none."""
    found = NUMBERED.match(name)
    assert found is not None  # noqa: S101  Every text matches.
    return found["name"], int(found["number"] or 1)


def clean(name: str) -> str:
    """RequestError where nothing of it can be seen."""
    kept = one_line(name, LONGEST_NAME)
    if not kept:
        raise RequestError("A moment needs a name that can be seen. Type one.", code="no_name")
    return kept
