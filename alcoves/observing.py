"""The outermost middleware: a name for every request, its time in the metrics, and the headers every page needs.

Routes are counted by their template (`api/libraries/<uuid:library_id>`), never by the path somebody typed: paths
carry ids, and strangers could fill the memory with invented ones.
"""

import re
import time
from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, HttpResponseBase

from alcoves import metrics
from media.api.later import LaterResponse, told_of
from media.models import uuid7
from media.serving import places_of_bytes

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {bytes} data: blob:; media-src {bytes} blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""No inline script, no inline style, nothing from another host but pictures and films of a bucket that clients reach.

Answers that need another policy bring their own."""

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def observe(get_response: GetResponse) -> GetResponse:
    """Django middleware: X-Request-ID, alcoves_http_seconds, Content-Security-Policy."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        told = told_of(request)
        began = told.began if told is not None else time.perf_counter()
        name = request_name(request.headers.get("X-Request-ID", ""))
        request.request_id = name  # type: ignore[attr-defined]  # For the audit log and the lines of the log.
        response = get_response(request)
        if isinstance(response, LaterResponse):
            response.when_done(partial(count, request, began))
        else:
            count(request, began, response.status_code)
        response.headers["X-Request-ID"] = name
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY.format(bytes=places_of_bytes()))
        return response

    return middleware


def count(request: HttpRequest, began: float, status: int) -> None:
    metrics.HTTP_SECONDS.labels(
        method=request.method if request.method in METHODS else "OTHER",
        route=route_of(request),
        status=str(status),
    ).observe(time.perf_counter() - began)


def request_name(given: str) -> str:
    """The one a proxy gave, if it looks like one, else ours."""
    return given if REQUEST_ID.fullmatch(given) else uuid7().hex


def route_of(request: HttpRequest) -> str:
    """The URL pattern that matched. All that matched nothing are one route."""
    match = request.resolver_match
    return match.route if match is not None else "unmatched"
