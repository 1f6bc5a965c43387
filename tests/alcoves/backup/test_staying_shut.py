"""What is half restored stays shut whatever is switched; what was not changed is opened again."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from alcoves.accounts.models import User
from alcoves.backup import database, keeping, maintenance, quieting, restoring, sets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Maintenance
from media import audit, controls, dispatch
from media.models import AuditEntry, Control, File, Library, SweepHold, Upload
from media.tools import postgres
from tests.alcoves.backup.making import digests, empty_stores, fill
from tests.alcoves.backup.test_killed import kill_in
from tests.alcoves.backup.test_restoring import restore

pytestmark = pytest.mark.django_db(transaction=True)
OVER = "127.0.0.1:8000"


@pytest.fixture
def made(library: Library, settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""
    fill(library, count=1, run=False)
    Upload.objects.all().delete()
    User.objects.create_superuser("root@example.org", "root-password-1")
    call_command("backup", blobs="originals")


def fail_in(place: Any, name: str, monkeypatch: pytest.MonkeyPatch, match: str = "is away") -> str:
    """A restore that breaks off there; what it said."""

    def away(*_: Any, **__: Any) -> Any:
        raise BackupError("The target is away.")

    with monkeypatch.context() as patch:
        patch.setattr(place, name, away)
        with pytest.raises(CommandError, match=match) as caught:
            restore(over=OVER)
    maintenance.known.forget()
    return str(caught.value)


@pytest.fixture
def broken_off(made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is there, no blob."""
    empty_stores()
    assert "stays shut" in fail_in(restoring.Restoring, "bring", monkeypatch)


def still_shut() -> bool:
    maintenance.known.forget()
    begun = restoring.unfinished()
    return begun is not None and maintenance.standing().restoring and bool(controls.orders().lanes)


def boss() -> Client:
    client = Client()
    client.force_login(User.objects.get(email="root@example.org"))
    return client


def test_the_command_opens_nothing_by_halves(broken_off: None) -> None:
    out = StringIO()
    call_command("maintenance", "on", reason="It goes on at noon.", stdout=out)
    assert "ends with the restore" in out.getvalue()
    assert still_shut()
    with pytest.raises(CommandError, match=r"manage\.py restore"):
        call_command("maintenance", "off")
    assert still_shut()


def test_the_console_opens_nothing_by_halves(broken_off: None) -> None:
    client = boss()
    client.post("/admin/backups", {"act": "maintenance", "on": "yes", "reason": "It goes on at noon."})
    client.post("/admin/backups", {"act": "maintenance", "on": "no"})
    assert still_shut()


def test_the_api_opens_nothing_by_halves(broken_off: None) -> None:
    client = boss()

    def put(**given: Any) -> Any:
        return client.put("/api/admin/maintenance", given, content_type="application/json").json()

    assert put(on=True, reason="At noon.")["restoring"] is True
    assert put(on=False)["code"] == "restoring"
    assert still_shut()


def test_a_redis_that_was_emptied_opens_nothing_by_halves(broken_off: None) -> None:
    """Nor does a file of flags that somebody has deleted: the restore has its own."""
    dispatch.redis_client().flushdb()
    maintenance.flag().unlink()
    with pytest.raises(CommandError, match=r"manage\.py restore"):
        call_command("maintenance", "off")
    assert Maintenance.objects.get().on


def test_while_the_database_is_replaced_it_stays_shut(db: None) -> None:
    """Also for the console."""
    maintenance.tell(maintenance.Standing(True, "A restore.", "", "", restoring=True, shut=True))
    told = maintenance.switch_on("It goes on at noon.", by=audit.COMMAND)
    assert (told.restoring, told.shut) == (True, True)
    assert maintenance.of_redis() == maintenance.of_file() == told


def nothing_is_left(before: dict[str, str]) -> None:
    assert digests() == before
    assert not maintenance.ask().on
    assert controls.orders() == controls.Orders()
    assert restoring.kept() is None
    assert not SweepHold.objects.exists()
    assert not list(restoring.place().parent.glob("before-*"))
    assert not maintenance.flag().exists()
    assert boss().get("/admin/backups").status_code == 200


@pytest.mark.parametrize(
    ("place", "name"),
    [(quieting, "wait_until_quiet"), (keeping, "dump_to"), (sets, "part_chunks"), (database, "wipe")],
)
def test_a_restore_that_failed_before_it_changed_anything_undoes_itself(
    made: None, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    before = digests()
    if name == "part_chunks":  # Those before belong to the look at the set.
        for look in ("check", "check_room"):
            monkeypatch.setattr(f"alcoves.backup.examining.{look}", lambda *_, **__: None)
    said = fail_in(place, name, monkeypatch)
    assert said == "The target is away. Nothing was changed, and Alcoves is open again."
    nothing_is_left(before)
    monkeypatch.undo()
    assert "is restored" in restore(over=OVER)
    assert digests() == before


def test_maintenance_that_was_on_stays_as_it_was(made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    maintenance.switch_on("The disks are moved.", by=audit.COMMAND)
    standing, row = maintenance.ask(), Maintenance.objects.get()
    said = fail_in(keeping, "dump_to", monkeypatch)
    assert said.endswith("Nothing was changed. Maintenance was on before and stays on.")
    assert maintenance.ask() == standing
    assert maintenance.of_file() == standing
    assert "stays on" in restore(over=OVER)
    assert maintenance.ask() == standing
    assert Maintenance.objects.values("on", "reason", "since", "by").get() == {
        "on": True,
        "reason": "The disks are moved.",
        "since": row.since.replace(microsecond=0),
        "by": row.by,
    }
    assert Control.objects.get(kind="all").reason == "The disks are moved."
    call_command("maintenance", "off")
    assert not maintenance.ask().on


def test_what_was_changed_is_never_said_to_be_untouched(made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try replaced the database by halves; the second one finds it locked."""
    assert "stays shut" in fail_in(postgres, "restore", monkeypatch)
    assert "stays shut" in fail_in(database, "wipe", monkeypatch)
    begun = restoring.unfinished()
    assert begun is not None
    assert Path(begun.before).exists()
    restore()
    assert File.objects.count() == 2


def test_one_that_was_killed_before_it_changed_anything_is_given_up(made: None, tmp_path: Path) -> None:
    before = digests()
    kill_in(("alcoves.backup.keeping", "dump_to", 1), tmp_path, "restore", "latest", "--yes", "--over", OVER)
    assert still_shut()
    call_command("maintenance", "off")
    nothing_is_left(before)
    assert AuditEntry.objects.filter(action="maintenance.off").exists()


def test_one_that_was_killed_while_it_changed_things_is_not(made: None, tmp_path: Path) -> None:
    kill_in(("alcoves.backup.database", "wipe", 1), tmp_path, "restore", "latest", "--yes", "--over", OVER)
    connection.close()
    with pytest.raises(CommandError, match=r"manage\.py restore"):
        call_command("maintenance", "off")
    restore()


def test_one_that_runs_is_not_given_up(made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def turn(*_: Any) -> None:
        with pytest.raises(CommandError, match=r"manage\.py restore") as caught:
            call_command("maintenance", "off")
        refused.append(str(caught.value))

    monkeypatch.setattr(quieting, "wait_until_quiet", turn)
    restore(over=OVER)
    assert refused
