"""For staff: jobs of the whole installation made anew, stopped or accepted, by selections as in the console."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alcoves.queues import BY_NAME
from media import audit, bulk, selecting
from media.api.libraries import checked
from media.api.staff import StaffView
from media.errors import ConflictError
from media.models.audit import Via
from media.models.derivative import Status
from media.selecting import Selection

CHOICES = {
    "deriver": "deriver",
    "status": "status",
    "olderThan": "older_than",
    "library": "library",
    "file": "file",
    "errorCode": "error_code",
    "failure": "failure",
    "queue": "queue",
    "accepted": "accepted",
}
"""What the API calls the fields of a selection."""


class ReprocessView(StaffView):
    """Membership of a library means nothing here."""

    see = "media.change_derivative"


class SelectionInput(serializers.Serializer[Any]):
    """Which results. Everything given must hold; `all` must be said where nothing is given."""

    act = serializers.ChoiceField(choices=sorted(selecting.ACTS), default=selecting.REPROCESS)
    deriver = serializers.CharField(max_length=32, required=False)
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    olderThan = serializers.IntegerField(required=False, min_value=1, max_value=1_000_000)
    library = serializers.UUIDField(required=False)
    file = serializers.UUIDField(required=False)
    errorCode = serializers.CharField(max_length=64, required=False)
    failure = serializers.CharField(max_length=200, required=False)
    queue = serializers.ChoiceField(choices=sorted(BY_NAME), required=False)
    accepted = serializers.ChoiceField(
        choices=["yes", "no"],
        required=False,
        help_text="failures that operators leave at that, or the others",
    )
    all = serializers.BooleanField(default=False)
    preview = serializers.BooleanField(default=False, help_text="only count them")
    expected = serializers.IntegerField(
        required=False, min_value=0, help_text="as many were counted; 409 where there are many more by now"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(f"There is no choice named {', '.join(unknown)}.")
        chosen = set(CHOICES) & attrs.keys()
        if bool(chosen) == attrs["all"]:
            raise serializers.ValidationError(
                "Say which: give at least one choice, or `all: true` for everything, and not both."
            )
        return attrs


class ActedShape(serializers.Serializer[Any]):
    """What has come of it."""

    count = serializers.IntegerField(help_text="of many: 10,001 stands for more than 10,000")
    task = serializers.UUIDField(allow_null=True, help_text="where they are many: who does it")


class ProgressShape(serializers.Serializer[Any]):
    """How far a task is."""

    state = serializers.CharField(help_text="waiting, running, done, failed or stopped")
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True, help_text="null until a worker has begun")
    secondsLeft = serializers.FloatField(allow_null=True, help_text="at the pace so far")
    message = serializers.CharField(allow_blank=True, help_text="why it failed")


class AdminReprocess(ReprocessView):
    """Many things made anew, stopped, or accepted as failed, whatever library they are in."""

    @extend_schema(operation_id="admin_reprocess", request=SelectionInput, responses={202: ActedShape})
    def post(self, request: Request) -> Response:
        """At once where they are few; else by a task that goes on in the background."""
        given = checked(SelectionInput(data=request.data))
        selection = Selection(**{field: given[name] for name, field in CHOICES.items() if name in given})
        selecting.check(selection)
        number = selecting.count(given["act"], selection)
        if given["preview"]:
            return Response({"count": number, "task": None})
        if "expected" in given and selecting.has_grown(given["expected"], number):
            raise ConflictError(
                f"They were {given['expected']:,} when you looked and are {selecting.told(number)} now. Look again.",
                code="has_grown",
            )
        by = audit.of(request._request, via=Via.API)  # noqa: SLF001
        acted = bulk.act_on(given["act"], selection, by, counted=number)
        return Response({"count": acted.count, "task": acted.task or None}, status=202)


class AdminReprocessTask(ReprocessView):
    """One of those tasks."""

    @extend_schema(operation_id="admin_reprocess_task", responses=ProgressShape)
    def get(self, request: Request, task: UUID) -> Response:
        """How far it is. 404 for a task that nobody asked for."""
        return Response(described(task))

    @extend_schema(operation_id="admin_reprocess_stop", responses=ProgressShape)
    def delete(self, request: Request, task: UUID) -> Response:
        """Stop it before its next batch; what is done stays done. 409 when it has ended."""
        described(task)
        bulk.stop(task, audit.of(request._request, via=Via.API))  # noqa: SLF001
        return Response(described(task))


def described(task: UUID) -> dict[str, Any]:
    found = bulk.progress(task)
    if found is None:
        raise Http404("There is no such task.")
    told = {"state": found.state, "done": found.done, "total": found.total}
    return {**told, "secondsLeft": found.seconds_left, "message": found.text}
