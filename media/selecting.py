"""Which derivatives are meant, how many they are, and one act on all of them: made anew, or stopped.

Few are acted on at once, in one transaction with the entry of the audit log. Many go to a task that walks through them
in batches that each commit; the audit log has an entry when it is asked for, and one with the count when it is done.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final
from uuid import UUID

from celery import current_app
from celery.result import AsyncResult
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from media import audit, dispatch, ledger
from media.audit import Actor
from media.errors import InfrastructureError, RequestError
from media.models import Derivative, File, Library, uuid7
from media.models.audit import AuditEntry, Via
from media.models.derivative import GIVEN, Status

TASK: Final = "media.act_on_many"
UNDER_WAY: Final = "PROGRESS"
BATCH: Final = 1000
"""As many are acted on within one request; more are for the task."""
COUNTED: Final = 10_000
"""Beyond this nobody is told how many there are."""
REPROCESS: Final = "reprocess"
CANCEL: Final = "cancel"
ACTS: Final = {REPROCESS: "queued again", CANCEL: "stopped"}
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
    return rows.exclude(variant__startswith=GIVEN)


def count(act: str, selection: Selection) -> int:
    """How many that are; `COUNTED` + 1 stands for more."""
    return int(meant(act, selection).order_by().values("pk")[: COUNTED + 1].count())


def told(number: int) -> str:
    return f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"


def has_grown(seen: int, now: int) -> bool:
    """Whether a person who saw so many would be surprised."""
    return now - seen > max(GROWN_BY, seen * GROWN_BY // 100)


@dataclass(frozen=True, slots=True)
class Acted:
    """What has come of it: how many by now, or the task that does it."""

    count: int
    task: str = ""


def act_on(act: str, selection: Selection, by: Actor) -> Acted:
    """At once where they are few; else by a task. Where that cannot be sent there is no entry either."""
    check(selection)
    if count(act, selection) <= BATCH:
        return Acted(
            act_on_keys(act, list(meant(act, selection).values_list("pk", flat=True)[:BATCH]), by, selection)
        )
    number, task = count(act, selection), str(uuid7())
    with transaction.atomic():
        audit.note(
            f"derivatives.{act}",
            by=by,
            text=f"{told(number)} jobs are to be {ACTS[act]}, in batches: {selection}.",
            count=number,
            selection=selection.as_json(),
            task=task,
        )
        send(task, act, selection, by)
    return Acted(number, task)


def send(task: str, act: str, selection: Selection, by: Actor) -> None:
    try:
        current_app.send_task(
            TASK,
            (act, selection.as_json(), actor_as_json(by), str(uuid7())),
            task_id=task,
            queue="maintenance",
            ignore_result=False,
        )
    except Exception as error:
        raise InfrastructureError(
            "The broker does not answer, so nothing was begun. Try again in a little while.",
            detail=str(error),
        ) from error


def act_on_keys(act: str, keys: list[UUID], by: Actor, selection: Selection | None = None) -> int:
    """These rows, and the entry of the audit log, in one transaction; returns how many it was done to."""
    with audit.noting(f"derivatives.{act}", by=by) as noted:
        noted.count = done_to(act, keys)
        which = f": {selection}" if selection is not None else ", one by one"
        noted.text = f"{noted.count:,} jobs were {ACTS[act]}{which}."
        noted.detail = {"selection": selection.as_json()} if selection is not None else {"keys": texts(keys)}
    return noted.count


def texts(keys: list[UUID]) -> list[str]:
    return [str(key) for key in keys[:100]]


def done_to(act: str, keys: list[UUID]) -> int:
    if act == CANCEL:
        return ledger.cancel(Derivative.objects.filter(pk__in=keys))
    return request(keys)


def request(keys: list[UUID]) -> int:
    """Ask for these rows anew and send their messages after commit."""
    with transaction.atomic():
        rows = Derivative.objects.filter(pk__in=keys, parent__isnull=True).makeable()
        number = ledger.request_again(rows)
        dispatch.publish_after_commit(rows.wanted())
    return number


def act_on_all(
    act: str,
    selection: Selection,
    by: Actor,
    *,
    tell: Callable[[dict[str, Any]], None] = lambda _: None,
    before: Mapping[str, Any] | None = None,
    until: str = "",
) -> dict[str, Any]:
    """All rows that are there now, in the order of their keys, in batches that each commit and publish.

    With `until`, a key, those that were there when it was made: what came since then nobody has looked at.
    `before` is what an earlier run of the same task told last: it goes on from there.
    """
    state: dict[str, Any] = {
        "act": act,
        "done": 0,
        "last": None,
        "until": until or str(uuid7()),
        **(before or {}),
    }
    for keys in batches(act, selection, after=state["last"], until=state["until"]):
        state |= {"done": state["done"] + done_to(act, keys), "last": str(keys[-1])}
        tell(state)
    if state["done"]:
        audit.note(
            f"derivatives.{act}",
            by=by,
            text=f"{state['done']:,} jobs were {ACTS[act]}: {selection}.",
            count=state["done"],
            selection=selection.as_json(),
        )
    return {"act": act, "done": state["done"]}


def batches(
    act: str, selection: Selection, *, after: str | None = None, until: str | None = None
) -> Iterator[list[UUID]]:
    """The keys of the rows that are there now, in their order. Each row comes once, whatever the act makes of it."""
    check(selection)
    rows = meant(act, selection).filter(pk__lte=UUID(until) if until else uuid7()).order_by("pk")
    while True:
        ahead = rows.filter(pk__gt=UUID(after)) if after else rows
        keys = list(ahead.values_list("pk", flat=True)[:BATCH])
        if not keys:
            return
        after = str(keys[-1])
        yield keys


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is."""

    state: str
    """waiting, running, done, failed."""
    done: int


def progress(task: str) -> Progress | None:
    """None for a task that the audit log does not know."""
    if not AuditEntry.objects.filter(
        action__in=[f"derivatives.{act}" for act in ACTS], detail__task=task
    ).exists():
        return None
    result: AsyncResult[Any] = AsyncResult(task)
    about = result.info if isinstance(result.info, dict) else {}
    states = {"SUCCESS": "done", "FAILURE": "failed", UNDER_WAY: "running", "STARTED": "running"}
    return Progress(states.get(result.state, "waiting"), int(about.get("done", 0)))


def actor_as_json(by: Actor) -> dict[str, Any]:
    """Without the address: Flower shows what tasks are given. The entry of the asking has it, with the same request."""
    return {
        "via": str(by.via),
        "user": str(by.user.pk) if by.user is not None else None,
        "request_id": by.request_id,
    }


def actor_from_json(given: Mapping[str, Any]) -> Actor:
    user = get_user_model().objects.filter(pk=given["user"]).first() if given.get("user") else None
    return Actor(Via(given["via"]), user, None, given.get("request_id", ""))
