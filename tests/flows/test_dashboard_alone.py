"""Somebody breaks the installation on purpose, and finds what it was from the dashboard alone."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from alcoves.accounts.models import AccessToken, User
from media.libraries import create_library
from media.models import Library
from storage import registry
from tests import servers
from tests.alcoves.console.dashboard.test_api import NAMES
from tests.ingesting import take_in
from tests.workers import Process, answers, free_port, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STATS = "/api/admin/stats"


@pytest.fixture
def admin() -> User:
    user: User = User.objects.create_superuser("ops@example.org", "ops-password")
    return user


@contextmanager
def web(folder: Path, **extra: str) -> Iterator[int]:
    number = free_port()
    arguments = ["-m", "uvicorn", "alcoves.asgi:application", "--port", str(number), "--lifespan", "off"]
    quick = {"ALCOVES_WEB_THREADS": "4", "ALCOVES_ALERT_WORKER_SECONDS": "30"}
    process = Process(arguments, folder, **{**quick, **extra})
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{number}/healthz"), 60, "web")
        yield number
    finally:
        process.kill_all()


class Operator:
    """Looks at the dashboard of a server, and nowhere else."""

    def __init__(self, port: int, user: User) -> None:
        self.port = port
        self.token = AccessToken.issue(user, "ops")[1]
        browser = Client()
        browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        self.cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def figure(self, name: str) -> Any:
        status, body = self.get(f"{STATS}/{name}", Authorization=f"Bearer {self.token}")
        assert status == 200, body
        return json.loads(body)["data"]

    def page(self, path: str) -> bytes:
        status, body = self.get(path, Cookie=self.cookie)
        assert status == 200, (path, status)
        return body

    def warning(self, begin: str) -> dict[str, Any] | None:
        return next(
            (one for one in self.figure("warnings")["warnings"] if one["key"].startswith(begin)), None
        )

    def finds(self, begin: str, seconds: float = 60) -> dict[str, Any]:
        """The warning, whose link leads to a page that is there."""
        found: dict[str, Any] = wait_until(lambda: self.warning(begin), seconds, begin)
        self.page(found["link"])
        return found


def test_a_worker_that_is_killed(admin: User, tmp_path: Path) -> None:
    with web(tmp_path) as port:
        operator = Operator(port, admin)
        with running_worker(tmp_path) as worker:
            wait_until(lambda: operator.figure("workers")["alive"] == 1, 60, "the worker tells of itself")
            assert operator.warning("worker:") is None
            worker.kill_all()
            name = operator.figure("workers")["workers"][0]["name"]
            found = operator.finds("worker:", 120)
        assert name in found["sentence"]
        assert found["link"].startswith("/admin/workers")
        assert operator.finds("lane:")["severity"] == "critical"


def test_scratch_without_room(admin: User, tmp_path: Path) -> None:
    with web(tmp_path, ALCOVES_STORE_RESERVE_BYTES=str(1 << 60)) as port:
        found = Operator(port, admin).finds("scratch")
    assert (found["severity"], found["link"]) == ("critical", "/admin/doctor")
    assert str(tmp_path) in found["sentence"] or "Make room in" in found["sentence"]


def test_a_blob_that_is_gone(admin: User, tmp_path: Path, settings: Any) -> None:
    for name, store in settings.BLOB_STORES.items():
        store["OPTIONS"] = {**store["OPTIONS"], "root": tmp_path / "stores" / name}
    registry.reset()
    library: Library = create_library(admin, "Home")
    original = take_in(library, b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "lake.png").file.original
    registry.get_store("files").delete(original.key)
    verifying = Process(["manage.py", "verify"], tmp_path)
    wait_until(lambda: verifying.popen.poll() is not None, 120, "verify")
    assert verifying.popen.poll() == 1, verifying.text()
    with web(tmp_path) as port:
        operator = Operator(port, admin)
        found = operator.finds("blobs:missing")
        assert found["severity"] == "critical"
        assert found["link"].startswith("/admin/backup/finding/")
        assert operator.figure("backups")["findings"] == [{"kind": "missing", "what": "original", "count": 1}]


def test_redis_that_is_stopped(admin: User, tmp_path: Path) -> None:
    assert servers.running is not None
    with web(tmp_path) as port:
        operator = Operator(port, admin)
        assert operator.warning("part:redis") is None
        servers.running.kill_redis()
        try:
            found = operator.finds("part:redis")
            assert "Redis does not answer" in found["sentence"]
            assert b"data-figure" in operator.page("/admin/")
            assert operator.get("/login?next=/admin/")[0] == 200
            for name in NAMES:
                assert operator.figure(name) is not None
        finally:
            servers.running.start_redis()
        wait_until(lambda: operator.warning("part:redis") is None, 60, "Redis is back")


def test_postgres_that_is_stopped_is_said_by_every_page(admin: User, tmp_path: Path) -> None:
    with web(tmp_path, DATABASE_URL="postgresql://nobody@/nothing?host=/nowhere") as port:
        operator = Operator(port, admin)
        for path in ("/admin/", f"{STATS}/warnings"):
            status, body = operator.get(path, Cookie=operator.cookie)
            assert status == 503
            assert b"The database does not answer" in body
