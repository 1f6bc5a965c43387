"""Errors as the API tells them: a status, a stable code and a sentence."""

import logging
from collections.abc import Iterator
from typing import Any, Final

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http.multipartparser import MultiPartParserError
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from media.errors import MediaError
from storage.errors import StoreError

logger = logging.getLogger(__name__)

DATABASE_ERRORS: Final = (OperationalError, InterfaceError)
NUL_ERRORS: Final = (DataError, ValueError)
"""Postgres and the file system refuse NUL so. Told only where these are their words."""
NUL_WORDS: Final = ("NUL (0x00)", "embedded null")
UNREADABLE: Final = (SuspiciousOperation, BadRequest, MultiPartParserError)
RETRY_AFTER: Final = 30
"""Seconds, where the error knows no better."""
MISSING_PARENT: Final = "23503"
"""Postgres: foreign_key_violation. With deferred constraints it is told at the commit."""

Told = tuple[int, dict[str, str], dict[str, str]]
"""A status, the body and the headers of an answer."""


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler with our families: {"code": ..., "message": ...}, and Retry-After where trying again helps."""
    known = tell(error)
    if known is not None:
        status, body, headers = known
        return Response(body, status=status, headers=headers)
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.data = not_accepted(error.detail)
    elif isinstance(response.data, dict) and "detail" in response.data:
        detail = response.data["detail"]
        response.data = {"code": getattr(detail, "code", "error"), "message": str(detail)}
    return response


def tell(error: BaseException | None) -> Told | None:
    """What is said of an error that DRF does not know; None where it is a fault of ours."""
    if isinstance(error, (MediaError, StoreError)):
        headers = {"Retry-After": str(getattr(error, "retry_after", RETRY_AFTER))} if error.retry else {}
        return error.http_status, {"code": error.code, "message": str(error)}, headers
    if isinstance(error, DATABASE_ERRORS):
        logger.warning("answered 503, the database is away: %s", str(error).strip())
        sentence = "The database does not answer at the moment. Try again in a little while."
        return 503, {"code": "database_away", "message": sentence}, {"Retry-After": "5"}
    if isinstance(error, NUL_ERRORS) and any(words in str(error) for words in NUL_WORDS):
        logger.warning(
            "answered 400, a text with NUL came to where it cannot be kept: %s", str(error).strip()
        )
        sentence = "What was sent has a NUL character. Leave it out; nothing was done."
        return 400, {"code": "bad_request", "message": sentence}, {}
    if isinstance(error, RequestDataTooBig):
        sentence = "This request is too long. Send less at a time, and files by an upload."
        return 413, {"code": "too_large", "message": sentence}, {}
    if isinstance(error, UNREADABLE):
        sentence = "This request cannot be read. Send it as the description of the API has it."
        return 400, {"code": "bad_request", "message": sentence}, {}
    if isinstance(error, IntegrityError) and getattr(error.__cause__, "sqlstate", "") == MISSING_PARENT:
        sentence = "What this belongs to was deleted meanwhile, or something was put into it. Load it again."
        return 409, {"code": "conflict", "message": sentence}, {}
    return None


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
        # An answer is UTF-8, whatever came in: half a surrogate pair is shown as a question mark.
        yield str(detail).encode(errors="replace").decode()
