"""What is refused before any view, and how errors outside of DRF are told: JSON under /api/, a plain line elsewhere."""

import logging
import sys
from collections.abc import Callable
from typing import Final

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults

from media.api.errors import DATABASE_ERRORS, Told, tell

logger = logging.getLogger(__name__)

NUL: Final[Told] = (
    400,
    {"code": "bad_request", "message": "The address or a cookie has a NUL character. Leave it out."},
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

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        known = tell(error) if isinstance(error, DATABASE_ERRORS) else None
        return answer(request, known) if known is not None else None


def has_nul(request: HttpRequest) -> bool:
    query = request.META.get("QUERY_STRING", "")
    return (
        "%00" in query
        or "\0" in query
        or "\0" in request.path_info
        or any("\0" in value for value in request.COOKIES.values())
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
