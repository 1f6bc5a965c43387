"""Another machine: servers, folders and processes that share nothing with those of the test."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from alcoves.embedded.testing import Servers
from storage.local import LocalStore
from tests.alcoves.backup.everything import Rows
from tests.workers import Process, answers, free_port, running_worker, wait_until

LONGEST = 600


class Machine:
    """One installation of its own; `settings` are variables of its environment."""

    def __init__(self, servers: Servers, name: str, folder: Path, **settings: str) -> None:
        folder.mkdir()
        self.folder = folder
        address = servers.database_url
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
            about = connection.info
            self.database = f"postgresql://{about.user}@/{name}?host={about.host}"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.alcoves.backup.machine_settings",
            "DATABASE_URL": self.database,
            "REDIS_URL": servers.redis_url,
            "ALCOVES_SECRET_KEY": "",
            "ALCOVES_TEST_REAL_DERIVERS": "1",
            **settings,
        }

    def manage(self, *command: str, code: int = 0) -> str:
        """What the command says."""
        process = Process(["manage.py", *command], self.folder, **self.environment)
        try:
            assert process.popen.wait(LONGEST) == code, process.text()
        finally:
            process.kill_all()
        return process.text()

    @contextmanager
    def web(self) -> Iterator[int]:
        port = free_port()
        arguments = ["-m", "uvicorn", "alcoves.asgi:application", "--port", str(port), "--lifespan", "off"]
        process = Process(arguments, self.folder, **self.environment)
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 120, "web")
            yield port
        finally:
            process.kill_all()

    @contextmanager
    def worker(self) -> Iterator[Process]:
        with running_worker(self.folder, **self.environment) as worker:
            yield worker

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            return connection.execute(query.encode()).fetchall()

    def rows(self, tables: list[str]) -> Rows:
        return {
            table: {line for (line,) in self.ask(f'SELECT to_jsonb(t)::text FROM "{table}" t')}
            for table in tables
        }

    def store(self, name: str) -> LocalStore:
        return LocalStore(name, root=self.folder / "stores" / name, secret="test-store-secret")

    def outputs(self) -> dict[str, tuple[str, int]]:
        """Keys and sizes of what was made, by original, deriver and name."""
        found = {}
        rows = self.ask("SELECT original_id, deriver, outputs::text FROM media_derivative")
        for original, deriver, outputs in rows:
            for one in json.loads(outputs):
                found[f"{original}/{deriver}/{one['name']}"] = (one["key"], one["size"])
        return found


def status(port: int, path: str, cookie: str = "") -> int:
    """Of a page, without following where it leads."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
