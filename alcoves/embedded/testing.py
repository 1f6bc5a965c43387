"""Throw-away Postgres and Valkey for the tests: a second to start, gone with the process that started them.

    servers = start_for_tests()
    servers.database_url, servers.redis_url
    servers.restart_postgres(immediate=True); servers.kill_redis(); servers.start_redis()
    servers.stop()

Start and restart from the main thread: a server ends with the thread that started it.
"""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from alcoves.embedded import postgres, redis
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.processes import is_alive, kill_group, tied

PREFIX = "alcoves-test-"
READY_LIMIT = 30.0


class Servers:
    """Both servers in one temporary folder."""

    def __init__(self) -> None:
        remove_abandoned()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=short_folder()))
        self._postgres: subprocess.Popen[bytes] | None = None
        self._redis: subprocess.Popen[bytes] | None = None

    @property
    def database_url(self) -> str:
        return postgres.url(self.folder)

    @property
    def redis_url(self) -> str:
        return redis.url(self.folder)

    def start(self) -> None:
        self.start_redis()
        self.start_postgres()

    def start_postgres(self) -> None:
        data = self.folder / "postgres"
        postgres.initialise(data, durable=False)
        self._postgres = self._start(
            postgres.command(data, self.folder, postgres.THROW_AWAY_SETTINGS),
            death_signal=signal.SIGQUIT,
            user_namespace=postgres.needs_user_namespace(),
        )
        self._wait("Postgres", self._postgres, lambda: postgres.is_ready(self.folder))

    def stop_postgres(self, *, immediate: bool = False) -> None:
        """`immediate` is a crash as the data folder sees it: no checkpoint, recovery at the next start."""
        end(self._postgres, signal.SIGQUIT if immediate else signal.SIGINT)

    def restart_postgres(self, *, immediate: bool = False) -> None:
        self.stop_postgres(immediate=immediate)
        self.start_postgres()

    def start_redis(self) -> None:
        self._redis = self._start(redis.command(self.folder, self.folder), death_signal=signal.SIGKILL)
        self._wait("Valkey", self._redis, lambda: redis.is_ready(self.folder))

    def kill_redis(self) -> None:
        """As `kill -9`: whatever was in it is gone."""
        end(self._redis, signal.SIGKILL)

    def stop(self) -> None:
        self.kill_redis()
        self.stop_postgres(immediate=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(
        self, argv: list[str], *, death_signal: signal.Signals, user_namespace: bool = False
    ) -> subprocess.Popen[bytes]:
        with (self.folder / "servers.log").open("ab") as log:
            return subprocess.Popen(
                tied(argv, death_signal=death_signal, user_namespace=user_namespace),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                env=postgres.clean_environment(os.environ),
            )

    def _wait(self, name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        until = time.monotonic() + READY_LIMIT
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                log = (self.folder / "servers.log").read_text(encoding="utf-8", errors="replace")
                raise EmbeddedError(f"{name} for the tests did not start: {log[-500:].strip()}")
            time.sleep(0.01)


def start_for_tests() -> Servers:
    """Both servers, ready; they stop at exit, and at once when this process is killed."""
    postgres.check_can_run()
    servers = Servers()
    owner = os.getpid()

    def stop_if_owner() -> None:
        # A forked child inherits the exit handlers; only the process that started the servers may stop them.
        if os.getpid() == owner:
            servers.stop()

    atexit.register(stop_if_owner)
    servers.start()
    return servers


def end(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is None:
        return
    process.send_signal(number)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.wait()


def short_folder() -> Path:
    """The temporary folder, unless its path is too long for a socket."""
    usual = Path(tempfile.gettempdir())
    return usual if len(os.fsencode(usual)) < 50 else Path("/tmp")  # noqa: S108 -- mkdtemp makes a private one in it.


def remove_abandoned() -> None:
    """Folders of test runs that were killed: their number names a process that is gone."""
    for folder in short_folder().glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not is_alive(int(owner)):
            # Another run may be sweeping the same folder, and one of another user is not ours to remove.
            shutil.rmtree(folder, ignore_errors=True)
