"""A lock that keeps twins out of a queue: taken when a task is published, released when its work ends.

A leaf. The claim in the database is the real guard; this only spares the queue the second message. Ready
made locks for Celery failed a case each (released by another run, swallowed retries, kept after a failed
publish), so this is the plain Redis recipe: SET key id NX PX, and compare-and-delete by that id.
"""

import secrets
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import redis

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


def forget(client: Any, name: str) -> None:
    """The work begins, whoever has sent its message: what comes up from now on needs another one."""
    client.delete(PREFIX + name)


RENEW = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])
"""


class Renewal:
    """Keeps a lock for so many seconds more where it is still ours: asked at once, answered when somebody has to know.

    Until then the asker has other things to do. The block holds one connection of the client's pool.
    """

    def __init__(self, client: Any, name: str, token: str, seconds: int) -> None:
        self._pool = client.connection_pool
        self._question = ("EVAL", RENEW, 1, PREFIX + name, token, seconds * 1000)
        self._connection: Any = None

    def __enter__(self) -> Self:
        try:
            self._connection = self._pool.get_connection()
            self._connection.send_command(*self._question)
        except (redis.RedisError, OSError):
            self._drop()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """An answer that nobody has read must not be taken for that of the next question."""
        self._drop()

    @cached_property
    def held(self) -> bool:
        """False also where Redis is away."""
        if self._connection is None:
            return False
        try:
            answer = self._connection.read_response()
        except (redis.RedisError, OSError):
            return False
        connection, self._connection = self._connection, None
        self._pool.release(connection)
        return bool(answer)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
