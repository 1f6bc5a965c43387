"""Middleware: in maintenance everybody but the console gets 503 with the reason, before any body is read.

Staff may go on in the console, and probes ask as ever. While a database is being replaced there is nobody who could be
told from a stranger, so the console shows how far it is and nothing else.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string

from alcoves.backup import maintenance, restoring

RETRY_SECONDS: Final = 60
ALWAYS: Final = ("/healthz", "/readyz", "/metrics", "/static/")
STAFF: Final = ("/admin", "/api/admin/", "/flower/", "/login", "/logout")
GetResponse = Callable[[HttpRequest], HttpResponseBase]


def gate(get_response: GetResponse) -> GetResponse:
    """Django middleware."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(ALWAYS):
            return get_response(request)
        told = maintenance.standing()
        if not told.on or (not told.shut and is_for_staff(request.path_info)):
            return get_response(request)
        return refuse(request, told)

    return middleware


def is_for_staff(path: str) -> bool:
    return any(path == one or path.startswith(one.rstrip("/") + "/") for one in STAFF)


def refuse(request: HttpRequest, told: maintenance.Standing) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"}
    message = f"{told.reason} Try again in a few minutes."
    if request.path_info.startswith("/api/"):
        body = {"code": "maintenance", "message": message}
        return JsonResponse(body, status=503, headers=headers)
    about = {"reason": told.reason, "progress": restoring.under_way() if told.shut else None}
    page = render_to_string("console/maintenance.html", about)
    return HttpResponse(page, status=503, headers=headers)
