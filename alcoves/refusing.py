"""What is refused before any view, and how errors outside of DRF are told: JSON under /api/, a plain line elsewhere."""

import logging
import sys
from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, UnreadablePostError
from django.views import defaults

from media.api.errors import DATABASE_ERRORS, NUL_ERRORS, Told, tell

logger = logging.getLogger(__name__)

NUL: Final[Told] = (
    400,
    {"code": "bad_request", "message": "The address or a cookie has a NUL character. Leave it out."},
    {},
)
NUL_IN_FORM: Final[Told] = (
    400,
    {"code": "bad_request", "message": "What was sent has a NUL character. Leave it out; nothing was done."},
    {},
)
STRANGE_HOST: Final[Told] = (
    400,
    {
        "code": "bad_request",
        "message": "This server does not go by that name. Use the address you were given.",
    },
    {},
)
BROKEN: Final[Told] = (
    500,
    {
        "code": "internal",
        "message": "Something went wrong here. The people who run this server find it in the log.",
    },
    {},
)

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class Refuse:
    """Django middleware: NUL is never meant, and Postgres takes none; a database that is away is no fault of a page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if has_nul(request):
            return answer(request, NUL)
        try:
            request.get_host()
        except DisallowedHost as error:
            # One line: strangers who try names are no reason for a traceback each.
            logger.warning("refused: %s", error)
            return answer(request, STRANGE_HOST)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_: Any) -> HttpResponse | None:
        """Forms of pages. The API reads bodies by itself, as files may be long; so does what passes them on."""
        if request.method != "POST" or request.path_info.startswith("/api/"):
            return None
        if getattr(view, "csrf_exempt", False):  # No form of ours, which have a token.
            return None
        try:
            return answer(request, NUL_IN_FORM) if form_has_nul(request) else None
        except UnreadablePostError:
            return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        known = tell(error) if isinstance(error, (*DATABASE_ERRORS, *NUL_ERRORS)) else None
        return answer(request, known) if known is not None else None


def has_nul(request: HttpRequest) -> bool:
    query = request.META.get("QUERY_STRING", "")
    return (
        "%00" in query
        or "\0" in query
        or "\0" in request.path_info
        or any("\0" in value for value in request.COOKIES.values())
    )


def form_has_nul(request: HttpRequest) -> bool:
    return any(
        "\0" in name or any("\0" in value for value in values) for name, values in request.POST.lists()
    )


def answer(request: HttpRequest, told: Told) -> HttpResponse:
    status, body, headers = told
    if request.path_info.startswith("/api/"):
        return JsonResponse(body, status=status, headers=headers)
    return HttpResponse(f"{body['message']}\n", "text/plain; charset=utf-8", status, headers=headers)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: what a middleware or a page has refused."""
    told = tell(exception)
    if request.path_info.startswith("/api/") and told is not None:
        return answer(request, told)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: also errors of middlewares, such as a session that cannot be written while the database is away."""
    error = sys.exc_info()[1]
    if isinstance(error, DATABASE_ERRORS) or request.path_info.startswith("/api/"):
        return answer(request, tell(error) or BROKEN)
    return defaults.server_error(request)
