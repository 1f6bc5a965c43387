"""Links of stores that have no web server of their own: GET with Range, PUT of a presigned upload.

No session: the token is the permission. What people uploaded never runs on our origin: the type is not
guessed, the answer is sandboxed, and only pictures, films and recordings are shown in place.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api.bodies import LeaveBodyParser, blocks, body_size
from media.errors import RequestError
from media.uploads import presigned
from storage.base import BlobStat
from storage.errors import RangeError, SignatureError
from storage.registry import get_store, store_names
from storage.serving import content_disposition, iter_range, parse_range
from storage.signing import Grant, Verb, verify

SANDBOX: Final = "default-src 'none'; sandbox"
SHOWN: Final = ("image/", "video/", "audio/")
NEVER_SHOWN: Final = ("image/svg+xml",)


class SignedView(APIView):
    """Anybody who holds the link."""

    authentication_classes: Any = []
    permission_classes = [AllowAny]
    parser_classes = [LeaveBodyParser]


class SignedGet(SignedView):
    """GET /files/signed?token=..."""

    @extend_schema(
        operation_id="files_signed",
        summary="Read a blob by a signed link",
        request=None,
        responses={200: bytes},
    )
    def get(self, request: Request) -> HttpResponseBase:
        grant = granted(request, "get")
        stat = get_store(grant.store).stat(grant.key)
        headers = headers_of(grant, stat)
        if request.headers.get("If-None-Match") in {"*", headers["ETag"]}:
            return HttpResponse(status=304, headers=headers)
        try:
            wanted = parse_range(range_header(request, headers), stat.size)
        except RangeError:
            headers["Content-Range"] = f"bytes */{stat.size}"
            return HttpResponse(status=416, headers=headers)
        return respond(request, grant, stat, headers, wanted)

    def head(self, request: Request) -> HttpResponseBase:
        return self.get(request)


class SignedPut(SignedView):
    """PUT /files/upload-signed?token=..."""

    @extend_schema(
        operation_id="files_upload_signed", summary="Write a blob by a signed link", responses={200: None},
        request={"application/octet-stream": {"type": "string", "format": "binary"}},
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        grant = granted(request, "put")
        size = body_size(request)
        if size is not None and size != grant.size:
            raise RequestError(
                f"This link is for {grant.size} bytes, not for {size}. Ask for another.", code="size_mismatch"
            )
        if grant.content_type is not None and request.content_type != grant.content_type:
            raise RequestError(f"Send this file as Content-Type: {grant.content_type}.", code="content_type")
        stat = presigned.receive_signed(grant, blocks(request))
        return Response(status=200, headers={"ETag": f'"{stat.etag}"'})


def granted(request: Request, verb: Verb) -> Grant:
    token = request.query_params.get("token", "")
    if not token:
        raise SignatureError("This link has no token; ask for a new one.")
    return verify(token, *secrets(), verb=verb)


def secrets() -> Iterator[str]:
    """What the stores sign with: now, and until a short while ago."""
    for name in store_names():
        secret = settings.BLOB_STORES[name].get("OPTIONS", {}).get("secret")
        if secret:
            yield str(secret() if callable(secret) else secret)
    yield from (str(secret) for secret in settings.SECRET_KEY_FALLBACKS)


def is_shown(content_type: str | None) -> bool:
    """Whether a browser may show it in place: never what could hold a script."""
    plain = (content_type or "").partition(";")[0].strip().lower()
    return plain.startswith(SHOWN) and plain not in NEVER_SHOWN


def headers_of(grant: Grant, stat: BlobStat) -> dict[str, str]:
    shown = is_shown(grant.content_type)
    name = grant.filename or grant.key.rpartition("/")[2]
    return {
        "Content-Type": grant.content_type if shown and grant.content_type else "application/octet-stream",
        "Content-Disposition": content_disposition(name, inline=shown and grant.filename is None),
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-site",
        "Cache-Control": "private, max-age=3600",
        "Accept-Ranges": "bytes",
        "ETag": f'"{stat.etag}"',
        "Last-Modified": http_date(stat.modified_at.timestamp()),
    }


def range_header(request: Request, headers: dict[str, str]) -> str | None:
    """A range of other bytes than the client has would be of no use: then it gets all."""
    condition = request.headers.get("If-Range")
    if condition is not None and condition not in {headers["ETag"], headers["Last-Modified"]}:
        return None
    return request.headers.get("Range")


def respond(
    request: Request, grant: Grant, stat: BlobStat, headers: dict[str, str], wanted: tuple[int, int] | None
) -> HttpResponseBase:
    start, end = wanted or (0, stat.size)
    headers = headers | {"Content-Length": str(end - start)}
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stat.size}"
    body: Iterable[bytes] = (
        () if request.method == "HEAD" else iter_range(get_store(grant.store), grant.key, start, end)
    )
    return StreamingHttpResponse(body, status=206 if wanted is not None else 200, headers=headers)
