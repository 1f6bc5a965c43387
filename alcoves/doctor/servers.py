"""Postgres and Redis: whether they answer, their versions, and the settings that matter."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from alcoves.alerts.rules import servers as rules
from alcoves.doctor.findings import Finding, failure, note, ok, told, warning

OLDEST_POSTGRES: Final = 150000
OLDEST_PGVECTOR: Final = (0, 7)
OLDEST_REDIS: Final = (6, 2)
EXTENSIONS: Final = ("pg_trgm", "vector")


@contextmanager
def postgres() -> Iterator[Any]:
    """A connection of its own, which says the truth also where a pool is exhausted."""
    about = {**connections["default"].get_connection_params(), "connect_timeout": 2}
    for name in ("cursor_factory", "context"):
        about.pop(name, None)
    with psycopg.connect(**about, autocommit=True) as opened:
        yield opened


def one(opened: Any, query: str, *values: Any) -> Any:
    row = opened.execute(query, values or None).fetchone()
    return row[0] if row else None


def check_postgres() -> Iterator[Finding]:
    try:
        with postgres() as opened:
            number = int(one(opened, "SHOW server_version_num"))
            text = one(opened, "SHOW server_version")
    except ImproperlyConfigured:
        yield failure("No database is set.", "Start Alcoves with script/up, or set DATABASE_URL.")
        return
    except (psycopg.Error, OSError) as error:
        yield failure(
            f"Postgres does not answer ({type(error).__name__}).", "Start it, or correct DATABASE_URL."
        )
        return
    if number < OLDEST_POSTGRES:
        yield failure(f"Postgres {text} is too old.", "Upgrade it to 15 or newer.")
    else:
        yield ok(f"Postgres {text} answers.")


def check_extensions() -> Iterator[Finding]:
    with postgres() as opened:
        found = dict(opened.execute("SELECT extname, extversion FROM pg_extension").fetchall())
    for name in EXTENSIONS:
        if name not in found:
            yield failure(
                f"The extension {name} is missing.",
                f"As a superuser of the database: CREATE EXTENSION {name};",
            )
    if "vector" in found and numbers(found["vector"]) < OLDEST_PGVECTOR:
        yield warning(f"pgvector {found['vector']} is old.", "Upgrade it to 0.7 or newer.")
    yield ok(", ".join(f"{name} {version}" for name, version in sorted(found.items())))


def numbers(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split("."):
        digits = "".join(letter for letter in part if letter.isdigit())
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


def check_postgres_settings() -> Iterator[Finding]:
    with postgres() as opened:
        rows = opened.execute("SELECT name, setting FROM pg_settings").fetchall()
        collation = opened.execute(
            "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    about = dict(rows)
    yield from durability(about)
    yield from connections_room(int(about["max_connections"]))
    if int(about["statement_timeout"]):
        milliseconds = about["statement_timeout"]
        advice = "Set it to 0 for our user: migrations and backups take longer than pages."
        yield warning(f"statement_timeout ends what takes longer than {milliseconds} ms.", advice)
    if collation and collation[0] != "UTF8":
        yield failure(f"The database is encoded in {collation[0]}.", "Load it into one with encoding UTF8.")
    if about.get("dynamic_shared_memory_type") == "none":
        yield warning(
            "Postgres has no shared memory for parallel work.", "Set dynamic_shared_memory_type = posix."
        )
    megabytes = int(about["shared_buffers"]) * 8 // 1024
    yield ok(f"shared_buffers {megabytes} MB, max_connections {about['max_connections']}.")


def durability(about: dict[str, str]) -> Iterator[Finding]:
    for name, why in (
        ("fsync", "a power cut can destroy the database"),
        ("full_page_writes", "a power cut can destroy pages"),
    ):
        if about[name] != "on":
            yield failure(f"{name} is off: {why}.", f"Set {name} = on in postgresql.conf.")
    if about["synchronous_commit"] == "off":
        yield warning(
            "synchronous_commit is off: the last moments before a power cut are lost.", "Set it to on."
        )
    if about["autovacuum"] != "on":
        yield failure("autovacuum is off: tables grow without end.", "Set autovacuum = on.")


def connections_room(most: int) -> Iterator[Finding]:
    """Each web thread and each slot of a worker keeps one, and some are for threads beside them."""
    from alcoves import env

    threads = env.integer("ALCOVES_WEB_THREADS", 10, low=1, high=500)
    wanted = threads + 2 * settings.WORKER_CONCURRENCY + 10
    if most < wanted:
        advice = f"Set it to {wanted + 10} or more, or put a pooler in between."
        yield warning(
            f"max_connections is {most}, and one web process with one worker may want {wanted}.", advice
        )


def check_connections() -> Iterator[Finding]:
    yield from map(told, rules.connections())
    used, most = rules.in_use()
    yield ok(f"{used} of {most} connections are in use.")


def check_migrations() -> Iterator[Finding]:
    rules.kept_migrations.forget()
    found = [told(one) for one in rules.migrations()]
    yield from found or [ok("All migrations are applied.")]


def check_clock() -> Iterator[Finding]:
    found = [told(one) for one in rules.clock()]
    yield from found or [ok("The clocks of this machine and of Postgres agree.")]


@contextmanager
def server() -> Iterator[Any]:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1.5, socket_connect_timeout=1.5, decode_responses=True
    ) as client:
        yield client


def check_redis() -> Iterator[Finding]:
    try:
        with server() as client:
            about = client.info("server")
    except (redis.RedisError, OSError, ValueError) as error:
        yield failure(f"Redis does not answer ({type(error).__name__}).", "Start it, or correct REDIS_URL.")
        return
    name = "Valkey" if "valkey_version" in about else "Redis"
    version = str(about.get("valkey_version") or about["redis_version"])
    if numbers(version) < OLDEST_REDIS:
        yield failure(f"{name} {version} is too old.", "Upgrade it to Redis 6.2, Valkey 7.2 or newer.")
    else:
        yield ok(f"{name} {version} answers.")


def check_redis_settings() -> Iterator[Finding]:
    with server() as client:
        policy = setting(client, "maxmemory-policy")
        limit = int(setting(client, "maxmemory") or 0)
        memory, persistence = client.info("memory"), client.info("persistence")
    if policy is None:
        yield note(
            "Redis does not tell its settings (CONFIG is not allowed).", "Make sure of noeviction yourself."
        )
    elif policy != "noeviction":
        yield failure(
            f"maxmemory-policy is {policy}: under pressure queued messages are thrown away.",
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration.",
        )
    used = int(memory.get("used_memory", 0))
    if limit and used * 10 > limit * 9:
        yield warning(f"Redis uses {used >> 20} of {limit >> 20} MB.", "Raise maxmemory.")
    if (
        persistence.get("rdb_last_bgsave_status") == "err"
        or persistence.get("aof_last_write_status") == "err"
    ):
        advice = "See its log; a full disk makes it refuse every write."
        yield failure("Redis cannot write to its disk.", advice)
    yield ok(f"{used >> 20} MB in use. Nothing has to survive in it: Postgres is the truth.")


def setting(client: Any, name: str) -> str | None:
    try:
        found: dict[str, str] = client.config_get(name)
    except redis.ResponseError:
        return None
    return found.get(name)
