import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from alcoves import health
from alcoves.accounts.models import User


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "readiness", health.Readiness())


def test_alive(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_names_every_part(client: Client, db: None) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.json()
    parts = answer.json()["parts"]
    assert {"postgres", "redis", "ffmpeg", "store:files", "store:cache"} <= set(parts)
    assert all(part["ok"] for part in parts.values())


def test_redis_away_is_named(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["redis"])
    assert "Redis does not answer" in answer.json()["message"]


def test_postgres_away_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    away = {"host": "127.0.0.1", "port": 1, "user": "x", "dbname": "x"}
    monkeypatch.setattr(connections["default"], "get_connection_params", lambda: away)
    monkeypatch.setattr(health, "connections", {"default": connections["default"]})
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["postgres"])


def test_a_broken_store_is_named(client: Client, settings: Any, tmp_path: Path, db: None) -> None:
    (tmp_path / "wall").write_text("a file where a folder should be")
    broken = {"BACKEND": "storage.local.LocalStore", "OPTIONS": {"root": tmp_path / "wall", "secret": "x"}}
    settings.BLOB_STORES = {**settings.BLOB_STORES, "cache": broken}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["store:cache"])


def test_asking_often_costs_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(health, "probes", lambda: {"part": lambda: asked.append("x")})
    for _ in range(20):
        assert client.get("/readyz").status_code == 200
    assert len(asked) == 1


def test_a_part_that_hangs_is_asked_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    release = threading.Event()

    def hang() -> None:
        asked.append("x")
        release.wait(30)

    monkeypatch.setattr(health, "probes", lambda: {"slow": hang, "quick": lambda: None})
    monkeypatch.setattr(health, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(health, "KEPT_SECONDS", -1)
    for _ in range(3):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["failing"]) == (503, ["slow"])
        assert "did not answer within" in answer.json()["message"]
    assert len(asked) == 1
    release.set()


def test_metrics_are_for_this_machine_staff_and_the_token(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert b"alcoves_http_seconds" in client.get("/metrics").content
    far: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/metrics", **far).status_code == 404
    assert client.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 404
    monkeypatch.setattr(health, "METRICS_TOKEN", "a-long-token")
    token = {"authorization": "Bearer a-long-token"}
    assert client.get("/metrics", headers=token, **far).status_code == 200
    assert client.get("/metrics", headers={"authorization": "Bearer x"}, **far).status_code == 404
    client.force_login(User.objects.create_user("user@example.org"))
    assert client.get("/metrics", **far).status_code == 404
    client.force_login(User.objects.create_superuser("root@example.org"))
    assert client.get("/metrics", **far).status_code == 200
