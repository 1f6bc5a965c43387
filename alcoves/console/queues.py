"""Queues and lanes: what waits, what is paused and by whom; pause, resume and slots."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from alcoves.backup import maintenance
from alcoves.console import acting
from alcoves.console.fragments import fragment
from alcoves.console.wording import spoken
from media import audit, backlog, controls
from media.backlog import LaneState, QueueState
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
    return fragment(request, LIVE, described(request))


def described(request: HttpRequest) -> dict[str, Any]:
    found = backlog.find()
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
            controls.pause(name, by=by, reason=reason)
            return f"{name} is paused. What runs goes on; what comes waits."
        case "resume":
            if controls.resume(name, by=by) is None:
                return f"{name} was not paused."
            return f"{name} goes on."
        case "resume-all":
            if maintenance.standing().on:
                raise RequestError("Maintenance is on, which pauses all lanes. End it on the page Backups.")
            if controls.resume_all(by=by) is None:
                return "Nothing held all lanes."
            return "All lanes go on, but for those that are paused by themselves."
        case "slots":
            number = whole(request.POST.get("slots", ""))
            controls.set_slots(name, number, by=by)
            said = f"{number} slots" if number else "the slots that the environment says"
            return f"{name} has {said} in each worker. It takes effect at once; what runs is not ended."
    raise RequestError("This page can pause, resume, and set slots; nothing else was done.")


def whole(text: str) -> int | None:
    """Empty: None."""
    text = text.strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise RequestError(f"A lane has from 1 to {controls.MOST_SLOTS} slots: write a whole number.")
    return int(text)
