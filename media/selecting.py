"""Which derivatives are meant, how many they are, and one act on all of them: made anew, stopped, accepted.

Few are acted on at once, in one transaction with the entry of the audit log; of many `media.bulk` takes care.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from alcoves import limited
from alcoves.wording import counted, were
from media import audit, dispatch, ledger
from media.audit import Actor
from media.errors import RequestError
from media.models import Derivative, File, Library, uuid7
from media.models.derivative import GIVEN, Status

BATCH: Final = 1000
"""As many are acted on within one request; more are for the task."""
COUNTED: Final = 10_000
"""Beyond this nobody is told how many there are."""
COUNT_MILLISECONDS: Final = 5_000
REPROCESS: Final = "reprocess"
CANCEL: Final = "cancel"
ACCEPT: Final = "accept"
UNACCEPT: Final = "unaccept"
ACTS: Final = {
    REPROCESS: "queued again",
    CANCEL: "stopped",
    ACCEPT: "accepted",
    UNACCEPT: "counted as failures again",
}
"""What may be done, and how it is told."""
GROWN_BY: Final = 10
"""Rows, or percent of what was seen: as many more may be acted on without another look."""


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
    failure: str | None = None
    """The key of a group of failures; empty is the group of those that said nothing."""
    queue: str = ""
    accepted: str = ""
    """`yes` for failures that operators leave at that, `no` for what they do not."""

    def query(self) -> Q:
        parts: dict[str, Any] = {
            "deriver": self.deriver,
            "status": self.status,
            "error_code": self.error_code,
            "queue": self.queue,
            "original__library": self.library,
            "made_by__version__lt": self.older_than,
        }
        query = Q(
            parent__isnull=True, **{name: value for name, value in parts.items() if value not in ("", None)}
        )
        if self.failure is not None:
            query &= Q(failure=self.failure)
        if self.accepted:
            query &= Q(accepted_at__isnull=self.accepted == "no")
        if self.file is None:
            return query
        return query & Q(Exists(File.objects.filter(pk=self.file, original=OuterRef("original_id"))))

    def as_json(self) -> dict[str, Any]:
        return {
            name: str(value) if isinstance(value, UUID) else value
            for name, value in asdict(self).items()
            if value not in ("", None) or (name == "failure" and value == "")
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Selection":
        keys: dict[str, Any] = {name: UUID(given[name]) for name in ("library", "file") if given.get(name)}
        known = {one.name for one in fields(cls)}
        return replace(cls(**{name: value for name, value in given.items() if name in known}), **keys)

    def __str__(self) -> str:
        told = {**self.as_json(), **({"failure": "(nothing was said)"} if self.failure == "" else {})}
        return ", ".join(f"{name} {value}" for name, value in told.items()) or "everything"


def check(selection: Selection) -> None:
    """RequestError for a name that is misspelt, with the sentence that says so: it never means everything.

    A code that no job has fits none.
    """
    check_deriver(selection.deriver)
    if selection.status and selection.status not in Status.values:
        raise RequestError(
            f"There is no state named {selection.status}. Known are: {', '.join(Status.values)}.",
            code="status_unknown",
        )
    if selection.accepted not in {"", "yes", "no"}:
        raise RequestError("Whether they are accepted is said by yes or no.", code="accepted_unknown")
    if selection.library and not Library.objects.filter(pk=selection.library).exists():
        raise RequestError("There is no library with this id.", code="library_unknown")
    if selection.file and not File.objects.filter(pk=selection.file).exists():
        raise RequestError("There is no file with this id.", code="file_unknown")
    if selection.older_than is not None and selection.older_than < 1:
        raise RequestError("Versions begin with 1. Give a whole number from 1 on.", code="version_unknown")


def check_deriver(name: str) -> None:
    """RequestError that lists what there is."""
    if name and name not in settings.DERIVERS:
        known = ", ".join(sorted(settings.DERIVERS))
        raise RequestError(f"There is no deriver named {name}. Known are: {known}.", code="deriver_unknown")


def meant(act: str, selection: Selection) -> QuerySet[Derivative]:
    """The rows that this act would touch."""
    rows: QuerySet[Derivative] = Derivative.objects.filter(selection.query())
    if act == CANCEL:
        return rows.filter(status__in=("queued", "processing"))
    if act == ACCEPT:
        return rows.filter(status="failed", accepted_at__isnull=True)
    if act == UNACCEPT:
        return rows.filter(accepted_at__isnull=False)
    return rows.exclude(variant__startswith=GIVEN)


def count(act: str, selection: Selection) -> int:
    """How many that are; `COUNTED` + 1 stands for more. RequestError where that takes too long to say."""
    try:
        with limited.statements_within(COUNT_MILLISECONDS):
            return int(meant(act, selection).order_by().values("pk")[: COUNTED + 1].count())
    except limited.TooLateError as error:
        raise RequestError(
            "Counting these takes too long. Choose a deriver, a state or a queue as well.", code="too_slow"
        ) from error


def told(number: int) -> str:
    return f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"


def has_grown(seen: int, now: int) -> bool:
    """Whether a person who saw so many would be surprised."""
    return now - seen > max(GROWN_BY, seen * GROWN_BY // 100)


def act_on_keys(act: str, keys: list[UUID], by: Actor, selection: Selection | None = None) -> int:
    """These rows, and the entry of the audit log, in one transaction; returns how many it was done to."""
    with audit.noting(f"derivatives.{act}", by=by) as noted:
        noted.count = done_to(act, keys)
        which = f": {selection}" if selection is not None else ", one by one"
        noted.text = f"{counted(noted.count, 'job')} {were(noted.count)} {ACTS[act]}{which}."
        noted.detail = {"selection": selection.as_json()} if selection is not None else {"keys": texts(keys)}
    return noted.count


def texts(keys: list[UUID]) -> list[str]:
    return [str(key) for key in keys[:100]]


def done_to(act: str, keys: list[UUID]) -> int:
    moves = {CANCEL: ledger.cancel, ACCEPT: ledger.accept, UNACCEPT: ledger.unaccept}
    if act in moves:
        return moves[act](Derivative.objects.filter(pk__in=keys))
    return request(keys)


def request(keys: list[UUID]) -> int:
    """Ask for these rows anew and send their messages after commit."""
    with transaction.atomic():
        rows = Derivative.objects.filter(pk__in=keys, parent__isnull=True).makeable()
        number = ledger.request_again(rows)
        dispatch.publish_after_commit(rows.wanted())
    return number


def act_on_all(act: str, selection: Selection, by: Actor) -> int:
    """All rows that are there now, in the order of their keys, in batches that each commit and publish."""
    done = sum(done_to(act, keys) for keys in batches(act, selection))
    if done:
        note_done(act, selection, by, done)
    return done


def note_done(act: str, selection: Selection, by: Actor, done: int) -> None:
    audit.note(
        f"derivatives.{act}",
        by=by,
        text=f"{counted(done, 'job')} {were(done)} {ACTS[act]}: {selection}.",
        count=done,
        selection=selection.as_json(),
    )


def batches(act: str, selection: Selection) -> Iterator[list[UUID]]:
    """The keys of the rows that are there now. Each row comes once, whatever the act makes of it."""
    check(selection)
    until, last = uuid7(), None
    while keys := next_keys(act, selection, after=last, until=until):
        last = keys[-1]
        yield keys


def next_keys(act: str, selection: Selection, *, after: UUID | None, until: UUID) -> list[UUID]:
    """Those of one batch, in their order. What came after `until`, a key, nobody has looked at."""
    rows = meant(act, selection).filter(pk__lte=until)
    ahead = rows.filter(pk__gt=after) if after else rows
    return list(ahead.order_by("pk").values_list("pk", flat=True)[:BATCH])
