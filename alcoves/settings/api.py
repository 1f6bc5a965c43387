"""How the API is made: who may ask, what it reads and answers, and how its schema names things."""

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "alcoves.accounts.authentication.AccessTokenAuthentication",
        "alcoves.accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["media.api.parsing.JSONParser"],
    "EXCEPTION_HANDLER": "media.api.errors.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Alcoves",
    "DESCRIPTION": "Keeps, derives, understands and serves media.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "media.models.derivative.Status",
        "RoleEnum": "media.models.library.Role",
        "GivenRoleEnum": "media.api.shapes.GIVEN_ROLES",
        "KindEnum": "media.models.original.KINDS",
        "SourceKindEnum": "media.playback.KINDS",
        "UploadKindEnum": "media.models.upload.UploadKind",
        "StackKindEnum": "media.models.stack.StackKind",
        "LaneEnum": "alcoves.queues.LANES",
    },
}
