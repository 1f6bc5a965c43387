"""Our database and the programs that dump and restore it: which fits, what a snapshot sees, how all is dropped."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import psycopg
from django.db import connections
from psycopg.rows import tuple_row

from alcoves.backup.errors import BackupError, UntouchedError
from alcoves.embedded.binaries import find_postgres_folder
from alcoves.embedded.errors import EmbeddedError
from media.errors import MediaError, ToolMissingError
from media.tools import postgres
from media.tools.run import ExitedError

logger = logging.getLogger(__name__)
LOCK_SECONDS: Final = 60
ALONE: Final = "alcoves restore"
MAGIC: Final = b"PGDMP"
"""How a dump of the custom format begins."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database holds at one moment, for us and for pg_dump."""

    connection: "psycopg.Connection[tuple[Any, ...]]"
    name: str
    major: int

    def rows(self, query: str, size: int = 2000) -> Iterator[tuple[Any, ...]]:
        """Of a server-side cursor, so that a million rows never lie here at once."""
        with self.connection.cursor(name="alcoves_backup") as cursor:
            cursor.itersize = size
            cursor.execute(query)
            yield from cursor


def parameters() -> dict[str, Any]:
    """Of the connection that Django uses, without what only Django understands."""
    found: dict[str, Any] = {**connections["default"].get_connection_params()}
    for name in ("cursor_factory", "context", "prepare_threshold"):
        found.pop(name, None)
    return found


def environment() -> dict[str, str]:
    return postgres.environment_of(parameters())


@contextmanager
def connected(**more: Any) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    try:
        made = psycopg.connect(**{**parameters(), **more}, row_factory=tuple_row)
    except psycopg.Error as error:
        raise BackupError("Postgres does not answer. Is it running, and is DATABASE_URL right?") from error
    with made:
        yield made


@contextmanager
def alone() -> Iterator[bool]:
    """Whether this is the one restore into this database, on whichever machine it runs. It lasts as its transaction.

    A pooler may give the next statement to another session, but not one of the same transaction. This one reads no
    table, so nothing waits for it.
    """
    with connected(application_name=ALONE) as made:
        made.execute(
            "SELECT set_config(name, '0', TRUE) FROM pg_settings "
            "WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
        )
        row = made.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", (ALONE,)).fetchone()
        yield row is not None and bool(row[0])


