"""/api/admin/maintenance: whether it is on, and the switch."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alcoves.backup import maintenance
from alcoves.backup.errors import BackupError
from media import audit
from media.errors import ConflictError
from media.models.audit import Via

SEE, TURN = "console.see_dashboard", "console.manage_backups"


class MaintenanceShape(serializers.Serializer[Any]):
    """While a restore is under way it cannot be ended."""

    on = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True, max_length=500, required=False)
    since = serializers.CharField(read_only=True)
    by = serializers.CharField(read_only=True)
    restoring = serializers.BooleanField(read_only=True)


class MaintenanceView(APIView):
    """404 for who is no staff, 403 for staff without the permission."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        user: Any = request.user
        if not user.is_staff:
            raise Http404
        if not user.has_perm(TURN if request.method == "PUT" else SEE):
            raise PermissionDenied("Your role may not do this. Ask an administrator.")

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
