"""The Postgres that comes with us: make its data folder, start command, readiness, repair.

Unix socket only, so there is no port to clash with. Used by the supervisor and by the tests' servers.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import psycopg

from alcoves.embedded.binaries import find_postgres_folder
from alcoves.embedded.child import NO_USER_NAMESPACE
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.processes import command_line, is_alive, tied

DATABASE = "alcoves"
PORT = 5432
"""No TCP port: only a part of the socket's name."""

INITDB = (
    *("-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--encoding=UTF8"),
    *("--locale-provider=builtin", "--locale=C.UTF-8"),
)
SETTINGS: Mapping[str, str] = {
    "dynamic_shared_memory_type": "mmap",  # HNSW builds fail where /dev/shm has only 64 MB.
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
THROW_AWAY_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
"""Fast, and safe when Postgres is killed, though not when the machine is. synchronous_commit stays on: tests
that restart the server would lose their last commits, and without fsync that would win nothing."""


def needs_user_namespace() -> bool:
    """Postgres refuses root, and users that have no name; both run it in a user namespace, as nobody."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_uid == 0
    except KeyError:
        return True


def check_can_run() -> None:
    """Where a user namespace is needed, see whether it is allowed before anything is made."""
    if not needs_user_namespace():
        return
    done = _run(["true"])
    if done.returncode == NO_USER_NAMESPACE:
        raise EmbeddedError(
            "Postgres refuses to run as root or as a user without a name, and this machine allows no user "
            "namespaces: start Alcoves as a normal user, or set DATABASE_URL to your own server."
        )


def url(socket_folder: Path) -> str:
    return f"postgresql://postgres@/{DATABASE}?host={socket_folder}"


def command(data: Path, socket_folder: Path, extra: Mapping[str, str] | None = None) -> list[str]:
    settings = {**SETTINGS, **(extra or {})}
    return [
        str(find_postgres_folder() / "postgres"),
        *("-D", str(data), "-k", str(socket_folder), "-h", "", "-p", str(PORT)),
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
    ]


def initialise(data: Path, *, durable: bool = True, say: Callable[[str], None] = lambda _: None) -> None:
    """Make the data folder unless it is there; repair a half-made one; refuse one of another version.

    It is made under another name and then renamed, so a folder by the right name is a whole one.
    """
    making = data.with_name(f"{data.name}.new")
    if making.exists():
        say("An earlier start was interrupted while it made the database folder: starting that over.")
        shutil.rmtree(making)
    if is_complete(data):
        _check_owner(data)
        _check_version(data)
        return
    if data.exists():
        _move_aside(data, say)
    done = _run([str(find_postgres_folder() / "initdb"), "-D", str(making), *INITDB])
    if done.returncode != 0:
        shutil.rmtree(making, ignore_errors=True)
        raise EmbeddedError(f"The database folder {data} could not be made: {_last_line(done.stderr)}")
    if durable:
        os.sync()
    making.rename(data)


def is_complete(data: Path) -> bool:
    return (data / "PG_VERSION").is_file() and (data / "global" / "pg_control").is_file()


def _move_aside(data: Path, say: Callable[[str], None]) -> None:
    """A folder that is not whole is kept, not deleted: somebody may know what is in it."""
    if not any(data.iterdir()):
        data.rmdir()
        return
    aside = data.with_name(f"{data.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
    data.rename(aside)
    say(f"The database folder was half-made: it is now {aside}, and a new one is made.")


def _check_owner(data: Path) -> None:
    if data.stat().st_uid != os.geteuid():
        raise EmbeddedError(
            f"The database folder {data} belongs to {_owner(data)}: "
            "start Alcoves as that user, or name another folder in ALCOVES_DATA_PATH."
        )


def _owner(path: Path) -> str:
    try:
        return f"user {path.owner()}"
    except KeyError:
        return f"user number {path.stat().st_uid}"


def _check_version(data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    ours = major_version()
    if made_by != ours:
        raise EmbeddedError(
            f"The database folder {data} was made by Postgres {made_by}, and this is Postgres {ours}: dump "
            "it with the old version and load it into the new, or name another folder in ALCOVES_DATA_PATH."
        )


def major_version() -> str:
    done = _run([str(find_postgres_folder() / "postgres"), "--version"])
    found = re.search(r"\) (\d+)", done.stdout)
    if found is None:
        raise EmbeddedError(f"The bundled Postgres does not run: {_last_line(done.stderr)}")
    return found[1]


def clear_stale_pid(data: Path, *, patience: float = 10.0) -> None:
    """Remove a pid file whose number now belongs to another process: it would block the start.

    A Postgres that is still ending is waited for. The file of a dead one stays: Postgres itself uses it to
    see whether a backend has outlived its postmaster.
    """
    pid_file = data / "postmaster.pid"
    until = time.monotonic() + patience
    while (pid := _read_pid(pid_file)) is not None and is_postgres_of(pid, data):
        if time.monotonic() > until:
            raise EmbeddedError(
                f"Another Postgres (process {pid}) already runs on {data}: stop it with `kill -INT {pid}`."
            )
        time.sleep(0.05)
    if pid is not None and is_alive(pid):
        pid_file.unlink(missing_ok=True)


def _read_pid(pid_file: Path) -> int | None:
    try:
        words = pid_file.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return abs(int(words[0])) if words and words[0].lstrip("-").isdigit() else None


def is_postgres_of(pid: int, data: Path) -> bool:
    """Whether this process is a Postgres on that folder, by its command line."""
    argv = command_line(pid)
    if not is_alive(pid) or not argv or Path(argv[0]).name not in {"postgres", "postmaster"}:
        return False
    folders = [value for flag, value in pairwise(argv) if flag == "-D"]
    return any(Path(folder).resolve() == data.resolve() for folder in folders)


def is_ready(socket_folder: Path) -> bool:
    """Whether it answers; the first answer also makes our database."""
    try:
        with connect(socket_folder, "postgres") as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')
    except psycopg.OperationalError:
        return False
    return True


def connect(socket_folder: Path, database: str = DATABASE) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(socket_folder),
        port=PORT,
        user="postgres",
        dbname=database,
        autocommit=True,
        connect_timeout=3,
    )


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without libpq's own variables: a PGPORT or PGSERVICE of the shell would lead to another server."""
    return {name: value for name, value in environment.items() if not re.fullmatch(r"PG[A-Z]+", name)}


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        tied(argv, death_signal=signal.SIGKILL, user_namespace=needs_user_namespace()),
        capture_output=True,
        text=True,
        check=False,
        env={**clean_environment(os.environ), "LC_ALL": "C"},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given."
