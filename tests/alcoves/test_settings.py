"""Which settings stop the boot, and what they say. Each in a process of its own, as an operator meets them."""

import secrets
from pathlib import Path

import pytest

from alcoves.env import BadVariableError
from alcoves.settings import secret_key, urls, weak
from tests.workers import run_python

GOOD = {
    "DJANGO_SETTINGS_MODULE": "alcoves.settings.production",
    "DATABASE_URL": "postgresql://alcoves:6fQ-w81_kTz@db/alcoves",
    "REDIS_URL": "redis://redis:6379/0",
    "ALCOVES_SECRET_KEY": "k7Jq0p2mX9vR4sT8wZ1yB6nC3dF5gH0jL2kM4oP6",
    "ALCOVES_PUBLIC_URL": "https://media.example.org",
}


def boot(**changes: str) -> tuple[int, str]:
    done = run_python("manage.py", "diffsettings", **{**GOOD, **changes})
    return done.returncode, done.stdout + done.stderr


def test_good_production_settings_boot() -> None:
    code, said = boot()
    assert code == 0, said
    assert "SESSION_COOKIE_SECURE = True" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALCOVES_SECRET_KEY", ""),
        ("ALCOVES_SECRET_KEY", "changeme"),
        ("ALCOVES_SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://root@db/alcoves"),
        ("DATABASE_URL", "postgresql://alcoves:half/a@db/alcoves"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "http://redis"),
        ("ALCOVES_PUBLIC_URL", ""),
        ("ALCOVES_MODE", "both"),
        ("ALCOVES_LEASE_SECONDS", "soon"),
        ("ALCOVES_WORKER_CONCURRENCY", "1"),
        ("ALCOVES_STORAGE_DRIVER", "ftp"),
        ("ALCOVES_QUEUE_PORT", "99999"),
    ],
)
def test_a_bad_setting_stops_the_boot_and_names_itself(name: str, value: str) -> None:
    code, said = boot(**{name: value})
    assert code == 1
    assert name in said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1
    assert GOOD["ALCOVES_SECRET_KEY"] not in said


@pytest.mark.parametrize(
    "key",
    [
        "a" * 32,
        "ab" * 40,
        "abcdefghijk" * 6,
        "django-insecure-k7Jq0p2mX9vR4sT8wZ1yB6nC3dF5gH0jL2kM4oP6",
        "Changeme-k7Jq0p2mX9vR4sT8wZ1yB6nC3dF5gH0jL2kM4oP6",
        "change-me-" * 8,
        "your-secret-key-goes-here-0123456789-please",
        "k7Jq0p2mX9vR4sT8wZ1yB6nC3dF5gH0",
    ],
)
def test_a_weak_key_is_refused_and_not_told(key: str) -> None:
    refused("ALCOVES_SECRET_KEY", key, key)


@pytest.mark.parametrize(
    "password", ["postgres", "password", "alcoves", "changeme", "admin", "ADMIN", "archive", "keeper", ""]
)
def test_a_database_password_that_everybody_knows_is_refused(password: str) -> None:
    refused("DATABASE_URL", f"postgresql://keeper:{password}@db:5432/archive", f":{password}@")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://alcoves@/alcoves?host=/run/postgresql",
        "postgresql:///alcoves",
        "postgresql://alcoves@db/alcoves?sslcert=/run/secrets/client.crt",
        "postgresql://alcoves:p%40ssw0rd-of-ours@db/alcoves",
    ],
)
def test_a_database_without_a_password_needs_a_socket_or_a_certificate(url: str) -> None:
    code, said = boot(DATABASE_URL=url)
    assert code == 0, said


def refused(name: str, value: str, hidden: str) -> None:
    code, said = boot(**{name: value})
    assert code == 1
    assert said.startswith(f"{name} ") or f" {name} " in said
    assert len(said.strip().splitlines()) == 1
    assert hidden not in said


def test_the_secrets_that_we_make_are_good(tmp_path: Path) -> None:
    assert not weak.is_weak_key(secret_key.get(tmp_path))
    assert not weak.is_weak_key(secrets.token_hex(48))
    assert not weak.has_weak_password(urls.database(GOOD["DATABASE_URL"]))


def test_without_a_running_alcoves_the_sentence_says_what_to_start(tmp_path: Path) -> None:
    done = run_python("manage.py", "migrate", ALCOVES_DATA_PATH=str(tmp_path))
    assert done.returncode == 1
    assert "script/up" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "host", "name", "user"),
    [
        ("postgresql://me:p%40ss@db.example:5433/media", "db.example", "media", "me"),
        ("postgresql://postgres@/alcoves?host=/run/sock", "/run/sock", "alcoves", "postgres"),
    ],
)
def test_database_urls(url: str, host: str, name: str, user: str) -> None:
    read = urls.database(url)
    assert (read["HOST"], read["NAME"], read["USER"]) == (host, name, user)


@pytest.mark.parametrize(
    ("asked", "threshold"), [("", 0), ("?prepare_threshold=3", 3), ("?prepare_threshold=none", None)]
)
def test_a_pooler_may_be_spared_prepared_statements(asked: str, threshold: int | None) -> None:
    found = urls.database(f"postgresql://me:p@db/media{asked}")
    assert found["PREPARE_THRESHOLD"] == threshold


def test_passwords_are_unquoted() -> None:
    assert urls.database("postgresql://me:p%40ss@db/media")["PASSWORD"] == "p@ss"


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://redis:6379/2", "redis://redis:6379/2"),
        ("unix:///run/redis.sock?db=1", "redis+socket:///run/redis.sock?virtual_host=1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
    ],
)
def test_one_redis_url_serves_celery_and_redis_py(url: str, broker: str) -> None:
    assert urls.broker(url) == broker


def test_other_brokers_are_refused() -> None:
    with pytest.raises(BadVariableError, match="REDIS_URL"):
        urls.broker("amqp://rabbit")
