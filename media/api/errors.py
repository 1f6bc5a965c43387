"""Errors as the API tells them: a status, a stable code and a sentence."""

from collections.abc import Iterator
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from media.errors import MediaError
from storage.errors import StoreError


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler with our families: {"code": ..., "message": ...}, and Retry-After where trying again helps."""
    if isinstance(error, (MediaError, StoreError)):
        headers = {"Retry-After": "30"} if error.retry else {}
        return Response(
            {"code": error.code, "message": str(error)}, status=error.http_status, headers=headers
        )
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.data = not_accepted(error.detail)
    elif isinstance(response.data, dict) and "detail" in response.data:
        detail = response.data["detail"]
        response.data = {"code": getattr(detail, "code", "error"), "message": str(detail)}
    return response


def not_accepted(detail: Any) -> dict[str, Any]:
    """Input that a serializer refused: one sentence for people, the same by field for forms."""
    by_field = detail if isinstance(detail, dict) else {"": detail}
    fields = {name: list(sentences(value)) for name, value in by_field.items()}
    told = [
        f"{name}: {' '.join(found)}" if name not in {"", "non_field_errors"} else " ".join(found)
        for name, found in fields.items()
    ]
    return {"code": "invalid", "message": " ".join(told), "fields": fields}


def sentences(detail: Any) -> Iterator[str]:
    if isinstance(detail, dict):
        for value in detail.values():
            yield from sentences(value)
    elif isinstance(detail, (list, tuple)):
        for value in detail:
            yield from sentences(value)
    else:
        yield str(detail)
