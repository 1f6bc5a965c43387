"""What the doctor says of Postgres and Redis: those that answer, lose data, are full, hang or are away."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from alcoves.alerts.rules import servers as server_rules
from alcoves.doctor import servers
from tests.alcoves.doctor.saying import levels, said


@pytest.mark.django_db
def test_postgres_answers_and_its_settings_are_those_of_ours() -> None:
    checks = (servers.check_postgres, servers.check_extensions, servers.check_migrations, servers.check_clock)
    for check in checks:
        assert levels(check()) == set(), check
    found = list(servers.check_postgres_settings())
    # The Postgres of tests may lose what it has, and is never tidied.
    assert "fsync is off" in said(found)
    assert "autovacuum is off" in said(found)
    assert "shared_buffers 64 MB" in said(found)


def test_settings_of_postgres_that_lose_data_are_told() -> None:
    good = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "on"}
    assert list(servers.durability(good)) == []
    for name, level in (("fsync", "failure"), ("synchronous_commit", "warning"), ("autovacuum", "failure")):
        assert levels(servers.durability({**good, name: "off"})) == {level}


def test_too_few_connections_are_warned_of() -> None:
    assert levels(servers.connections_room(100)) == set()
    assert levels(servers.connections_room(10)) == {"warning"}


@pytest.mark.django_db
def test_what_a_rule_of_alerts_finds_is_said_by_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(servers.check_connections()) == set()
    monkeypatch.setattr(server_rules, "NEAR_PERCENT", 0)
    (found,) = server_rules.connections()
    assert found.severity == "critical"
    assert found.sentence in said(servers.check_connections())
    assert levels(servers.check_connections()) == {"failure"}


@pytest.mark.django_db(transaction=True)
def test_a_statement_timeout_is_warned_of() -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 5000')
    try:
        assert "statement_timeout" in said(servers.check_postgres_settings())
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" RESET statement_timeout')
        connection.close()  # If it was opened meanwhile, it would keep the limit for the tests after this one.


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_is_a_failure() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'alerts'")
    found = list(servers.check_migrations())
    assert levels(found) == {"failure"}
    assert "alerts.0001_alerts" in said(found)


@pytest.mark.django_db
def test_a_clock_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, level in ((2, set()), (60, {"failure"})):
        there = timezone.now() - timedelta(seconds=seconds)
        with monkeypatch.context() as patched:
            patched.setattr(timezone, "now", lambda there=there: there)
            assert levels(servers.check_clock()) == level


def test_redis_answers_and_a_policy_that_loses_messages_is_a_failure() -> None:
    assert levels(servers.check_redis()) == set()
    assert levels(servers.check_redis_settings()) == set()
    with servers.server() as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found = list(servers.check_redis_settings())
            assert levels(found) == {"failure"}
            assert "allkeys-lru" in said(found)
        finally:
            client.config_set("maxmemory-policy", before)


def test_a_redis_that_is_full_is_warned_of() -> None:
    with servers.server() as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + 1000)
        try:
            assert "warning" in levels(servers.check_redis_settings())
        finally:
            client.config_set("maxmemory", 0)


def test_a_redis_that_is_away_is_a_failure_without_its_password(settings: Any) -> None:
    settings.REDIS_URL = "redis://:hidden-password@127.0.0.1:1/0"
    found = list(servers.check_redis())
    assert levels(found) == {"failure"}
    assert "hidden-password" not in said(found)
