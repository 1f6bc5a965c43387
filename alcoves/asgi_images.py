"""Signed pictures that are in the cache, answered in the event loop: no thread, no query. Others: `asgi_cold`.

The address must be the canonical one, its viewer one whom Django let in a moment ago (`media.passes`), the picture a
file of the local cache store. Whatever is unusual goes to Django, which gives the same answer, header by header.
"""

import os
import re
import stat
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import resolve
from django.utils.http import http_date

from alcoves import metrics, tracing
from alcoves.asgi_bodies import Scope
from alcoves.observing import request_name
from media import imagecache, passes
from media.api.images import ProxyImage, described
from media.errors import RequestError
from media.images import recipes
from media.images.recipes import Recipe
from media.models.cached_image import CACHE
from media.serving import accelerated, finish, names
from storage.local import LocalStore
from storage.registry import get_store

PREFIX: Final = "/api/files/proxy/"
UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PATH: Final = re.compile(rf"/api/files/proxy/({UUID})/({UUID})/([^/\x00-\x1f\x7f]{{1,255}})", re.ASCII)
"""Longer names than files have are for Django: what is known of a name is kept."""
QUERY: Final = re.compile(
    rb"([a-z0-9=&]{1,60})&s=([A-Za-z0-9_-]{22})&v=([0-9a-f]{32}(?:-(?:90|180|270))?)(&width=[0-9]{1,4})?"
)
"""The names in their order, as `recipes.query_of` writes them."""
SESSION_KEY: Final = re.compile(r"[a-z0-9]{8,64}", re.ASCII)
SINGLE: Final = frozenset({b"cookie", b"authorization", b"if-none-match", b"host", b"x-forwarded-host"})
UNUSUAL: Final = frozenset(
    {b"range", b"if-range", b"if-modified-since", b"content-length", b"transfer-encoding", b"upgrade"}
)
LARGEST: Final = 4 * 1024 * 1024
"""Bytes. More is streamed by Django."""
LONGEST_HOST: Final = 300
"""Bytes. Whether a host is known is kept, too, and no host with its port is longer."""
HITS: Final = metrics.IMAGE_CACHE.labels(outcome="hit")
FRONT_HITS: Final = metrics.IMAGE_CACHE_EVENTS.labels(layer="front", result="hit")
FRONT_MISSES: Final = metrics.IMAGE_CACHE_EVENTS.labels(layer="front", result="miss")
CACHED: Final = metrics.IMAGE_RESULTS.labels(result="cached")
PLAIN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW

Pairs = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Hit:
    """An answer. `content` is None where the bytes must come from the disk: `read_whole`, in a thread."""

    status: int
    headers: Pairs
    content: bytes | bytearray | None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a signed address asks for, by a viewer who may see it."""

    method: str
    library: str
    file: str
    filename: str
    version: str
    recipe: Recipe
    request_id: str
    began: float


def find_hit(scope: Scope) -> Hit | Wanted | None:
    """The answer to a GET or HEAD of a signed address; what is wanted where that is not in the cache.

    None where Django has to look at it.
    """
    began = time.perf_counter()
    path, query = PATH.fullmatch(scope["path"]), QUERY.fullmatch(scope["query_string"])
    if path is None or query is None or scope["method"] not in {"GET", "HEAD"}:
        return None
    head, signature, version, tail = (part.decode() for part in query.groups(b""))
    recipe, given = recipe_of(head + tail), read_headers(scope["headers"])
    if recipe is None or given is None or not passes.allows(viewer_of(given), path[1], signature):
        return None
    name = request_name(given.get(b"x-request-id", b"").decode("latin1"))
    wanted = Wanted(scope["method"], path[1], path[2], path[3], version, recipe, name, began)
    hit = find_picture(wanted, given)
    if isinstance(hit, Hit):
        complete(hit, wanted)
        HITS.inc()
        FRONT_HITS.inc()
        CACHED.inc()
    elif isinstance(hit, Wanted):
        FRONT_MISSES.inc()
    return hit


def complete(hit: Hit, wanted: Wanted) -> None:
    """What `alcoves.observing` does for Django's answers."""
    hit.headers.append((b"x-request-id", wanted.request_id.encode()))
    hit.headers.append((b"x-trace-id", tracing.number_of(wanted.request_id).encode()))
    requests, seconds = counters_of(wanted.method, hit.status)
    requests.inc()
    seconds.observe(time.perf_counter() - wanted.began)


@lru_cache(maxsize=4096)
def recipe_of(text: str) -> Recipe | None:
    """The recipe of a query that is spelled as we spell it, by the parser of the Django view; else None."""
    try:
        recipe = recipes.parse(dict(parse_qsl(text)))
    except RequestError:
        return None
    return recipe if recipes.query_of(recipe) == text else None


