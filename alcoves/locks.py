"""A lock that keeps twins out of a queue: taken when a task is published, released when its work ends.

A leaf. The claim in the database is the real guard; this only spares the queue the second message. Ready
made locks for Celery failed a case each (released by another run, swallowed retries, kept after a failed
publish), so this is the plain Redis recipe: SET key id NX PX, and compare-and-delete by that id.
"""

import secrets
from typing import Any

RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
PREFIX = "alcoves:twin:"


def acquire(client: Any, name: str, seconds: int, *, force: bool = False) -> str | None:
    """A token when the lock is ours, None when a twin is already on its way. `force` takes it over."""
    token = secrets.token_hex(8)
    taken = client.set(PREFIX + name, token, nx=not force, px=seconds * 1000)
    return token if taken else None


def release(client: Any, name: str, token: str) -> bool:
    """Give it back, unless somebody else holds it by now."""
    return bool(client.eval(RELEASE, 1, PREFIX + name, token))
