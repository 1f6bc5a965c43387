"""Upkeep by hand: what beat starts by itself, started now, with what came of it. Never the same twice at once."""

import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import redis
from celery import current_app, states
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django_celery_results.models import TaskResult
from kombu.exceptions import OperationalError

from alcoves.console import acting
from alcoves.console.fragments import fragment
from alcoves.wording import spoken
from media import audit, dispatch, workers
from media.audit import Actor
from media.errors import ConflictError, RequestError
from media.models import AuditEntry

logger = logging.getLogger(__name__)
PERMISSION: Final = "console.run_tasks"
TITLE: Final = "Upkeep"
LIVE: Final = "admin/upkeep_live.html"
ACTION: Final = "upkeep.start"
QUEUE: Final = "maintenance"
UNFINISHED: Final = (states.PENDING, states.RECEIVED, states.STARTED, states.RETRY)
SHOWN: Final = 20
SURE: Final = timedelta(minutes=2)
"""A message that no queue has and no worker runs was lost, once it is so old."""
LOOKED_THROUGH: Final = 10_000
"""With more messages waiting nobody can say that one is lost."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of upkeep. `asks` is what is asked before it begins; without, one click starts it."""

    name: str
    task: str
    title: str
    sentence: str
    came: str = "{} done"
    asks: str = ""


TABLE: Final[tuple[Work, ...]] = (
    Work(
        "reconcile",
        "media.reconcile",
        "Reconcile now",
        "Take up what fell: runs whose worker died, rows without a message. Workers do it all the time.",
        "{}",
    ),
    Work(
        "sweep-blobs",
        "media.sweep_blobs",
        "Sweep blobs",
        "Remove the blobs that no row names and that are due.",
        "{} blobs removed",
        "Blobs that are due are deleted for good.",
    ),
    Work(
        "sweep-uploads",
        "media.sweep_uploads",
        "Sweep uploads",
        "Forget uploads that nobody has gone on with in time.",
        "{} uploads forgotten",
        "Uploads past their time are deleted for good.",
    ),
    Work(
        "find-orphans",
        "media.find_orphans",
        "Find orphans",
        "Compare the stores with what names their blobs, slice by slice. Deletes nothing itself.",
        "the first slice is done",
    ),
    Work(
        "prewarm",
        "media.prewarm",
        "Make pictures ahead",
        "Send the next pictures whose sizes are made before anybody asks.",
        "{} pictures sent",
    ),
    Work(
        "evict-images",
        "media.evict_images",
        "Evict pictures",
        "Bring the image cache under its cap. What leaves is made again when somebody asks.",
        "{} pictures evicted",
        "Pictures over the cap leave the cache.",
    ),
    Work(
        "prune-attempts",
        "media.prune_attempts",
        "Prune history",
        "Forget tries of jobs that are older than the settings say.",
        "{} tries forgotten",
        "Old tries are deleted for good, with what programs said.",
    ),
    Work(
        "propose-people",
        "ml.propose_people",
        "Propose people",
        "Compare faces anew and propose whom to merge, as each night. One task for each library.",
        "sent for all libraries",
    ),
    Work(
        "recount",
        "media.recount_tallies",
        "Count anew",
        "Hold the counts of the dashboard against the rows themselves.",
        "{}",
    ),
    Work(
        "tend-models",
        "ml.tend",
        "Tend models",
        "Take up downloads that were lost, and work that waits for a model.",
        "{} rows taken up",
    ),
    Work(
        "check-alerts",
        "alerts.check",
        "Check alerts",
        "Look now for whatever operators are told of.",
        "looked",
    ),
    Work(
        "forget-results",
        "celery.backend_cleanup",
        "Forget old results",
        "Remove results of tasks that are older than a week.",
        "done",
    ),
)
"""Add a line here for more upkeep; its task must be idempotent and return a number, a short text or nothing."""
BY_NAME: Final = {work.name: work for work in TABLE}


class BusyError(ConflictError):
    """The same work waits or runs already."""


