"""One part of the machine fails by a real cause: its figure says so in a sentence, and the others answer as ever."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from alcoves import health
from alcoves.accounts.models import User
from alcoves.alerts.rules import machine
from alcoves.console.dashboard import figures, files, storage
from alcoves.console.dashboard.figures import FIGURES
from media import dispatch
from media.models import Library
from storage import registry
from storage.errors import StoreError
from tests.alcoves.console.dashboard import made_up
from tests.conftest import client_of
from tests.workers import free_port

NAMES = [one.name for one in FIGURES]


def answers(*, without: str = "") -> dict[str, Any]:
    """All figures but one, each of which must answer."""
    found = {}
    for name in NAMES:
        if name != without:
            answer = figures.answer(name)
            assert answer.message == "", name
            found[name] = answer.data
    return found


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    """Nobody listens at that port."""
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    dispatch.redis_client.cache_clear()
    yield
    dispatch.redis_client.cache_clear()


def test_without_redis_all_figures_answer_and_say_what_they_lack(library: Library, no_redis: None) -> None:
    made_up.derivatives(made_up.originals(library, 3), status="queued")
    found = answers()
    assert "Redis does not answer" in found["queues"]["notes"][0]
    assert all(row["messages"] is None for row in found["queues"]["queues"])
    assert sum(row["waiting"] for row in found["queues"]["queues"]) == 3
    assert found["machine"]["redis"] is None
    assert found["machine"]["disks"]
    sentences = [one["sentence"] for one in found["warnings"]["warnings"]]
    assert any("Redis does not answer" in text for text in sentences)


def test_without_redis_the_page_and_the_api_answer(
    client: Client, staff: Callable[..., User], settings: Any, no_redis: None
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": settings.REDIS_URL,
        }
    }
    user = staff("auditor")
    answer = client.post("/login", {"username": user.email, "password": "pass-word-1", "next": "/admin/"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.get("/admin/").status_code == 200
    assert client.get("/api/admin/stats/queues").status_code == 200
    assert client.get("/api/admin/stats/warnings").status_code == 200


def test_a_store_whose_folder_is_a_file(library: Library, tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    for name in ("avatars", "files"):
        (tmp_path / "stores" / name).write_text("in the way")
    registry.reset()
    made_up.originals(library, 2, size=50)
    found = answers()
    assert found["storage"]["libraries"][0]["originals"] == 100
    sentences = [one["sentence"] for one in found["warnings"]["warnings"]]
    assert any("files" in text for text in sentences), sentences


@pytest.mark.django_db
def test_a_statement_that_takes_too_long(monkeypatch: pytest.MonkeyPatch, as_auditor: Client) -> None:
    def sleep() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

    monkeypatch.setattr(figures, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(files, "types", sleep)
    answer = figures.answer("types")
    assert "took longer than" in answer.message


@pytest.mark.django_db(transaction=True)
def test_the_limit_is_gone_after_a_figure(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    seen = []
    monkeypatch.setattr(files, "types", lambda: seen.append(limit()))
    before = limit()
    figures.answer("types")
    assert (seen, limit()) == (["5s"], before)

    def fail() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nonsense")

    monkeypatch.setattr(files, "types", fail)
    assert "migrate" in figures.answer("types").message
    assert limit() == before


@pytest.mark.django_db(transaction=True)
def test_a_table_that_is_not_there(library: Library) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE backup_backup RENAME TO backup_elsewhere")
    try:
        answer = figures.answer("backups")
        assert "manage.py migrate" in answer.message
        told = answers(without="backups")
        assert any("backup" in one["key"] for one in told["warnings"]["warnings"])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE backup_elsewhere RENAME TO backup_backup")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.django_db
def test_whatever_fails_is_one_sentence(
    name: str, staff: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_asked: Any) -> None:
        raise ZeroDivisionError

    broken = figures.Figure(name, "Broken", fail)
    monkeypatch.setattr(figures, "BY_NAME", {**figures.BY_NAME, name: broken})
    client = client_of(staff("auditor"))
    answer = client.get(f"/api/admin/stats/{name}")
    assert answer.status_code == 503
    told = answer.json()
    assert (told["code"], told["name"]) == ("figure_failed", name)
    assert told["message"] == "This figure cannot be taken (ZeroDivisionError). The log says more."
    other = next(one for one in ("overview", "types") if one != name)
    assert client.get(f"/api/admin/stats/{other}").status_code == 200


def test_a_store_that_does_not_answer_is_never_asked_by_the_dashboard(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it said last stays."""
    store = registry.get_store("avatars")
    store.put("one/a.webp", [b"x" * 10])
    storage.count_avatars()

    def away() -> Any:
        raise StoreError("The bucket does not answer.")

    monkeypatch.setattr(type(store), "iterate", lambda _: away())
    with pytest.raises(StoreError):
        storage.count_avatars()
    assert storage.avatar_bytes() == (10, "")


def test_a_disk_that_hangs(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of the network does whose server is away: every look at it waits for ever."""
    over = threading.Event()
    look = os.statvfs

    def hangs(path: Any) -> Any:
        over.wait(60)
        return look(path)

    monkeypatch.setattr(os, "statvfs", hangs)
    monkeypatch.setattr(health, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(machine.all_disks, "seconds", 0.2)
    monkeypatch.setattr(machine.the_scratch, "seconds", 0.2)
    try:
        for _ in range(3):
            found = answers()
        assert len([one for one in threading.enumerate() if one.name == "disks"]) == 2, (
            "Nobody asks it again."
        )
        assert found["machine"]["disks"] is None
        assert any("disks cannot be asked" in note for note in found["machine"]["notes"])
        assert "disk:hangs" in {one["key"] for one in found["warnings"]["warnings"]}
    finally:
        over.set()
