"""A backup is begun in its hour, once, and told of when it was killed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from alcoves.backup import maintenance, tasks
from alcoves.backup.models import Backup
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
