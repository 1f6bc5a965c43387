"""Clients of Redis that count what they send. A leaf. Celery has clients of its own, which nobody counts."""

from typing import Any, Final

import redis
from redis.client import Pipeline

from alcoves import metrics

KNOWN: Final = frozenset(
    {
        *(
            "get",
            "set",
            "del",
            "exists",
            "eval",
            "expire",
            "pexpire",
            "incr",
            "decr",
            "mget",
            "scan",
            "info",
            "client",
        ),
        *("publish", "ping", "flushdb", "llen", "lrange", "lpush", "rpush", "brpop", "blpop", "lrem"),
        *("hget", "hset", "hgetall", "hdel", "hincrby", "sadd", "srem", "smembers"),
        *("zadd", "zrem", "zcard", "zrange", "zrangebyscore", "zremrangebyscore"),
    }
)
"""Others are counted together: what is sent may be made of anything."""


class Counted(redis.Redis):
    """One command at a time."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        operation = str(args[0]).lower()
        try:
            answer = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped.
        except redis.RedisError:
            count(operation, "error")
            raise
        count(operation, "ok")
        return answer

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "CountedPipeline":  # noqa: FBT001, FBT002  The parent's signature.
        return CountedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class CountedPipeline(Pipeline):
    """Many commands, one round trip, one count."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  The parent's signature.
        try:
            answer: list[Any] = super().execute(raise_on_error)
        except redis.RedisError:
            count("pipeline", "error")
            raise
        count("pipeline", "ok")
        return answer


def count(operation: str, result: str) -> None:
    name = operation if operation in KNOWN or operation == "pipeline" else "other"
    metrics.REDIS_OPERATIONS.labels(name, result).inc()


def connect(url: str, **options: Any) -> Any:
    """A client of a pool of its own, as `redis.Redis.from_url` makes one."""
    return Counted.from_url(url, **options)
