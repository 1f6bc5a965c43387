"""Which settings stop the boot, and what they say. Each in a process of its own, as an operator meets them."""

import pytest

from alcoves.env import BadVariableError
from alcoves.settings import urls
from tests.workers import run_python

GOOD = {
    "DJANGO_SETTINGS_MODULE": "alcoves.settings.production",
    "DATABASE_URL": "postgresql://alcoves:pw@db/alcoves",
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


def test_without_a_running_alcoves_the_sentence_says_what_to_start() -> None:
    done = run_python("manage.py", "migrate", ALCOVES_DATA_PATH="/tmp/alcoves-nothing-here")
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
