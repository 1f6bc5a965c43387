"""A backup is begun in its hour, once, and told of when it was killed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from alcoves.backup import maintenance, tasks
from alcoves.backup.models import Backup, Check
from media import audit

WEDNESDAY = datetime(2026, 3, 11, 4, 30, tzinfo=UTC)


def test_the_hour_and_the_day(db: None, settings: Any) -> None:
    settings.BACKUP_SCHEDULE = "off"
    assert not tasks.is_due(WEDNESDAY)
    settings.BACKUP_SCHEDULE, settings.BACKUP_HOUR = "daily", 3
    assert tasks.is_due(WEDNESDAY)
    made = Backup.objects.create(name="a", target="shelf", scheduled=True, state="done")
    Backup.objects.filter(pk=made.pk).update(created_at=WEDNESDAY.replace(hour=3, minute=10))
    assert not tasks.is_due(WEDNESDAY)
    assert tasks.is_due(WEDNESDAY.replace(day=12))
    settings.BACKUP_SCHEDULE, settings.BACKUP_WEEKDAY = "weekly", "sunday"
    assert not tasks.is_due(WEDNESDAY.replace(day=14))
    assert tasks.is_due(WEDNESDAY.replace(day=15))


@pytest.mark.parametrize("state", ["failed", "killed"])
def test_one_that_failed_is_tried_again_in_an_hour(db: None, settings: Any, state: str) -> None:
    settings.BACKUP_SCHEDULE, settings.BACKUP_HOUR = "daily", 3
    made = Backup.objects.create(name="a", target="shelf", scheduled=True, state=state)
    Backup.objects.filter(pk=made.pk).update(created_at=WEDNESDAY.replace(hour=3, minute=40))
    assert not tasks.is_due(WEDNESDAY)
    assert tasks.is_due(WEDNESDAY.replace(hour=5))
    Backup.objects.create(name="b", target="shelf", scheduled=True, state="queued")
    assert not tasks.is_due(WEDNESDAY.replace(hour=5))


def test_a_tick_reads_the_newest_set_back_each_so_many_days(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_SCHEDULE, settings.VERIFY_DAYS, settings.VERIFY_HOUR = (
        "off",
        30,
        (timezone.now().hour + 12) % 24,
    )
    sent: list[Any] = []
    monkeypatch.setattr(tasks.check, "apply_async", lambda args, **_: sent.append(args))
    now = timezone.now()
    tasks.tick()
    assert sent == []
    for name, days in (("old", 3), ("new", 1)):
        Backup.objects.create(name=name, target="shelf", state="done", finished_at=now - timedelta(days=days))
    tasks.tick()
    tasks.tick()
    row = Check.objects.get()
    assert (row.backup.name, row.scheduled) == ("new", True)
    assert sent == [(str(row.pk),)]
    Check.objects.update(state="done", finished_at=now - timedelta(days=29))
    tasks.tick()
    assert Check.objects.count() == 1
    Check.objects.update(finished_at=now - timedelta(days=31), created_at=now - timedelta(days=31))
    settings.VERIFY_DAYS = 0
    tasks.tick()
    assert Check.objects.count() == 1
    settings.VERIFY_DAYS = 30
    tasks.tick()
    assert Check.objects.count() == 2


def test_a_tick_begins_what_is_due_and_tells_of_the_dead(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_SCHEDULE = "daily"
    settings.VERIFY_DAYS = 0
    sent: list[Any] = []
    monkeypatch.setattr(tasks.make, "apply_async", lambda args, **_: sent.append(args))
    dead = Backup.objects.create(
        name="dead", target="shelf", state="running", holder="elsewhere 1 1", alive_at=WEDNESDAY
    )
    maintenance.switch_on("Moving the disks.", by=audit.SYSTEM)
    tasks.tick()
    dead.refresh_from_db()
    assert dead.state == "killed"
    assert sent == []
    maintenance.switch_off(by=audit.SYSTEM)
    tasks.tick()
    tasks.tick()
    [row] = Backup.objects.filter(scheduled=True)
    assert sent == [(str(row.pk),)]
    # Its message is lost: after a while another one is sent.
    Backup.objects.filter(pk=row.pk).update(updated_at=WEDNESDAY)
    tasks.tick()
    assert sent == [(str(row.pk),)] * 2
    assert row.created_at <= timezone.now()
