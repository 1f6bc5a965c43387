"""Flower behind our login: it listens on loopback only and has no login of its own.

Flower is for looking. It runs read-only, and this proxy lets through GET and HEAD, and one POST: the table of tasks
asks for its rows so, and changes nothing. Every other POST is refused here, because Flower's pages know nothing of
our CSRF token: whoever could make an operator's browser post would otherwise stop workers.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import httpx
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

PERMISSION: Final = "console.see_flower"
READS_BY_POST = frozenset({"tasks/datatable"})
HOP_BY_HOP = frozenset(
    {
        *(
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "trailer",
        ),
        *("transfer-encoding", "upgrade"),
    }
)
logging.getLogger("httpx").setLevel(logging.WARNING)
NOT_PASSED_ON = HOP_BY_HOP | {"host", "cookie", "authorization", "content-length", "accept-encoding"}
NOT_PASSED_BACK = HOP_BY_HOP | {"set-cookie", "server", "date", "content-security-policy"}
NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Of a header (RFC 9110)."""
LIMITS = httpx.Timeout(30.0, connect=2.0)
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
)
"""Flower's pages have inline scripts of their own."""


@csrf_exempt
def proxy(request: HttpRequest, path: str) -> HttpResponseBase:
    """For staff whose role may. Others who are logged in learn nothing; who is not is asked to log in."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if not (request.user.is_staff and request.user.has_perm(PERMISSION)):
        raise Http404
    if request.method not in {"GET", "HEAD"} and not (request.method == "POST" and path in READS_BY_POST):
        return message(request, 403, "Flower is here for looking. Reprocess and cancel jobs in the admin.")
    try:
        return fetch(request)
    except httpx.HTTPError:
        return message(request, 502, "Flower does not answer. It starts last: wait a moment, or see its log.")


def message(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    return render(request, "alcoves/message.html", {"title": "Flower", "sentence": sentence}, status=status)


def fetch(request: HttpRequest) -> HttpResponseBase:
    """Ask Flower and pass on what it says, as it comes. It knows no HEAD: that is a GET whose body stays unread."""
    only_head = request.method == "HEAD"
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=LIMITS, trust_env=False))
        # A POST that is a read carries a small form; Django has capped its size.
        answer = stack.enter_context(
            client.stream(
                "GET" if only_head else request.method or "GET",
                f"http://127.0.0.1:{settings.FLOWER_PORT}{request.get_full_path()}",
                headers=passed_on(request),
                content=request.body,
            )
        )
        response: HttpResponseBase
        if only_head:
            response = HttpResponse(status=answer.status_code)
        else:
            response = StreamingHttpResponse(chunks(answer, stack.pop_all()), status=answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in NOT_PASSED_BACK and NAME.fullmatch(name):
                response[name] = value
        response["Content-Security-Policy"] = POLICY
        return response


def passed_on(request: HttpRequest) -> list[tuple[bytes, bytes]]:
    """As bytes: httpx takes text in ASCII only. A name that HTTP does not know is left out."""
    return [
        (name.encode("ascii"), value.encode("latin-1", "replace"))
        for name, value in request.headers.items()
        if name.lower() not in NOT_PASSED_ON and NAME.fullmatch(name)
    ]


def chunks(answer: httpx.Response, stack: ExitStack) -> Iterator[bytes]:
    with stack:
        yield from answer.iter_raw()