def show(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return acting.act(request, TITLE, PERMISSION, begun)
    return acting.page(request, TITLE, described(request))


def show_live(request: HttpRequest) -> JsonResponse:
    return fragment(request, LIVE, described(request))


def begun(request: HttpRequest) -> str:
    work = BY_NAME.get(request.POST.get("name", ""))
    if work is None:
        raise RequestError("There is no such upkeep. Choose one from this page.")
    if work.asks and request.POST.get("sure") != "yes":
        raise RequestError(f"Say that you are sure: {work.asks} Nothing was done.")
    start(work, by=audit.of(request))
    return f"{work.title}: started. What comes of it is shown below."


def start(work: Work, *, by: Actor) -> str:
    """Returns the id of the task. BusyError while the last one is not done."""
    key = str(uuid4())
    with audit.noting(ACTION, by=by) as noted, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"upkeep:{work.task}"])
        require_free(work)
        TaskResult.objects.create(
            task_id=key,
            task_name=work.task,
            status=states.PENDING,
            content_type="application/json",
            content_encoding="utf-8",
        )
        noted.count, noted.text = 1, f"Started upkeep: {work.title}."
        noted.detail = {"work": work.name, "task": key}
        # Before the commit: where Redis is away neither entry nor row stays.
        send(work, key)
    return key


def send(work: Work, key: str) -> None:
    try:
        current_app.send_task(work.task, task_id=key, queue=QUEUE, ignore_result=False, retry=False)
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("%s was not started: %s", work.task, error)
        raise RequestError(
            "Redis does not answer, so nothing was started. Try again a little later."
        ) from error


def settle(key: str, why: str) -> int:
    rows = TaskResult.objects.filter(task_id=key, status__in=UNFINISHED)
    return rows.update(status=states.FAILURE, result=json.dumps(why), date_done=timezone.now())


def require_free(work: Work) -> None:
    """By the rows of those started by hand, and by what workers tell of those that beat has started."""
    known = held()
    if any(task.task == work.task for report in workers.find() if report.alive for task in report.running):
        raise BusyError(f"{work.title} runs at this moment. Wait until it is done.")
    for row in TaskResult.objects.filter(task_name=work.task, status__in=UNFINISHED):
        if not lost(row, known):
            raise BusyError(
                f"{work.title} was started {spoken(age(row))} ago and is not done. Wait until it is."
            )
        settle(row.task_id, "Its message was lost")


def age(row: Any) -> float:
    return float((timezone.now() - row.date_created).total_seconds())


def held() -> set[str] | None:
    """Ids of what waits for a worker or is with one; None where nobody can say. Asked in the order in which they go."""
    try:
        waiting = dispatch.waiting_ids(QUEUE, most=LOOKED_THROUGH)
    except redis.RedisError:
        return None
    if waiting is None:
        return None
    return waiting | {task.id for report in workers.find() if report.alive for task in report.running}


def lost(row: Any, known: set[str] | None) -> bool:
    return known is not None and row.task_id not in known and age(row) > SURE.total_seconds()


def described(request: HttpRequest) -> dict[str, Any]:
    """Two queries."""
    entries = list(AuditEntry.objects.filter(action=ACTION).order_by("-id")[:SHOWN])
    keys = [entry.detail.get("task", "") for entry in entries]
    results = {row.task_id: row for row in TaskResult.objects.filter(task_id__in=keys)}
    return {
        "works": TABLE,
        "runs": [describe(entry, results.get(entry.detail.get("task", ""))) for entry in entries],
        "may_run": request.user.has_perm(PERMISSION),
    }


def describe(entry: AuditEntry, row: Any) -> dict[str, Any]:
    work = BY_NAME.get(entry.detail.get("work", ""))
    state = row.status if row is not None else "forgotten"
    ended = row is not None and state not in UNFINISHED
    since = (row.date_started or row.date_created) if row is not None else None
    until = row.date_done if row is not None and ended else timezone.now()
    return {
        "title": work.title if work is not None else entry.detail.get("work", ""),
        "by": entry.actor_name,
        "at": entry.created_at,
        "state": WORDS.get(state, state.lower()),
        "good": state == states.SUCCESS,
        "bad": state in {states.FAILURE, states.REVOKED},
        "took": spoken((until - since).total_seconds()) if since is not None else "-",
        "result": came_of(row, work) if row is not None and ended else "",
        "worker": row.worker or "" if row is not None else "",
    }


WORDS: Final = {
    states.PENDING: "waiting",
    states.RECEIVED: "waiting",
    states.STARTED: "running",
    states.RETRY: "running",
    states.SUCCESS: "done",
    states.FAILURE: "failed",
    states.REVOKED: "stopped",
}


def came_of(row: TaskResult, work: Work | None) -> str:
    try:
        result = json.loads(row.result) if row.result else None
    except ValueError:
        result = row.result
    if row.status != states.SUCCESS:
        if isinstance(result, dict):
            result = " ".join(str(part) for part in result.get("exc_message") or [result.get("exc_type", "")])
        return str(result)[:300]
    if isinstance(result, dict):
        result = ", ".join(f"{number} {name}" for name, number in result.items() if number) or "nothing to do"
    came = work.came if work is not None else "{}"
    return came.format(0 if result is None else result)
