"""Queues and lanes: what waits, what is paused and by whom; pause, resume and slots."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from alcoves.console import acting, orders
from alcoves.console.dashboard.queues import lately
from alcoves.console.fragments import fragment
from alcoves.wording import spoken
from media import audit, backlog, controls
from media.backlog import Backlog, LaneState, QueueState
from media.errors import RequestError
from media.models import Control

PERMISSION = "console.control_queues"
TITLE = "Queues"
LIVE = "admin/queues_live.html"


def show(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return acting.act(request, TITLE, PERMISSION, ordered)
    return acting.page(request, TITLE, described(request))


def show_live(request: HttpRequest) -> JsonResponse:
    return fragment(request, LIVE, described(request, lately.get()))


def described(request: HttpRequest, lately_found: Backlog | None = None) -> dict[str, Any]:
    """A page that is opened, also after an order, looks anew."""
    found = lately_found or backlog.find()
    return {
        "lanes": [describe_lane(lane) for lane in found.lanes],
        "everything": describe_pause(found.everything),
        "redis": found.redis,
        "may_control": request.user.has_perm(PERMISSION),
        "most_slots": controls.MOST_SLOTS,
    }


def describe_lane(lane: LaneState) -> dict[str, Any]:
    return {
        "name": lane.name,
        "depth": lane.depth,
        "rows": lane.rows,
        "running": lane.running,
        "oldest": spoken(lane.age),
        "workers": lane.workers,
        "slots": lane.slots,
        "ordered": lane.ordered,
        "configured": lane.configured,
        "pause": describe_pause(lane.paused),
        "queues": [describe_queue(queue) for queue in lane.queues],
    }


def describe_queue(queue: QueueState) -> dict[str, Any]:
    """`pause` is what stops it; `own` whether that is its own and not its lane's."""
    return {
        "name": queue.name,
        "carries": queue.about.carries,
        "weight": queue.about.weight,
        "depth": queue.depth,
        "rows": queue.rows,
        "running": queue.running,
        "oldest": spoken(queue.age),
        "pause": describe_pause(queue.pause),
        "own": queue.own_pause is not None and queue.name != queue.about.lane,
        "alone": queue.name == queue.about.lane,
    }


def describe_pause(control: Control | None) -> dict[str, Any] | None:
    if control is None:
        return None
    return {"by": control.set_by, "at": control.set_at, "reason": control.reason}


def ordered(request: HttpRequest) -> str:
    """One order."""
    by, name = audit.of(request), request.POST.get("name", "")
    match request.POST.get("act", ""):
        case "pause":
            reason = acting.reason_of(request, "Say why it is paused, so that others know when to resume it.")
            return orders.pause(name, by=by, reason=reason)
        case "resume":
            return orders.resume(name, by=by)
        case "resume-all":
            return orders.resume_all(by=by)
        case "slots":
            return orders.set_slots(name, request.POST.get("slots", ""), by=by)
    raise RequestError("This page can pause, resume, and set slots; nothing else was done.")
