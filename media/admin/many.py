"""Acts on many files at once: up to a thousand in the request, more by a worker, and asked about where they destroy.

The worker's task is `alcoves.console.tasks`, known here by its name alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import redis
from celery import current_app, states
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_celery_results.models import TaskResult
from kombu.exceptions import OperationalError

from alcoves.wording import counted, were
from media import audit, epochs, trash
from media.admin.offering import back_to
from media.audit import Actor
from media.errors import InfrastructureError, RequestError
from media.models import File, Library

AT_ONCE: Final = 1_000
"""Rows that are done while the page waits."""
MOST: Final = 20_000
"""Keys in one message for a worker."""
TASK: Final = "console.act_on_files"
EMPTY: Final = "console.empty_trash"
HANDED: Final = {TASK: "An act on many files", EMPTY: "Emptying a trash"}
"""Tasks that pages hand over and that nothing sends again, by the names that people are told."""
AWAY: Final = (OperationalError, redis.RedisError, OSError)
"""What sending raises where the broker is away."""


@dataclass(frozen=True, slots=True)
class Done:
    """How many were done; or handed to a task."""

    count: int
    task: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question was about: which making of the database, when by its clock, and how many. Yes means no more."""

    epoch: str
    asked_at: str
    seen: int = 0

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.asked_at)


def asked_now(seen: int = 0) -> Asked:
    """By the clock that notes when files were trashed; ours may be ahead of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return Asked(epochs.current(), cursor.fetchone()[0].isoformat(), seen)


def answered(request: HttpRequest) -> Asked | None:
    """The question that is answered here. None where nobody was asked. RequestError where it is none of ours."""
    if "asked_at" not in request.POST:
        return None
    given = request.POST
    try:
        found = Asked(given.get("epoch", ""), given["asked_at"], int(given.get("seen", "")))
        if found.at.tzinfo is None:
            raise ValueError
    except ValueError:
        raise RequestError("This is no answer to a question of ours. Choose the rows again.") from None
    return found


def meant(request: HttpRequest, trashed: QuerySet[Any]) -> tuple[QuerySet[Any], Asked]:
    """Of what is in the trash, that which lay there when the question was asked. RequestError where it has grown."""
    found = answered(request)
    if found is None and request.POST.get("select_across") == "1":
        raise RequestError("Look first at how many are meant. Nothing was done.")
    if found is None:
        found = asked_now(seen=number_of(trashed))
    rows = trashed.filter(trash.in_trash_at(found.at))
    if (now := number_of(rows)) > found.seen:
        raise RequestError(
            f"They were {found.seen} when you looked and are {now} now. Nothing was done: look again."
        )
    return rows, found


def act(request: HttpRequest, what: str, rows: QuerySet[Any], asked: Asked | None = None) -> Done:
    """Do it, or have it done: to these rows of this database, and what is thrown away later is not purged."""
    asked = asked or asked_now()
    by = audit.of(request)
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(keys) <= AT_ONCE:
        return Done(do(what, keys, by=by, asked=asked))
    if len(keys) > MOST:
        messages.warning(
            request, f"More than {MOST} files are selected: the first {MOST} are done. Repeat it."
        )
        keys = keys[:MOST]
    with transaction.atomic():
        text = f"{what.capitalize()} of {len(keys)} files was handed to a worker."
        audit.note(f"files.{what}.many", by=by, text=text, count=len(keys))
        given = {"what": what, "keys": [str(key) for key in keys], "actor": str(request.user.pk)}
        task = hand_over(TASK, **given, epoch=asked.epoch, before=asked.asked_at)
    return Done(len(keys), task)


def hand_over(name: str, **given: Any) -> str:
    """The message, and a row that keeps what comes of it. Call it in the transaction of the entry that tells of it.

    Sent before the commit: where the broker is away neither entry nor row stays. A worker that is quicker than the
    commit reads nothing of this transaction but the row, and waits for that.
    """
    key = str(uuid4())
    with transaction.atomic():
        TaskResult.objects.create(
            task_id=key,
            task_name=name,
            status=states.PENDING,
            content_type="application/json",
            content_encoding="utf-8",
        )
        send(name, key, given)
    return key


def send(name: str, key: str, given: dict[str, Any]) -> None:
    try:
        current_app.send_task(
            name, kwargs=given, task_id=key, queue="maintenance", ignore_result=False, retry=False
        )
    except AWAY as error:
        raise InfrastructureError(
            "Redis does not answer, so nothing was begun. Try again a little later.", detail=str(error)
        ) from error


def do(what: str, keys: Sequence[UUID], *, by: Actor, asked: Asked) -> int:
    """In batches, each with its entry in the audit log. Those that are gone or were taken back are left alone.

    StaleError where a restore came since.
    """
    total = 0
    for library, own in by_library(keys):
        if what == "purge":
            total += trash.purge_noted(
                library, own, by=by, only=trash.in_trash_at(asked.at), epoch=asked.epoch
            )
            continue
        flow = {"trash": trash.trash, "restore": trash.restore}[what]
        for start in range(0, len(own), trash.BATCH):
            with audit.noting(f"files.{what}", by=by, target=library) as noted:
                epochs.require(asked.epoch)
                noted.count = flow(library, own[start : start + trash.BATCH])
                words = "put into the trash" if what == "trash" else "taken out of the trash"
                noted.text = f"{counted(noted.count, 'file')} of {library} {were(noted.count)} {words}."
            total += noted.count
    return total


def by_library(keys: Sequence[UUID]) -> list[tuple[Library, list[UUID]]]:
    """The flows take one library at a time."""
    found: dict[UUID, list[UUID]] = {}
    for start in range(0, len(keys), AT_ONCE):
        rows = File.objects.filter(pk__in=keys[start : start + AT_ONCE]).order_by("pk")
        for key, library in rows.values_list("pk", "library"):
            found.setdefault(library, []).append(key)
    libraries = Library.objects.in_bulk(found)
    return [(libraries[key], own) for key, own in found.items() if key in libraries]


def number_of(rows: QuerySet[Any]) -> int:
    """Counted up to what one act takes, and one more."""
    return int(rows.order_by().values("pk")[: MOST + 1].count())


def count_of(found: int) -> str:
    return f"the first {MOST} files" if found > MOST else counted(found, "file")


def is_sure(request: HttpRequest) -> bool:
    return "sure" in request.POST


def ask(
    page: Any, request: HttpRequest, rows: QuerySet[Any], *, asked: Asked | None = None, **told: Any
) -> HttpResponse:
    """The question before an action. Yes sends the same action again, with what the question was about."""
    kept = {name: request.POST.get(name, "") for name in ("action", "select_across", "index")}
    marks = {name: str(value) for name, value in asdict(asked).items()} if asked else {}
    about = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": request.get_full_path(),
        "keys": request.POST.getlist(ACTION_CHECKBOX_NAME),
        **told,
        "kept": told.get("kept", kept) | marks,
    }
    if page_of_row := back_to(request):
        about |= {"back": page_of_row, "kept": {**about["kept"], "back": page_of_row}}
    return TemplateResponse(request, "admin/ask.html", about)
