"""Answers the bytes of a blob: ranges, conditions, safe headers; by nginx, by a presigned link, or streamed.

Uploaded bytes are somebody else's: the type is the sniffed one, only types that cannot run a script are shown inline,
and every answer is sandboxed. Nothing here decides who may have the bytes: the caller has done that.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.utils.http import http_date, parse_http_date_safe

from media.errors import MediaError
from media.models.blob import FILES
from storage.base import BlobStore
from storage.errors import BlobNotFoundError, RangeError, StoreError
from storage.registry import get_store
from storage.serving import content_disposition, iter_range, parse_range

Response = TypeVar("Response", bound=HttpResponseBase)
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'"
REVALIDATE = "private, no-cache"
KEEP_SECONDS = 24 * 3600
LINK_LIFE = timedelta(minutes=10)
SHOWN = ("image/", "video/", "audio/")
NEVER_SHOWN = frozenset({"image/svg+xml"})


class BytesMissingError(MediaError):
    """A row names bytes that the store has not."""

    code = "blob_not_found"
    http_status = 404


@dataclass(frozen=True, slots=True)
class Served:
    """What to answer. `immutable` promises that this address never gives other bytes for `max_age` seconds.

    `tag` names the bytes where something else than their digest does; `vary` is what else the answer hangs on.
    """

    key: str
    size: int
    content_type: str
    name: str
    modified_at: datetime | None
    sha256: str | None = None
    store: str = FILES
    download: bool = False
    immutable: bool = False
    may_redirect: bool = False
    max_age: int = KEEP_SECONDS
    tag: str | None = None
    vary: str = "Cookie, Authorization"

    @property
    def etag(self) -> str:
        """Keys are never written twice, so a key's own digest is as good as that of bytes not hashed yet."""
        return f'"{self.tag or self.sha256 or hashlib.sha256(self.key.encode()).hexdigest()}"'

    @property
    def cache_control(self) -> str:
        """Private: what a shared cache keeps would be shown to people who may not see it."""
        return f"private, max-age={self.max_age}, immutable" if self.immutable else REVALIDATE

    @property
    def inline(self) -> bool:
        return (
            not self.download and self.content_type.startswith(SHOWN) and self.content_type not in NEVER_SHOWN
        )


def serve(request: HttpRequest, blob: Served) -> HttpResponseBase:
    """The answer to a GET or HEAD of this blob."""
    if not_modified(request, blob):
        return finish(HttpResponse(status=304), blob)
    store = get_store(blob.store)
    local = store.local_path(blob.key) is not None
    if local and settings.X_ACCEL_PREFIX:
        return hand_over(blob)
    if not local and blob.may_redirect and has_public_address():
        return redirect(store, blob)
    return answer(request, store, blob)


def answer(request: HttpRequest, store: BlobStore, blob: Served) -> HttpResponseBase:
    """From this process: the whole blob (200) or one range of it (206, 416)."""
    try:
        wanted = parse_range(range_header(request, blob), blob.size)
    except RangeError as error:
        refusal = JsonResponse({"code": error.code, "message": str(error)}, status=416)
        refusal["Content-Range"] = f"bytes */{blob.size}"
        return refusal
    start, end = wanted or (0, blob.size)
    response = body_of(request, store, blob, start, end)
    response.status_code = 206 if wanted else 200
    if wanted:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
    response["Content-Length"] = str(end - start)
    return finish(response, blob)


def body_of(
    request: HttpRequest, store: BlobStore, blob: Served, start: int, end: int
) -> HttpResponse | StreamingHttpResponse:
    if request.method == "HEAD":
        return HttpResponse()
    try:
        return StreamingHttpResponse(iter_range(store, blob.key, start, end))
    except BlobNotFoundError as error:
        raise BytesMissingError("The bytes of this file are missing. Restore them from a backup.") from error


def hand_over(blob: Served) -> HttpResponse:
    """nginx sends the file from an internal location; it does ranges itself."""
    response = HttpResponse()
    response["X-Accel-Redirect"] = accelerated(blob.store, blob.key)
    return finish(response, blob)


def accelerated(store: str, key: str) -> str:
    """Where nginx finds a blob of a local store."""
    return f"{settings.X_ACCEL_PREFIX.rstrip('/')}/{store}/{quote(key)}"


def has_public_address() -> bool:
    """Whether clients reach the bucket themselves."""
    return bool(settings.S3_OPTIONS.get("public_endpoint_url"))


def redirect(store: BlobStore, blob: Served) -> HttpResponse:
    """The client fetches from the bucket with a link that soon expires.

    A browser may keep the link to bytes that never change for half its life, so that it fetches them once in that
    time: another link is another address. All other links no cache may keep.
    """
    name = None if blob.inline else blob.name
    url = store.signed_get_url(blob.key, expires=LINK_LIFE, filename=name, content_type=blob.content_type)
    response = HttpResponseRedirect(url)
    kept = int(LINK_LIFE.total_seconds()) // 2
    response["Cache-Control"] = f"private, max-age={kept}" if blob.immutable else "private, no-store"
    response["Vary"] = blob.vary
    return response


def places_of_bytes() -> str:
    """For the policy of our pages: from where pictures and films come. Ours, and the bucket where we redirect to it."""
    if not has_public_address():
        return "'self'"
    store: Any = get_store(FILES)
    try:
        return f"'self' {origin_of(store)}".rstrip()
    except StoreError:
        return "'self'"


@lru_cache(maxsize=4)
def origin_of(store: BlobStore) -> str:
    """Scheme and host of its links, for in some styles of address the bucket is a part of the host; "" is ours."""
    parts = urlsplit(store.signed_get_url("x", expires=LINK_LIFE))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def finish(response: Response, blob: Served) -> Response:
    """The headers that every answer with or about these bytes carries."""
    response["Content-Type"] = blob.content_type
    response["Content-Disposition"] = content_disposition(blob.name, inline=blob.inline)
    response["ETag"] = blob.etag
    if blob.modified_at is not None:
        response["Last-Modified"] = http_date(blob.modified_at.timestamp())
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = blob.cache_control
    response["Content-Security-Policy"] = SANDBOX
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Vary"] = blob.vary
    return response


def not_modified(request: HttpRequest, blob: Served) -> bool:
    """If-None-Match decides; If-Modified-Since only where there is none (RFC 9110, 13.2.2)."""
    given = request.headers.get("If-None-Match")
    if given is not None:
        return names(given, blob.etag)
    since = parse_http_date_safe(request.headers.get("If-Modified-Since", ""))
    return since is not None and blob.modified_at is not None and int(blob.modified_at.timestamp()) <= since


def names(given: str, etag: str) -> bool:
    """Whether an If-None-Match has this tag in it, weak or strong."""
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or etag in tags


def range_header(request: HttpRequest, blob: Served) -> str | None:
    """The Range header, unless If-Range says that the client's part is of other bytes."""
    condition = request.headers.get("If-Range")
    if condition is not None and condition.strip() != blob.etag:
        since = parse_http_date_safe(condition)
        if since is None or blob.modified_at is None or since != int(blob.modified_at.timestamp()):
            return None
    return request.headers.get("Range")
