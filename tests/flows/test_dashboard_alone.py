"""Somebody breaks the installation on purpose, and finds what it was from the dashboard alone."""

import http.client
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client

from alcoves.accounts.models import AccessToken, User
from media.libraries import create_library
from media.models import Derivative, Library
from media.tools import run
from storage import registry
from tests import servers
from tests.alcoves.console.dashboard.test_api import NAMES
from tests.ingesting import take_in
from tests.makers import make_image
from tests.workers import Process, answers, free_port, running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STATS = "/api/admin/stats"
SMALL = 128 << 20


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

    def post(self, path: str, **values: Any) -> None:
        """A form of a page, sent as a browser does."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60, trust_env=False) as browser:
            browser.headers["Cookie"] = self.cookie
            page = browser.get(path)
            assert page.status_code == 200, (path, page.status_code)
            (token, *_) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
            browser.headers["Cookie"] = f"{self.cookie}; csrftoken={page.cookies['csrftoken']}"
            browser.cookies.clear()
            answer = browser.post(path, data={**values, "csrfmiddlewaretoken": token})
            assert answer.status_code == 302, (path, answer.status_code, answer.text[:2000])

    def look_at(self, name: str) -> str:
        """Where the dashboard's tile leads."""
        (told,) = re.findall(
            rb'<script id="places" type="application/json">(.*?)</script>', self.page("/admin/")
        )
        return str(json.loads(told)[name])

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


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own, which is soon full. Only the superuser can make one."""
    folder.mkdir()
    made = run.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)], timeout=10, check=False
    )
    if made.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        run.run(["umount", "-l", str(folder)], timeout=10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can mount a disk")
def test_scratch_that_is_full(admin: User, tmp_path: Path, settings: Any) -> None:
    """A job fails for want of room, the warning says where, and with room it is done again from where it leads."""
    library = a_library(admin, tmp_path, settings)
    with small_disk(tmp_path / "scratch") as scratch:
        extra = {
            "ALCOVES_TEST_REAL_DERIVERS": "metadata preview",
            "ALCOVES_SCRATCH_PATH": str(scratch),
            "ALCOVES_RETRY_SECONDS": "1",
        }
        with web(tmp_path, **extra) as port, running_worker(tmp_path, **extra):
            operator = Operator(port, admin)
            assert operator.warning("scratch") is None
            filler = scratch / "filler"
            with suppress(OSError), filler.open("wb") as file:
                while True:
                    file.write(bytes(1 << 20))
            settings.DERIVERS = {name: settings.DERIVERS[name] for name in ("metadata", "preview")}
            take_in(library, make_image(tmp_path / "lake.png", size=(300, 200)), "lake.png")
            found = operator.finds("scratch")
            assert found["severity"] == "critical"
            assert f"Make room in {scratch}" in found["sentence"]
            assert str(scratch).encode() in operator.page(found["link"])
            wait_until(lambda: Derivative.objects.filter(error_code="scratch_full").exists(), 60, "no room")
            filler.unlink()
            wait_until(lambda: operator.warning("scratch") is None, 30, "the warning goes")
            wait_until(lambda: not Derivative.objects.exclude(status="ready").exists(), 90, "all is made")


def a_library(admin: User, folder: Path, settings: Any) -> Library:
    """Its bytes lie where servers and workers of this test look for them."""
    for name, store in settings.BLOB_STORES.items():
        store["OPTIONS"] = {**store["OPTIONS"], "root": folder / "stores" / name}
    registry.reset()
    return create_library(admin, "Home")


def spoil(key: str) -> bytes:
    """As a disk does that rots: other bytes, no other size. Returns what was there."""
    store: Any = registry.get_store("files")
    path = Path(store.root) / key
    assert path.is_file()
    before = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(bytes([before[0] ^ 0xFF]) + before[1:])
    return before


def stored(key: str) -> bytes:
    with registry.get_store("files").open(key) as opened:
        return opened.read()


def blobs_of(key: Any) -> list[bytes]:
    """The original of a preview, and what the preview is by now."""
    row = Derivative.objects.select_related("original").get(pk=key)
    return [stored(row.original.key), *(stored(one["key"]) for one in row.outputs[:1])]


def test_blobs_that_rot_are_found_and_put_right(admin: User, tmp_path: Path, settings: Any) -> None:
    """An original comes back from the backup, and what was made of it is made anew; all by pages of the console."""
    library = a_library(admin, tmp_path, settings)
    settings.DERIVERS = {name: settings.DERIVERS[name] for name in ("metadata", "preview")}
    take_in(library, make_image(tmp_path / "lake.png", size=(300, 200)), "lake.png")
    extra = {"ALCOVES_TEST_REAL_DERIVERS": "metadata preview"}
    with web(tmp_path, **extra) as port, running_worker(tmp_path, **extra):
        operator = Operator(port, admin)
        preview = wait_until(lambda: Derivative.objects.filter(deriver="preview", status="ready").first())
        operator.post("/admin/backups", act="make", target="local", blobs="all")
        wait_until(lambda: operator.figure("backups")["lastGood"], 90, "a backup")
        keys = (preview.original.key, preview.outputs[0]["key"])
        before = [spoil(key) for key in keys]
        assert operator.warning("blobs:") is None, "Nobody has looked yet."

        operator.post(operator.look_at("backups"), act="look", deep="on")
        found = [operator.finds(f"blobs:altered:{what}", 90) for what in ("original", "output")]
        assert found[0]["severity"] == "critical"
        for one in found:
            shown = operator.page(one["link"]).decode()
            rows = re.findall(r'name="_selected_action" value="([^"]+)"', shown)
            if rows:
                operator.post(one["link"], action="repair", _selected_action=rows, sure="yes")
        wait_until(lambda: blobs_of(preview.pk) == before, 90, "both are as they were")
        operator.post("/admin/backups", act="look", deep="on")
        wait_until(lambda: operator.warning("blobs:") is None, 90, "nothing is wrong any more")
        assert operator.figure("backups")["findings"] == []


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
