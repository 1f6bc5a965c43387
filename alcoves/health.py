"""/readyz: whether every part this process needs answers. Workers ask here too. And who may see /metrics.

Parts are asked at the same time, each with a short limit, and the answer is kept for a second: asking often costs
nothing. A part that does not answer is not asked a second time while the first question still hangs.
"""

import ipaddress
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from functools import partial
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alcoves import env, metrics
from media import live
from media.errors import MediaError
from media.tools import ffmpeg
from storage.errors import StoreError
from storage.registry import get_store, store_names

LIMIT_SECONDS = 2.0
KEPT_SECONDS = 1.0
METRICS_TOKEN = env.secret("ALCOVES_METRICS_TOKEN")


class NotReadyError(Exception):
    """A part does not answer as it should; the sentence is shown to whoever asks."""


def check_postgres() -> None:
    """A connection of its own, so that a pool that is exhausted or stale does not hide the truth."""
    parameters = {**connections["default"].get_connection_params(), "connect_timeout": 2}
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    try:
        with psycopg.connect(**parameters) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        raise NotReadyError("Postgres does not answer. Is it running, and is DATABASE_URL right?") from error


def check_redis() -> None:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        raise NotReadyError("Redis does not answer. Is it running, and is REDIS_URL right?") from error


def check_store(name: str) -> None:
    try:
        get_store(name).check()
    except StoreError as error:
        raise NotReadyError(str(error)) from error


def check_ffmpeg() -> None:
    try:
        ffmpeg.capabilities()
    except MediaError as error:
        raise NotReadyError(error.message) from error


def probes() -> dict[str, Callable[[], None]]:
    """Every part by name, and the question it is asked."""
    stores = {f"store:{name}": partial(check_store, name) for name in store_names()}
    return {"postgres": check_postgres, "redis": check_redis, "ffmpeg": check_ffmpeg, **stores}


class Readiness:
    """Asks all parts, in threads of its own, and keeps the answer for a moment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="readiness")
        self.hanging: dict[str, Future[None]] = {}
        self.answer: dict[str, dict[str, Any]] = {}
        self.asked_at = float("-inf")

    def report(self) -> dict[str, dict[str, Any]]:
        """Each part's state: {"ok": true, "milliseconds": 2} or {"ok": false, "message": "..."}."""
        with self.lock:
            if time.monotonic() - self.asked_at > KEPT_SECONDS:
                self.answer = self.ask()
                self.asked_at = time.monotonic()
            return self.answer

    def ask(self) -> dict[str, dict[str, Any]]:
        began = time.monotonic()
        took: dict[str, float] = {}
        questions = probes()
        asked = {
            name: self.hanging.pop(name)
            if name in self.hanging
            else self.pool.submit(timed, took, name, question)
            for name, question in questions.items()
        }
        wait_for(asked.values(), timeout=max(0.0, LIMIT_SECONDS - (time.monotonic() - began)))
        answer = {name: self.outcome(name, future, took) for name, future in asked.items()}
        for name, part in answer.items():
            if not part["ok"]:
                metrics.READINESS_FAILURES.labels(check=name).inc()
        return answer

    def outcome(self, name: str, future: "Future[None]", took: dict[str, float]) -> dict[str, Any]:
        if not future.done():
            self.hanging[name] = future
            return {"ok": False, "message": f"{name} did not answer within {LIMIT_SECONDS:g} seconds."}
        error = future.exception()
        if isinstance(error, NotReadyError):
            return {"ok": False, "message": str(error)}
        if error is not None:
            return {
                "ok": False,
                "message": f"{name} cannot be checked ({type(error).__name__}). See the log.",
            }
        return {"ok": True, "milliseconds": round(took.get(name, 0) * 1000, 1)}


def timed(took: dict[str, float], name: str, question: Callable[[], None]) -> None:
    began = time.perf_counter()
    question()
    took[name] = time.perf_counter() - began


readiness = Readiness()


def told() -> tuple[bool, dict[str, Any]]:
    """True when all parts answer, and what /readyz says of them."""
    parts = readiness.report()
    failing = sorted(name for name, part in parts.items() if not part["ok"])
    body: dict[str, Any] = {"status": "failing" if failing else "ok", "parts": parts}
    if failing:
        body["failing"] = failing
        body["message"] = " ".join(str(parts[name]["message"]) for name in failing)
    return not failing, body


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when all parts answer, else 503; the body names each part."""
    healthy, body = told()
    return JsonResponse(body, status=200 if healthy else 503)


@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """The same as the ASGI front answers, for servers that run Django without it."""
    return JsonResponse({"status": "ok"})


def may_see_metrics(request: HttpRequest) -> bool:
    if not live.value("METRICS_AUTH"):
        return True
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if METRICS_TOKEN and secrets.compare_digest(given.encode(), METRICS_TOKEN.encode()):
        return True
    return comes_from_here(request) or (request.user.is_authenticated and request.user.is_staff)


def comes_from_here(request: HttpRequest) -> bool:
    """True for a loopback client that no proxy speaks for: behind a proxy every client looks local."""
    forwarded: set[str] = {"X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"} & set(
        request.headers
    )
    if forwarded or getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
