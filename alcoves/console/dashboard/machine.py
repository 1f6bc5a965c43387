"""This machine: room on disks, the image cache, scratch, connections of Postgres, memory of Redis, and who answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from django.db import connection

from alcoves import health
from alcoves.alerts.rules import machine, servers
from media import dispatch


def report() -> dict[str, Any]:
    """Each part by itself: one that cannot be asked is told in `notes`."""
    notes: list[str] = []
    taken: dict[str, Any] = {}
    parts: dict[str, Callable[[], Any]] = {
        "disks": disks,
        "scratch": scratch,
        "imageCache": image_cache,
        "postgres": postgres,
        "redis": memory,
        "parts": health.readiness.report,
    }
    for name, take in parts.items():
        taken[name] = None
        with told(name, notes):
            taken[name] = take()
    return {**taken, "notes": notes}


@contextmanager
def told(name: str, notes: list[str]) -> Iterator[None]:
    """What a part of this machine stumbles over; the database alone is a matter of the whole figure."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        notes.append(f"{name} cannot be asked: {reason}.")


def disks() -> list[dict[str, Any]]:
    """What we write to, by disk; places on one disk fill up together."""
    return [
        {
            "places": list(disk.places),
            "path": str(disk.path),
            "total": disk.total,
            "free": disk.free,
            "freePercent": round(100 * disk.free / disk.total, 1) if disk.total else None,
        }
        for disk in machine.all_disks.get()
    ]


def scratch() -> dict[str, int]:
    told = machine.the_scratch.get()
    return {"promised": told.promised, "reserve": told.reserve}


def image_cache() -> dict[str, Any]:
    """How full it is. Sizes that were asked for freely may go at any time, those of the registry may not."""
    from media.admin import cached_images  # Registers a page, so not before all models are there.

    told = cached_images.counted()
    return {
        "images": told.images,
        "bytes": told.size,
        "kept": told.variants_size,
        "limit": told.cap,
        "percent": round(100 * told.size / told.cap, 1) if told.cap else None,
    }


def postgres() -> dict[str, Any]:
    """Connections of all its databases together, and the bytes of ours."""
    used, limit = servers.in_use()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()), current_setting('server_version')")
        size, version = cursor.fetchone()
    return {"version": version, "connections": used, "limit": limit, "bytes": size}


def memory() -> dict[str, Any]:
    told = dispatch.redis_client().info()
    return {
        "version": told.get("valkey_version") or told.get("redis_version"),
        "bytes": told.get("used_memory"),
        "limit": told.get("maxmemory") or None,
        "clients": told.get("connected_clients"),
    }
