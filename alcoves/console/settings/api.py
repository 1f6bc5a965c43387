"""/api/admin/settings: the same for programs. Staff with the permission only; for others there is nothing here."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alcoves.console.settings import changing, describing
from alcoves.console.settings.changing import RESET, BadSettingError
from media import audit
from media.api.staff import StaffView
from media.models.audit import Via


class SettingShape(serializers.Serializer[Any]):
    """One setting. `source` is where `value` comes from; secrets are asterisks."""

    name = serializers.CharField()
    group = serializers.CharField()
    type = serializers.ChoiceField(choices=("boolean", "integer", "number", "string"))
    value = serializers.JSONField(allow_null=True)
    default = serializers.JSONField(allow_null=True)
    environment = serializers.JSONField(allow_null=True, help_text="what a reset goes back to")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # The name of the JSON.
        choices=("database", "environment", "default")
    )
    help = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    options = serializers.ListField(child=serializers.CharField(allow_blank=True))
    variable = serializers.CharField(allow_blank=True)
    secret = serializers.BooleanField()
    problem = serializers.CharField(allow_blank=True, help_text="why what the database has is not used")


class ValueInput(serializers.Serializer[Any]):
    """What it shall be, in its own type: nothing is converted."""

    value = serializers.JSONField()


class SettingsView(StaffView):
    """Auditors look; librarians do not."""

    see = "constance.view_config"
    act = "console.change_settings"


class Settings(SettingsView):
    """All settings."""

    @extend_schema(operation_id="admin_settings_list", responses=SettingShape(many=True))
    def get(self, request: Request) -> Response:
        return Response([describing.as_json(one) for one in describing.everything()])

    @extend_schema(
        operation_id="admin_settings_change", request=OpenApiTypes.OBJECT, responses=SettingShape(many=True)
    )
    def patch(self, request: Request) -> Response:
        """Many at once, as {name: value}; all or none. null resets one."""
        if not isinstance(request.data, dict):
            raise BadSettingError('Send an object of names and values, as {"IMAGE_QUEUE_LIMIT": 100}.')
        values = {name: RESET if value is None else value for name, value in request.data.items()}
        changing.change(values, by=audit.of(request, via=Via.API))
        return Response(
            [describing.as_json(one) for one in describing.everything() if one.row.name in values]
        )


class OneSetting(SettingsView):
    """One setting, by its name."""

    @extend_schema(operation_id="admin_settings_retrieve", responses=SettingShape)
    def get(self, request: Request, name: str) -> Response:
        return Response(describing.as_json(describing.one(name)))

    @extend_schema(operation_id="admin_settings_put", request=ValueInput, responses=SettingShape)
    def put(self, request: Request, name: str) -> Response:
        """Set it. It counts for all processes as soon as this is answered."""
        return self.changed(request, name, given_value(request))

    @extend_schema(operation_id="admin_settings_patch", request=ValueInput, responses=SettingShape)
    def patch(self, request: Request, name: str) -> Response:
        """The same as PUT."""
        return self.changed(request, name, given_value(request))

    @extend_schema(operation_id="admin_settings_reset", responses={200: SettingShape})
    def delete(self, request: Request, name: str) -> Response:
        """Back to what the environment or the default says."""
        return self.changed(request, name, RESET)

    def changed(self, request: Request, name: str, value: Any) -> Response:
        changing.change({name: value}, by=audit.of(request, via=Via.API))
        return Response(describing.as_json(describing.one(name)))


def given_value(request: Request) -> Any:
    if not isinstance(request.data, dict) or set(request.data) != {"value"}:
        raise BadSettingError('Send {"value": ...} and nothing else.')
    return request.data["value"]
