"""The database: room for connections, its clock and ours, and whether it is of this version."""

from collections.abc import Iterator
from typing import Final

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from alcoves.alerts.rules.base import Severity, Trouble, page
from alcoves.alerts.rules.kept import Kept

NEAR_PERCENT: Final = 85
MOST_SKEW: Final = 5.0
MIGRATIONS_SECONDS: Final = 60.0
SHOWN: Final = 5


def in_use() -> tuple[int, int]:
    """Connections of all databases of the server together, and how many there may be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT sum(numbackends) FROM pg_stat_database), current_setting('max_connections')::int, "
            "current_setting('superuser_reserved_connections')::int"
        )
        used, most, kept = cursor.fetchone()
    return int(used), most - kept


def connections() -> Iterator[Trouble]:
    """Postgres is about to refuse."""
    used, limit = in_use()
    if used * 100 >= NEAR_PERCENT * limit:
        yield Trouble(
            "postgres:connections",
            Severity.CRITICAL,
            f"Postgres has {used} of at most {limit} connections. "
            "Raise max_connections, or run fewer workers and web threads.",
            page("doctor"),
        )


def clock() -> Iterator[Trouble]:
    """This machine's time and that of the database. Leases and links go by it."""
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    skew = (theirs - before).total_seconds()
    took = (timezone.now() - before).total_seconds()
    if abs(skew) > MOST_SKEW + took:
        yield Trouble(
            "clock",
            Severity.CRITICAL,
            f"The clock of the database is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} that of this "
            "machine. Set both by NTP.",
            page("doctor"),
        )


def unapplied() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, backwards in plan if not backwards]


kept_migrations = Kept(unapplied, MIGRATIONS_SECONDS)


def migrations() -> Iterator[Trouble]:
    """The database is of an older version."""
    names = kept_migrations.get()
    if names:
        shown = ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
        were = "migration is" if len(names) == 1 else "migrations are"
        sentence = f"{len(names)} {were} not applied: {shown}. Run manage.py migrate."
        yield Trouble("migrations", Severity.CRITICAL, sentence, page("doctor"))
