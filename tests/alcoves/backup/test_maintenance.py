"""Maintenance shuts members out and lets work rest; afterwards everything goes on."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError
from django.test import Client

from alcoves.accounts.models import User
from alcoves.backup import maintenance
from alcoves.backup.models import Maintenance
from media import audit, dispatch
from media.models import AuditEntry, Derivative, File, Library
from tests.alcoves.backup.making import jpeg
from tests.ingesting import take_in
from tests.media.uploads.speaking import Tus
from tests.workers import running_worker, wait_until


def turn(which: str, **options: Any) -> str:
    out = StringIO()
    call_command("maintenance", which, stdout=out, **options)
    maintenance.known.forget()
    return out.getvalue()


@pytest.fixture
def boss(db: None) -> Client:
    user: Any = User.objects.create_superuser("root@example.org", "root-password-1")
    client = Client()
    client.force_login(user)
    return client


def test_members_get_503_and_staff_the_console(as_bob: Client, boss: Client, library: Library) -> None:
    turn("on", reason="The disks are moved.")
    answer = as_bob.get("/api/libraries")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "60"
    assert answer.json() == {
        "code": "maintenance",
        "message": "The disks are moved. Try again in a few minutes.",
    }
    assert as_bob.post("/api/libraries", {"name": "New"}).status_code == 503
    page = as_bob.get("/")
    assert page.status_code == 503
    assert b"The disks are moved." in page.content
    assert boss.get("/admin/").status_code == 200
    assert b"members are shut out" in boss.get("/admin/backups").content
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/login").status_code == 200
    assert turn("status").startswith("Maintenance is on")
    turn("off")
    assert as_bob.get("/api/libraries").status_code == 200
    entries = AuditEntry.objects.filter(action__startswith="maintenance").order_by("id")
    assert list(entries.values_list("action", flat=True)) == ["maintenance.on", "maintenance.off"]


def test_where_it_is_known(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    turn("on", reason="A reason.")
    assert maintenance.of_redis() == maintenance.of_file()
    dispatch.redis_client().flushdb()
    maintenance.known.forget()
    assert maintenance.standing().reason == "A reason."
    # Postgres and Redis away: the file.
    monkeypatch.setattr(maintenance, "of_redis", lambda: None)
    monkeypatch.setattr(maintenance, "of_postgres", lambda: None)
    assert maintenance.ask().on
    monkeypatch.undo()

    def no_table(**_: Any) -> Any:
        raise ProgrammingError("relation does not exist")

    monkeypatch.setattr(Maintenance.objects, "filter", no_table)
    found = maintenance.of_postgres()
    assert found is not None
    assert found.shut


def test_an_upload_goes_on_afterwards(as_alice: Client, library: Library) -> None:
    tus = Tus(as_alice)
    place = tus.begin(library, 10)
    assert tus.patch(place, 0, b"01234").status_code == 204
    turn("on", reason="For a while.")
    assert tus.patch(place, 5, b"56789").status_code == 503
    assert tus.head(place).status_code == 503
    turn("off")
    assert tus.head(place)["Upload-Offset"] == "5"
    assert tus.patch(place, 5, b"56789").status_code in {200, 204}
    assert File.objects.filter(library=library).exists()


@pytest.mark.django_db(transaction=True)
def test_workers_rest_and_go_on(library: Library, tmp_path: Path) -> None:
    with running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="metadata"):
        turn("on", reason="Nothing is to move.")
        take_in(library, jpeg(64, 48), "later.jpg")
        # A worker that took work would have: the orders reach it before the message does.
        waiting = Derivative.objects.filter(status="queued", deriver="metadata")
        assert waiting.exists()
        wait_until(lambda: not waiting.filter(published_at=None).exists(), what="messages are sent")
        assert not Derivative.objects.exclude(status="queued").exists()
        turn("off")
        wait_until(lambda: not waiting.all().exists(), what="the work is taken up")


def test_the_api(as_alice: Client, library: Library, alice: Any) -> None:
    assert as_alice.get("/api/admin/maintenance").status_code == 404
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    assert as_alice.get("/api/admin/maintenance").status_code == 404
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    assert as_alice.get("/api/admin/maintenance").json()["on"] is False
    assert as_alice.put("/api/admin/maintenance", {}, content_type="application/json").status_code == 400
    told = as_alice.put(
        "/api/admin/maintenance", {"on": True, "reason": "By a program."}, content_type="application/json"
    )
    assert told.json()["reason"] == "By a program."
    assert AuditEntry.objects.get(action="maintenance.on").via == "api"
    off = as_alice.put("/api/admin/maintenance", {"on": False}, content_type="application/json")
    assert off.json()["on"] is False


def test_a_restore_holds_it(db: None) -> None:
    maintenance.switch_on("A backup is being restored.", by=audit.SYSTEM, restoring=True)
    with pytest.raises(CommandError, match=r"manage\.py restore"):
        turn("off")


def test_the_front_hears_of_it_without_waiting(db: None) -> None:
    maintenance.tell(maintenance.Standing(True, "The disks are moved."))
    maintenance.known.standing = maintenance.Standing()
    assert not maintenance.known.peek().on
    assert wait_until(lambda: maintenance.known.peek().on)
    maintenance.tell(maintenance.Standing())


def test_a_look_that_was_under_way_does_not_write_over_what_was_said(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read that all is open, then somebody shut it, then it tells what it has read."""
    dispatch.redis_client().flushdb()
    said = maintenance.Standing(True, "A restore.", "", "", restoring=True)

    def read_before() -> maintenance.Standing:
        maintenance.tell_redis(said)
        return maintenance.Standing()

    monkeypatch.setattr(maintenance, "of_postgres", read_before)
    maintenance.ask()
    assert maintenance.of_redis() == said
