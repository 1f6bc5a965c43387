"""The door to pg_dump and pg_restore. Where the server is and the password go by environment, never by arguments."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from media.errors import ToolMissingError
from media.tools import feeding, run

LONGEST: Final = 7 * 24 * 3600.0
"""Seconds that a dump or a restore may take: only there so that a program that hangs ends some day."""
BLOCK: Final = 256 * 1024
VARIABLES: Final[Mapping[str, str]] = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "channel_binding": "PGCHANNELBINDING",
}


def environment_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a connection as libpq's programs take them."""
    return {
        VARIABLES[name]: str(value)
        for name, value in parameters.items()
        if name in VARIABLES and value not in (None, "")
    }


@lru_cache(maxsize=16)
def major_of(program: Path | str) -> int | None:
    """The major version of a program of Postgres; None where there is none."""
    try:
        told = run.run([program, "--version"], timeout=30).stdout.decode(errors="replace")
    except (ToolMissingError, run.ExitedError):
        return None
    found = re.search(r"\) (\d+)", told)
    return int(found[1]) if found else None


def dump(program: Path | str, environment: Mapping[str, str], snapshot: str) -> Iterator[bytes]:
    """The whole database in the custom format, as that snapshot sees it."""
    command = [program, "--format=custom", "--no-password", f"--snapshot={snapshot}"]
    with run.stream(command, timeout=LONGEST, environment=environment) as stream:
        buffer = bytearray(BLOCK)
        while count := stream.readinto(memoryview(buffer)):
            yield bytes(buffer[:count])
        stream.complete()


def restore(program: Path | str, environment: Mapping[str, str], chunks: Iterable[bytes]) -> None:
    """All of a dump in one transaction, into a database that has nothing of its names."""
    command = [
        program,
        *("--single-transaction", "--exit-on-error", "--no-password"),
        *("--no-owner", "--no-privileges", "--no-comments"),
        f"--dbname={environment['PGDATABASE']}",
    ]
    with feeding.fed(chunks) as stdin:
        run.run(command, timeout=LONGEST, stdin=stdin, environment=environment)


def table_of_contents(program: Path | str, chunks: Iterable[bytes]) -> list[str]:
    """What a dump holds, line by line: a proof that the program can read it."""
    with feeding.fed(chunks) as stdin:
        done = run.run([program, "--list"], timeout=LONGEST, stdin=stdin)
    return [line for line in done.stdout.decode(errors="replace").splitlines() if not line.startswith(";")]
