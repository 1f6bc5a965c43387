"""The data folder of our Postgres: made whole or not at all, repaired, refused when it is another's."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from alcoves.embedded import postgres
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.processes import is_alive
from alcoves.embedded.testing import Servers, start_for_tests
from tests.embedded.launching import launched, wait_until


@pytest.fixture
def servers() -> Iterator[Servers]:
    started = Servers()
    started.start()
    yield started
    started.stop()


def postmaster(servers: Servers) -> int:
    return int((servers.folder / "postgres" / "postmaster.pid").read_text().split()[0])


def test_servers_start_answer_and_leave_nothing() -> None:
    servers = start_for_tests()
    with psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("alcoves",)
        for extension in ("vector", "pg_trgm", "unaccent", "btree_gin", "citext"):
            connection.execute(f"CREATE EXTENSION {extension}")
    pid = postmaster(servers)
    servers.stop()
    assert not is_alive(pid)
    assert not servers.folder.exists()


def test_postgres_recovers_from_an_immediate_restart(servers: Servers) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    before = postmaster(servers)
    servers.restart_postgres(immediate=True)
    assert postmaster(servers) != before
    with psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_killed_redis_comes_back_empty(servers: Servers) -> None:
    import redis

    with redis.Redis.from_url(servers.redis_url) as client:
        client.set("key", "value")
        servers.kill_redis()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        servers.start_redis()
        assert client.get("key") is None
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_killing_the_tests_kills_their_servers() -> None:
    program = (
        "from alcoves.embedded.testing import start_for_tests; import signal\n"
        "print('at', start_for_tests().folder, flush=True); signal.pause()"
    )
    with launched([sys.executable, "-c", program]) as other:
        other.wait_for_text("at ")
        family = other.family()
        folder = Path(other.text.partition("at ")[2].strip())
        assert len(family) >= 2
        other.process.kill()
        wait_until(lambda: not [pid for pid in family if is_alive(pid)], what="the end of the servers")
    Servers().stop()  # The next start sweeps what the kill left.
    assert not folder.exists()


def test_shell_variables_of_libpq_do_not_lead_elsewhere() -> None:
    cleaned = postgres.clean_environment(
        {"PGPORT": "9", "PGSERVICE": "x", "PATH": "/bin", "PG_NOT_OURS": "1"}
    )
    assert cleaned == {"PATH": "/bin", "PG_NOT_OURS": "1"}


def test_a_new_folder_is_whole_and_private(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    postgres.initialise(data, durable=False)
    assert postgres.is_complete(data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert [path.name for path in tmp_path.iterdir()] == ["postgres"]
    changed = (data / "global" / "pg_control").stat().st_mtime_ns
    postgres.initialise(data, durable=False)
    assert (data / "global" / "pg_control").stat().st_mtime_ns == changed


def test_an_interrupted_first_start_is_started_over(tmp_path: Path) -> None:
    making = tmp_path / "postgres.new"
    making.mkdir()
    (making / "PG_VERSION").write_text("18\n")
    said: list[str] = []
    postgres.initialise(tmp_path / "postgres", durable=False, say=said.append)
    assert postgres.is_complete(tmp_path / "postgres")
    assert not making.exists()
    assert "interrupted" in said[0]


def test_a_half_made_folder_is_kept_aside_and_replaced(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    (data / "base").mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")
    (data / "precious").write_text("somebody's")
    said: list[str] = []
    postgres.initialise(data, durable=False, say=said.append)
    assert postgres.is_complete(data)
    (aside,) = tmp_path.glob("postgres.broken-*")
    assert (aside / "precious").read_text() == "somebody's"
    assert str(aside) in said[0]


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    postgres.initialise(data, durable=False)
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(EmbeddedError, match=r"made by Postgres 13, and this is Postgres \d+") as raised:
        postgres.initialise(data, durable=False)
    assert "\n" not in str(raised.value)


def test_a_pid_file_that_names_a_stranger_is_removed(tmp_path: Path) -> None:
    pid_file = tmp_path / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{tmp_path}\n")
    postgres.clear_stale_pid(tmp_path)
    assert not pid_file.exists()


def test_a_stranger_in_the_pid_file_does_not_block_the_start(servers: Servers) -> None:
    servers.stop_postgres()
    (servers.folder / "postgres" / "postmaster.pid").write_text(
        f"{os.getppid()}\n{servers.folder}/postgres\n0\n5432\n"
    )
    postgres.clear_stale_pid(servers.folder / "postgres")
    servers.start_postgres()
    assert postgres.is_ready(servers.folder)


def test_a_running_postgres_on_the_folder_is_named(servers: Servers) -> None:
    with pytest.raises(EmbeddedError, match=f"process {postmaster(servers)}"):
        postgres.clear_stale_pid(servers.folder / "postgres", patience=0.1)
    assert postgres.is_ready(servers.folder)
