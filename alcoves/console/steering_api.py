"""/api/admin/queues, lanes and workers: looking and steering for programs. For who is no staff there is nothing here."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alcoves.queues import LANES
from media import audit, backlog, controls, workers
from media.backlog import LaneState, QueueState
from media.models import Control
from media.models.audit import Via
from media.models.control import ControlKind
from media.workers import Report, Running

SEE = "console.see_dashboard"
CONTROL = "console.control_queues"
STATES = ("alive", "draining", "drained", "offline")


class PauseShape(serializers.Serializer[Any]):
    """Who paused it, when and why."""

    by = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class QueueShape(serializers.Serializer[Any]):
    """One queue. `pause` may be its own, its lane's or that of all lanes; null: work is taken."""

    name = serializers.CharField()
    lane = serializers.ChoiceField(choices=LANES)
    weight = serializers.IntegerField()
    depth = serializers.IntegerField(allow_null=True, help_text="messages in Redis; null while it is away")
    rows = serializers.IntegerField(help_text="rows that wait, in Postgres")
    running = serializers.IntegerField()
    oldestSeconds = serializers.FloatField(allow_null=True)
    pause = PauseShape(allow_null=True)


class LaneShape(serializers.Serializer[Any]):
    """One lane. `orderedSlots` is null where each worker has the slots that its environment says."""

    name = serializers.ChoiceField(choices=LANES)
    workers = serializers.IntegerField()
    slots = serializers.IntegerField(help_text="of all workers together")
    orderedSlots = serializers.IntegerField(allow_null=True)
    pause = PauseShape(allow_null=True)


class QueuesShape(serializers.Serializer[Any]):
    """All lanes and queues. `pause`: that of maintenance, over all of them."""

    pause = PauseShape(allow_null=True)
    lanes = LaneShape(many=True)
    queues = QueueShape(many=True)


class TaskShape(serializers.Serializer[Any]):
    """A task under way."""

    task = serializers.CharField()
    id = serializers.CharField()
    queue = serializers.CharField(allow_blank=True)
    subject = serializers.CharField(allow_blank=True, help_text="the id it was given, as of a derivative")
    seconds = serializers.FloatField(allow_null=True)


class WorkerShape(serializers.Serializer[Any]):
    """One worker; offline when it was not seen for 60 seconds."""

    name = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    lane = serializers.CharField()
    slots = serializers.IntegerField()
    host = serializers.CharField()
    pid = serializers.IntegerField()
    version = serializers.CharField()
    memory = serializers.IntegerField(help_text="bytes; 0 where it is not known")
    startedAt = serializers.DateTimeField()
    seenAt = serializers.DateTimeField()
    drain = PauseShape(allow_null=True)
    running = TaskShape(many=True)


class ReasonInput(serializers.Serializer[Any]):
    """Why; shown beside what is paused."""

    reason = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=controls.REASON_LENGTH
    )


class SlotsInput(serializers.Serializer[Any]):
    """How many; null for what the environment says."""

    slots = serializers.IntegerField(allow_null=True, min_value=1, max_value=controls.MOST_SLOTS)


class SteeringView(APIView):
    """404 for who is no staff, 403 for staff without the permission."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        user: Any = request.user
        if not user.is_staff:
            raise Http404
        if not user.has_perm(SEE if request.method in {"GET", "HEAD", "OPTIONS"} else CONTROL):
            raise PermissionDenied("Your role may not do this. Ask an administrator.")


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


def describe_pause(control: Control | None) -> dict[str, Any] | None:
    if control is None:
        return None
    return {"by": control.set_by, "at": control.set_at, "reason": control.reason}


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
