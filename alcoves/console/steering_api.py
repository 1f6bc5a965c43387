"""/api/admin/queues, lanes and workers: looking and steering for programs. For others than staff there is nothing."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alcoves.console.queues import describe_pause
from alcoves.console.steering_shapes import QueuesShape, ReasonInput, SlotsInput, WorkerShape
from media import audit, backlog, controls, workers
from media.api.staff import StaffView
from media.backlog import LaneState, QueueState
from media.models import Control
from media.models.audit import Via
from media.models.control import ControlKind
from media.workers import Report, Running


class SteeringView(StaffView):
    """Auditors look; librarians do not."""

    see = "console.see_operations"
    act = "console.control_queues"


class Queues(SteeringView):
    """Lanes and queues."""

    @extend_schema(operation_id="admin_queues_list", responses=QueuesShape)
    def get(self, request: Request) -> Response:
        return Response(all_queues())


class PauseQueue(SteeringView):
    """A queue or a lane takes nothing new."""

    @extend_schema(operation_id="admin_queue_pause", request=ReasonInput, responses=QueuesShape)
    def post(self, request: Request, name: str) -> Response:
        controls.pause(name, by=audit.of(request, via=Via.API), reason=reason_of(request))
        return Response(all_queues())


class ResumeQueue(SteeringView):
    """It goes on."""

    @extend_schema(operation_id="admin_queue_resume", request=None, responses=QueuesShape)
    def post(self, request: Request, name: str) -> Response:
        controls.resume(name, by=audit.of(request, via=Via.API))
        return Response(all_queues())


class Slots(SteeringView):
    """Slots of a lane in each worker that serves it."""

    @extend_schema(operation_id="admin_lane_slots", request=SlotsInput, responses=QueuesShape)
    def put(self, request: Request, lane: str) -> Response:
        given = SlotsInput(data=request.data)
        given.is_valid(raise_exception=True)
        controls.set_slots(lane, given.validated_data["slots"], by=audit.of(request, via=Via.API))
        return Response(all_queues())


class Workers(SteeringView):
    """Workers and what they do."""

    @extend_schema(operation_id="admin_workers_list", responses=WorkerShape(many=True))
    def get(self, request: Request) -> Response:
        return Response(all_workers())


class Drain(SteeringView):
    """A worker takes nothing new until it is released."""

    @extend_schema(operation_id="admin_worker_drain", request=ReasonInput, responses=WorkerShape(many=True))
    def post(self, request: Request, name: str) -> Response:
        controls.drain(name, by=audit.of(request, via=Via.API), reason=reason_of(request))
        return Response(all_workers())


class Release(SteeringView):
    """It takes work again."""

    @extend_schema(operation_id="admin_worker_release", request=None, responses=WorkerShape(many=True))
    def post(self, request: Request, name: str) -> Response:
        controls.undrain(name, by=audit.of(request, via=Via.API))
        return Response(all_workers())


def reason_of(request: Request) -> str:
    given = ReasonInput(data=request.data)
    given.is_valid(raise_exception=True)
    return str(given.validated_data["reason"])


def all_queues() -> dict[str, Any]:
    found = backlog.find()
    return {
        "pause": describe_pause(found.everything),
        "lanes": [describe_lane(lane) for lane in found.lanes],
        "queues": [describe_queue(queue) for queue in found.queues],
    }


def all_workers() -> list[dict[str, Any]]:
    drained = {row.name: row for row in Control.objects.filter(kind=ControlKind.WORKER, paused=True)}
    return [describe_worker(report, drained.get(report.name)) for report in workers.find()]


def describe_lane(lane: LaneState) -> dict[str, Any]:
    return {
        "name": lane.name,
        "workers": lane.workers,
        "slots": lane.slots,
        "orderedSlots": lane.ordered,
        "pause": describe_pause(lane.paused),
    }


def describe_queue(queue: QueueState) -> dict[str, Any]:
    return {
        "name": queue.name,
        "lane": queue.about.lane,
        "weight": queue.about.weight,
        "depth": queue.depth,
        "rows": queue.rows,
        "running": queue.running,
        "oldestSeconds": queue.age,
        "pause": describe_pause(queue.pause),
    }


def describe_worker(report: Report, drained: Control | None) -> dict[str, Any]:
    return {
        "name": report.name,
        "state": report.state if drained is None or report.state != "alive" else "draining",
        "lane": report.lane,
        "slots": report.slots,
        "host": report.host,
        "pid": report.pid,
        "version": report.version,
        "memory": report.memory,
        "startedAt": report.began_at,
        "seenAt": report.seen_at,
        "drain": describe_pause(drained),
        "running": [describe_task(task) for task in report.running],
    }


def describe_task(task: Running) -> dict[str, Any]:
    seconds = timezone.now().timestamp() - task.since if task.since else None
    return {
        "task": task.task,
        "id": task.id,
        "queue": task.queue,
        "subject": task.subject,
        "seconds": seconds,
    }
