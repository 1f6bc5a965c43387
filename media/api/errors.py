"""Errors as the API tells them: a status, a stable code and a sentence."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from media.errors import MediaError
from storage.errors import StoreError


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler with our families: {"code": ..., "message": ...}, and Retry-After where trying again helps."""
    if isinstance(error, (MediaError, StoreError)):
        headers = {"Retry-After": "30"} if error.retry else {}
        return Response({"code": error.code, "message": str(error)}, status=error.http_status, headers=headers)
    response = exception_handler(error, context)
    if response is not None and isinstance(response.data, dict) and "detail" in response.data:
        detail = response.data["detail"]
        response.data = {"code": getattr(detail, "code", "error"), "message": str(detail)}
    return response
