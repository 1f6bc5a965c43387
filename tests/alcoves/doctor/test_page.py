"""The doctor's page: who may open it and ask, that opening it writes nothing, and that no check holds it up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client

from alcoves.accounts import roles
from alcoves.accounts.models import User
from alcoves.doctor import examining, places, table
from alcoves.doctor.findings import POSTGRES, Check, Finding, ok
from media.models import AuditEntry
from tests.workers import wait_until


def broken(*_: Any) -> Iterator[Finding]:
    raise RuntimeError("nobody asked for it")


@pytest.mark.django_db(transaction=True)
def test_the_page_shows_every_check_to_staff_who_may_see_it(client: Client) -> None:
    assert client.get("/admin/doctor").status_code == 302
    user = User.objects.create_user("staff@example.org", "a-password", is_staff=True)
    client.force_login(user)
    assert client.get("/admin/doctor").status_code == 403
    user.groups.set([Group.objects.get_or_create(name="auditor")[0]])
    roles.bring_up_to_date()
    text = client.get("/admin/doctor").content.decode()
    for check in table.CHECKS:
        assert f">{check.name}<" in text
    assert "ask-everything" not in text
    assert client.post("/admin/doctor").status_code == 403
    assert client.put("/admin/doctor").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_opening_the_page_writes_nothing_and_the_button_asks_everything(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_PATH = tmp_path
    client.force_login(User.objects.create_superuser("ops@example.org", "a-password"))
    with monkeypatch.context() as patched:
        for name in ("check_store", "written"):
            patched.setattr(places, name, broken)
        text = client.get("/admin/doctor").content.decode()
    assert "It could not be asked" not in text
    assert "Not asked yet." in text
    assert not list(tmp_path.rglob("doctor.json"))
    said_now = client.post("/admin/doctor").content.decode()
    assert "The store files takes, gives and deletes." in said_now
    assert AuditEntry.objects.get(action="doctor.ask").actor_name == "ops@example.org"
    kept = client.get("/admin/doctor").content.decode()
    assert "The store files takes, gives and deletes." in kept
    assert "asked 0" in kept
    (tmp_path / "run" / "doctor.json").write_text("of another version")
    assert "Not asked yet." in client.get("/admin/doctor").content.decode()


@pytest.mark.django_db(transaction=True)
def test_what_takes_long_in_the_database_ends_with_its_time_and_is_no_failure() -> None:
    def sleeps() -> Iterator[Finding]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60), 'asked by the doctor'")
        yield ok("Slept.")

    def asleep() -> bool:
        with connection.cursor() as cursor:
            query = (
                "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(60)%%'"
            )
            cursor.execute(query)
            return cursor.fetchone() is not None

    server = Check(name=POSTGRES, group="g", ask=lambda: [ok("It answers.")])
    checks = [server, Check(name="slow", group="g", ask=sleeps, needs=(POSTGRES,), seconds=0.5)]
    answers = examining.examine(checks)
    assert "failure" not in {
        str(one.level) for one in answers if one.findings[0].sentence.startswith("No answer")
    }
    wait_until(lambda: not asleep(), 30, "the statement is ended")
