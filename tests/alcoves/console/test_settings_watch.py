"""What settings of alerts, backups and verification do, changed as operators do. Others: test_settings_count."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from alcoves.backup import looking, maintenance, pruning, sealing, targets, tasks, verifying, writing
from alcoves.backup.models import Backup, Check, Look
from media import audit, tallies
from media.models import Library, Tally
from tests.alcoves.alerts.test_rules import ago, end, job, keys, original, worker  # noqa: F401  A fixture.
from tests.alcoves.console.test_settings_count import put
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 3_000_000


@pytest.fixture
def shelf(settings: Any, tmp_path: Path) -> Path:
    """A target of that name."""
    settings.DATA_PATH = tmp_path / "data"
    settings.BACKUP_PATH = tmp_path / "data" / "backups"
    settings.BACKUP_TARGETS = [f"shelf={tmp_path / 'shelf'}"]
    settings.BACKUP_PASSPHRASE = ""
    maintenance.known.forget()
    return tmp_path / "shelf"


class Waits:
    """In place of the clock: how long was to be waited."""

    def __init__(self) -> None:
        self.longest = 0.0

    def wait(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    made = Waits()
    monkeypatch.setattr(looking, "PAUSE", made)
    return made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    for task in (tasks.make, tasks.look):
        monkeypatch.setattr(task, "apply_async", lambda args, **_: made.append(args))
    return made


def test_how_fast_blobs_are_read(library: Library, shelf: Path, waits: Waits) -> None:
    take_in(library, b"\x89PNG\r\n\x1a\n" + b"\0" * LONG, "a.png")
    put(VERIFY_MB_PER_SECOND=100_000)
    looking.look(Look.objects.create(deep=True))
    assert waits.longest < 0.5
    put(VERIFY_MB_PER_SECOND=1)
    looking.look(Look.objects.create(deep=True))
    assert waits.longest == 1


def test_how_fast_sets_are_read(library: Library, shelf: Path, waits: Waits) -> None:
    take_in(library, b"\x89PNG\r\n\x1a\n" + b"\0" * LONG, "a.png")
    made = writing.ask("shelf", "originals", by=audit.COMMAND)
    assert writing.make(made)
    put(VERIFY_MB_PER_SECOND=100_000)
    assert verifying.verify(verifying.ask(made, by=audit.COMMAND))
    assert waits.longest < 0.5
    put(VERIFY_MB_PER_SECOND=1)
    assert verifying.verify(verifying.ask(made, by=audit.COMMAND))
    assert waits.longest == 1
    assert Check.objects.filter(state="done", damaged=0).count() == 2


def test_when_and_how_long_blobs_are_read_at_night(sent: list[Any]) -> None:
    now = datetime(2026, 3, 11, 5, 10, tzinfo=UTC)
    put(VERIFY_HOUR=6)
    tasks.begin_night(now)
    assert sent == []
    put(VERIFY_HOUR=5, VERIFY_MINUTES=7)
    tasks.begin_night(now)
    assert sent == [(str(Look.objects.get().pk), 420.0)]


def test_how_seldom_blobs_are_read(sent: list[Any]) -> None:
    now = timezone.now()
    put(VERIFY_HOUR=now.hour, VERIFY_DAYS=0)
    tasks.begin_night(now)
    assert sent == []
    done = Look.objects.create(nightly=True, deep=True, state="done")
    Look.objects.filter(pk=done.pk).update(created_at=now - timedelta(days=9))
    put(VERIFY_DAYS=10)
    tasks.begin_night(now)
    assert sent == []
    put(VERIFY_DAYS=8)
    tasks.begin_night(now)
    assert len(sent) == 1


def test_when_backups_are_made() -> None:
    tuesday = datetime(2026, 3, 10, 17, 30, tzinfo=UTC)
    assert not tasks.is_due(tuesday)
    put(BACKUP_SCHEDULE="weekly", BACKUP_WEEKDAY="tuesday", BACKUP_HOUR=17)
    assert tasks.is_due(tuesday)
    made = Backup.objects.create(name="a", target="shelf", scheduled=True, state="done")
    Backup.objects.filter(pk=made.pk).update(created_at=tuesday.replace(minute=10))
    assert not tasks.is_due(tuesday + timedelta(days=6, hours=23))
    assert not tasks.is_due(tuesday.replace(minute=0) + timedelta(days=7, hours=-1))
    assert tasks.is_due(tuesday + timedelta(days=7))
    put(BACKUP_WEEKDAY="wednesday")
    assert not tasks.is_due(tuesday)
    assert tasks.is_due(tuesday + timedelta(days=1))
    put(BACKUP_HOUR=18)
    assert not tasks.is_due(tuesday + timedelta(days=1))


def test_what_backups_hold_and_where_they_go(shelf: Path, sent: list[Any]) -> None:
    put(BACKUP_TARGET="shelf", BACKUP_BLOBS="all")
    tasks.begin_scheduled()
    row = Backup.objects.get()
    assert (row.target, row.blobs, sent) == ("shelf", "all", [(str(row.pk),)])


def test_how_many_backups_stay(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def to_keep(_: Any, *numbers: int) -> set[str]:
        asked.append(numbers[:2])
        return set()

    monkeypatch.setattr(pruning, "to_keep", to_keep)
    put(BACKUP_TARGET="shelf", BACKUP_KEEP=3, BACKUP_KEEP_WEEKLY=2)
    pruning.prune(targets.get(), sealing.Plain())
    assert asked == [(3, 2)]


def test_how_old_backups_may_be() -> None:
    made = Backup.objects.create(
        name="a", target="shelf", state="done", blobs="all", finished_at=ago(hours=30)
    )
    assert made.finished_at is not None
    assert "backup:old" not in keys("backup")
    put(ALERT_BACKUP_HOURS=24)
    assert "backup:old" in keys("backup")


def test_when_a_run_is_stuck(original: Any) -> None:  # noqa: F811  The fixture.
    row = job(original, status="processing", started_at=ago(minutes=30))
    assert keys("stuck") == []
    put(ALERT_STUCK_MINUTES=20)
    assert keys("stuck") == [f"stuck:{row.pk}"]


def test_when_a_queue_waits_too_long(original: Any) -> None:  # noqa: F811  The fixture.
    job(original, queued_at=ago(minutes=30))
    assert keys("waiting") == []
    put(ALERT_QUEUED_MINUTES=20)
    assert keys("waiting") == ["queue:thumbnail"]


def test_which_failures_are_too_many(original: Any) -> None:  # noqa: F811  The fixture.
    for number in range(4):
        how = {"status": "failed", "error_code": "no_frame"} if number < 2 else {"status": "ready"}
        end(job(original, f"{number}", status="processing"), **how)
    assert keys("failing") == []
    put(ALERT_FAILURE_COUNT=2)
    assert keys("failing") == ["failing:poster"]
    put(ALERT_FAILURE_PERCENT=51)
    assert keys("failing") == []
    put(ALERT_FAILURE_PERCENT=50, ALERT_FAILURE_COUNT=3)
    assert keys("failing") == []


def test_how_far_back_failures_count() -> None:
    hour = tallies.hour_of(ago(hours=5))
    Tally.objects.create(topic="ended", keys=[hour, "poster", "failed"], number=20)
    assert keys("failing") == []
    put(ALERT_FAILURE_MINUTES=600)
    assert keys("failing") == ["failing:poster"]


def test_when_a_worker_counts_as_gone() -> None:
    worker("heavy@here", "heavy", seen_at=ago(seconds=60))
    worker("rest@here", "interactive")
    assert keys("workers") == []
    assert "lane:heavy" not in keys("lanes")
    put(ALERT_WORKER_SECONDS=30)
    assert keys("workers") == ["worker:heavy@here"]
    assert "lane:heavy" in keys("lanes")
