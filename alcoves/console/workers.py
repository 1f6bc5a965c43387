"""Workers: which are there, what each does now; drain and release."""

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from alcoves.console import acting, orders
from alcoves.console.fragments import fragment
from alcoves.console.queues import PERMISSION, describe_pause
from alcoves.wording import sized, spoken
from media import audit, workers
from media.errors import RequestError
from media.models import Control, Derivative
from media.models.control import ControlKind
from media.workers import Report, Running

TITLE = "Workers"
LIVE = "admin/workers_live.html"


def show(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return acting.act(request, TITLE, PERMISSION, ordered)
    return acting.page(request, TITLE, described(request))


def show_live(request: HttpRequest) -> JsonResponse:
    return fragment(request, LIVE, described(request))


def described(request: HttpRequest) -> dict[str, Any]:
    """Three queries, however many workers there are."""
    found = workers.find()
    drained = {row.name: row for row in Control.objects.filter(kind=ControlKind.WORKER, paused=True)}
    rows = find_rows(found)
    told = [describe(report, drained.get(report.name), rows) for report in found]
    return {
        "workers": sorted(told, key=lambda worker: (worker["state"] == "offline", worker["name"])),
        "may_control": request.user.has_perm(PERMISSION),
    }


def find_rows(reports: Iterable[Report]) -> dict[str, Derivative]:
    keys = [
        UUID(task.subject)
        for report in reports
        for task in report.running
        if task.subject and task.task == "media.derive"
    ]
    found = Derivative.objects.filter(pk__in=keys).only(
        "pk", "deriver", "variant", "progress", "eta_seconds", "status"
    )
    return {str(row.pk): row for row in found}


def describe(report: Report, drained: Control | None, rows: dict[str, Derivative]) -> dict[str, Any]:
    now = time.time()
    return {
        "name": report.name,
        "state": report.state if drained is None or report.state != "alive" else "draining",
        "drain": describe_pause(drained),
        "lane": report.lane,
        "slots": report.slots,
        "caps": report.caps,
        "host": report.host,
        "pid": report.pid,
        "version": report.version,
        "memory": sized(report.memory),
        "up": spoken(now - report.began),
        "seen": spoken(now - report.seen),
        "polled": spoken(now - report.polled) if report.polled else "-",
        "live": report.live,
        "tasks": [describe_task(task, rows.get(task.subject), now) for task in report.running],
    }


def describe_task(task: Running, row: Derivative | None, now: float) -> dict[str, Any]:
    return {
        "name": f"{row.deriver} {row.variant}".strip() if row is not None else task.task,
        "link": reverse("admin:media_derivative_change", args=(row.pk,)) if row is not None else "",
        "queue": task.queue,
        "elapsed": spoken(now - task.since) if task.since else "-",
        "progress": row.progress if row is not None else None,
        "eta": spoken(row.eta_seconds) if row is not None and row.eta_seconds is not None else "",
        "id": task.id,
    }


def ordered(request: HttpRequest) -> str:
    by, name = audit.of(request), request.POST.get("name", "")
    match request.POST.get("act", ""):
        case "drain":
            reason = acting.reason_of(
                request, "Say why it is drained, so that others know when to release it."
            )
            return orders.drain(name, by=by, reason=reason)
        case "release":
            return orders.release(name, by=by)
    raise RequestError("This page can drain and release; nothing else was done.")