def read_headers(pairs: Pairs) -> dict[bytes, bytes] | None:
    """None where a header asks for something that is Django's: a range, a body, a host that is not ours."""
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in UNUSUAL or (name in SINGLE and name in found):
            return None
        found[name] = value
    host, forwarded = found.get(b"host", b""), found.get(b"x-forwarded-host")
    if max(len(host), len(forwarded or b"")) > LONGEST_HOST:
        return None
    return found if is_known_host(host, forwarded) else None


@lru_cache(maxsize=256)
def is_known_host(host: bytes, forwarded: bytes | None) -> bool:
    request = HttpRequest()
    request.META["HTTP_HOST"] = host.decode("latin1")
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_HOST"] = forwarded.decode("latin1")
    try:
        return bool(host and request.get_host())
    except DisallowedHost:
        return False


def viewer_of(given: dict[bytes, bytes]) -> str | None:
    session = session_of(given.get(b"cookie", b"").decode("latin1"))
    return passes.claimed_viewer(session, given.get(b"authorization", b"").decode("latin1"))


def session_of(cookie: str) -> str | None:
    """None where there is not exactly one: which of two is meant is for Django to say."""
    name = f"{settings.SESSION_COOKIE_NAME}="
    before, found, rest = cookie.partition(name)
    key = rest.partition(";")[0].strip()
    alone = name not in rest and before.rstrip(" ")[-1:] in {"", ";"}
    return key if found and alone and SESSION_KEY.fullmatch(key) else None


def find_picture(wanted: Wanted, given: dict[bytes, bytes]) -> Hit | Wanted | None:
    """From the folder of the variants, or from that of free sizes, whose use is noted."""
    recipe, version = wanted.recipe, wanted.version
    store = get_store(CACHE)
    if not isinstance(store, LocalStore):
        return None
    for registered in (True, False):
        key = recipes.cache_key(wanted.library, version, recipe, registered=registered)
        path = f"{store.root}/{key}"
        try:
            found = os.lstat(path)
        except OSError:
            continue
        if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= LARGEST:
            return None
        if not registered:
            imagecache.touch(key)
        known = known_headers(wanted.filename, version, recipe)
        return hit_of(wanted.method, key, path, found, known, given)
    return None if wanted.method == "HEAD" or b"if-none-match" in given else wanted


def hit_of(
    method: str, key: str, path: str, found: os.stat_result, known: "Known", given: dict[bytes, bytes]
) -> Hit | None:
    """By the order of `media.serving.serve`: 304, nginx, the bytes."""
    condition = given.get(b"if-none-match")
    if condition is not None and names(condition.decode("latin1"), known.etag):
        return Hit(304, [*known.headers], b"")
    headers = [*known.headers, (b"last-modified", date_of(int(found.st_mtime)))]
    if settings.X_ACCEL_PREFIX:
        headers += [(b"x-accel-redirect", accelerated(CACHE, key).encode()), (b"content-length", b"0")]
        return Hit(200, headers, b"")
    headers.append((b"content-length", str(found.st_size).encode()))
    if method == "HEAD":
        return Hit(200, headers, b"")
    return Hit(200, headers, read_cached(path, found.st_size), path)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a picture without looking at the disk."""

    etag: str
    headers: tuple[tuple[bytes, bytes], ...]


@lru_cache(maxsize=8192)
def known_headers(filename: str, version: str, recipe: Recipe) -> Known:
    """As the Django view writes them: what the function says that it uses too, and what the middlewares add."""
    about = described("", recipe, version=version, filename=filename, immutable=True)
    response = finish(HttpResponse(), about)
    pairs = {**outer_headers(), **response.headers}
    headers = tuple((name.lower().encode(), value.encode("latin1")) for name, value in pairs.items())
    return Known(about.etag, headers)


@lru_cache(maxsize=1)
def outer_headers() -> dict[str, str]:
    """Of every answer of that view, whatever it answers."""
    view = ProxyImage()
    view.setup(HttpRequest())
    response = HttpResponse(headers={"Allow": ", ".join(view.allowed_methods)})
    for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
        middleware(lambda _: response)(HttpRequest())
    return dict(response.headers)


@lru_cache(maxsize=4096)
def date_of(seconds: int) -> bytes:
    return http_date(seconds).encode()


@lru_cache(maxsize=64)
def counters_of(method: str, status: int) -> tuple[Any, Any]:
    nobody = "00000000-0000-0000-0000-000000000000"
    route = resolve(f"{PREFIX}{nobody}/{nobody}/x").route
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.HTTP_REQUESTS.labels(**labels), metrics.HTTP_SECONDS.labels(**labels)


def read_cached(path: str, size: int) -> bytearray | None:
    """The bytes, if they are in the memory of the system; None where the disk would have to be waited for."""
    content = bytearray(size)
    try:
        fd = os.open(path, PLAIN)
    except OSError:
        return None
    try:
        got = os.preadv(fd, [content], 0, os.RWF_NOWAIT)
    except OSError:
        return None  # Not in memory, or a file system that cannot say so.
    finally:
        os.close(fd)
    return content if got == size else None


def read_whole(path: str) -> bytes | None:
    """For a thread. None where the picture has left the cache since."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
