"""/api/admin/maintenance: whether it is on, and the switch."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alcoves.backup import maintenance
from alcoves.backup.errors import BackupError
from media import audit
from media.api.staff import StaffView
from media.errors import ConflictError
from media.models.audit import Via


class MaintenanceShape(serializers.Serializer[Any]):
    """While a restore is under way it cannot be ended."""

    on = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True, max_length=500, required=False)
    since = serializers.CharField(read_only=True)
    by = serializers.CharField(read_only=True)
    restoring = serializers.BooleanField(read_only=True)


class MaintenanceView(StaffView):
    """The switch."""

    see = "console.see_operations"
    act = "console.manage_backups"

    @extend_schema(operation_id="admin_maintenance", responses=MaintenanceShape)
    def get(self, request: Request) -> Response:
        return Response(told())

    @extend_schema(
        operation_id="admin_maintenance_turn", request=MaintenanceShape, responses=MaintenanceShape
    )
    def put(self, request: Request) -> Response:
        given = MaintenanceShape(data=request.data)
        given.is_valid(raise_exception=True)
        by = audit.of(request, via=Via.API)
        try:
            if given.validated_data["on"]:
                maintenance.switch_on(given.validated_data.get("reason", ""), by=by)
            else:
                maintenance.switch_off(by=by)
        except BackupError as error:
            raise ConflictError(error.message, code="restoring") from error
        return Response(told())


def told() -> dict[str, Any]:
    known = maintenance.standing()
    return {
        "on": known.on,
        "reason": known.reason,
        "since": known.since,
        "by": known.by,
        "restoring": known.restoring,
    }
