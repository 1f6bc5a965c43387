"""Whether this process lives, and whether everything it needs answers: Postgres, Redis, every store, ffmpeg.

Shared by the web process (/healthz, /readyz) and the workers' own port.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from media.errors import MediaError
from media.tools import ffmpeg
from storage.errors import StoreError
from storage.registry import get_store, store_names

KEPT_SECONDS = 1.0


def check_database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        connection.close()
        raise


def check_broker() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


def check_stores() -> None:
    for name in store_names():
        get_store(name).check()


def check_ffmpeg() -> None:
    ffmpeg.capabilities()


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "redis": check_broker,
    "stores": check_stores,
    "ffmpeg": check_ffmpeg,
}
_lock = threading.Lock()
_kept: tuple[float, tuple[bool, dict[str, Any]]] | None = None


def readiness() -> tuple[bool, dict[str, Any]]:
    """True and the state of each part; kept for a second, so that asking often costs nothing."""
    global _kept  # noqa: PLW0603  One answer a process.
    with _lock:
        if _kept is None or time.monotonic() - _kept[0] > KEPT_SECONDS:
            _kept = (time.monotonic(), ask())
        return _kept[1]


def ask() -> tuple[bool, dict[str, Any]]:
    parts: dict[str, str] = {}
    for name, check in CHECKS.items():
        try:
            check()
            parts[name] = "ok"
        except (DatabaseError, redis.RedisError, StoreError, MediaError, OSError) as error:
            parts[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    ready = all(state == "ok" for state in parts.values())
    return ready, {"status": "ready" if ready else "not ready", "parts": parts}
