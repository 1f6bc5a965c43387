"""The outermost middleware: a name for every request, its time in the metrics, its trace, its lines of the log, and the
headers every page needs.

Routes are counted by their template (`api/libraries/<uuid:library_id>`), never by the path somebody typed: paths
carry ids, and strangers could fill the memory with invented ones.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from alcoves import logs, metrics, tracing
from media.api.later import LaterResponse, told_of
from media.models import uuid7
from media.serving import places_of_bytes

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
AREAS: Final = frozenset(
    {"api", "admin", "static", "flower", "metrics", "healthz", "readyz", "login", "files", "s"}
)
"""First words of addresses. Each has a count of its own for what is under way; others are pages."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {bytes} data: blob:; media-src {bytes} blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""No inline script, no inline style, nothing from another host but pictures and films of a bucket that clients reach.

Answers that need another policy bring their own."""

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def observe(get_response: GetResponse) -> GetResponse:
    """Django middleware: X-Request-ID, X-Trace-ID, alcoves_http_seconds, Content-Security-Policy."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        told = told_of(request)
        began = told.began if told is not None else time.perf_counter()
        trusted = request.headers if settings.TRUST_REQUEST_IDS else {}
        name = request_name(trusted.get("X-Request-ID", ""))
        request.request_id = name  # type: ignore[attr-defined]  # For the audit log and the lines of the log.
        span = tracing.begin("request", "server", trusted, number=tracing.number_of(name))
        with logs.about(request_id=name, trace_id=span.number), in_progress(area_of(request.path_info)):
            setattr(request, logs.FIELDS, logs.current())
            response = get_response(request)
        span.leave()
        done = partial(count, request, began, span)
        if isinstance(response, LaterResponse):
            response.when_done(done)
        else:
            done(response.status_code)
        response.headers["X-Request-ID"] = name
        response.headers["X-Trace-ID"] = span.number
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY.format(bytes=places_of_bytes()))
        return response

    middleware.process_view = note_view  # type: ignore[attr-defined]  # Django asks for it by this name.
    return middleware


def note_view(request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """What the address names is known by now: lines of the log belong to it."""
    logs.note(library=kwargs.get("library_id"), file=kwargs.get("file_id"))


def count(request: HttpRequest, began: float, span: tracing.Begun, status: int) -> None:
    method = request.method if request.method in METHODS else "OTHER"
    route = route_of(request)
    labels = {"method": method, "route": route, "status": str(status)}
    metrics.HTTP_REQUESTS.labels(**labels).inc()
    metrics.HTTP_SECONDS.labels(**labels).observe(time.perf_counter() - began)
    span.end(
        f"{method} {route}",
        error="" if status < 500 else str(status),
        **{"http.request.method": method, "http.route": route, "http.response.status_code": status},
    )


@contextmanager
def in_progress(area: str) -> Iterator[None]:
    gauge = metrics.HTTP_IN_PROGRESS.labels(area)
    gauge.inc()
    try:
        yield
    finally:
        gauge.dec()


def area_of(path: str) -> str:
    first = path[1:].partition("/")[0]
    return first if first in AREAS else "pages"


def request_name(given: str) -> str:
    """The one a trusted proxy gave, if it looks like one, else ours."""
    return given if REQUEST_ID.fullmatch(given) else uuid7().hex


def route_of(request: HttpRequest) -> str:
    """The URL pattern that matched. All that matched nothing are one route."""
    match = request.resolver_match
    return match.route if match is not None else "unmatched"