@contextmanager
def snapshot() -> Iterator[Snapshot]:
    """Ends with the block; keep it short, because nothing is vacuumed meanwhile."""
    with connected() as made:
        made.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        made.read_only = True
        row = made.execute("SELECT pg_export_snapshot(), current_setting('server_version_num')").fetchone()
        assert row is not None  # noqa: S101  A SELECT of two values has one row.
        yield Snapshot(made, str(row[0]), int(row[1]) // 10000)


def server_major() -> int:
    with connected() as made:
        return made.info.server_version // 10000


def program(name: str, server: int) -> Path | str:
    """pg_dump or pg_restore of the server's version, else a newer one. The one on PATH, or ours."""
    places: list[Path | str] = [name]
    try:
        places.insert(0, find_postgres_folder() / name)
    except EmbeddedError:
        logger.debug("no Postgres of ours is installed")
    found = [(major, place) for place in places if (major := postgres.major_of(place)) is not None]
    fitting = sorted((one for one in found if one[0] >= server), key=lambda one: one[0])
    if fitting:
        return fitting[0][1]
    have = f"the only one here is of {max(found)[0]}" if found else "there is none here"
    raise BackupError(
        f"The database is Postgres {server} and needs {name} of that version, but {have}: "
        f"install postgresql-client-{server}."
    )


def dumped(of: Snapshot) -> Iterator[bytes]:
    with told("The database could not be dumped"):
        yield from postgres.dump(program("pg_dump", of.major), environment(), of.name)


def check_readable(chunks: Iterable[bytes], server: int) -> list[str]:
    """The whole dump through pg_restore, which only lists it."""
    with told("The dump of the database cannot be read"):
        return postgres.table_of_contents(program("pg_restore", server), chunks)


def nothing() -> None:
    """Nobody wants to know."""


def restore(chunks: Iterable[bytes], server: int, *, going: Callable[[], None] = nothing) -> None:
    """Everything of ours goes, then the dump comes in one transaction. Killed in between, it is begun again.

    What can be known of the dump without reading all of it is known before anything goes; `going` is called just then.
    """
    tool, coming = program("pg_restore", server), iter(chunks)
    first = next(coming, b"")
    if not first.startswith(MAGIC):
        raise UntouchedError("The dump of the database is not there any more, or is none: take another set.")
    going()
    try:
        wipe()
    except BackupError as error:  # In one transaction: all of it goes, or nothing.
        raise UntouchedError(str(error)) from error
    with told("The dump could not be restored"):
        postgres.restore(tool, environment(), chain([first], coming))
    connections["default"].close()


@contextmanager
def told(what: str) -> Iterator[None]:
    """What a program says at its end is the last line of its stderr."""
    try:
        yield
    except ExitedError as error:
        lines = [line.strip() for line in (error.detail or "").splitlines() if line.strip()]
        reason = next((line for line in lines if "error:" in line), lines[-1] if lines else "no reason given")
        raise BackupError(f"{what}: {reason}") from error
    except ToolMissingError as error:
        raise BackupError(f"{what}: {error.message}") from error
    except MediaError as error:
        raise BackupError(f"{what}: {error.message}") from error


OURS: Final = (
    "{schema} = current_schema()::regnamespace "
    "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = x.oid AND d.deptype = 'e')"
)
DROPS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("MATERIALIZED VIEW", "pg_class x", "x.oid::regclass", "x.relnamespace|x.relkind = 'm'"),
    ("VIEW", "pg_class x", "x.oid::regclass", "x.relnamespace|x.relkind = 'v'"),
    (
        "TABLE",
        "pg_class x",
        "x.oid::regclass",
        "x.relnamespace|x.relkind IN ('r', 'p') AND NOT x.relispartition",
    ),
    ("SEQUENCE", "pg_class x", "x.oid::regclass", "x.relnamespace|x.relkind = 'S'"),
    ("ROUTINE", "pg_proc x", "x.oid::regprocedure", "x.pronamespace|TRUE"),
    (
        "TYPE",
        "pg_type x LEFT JOIN pg_class c ON c.oid = x.typrelid",
        "x.oid::regtype",
        "x.typnamespace|x.typtype IN ('c', 'd', 'e', 'r') AND (x.typrelid = 0 OR c.relkind = 'c')",
    ),
    ("TEXT SEARCH CONFIGURATION", "pg_ts_config x", "x.oid::regconfig", "x.cfgnamespace|TRUE"),
    ("TEXT SEARCH DICTIONARY", "pg_ts_dict x", "x.oid::regdictionary", "x.dictnamespace|TRUE"),
    ("COLLATION", "pg_collation x", "x.oid::regcollation", "x.collnamespace|TRUE"),
)
"""What to drop, in this order: kind, catalogue, name, its schema's column and which of them."""


def drops(made: "psycopg.Connection[tuple[Any, ...]]", kind: tuple[str, str, str, str]) -> list[str]:
    what, catalogue, name, which = kind
    schema, condition = which.split("|")
    ours = OURS.format(schema=schema)
    drop = f"'DROP {what} IF EXISTS ' || {name}::text || ' CASCADE'"
    query = f"SELECT {drop} FROM {catalogue} WHERE {ours} AND {condition}"  # noqa: S608  Of the table above.
    return [str(row[0]) for row in made.execute(query).fetchall()]


def wipe() -> None:
    """All that is ours in the schema, but no extension: those may belong to whoever runs the server."""
    connections["default"].close()
    try:
        with connected() as made:
            made.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            made.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state LIKE 'idle%%' AND usename = current_user "
                "AND application_name <> %s",
                (ALONE,),
            )
            for kind in DROPS:
                for drop in drops(made, kind):
                    made.execute(drop)
    except psycopg.errors.LockNotAvailable as error:
        raise BackupError(
            "Somebody still works in the database: stop the web process and the workers, then give the same command "
            "again."
        ) from error


def missing_extensions(wanted: Iterable[str]) -> list[str]:
    """Those of a dump that this server cannot give."""
    with connected() as made:
        rows = made.execute("SELECT name FROM pg_available_extensions").fetchall()
    have = {str(row[0]) for row in rows}
    return sorted(set(wanted) - have)
