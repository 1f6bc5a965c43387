"""A target that nobody knows is refused where it is chosen, and told of while a schedule counts on it."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.alerts import rules
from alcoves.alerts.rules import Severity, machine
from alcoves.alerts.rules.kept import Timely
from alcoves.backup import tasks
from alcoves.backup.models import Backup
from alcoves.console.dashboard import backups as panel
from alcoves.console.settings import changing, describing
from alcoves.figures import backups as figure
from alcoves.metrics import figures as families
from media import audit, live
from media.errors import RequestError
from tests.alcoves.console.test_settings_page import PAGE, filled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    yield
    live.forget()


def told(name: str) -> dict[str, Any]:
    return {trouble.key: trouble for trouble in rules.check(name)}


def made(name: str, days: float, **values: Any) -> Backup:
    at = timezone.now() - timedelta(days=days)
    row: Backup = Backup.objects.create(name=name, target="shelf", state="done", finished_at=at, **values)
    return row


def test_an_unknown_target_is_refused_by_every_door(settings: Any) -> None:
    sentence = "There is no backup target named nas"
    with pytest.raises(RequestError, match=sentence):
        changing.change({"BACKUP_TARGET": "nas"}, by=audit.COMMAND)
    with pytest.raises(CommandError, match=sentence):
        call_command("settings", "set", "BACKUP_TARGET", "nas")
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    answer = client.put(
        "/api/admin/settings/BACKUP_TARGET", {"value": "nas"}, content_type="application/json"
    )
    assert (answer.status_code, sentence in answer.content.decode()) == (400, True)
    answer = client.post(PAGE, filled(client, BACKUP_TARGET="nas"), follow=True)
    assert sentence in answer.content.decode()
    assert live.stored() == {}
    for name in ("local", "", "shelf"):
        settings.BACKUP_TARGET = "other"
        changing.change({"BACKUP_TARGET": name}, by=audit.COMMAND)
        assert describing.one("BACKUP_TARGET").problem == ""


def test_a_target_of_the_environment_that_is_not_there_is_marked(settings: Any) -> None:
    settings.BACKUP_TARGET = "nas"
    assert "no backup target named nas" in describing.one("BACKUP_TARGET").problem


@pytest.mark.parametrize(
    ("targets", "target", "sentence"),
    [
        (["shelf=/x"], "nas", "no backup target named nas"),
        (["shelf"], "shelf", "cannot be read"),
        (["in={store}/inside"], "in", "lies in the store"),
        (["shelf=/x"], "/mnt/by-path", "no backup target named /mnt/by-path"),
    ],
)
def test_a_schedule_without_a_target_is_told_at_once(
    settings: Any, tmp_path: Path, targets: list[str], target: str, sentence: str
) -> None:
    settings.BLOB_STORES["files"]["OPTIONS"]["root"] = tmp_path / "stores"
    settings.BACKUP_TARGETS = [one.format(store=tmp_path / "stores") for one in targets]
    settings.BACKUP_TARGET, settings.BACKUP_SCHEDULE = target, "off"
    assert told("backup target") == {}
    settings.BACKUP_SCHEDULE = "daily"
    tasks.begin_scheduled()
    assert not Backup.objects.exists()
    found = told("backup target")["backup:target"]
    assert (found.severity, sentence in found.sentence) == (Severity.CRITICAL, True)
    settings.BACKUP_TARGETS, settings.BACKUP_TARGET = ["shelf=/x"], "shelf"
    assert told("backup target") == {}


def test_a_backup_is_late_by_its_schedule(settings: Any) -> None:
    settings.BACKUP_SCHEDULE, settings.ALERT_BACKUP_HOURS = "daily", 192
    made("one", 1.2)
    assert "backup:old" not in told("backup")
    Backup.objects.update(finished_at=timezone.now() - timedelta(hours=31))
    assert "backup:old" in told("backup")
    settings.ALERT_BACKUP_HOURS = 0
    assert "backup:old" in told("backup")
    settings.BACKUP_SCHEDULE = "weekly"
    assert "backup:old" not in told("backup")
    Backup.objects.update(finished_at=timezone.now() - timedelta(days=7.5))
    assert "backup:old" in told("backup")
    settings.BACKUP_SCHEDULE = "off"
    assert "backup:old" not in told("backup")


def test_a_set_without_blobs_is_no_good_one_unless_none_are_wanted(settings: Any) -> None:
    settings.ALERT_BACKUP_HOURS = 192
    good = made("good", 21, blobs="originals")
    damaged = made("damaged", 20, blobs="originals", damaged_at=timezone.now())
    made("dump", 0, blobs="none")

    def last() -> list[float]:
        return [sample[2] for sample in figure() if sample[0] is families.BACKUP_SUCCESS]

    found = told("backup")
    assert found["backup:damaged"].severity == Severity.CRITICAL
    assert damaged.name in found["backup:damaged"].sentence
    assert "backup:old" in found
    assert panel.report()["lastGood"]["name"] == "good"
    assert last() == [good.finished_at.timestamp() if good.finished_at else 0]
    settings.BACKUP_BLOBS, settings.BACKUP_SCHEDULE = "none", "daily"
    assert "backup:old" not in told("backup")
    assert (panel.report()["lastGood"]["name"], panel.report()["lastGood"]["blobs"]) == ("dump", "none")
    assert "hold the database alone" in told("backup target")["backup:no-files"].sentence


def test_the_disk_of_a_target_is_watched(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_TARGETS = [f"shelf={tmp_path}", "far=s3://bucket/prefix"]
    assert machine.places()["backups shelf"] == tmp_path
    assert "backups far" not in machine.places()
    assert any("backups shelf" in disk.places for disk in machine.take_disks())
    space = SimpleNamespace(f_bavail=1, f_frsize=4096, f_blocks=10**9, f_files=10**6, f_favail=10**5)
    monkeypatch.setattr("os.statvfs", lambda _: space)
    monkeypatch.setattr(machine, "all_disks", Timely(machine.take_disks, 3.0))
    assert "backups shelf" in " ".join(trouble.sentence for trouble in machine.disks())
    settings.BACKUP_TARGETS = ["nonsense"]
    assert "backups local" in machine.places()
