"""Each rule in both directions: well, and with the trouble made for real."""

import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from alcoves import health
from alcoves.alerts import pulses, rules, watching
from alcoves.alerts.models import Pulse, Severity
from alcoves.alerts.rules import machine, work
from alcoves.alerts.rules.kept import Timely
from alcoves.doctor import running
from media import controls, tallies
from media.audit import COMMAND
from media.models import Derivative, File, Library, Original, Tally, WorkerReport
from ml.models import Download

pytestmark = pytest.mark.django_db


@pytest.fixture
def original(library: Library) -> Original:
    made: Original = Original.objects.create(
        library=library, key="a/b", size=3, mime="image/png", kind="image"
    )
    File.objects.create(library=library, original=made, name="a.png")
    return made


def ago(**span: float) -> Any:
    return timezone.now() - timedelta(**span)


def job(original: Original, variant: str = "", **values: Any) -> Derivative:
    about = {"deriver": "poster", "queue": "thumbnail", "queued_at": timezone.now(), **values}
    if about.get("status") == "processing":
        about = {
            "lease_owner": "all@here",
            "lease_expires_at": timezone.now() + timedelta(seconds=20),
            "started_at": timezone.now(),
            **about,
        }
    made: Derivative = Derivative.objects.create(original=original, variant=variant, **about)
    return made


def end(row: Derivative, **values: Any) -> None:
    """As a run does: the trigger counts it."""
    Derivative.objects.filter(pk=row.pk).update(
        lease_owner="", lease_expires_at=None, finished_at=timezone.now(), **values
    )


def keys(*names: str) -> list[str]:
    return [trouble.key for name in names for trouble in rules.check(name)]


def worker(name: str = "all@here", lane: str = "all", **values: Any) -> WorkerReport:
    now = timezone.now()
    made: WorkerReport = WorkerReport.objects.create(
        name=name, lane=lane, **{"began_at": ago(hours=1), "seen_at": now, **values}
    )
    return made


def test_nothing_is_wrong_with_a_new_installation(settings: Any) -> None:
    settings.ALERT_DISK_PERCENT = 0
    assert rules.check_all() == []


def test_a_run_that_stands_still_is_stuck_and_one_that_moves_is_not(original: Original) -> None:
    row = job(original, status="processing", started_at=ago(hours=3), progress=40)
    pulses.remember(pulses.PROGRESS, work.progress())
    assert keys("stuck") == []
    Pulse.objects.filter(name__startswith=pulses.PROGRESS).update(at=ago(hours=2))
    [found] = rules.check("stuck")
    assert found.key == f"stuck:{row.pk}"
    assert "stood at 40 % for 2 hours on all@here" in found.sentence
    assert str(row.pk) in found.link
    Derivative.objects.update(progress=41)
    pulses.remember(pulses.PROGRESS, work.progress())
    assert keys("stuck") == []


def test_progress_of_runs_that_ended_is_forgotten(original: Original) -> None:
    job(original, status="processing")
    pulses.remember(pulses.PROGRESS, work.progress())
    assert Pulse.objects.count() == 1
    pulses.remember(pulses.PROGRESS, {})
    assert Pulse.objects.count() == 0


def test_a_queue_that_starts_nothing_is_told_unless_it_is_paused_or_its_lane_busy(original: Original) -> None:
    job(original, queued_at=ago(minutes=50))
    assert keys("waiting") == []
    Derivative.objects.update(queued_at=ago(minutes=70))
    assert keys("waiting") == ["queue:thumbnail"]
    controls.pause("thumbnail", by=COMMAND)
    assert keys("waiting") == []
    controls.resume("thumbnail", by=COMMAND)
    assert keys("waiting") == ["queue:thumbnail"]
    running_one = job(original, "other", status="processing", queue="metadata")
    assert keys("waiting") == []
    running_one.delete()
    job(original, "started", status="ready", started_at=ago(minutes=5), finished_at=timezone.now())
    assert keys("waiting") == []


def test_a_deriver_that_fails_too_often_is_told_with_its_commonest_reason(
    original: Original, settings: Any
) -> None:
    settings.ALERT_FAILURE_COUNT = 3
    for number in range(3):
        code = "no_frame" if number else "damaged_file"
        end(job(original, f"f{number}", status="processing"), status="failed", error_code=code)
    [found] = rules.check("failing")
    assert found.key == "failing:poster"
    assert re.match(
        r"3 of 3 runs of poster failed since \d\d:00 UTC, of late most often with no_frame\.", found.sentence
    )
    assert "deriver=poster" in found.link
    for number in range(4):
        end(job(original, f"r{number}", status="processing"), status="ready")
    assert keys("failing") == []


def test_failures_of_yesterday_and_those_people_asked_for_do_not_count(
    original: Original, settings: Any
) -> None:
    settings.ALERT_FAILURE_COUNT = 1
    end(job(original, "a", status="processing"), status="failed", error_code="cancelled")
    yesterday = tallies.hour_of(ago(days=1))
    Tally.objects.create(topic="ended", keys=[yesterday, "poster", "failed"], number=5)
    assert keys("failing") == []
    end(job(original, "b", status="processing"), status="failed", error_code="no_frame")
    assert keys("failing") == ["failing:poster"]


def test_disks_without_room_are_told_once_for_all_that_lies_on_them(settings: Any) -> None:
    settings.ALERT_DISK_PERCENT = 101  # No disk has as much.
    found = rules.check("disks")
    stores = [trouble for trouble in found if "scratch" in trouble.sentence]
    assert len(stores) == 1
    assert "store files" in stores[0].sentence
    assert stores[0].severity == Severity.WARNING
    settings.STORE_RESERVE_BYTES = 1 << 60
    assert [one.severity for one in rules.check("disks") if "scratch" in one.sentence] == ["critical"]


def test_workers_that_went_without_a_word_are_told_and_those_taken_away_are_not() -> None:
    worker(seen_at=ago(minutes=5))
    worker("heavy@there", "heavy", seen_at=ago(days=2))
    worker("standard@there", "standard", seen_at=ago(minutes=5), draining=True)
    assert keys("workers") == ["worker:all@here"]
    WorkerReport.objects.filter(name="all@here").update(seen_at=timezone.now())
    assert keys("workers") == []


def test_workers_of_another_version_than_the_web_part_are_told(settings: Any) -> None:
    """Whoever looks, an old worker too: the web part says what it is."""
    ours = settings.SPECTACULAR_SETTINGS["VERSION"]
    worker(version=ours)
    worker("heavy@left", "heavy", version="0.0.9")
    worker("heavy@gone", "heavy", version="0.0.8", seen_at=ago(minutes=5))
    [found] = rules.check("versions")
    assert found.key == "version:heavy@left"
    assert f"runs version 0.0.9, and the web part {ours}." in found.sentence
    assert found.sentence in " ".join(one.sentence + " " + one.advice for one in running.check_workers())
    watch = watching.Watch(pause=1, silence=180, tells=True)
    watch.look()
    assert keys("versions") == ["version:heavy@left"]
    Pulse.objects.filter(name__startswith=pulses.VERSION).update(value="0.0.9")
    assert keys("versions") == ["version:all@here"]
    watch.look()
    assert keys("versions") == ["version:heavy@left"]
    watching.Watch(pause=1, silence=180, tells=False).look()
    WorkerReport.objects.filter(name="heavy@left").update(version="")
    assert keys("versions") == []


def test_a_lane_that_nobody_serves_is_told() -> None:
    assert keys("lanes") == []
    worker("interactive@here", "interactive")
    worker("standard@here", "standard")
    assert keys("lanes") == ["lane:heavy"]
    worker()
    assert keys("lanes") == []
    WorkerReport.objects.update(seen_at=ago(minutes=5))
    assert keys("lanes") == ["lane:interactive", "lane:standard", "lane:heavy", "lane:maintenance"]


def test_without_any_worker_ever_only_work_that_waits_is_a_trouble(original: Original) -> None:
    job(original)
    assert keys("lanes") == []
    Derivative.objects.update(queued_at=ago(minutes=5))
    assert len(keys("lanes")) == 4


def test_beat_that_has_gone_quiet_is_told() -> None:
    assert keys("beat") == []
    pulses.beat(pulses.BEAT)
    assert keys("beat") == []
    Pulse.objects.update(at=ago(minutes=4))
    assert keys("beat") == ["beat"]


def test_rows_set_aside_missing_bytes_and_models_that_did_not_come_are_told(original: Original) -> None:
    assert keys("set aside", "missing blobs", "models") == []
    job(original, "a", status="failed", error_code="quarantined")
    job(original, "b", status="failed", error_code="source_missing")
    Download.objects.create(
        pipeline="faces", model="m", name="m.onnx", state="failed", error="The mirror is away."
    )
    assert keys("set aside", "missing blobs", "models") == ["quarantined", "blobs:source", "model:m.onnx"]


def test_backups_that_fail_grow_old_or_were_never_made(original: Original, settings: Any) -> None:
    backup = apps.get_model("backup.Backup")
    assert keys("backup") == []
    Original.objects.update(created_at=ago(days=30))
    assert keys("backup") == ["backup:old"]
    made = backup.objects.create(name="one", target="/b", state="done", finished_at=timezone.now())
    assert keys("backup") == []
    backup.objects.filter(pk=made.pk).update(finished_at=ago(days=10))
    assert keys("backup") == ["backup:old"]
    backup.objects.create(name="two", target="/b", state="failed", error="No room.", finished_at=ago(hours=1))
    assert keys("backup") == ["backup:failed", "backup:old"]
    settings.ALERT_BACKUP_HOURS = 0
    assert keys("backup") == ["backup:failed"]


def test_sets_that_nobody_reads_back(original: Original, settings: Any) -> None:
    settings.VERIFY_DAYS, settings.ALERT_BACKUP_HOURS = 10, 0
    made = apps.get_model("backup.Backup").objects.create(
        name="one", target="/b", state="done", finished_at=ago(days=19)
    )
    assert keys("backup") == []
    apps.get_model("backup.Backup").objects.update(finished_at=ago(days=21))
    assert keys("backup") == ["backup:unverified"]
    check = apps.get_model("backup.Check").objects.create(backup=made, state="done", finished_at=ago(days=19))
    assert keys("backup") == []
    apps.get_model("backup.Check").objects.filter(pk=check.pk).update(finished_at=ago(days=21))
    assert keys("backup") == ["backup:unverified"]
    settings.VERIFY_DAYS = 0
    assert keys("backup") == []


def test_backups_on_the_disk_of_the_data(db: None, settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_TARGET, settings.BACKUP_PATH = "", tmp_path / "backups"
    settings.BACKUP_SCHEDULE = "off"
    assert keys("backup place") == []
    settings.BACKUP_SCHEDULE = "daily"
    assert keys("backup place") == ["backup:same-disk"]
    settings.BACKUP_TARGETS, settings.BACKUP_TARGET = ["usb=/dev/shm/usb", "far=s3://b/c"], "usb"
    assert keys("backup place") == []
    settings.BACKUP_TARGET = "far"
    assert keys("backup place") == []


def test_a_target_that_hangs_holds_up_no_rule(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_SCHEDULE = "daily"
    back = threading.Event()

    def hang() -> Any:
        back.wait(60)
        return []

    monkeypatch.setattr(machine, "all_disks", Timely(hang, 0.1))
    monkeypatch.setattr(machine, "places", None)
    try:
        assert keys("backup place", "disks") == ["disk:hangs"]
    finally:
        back.set()


def test_blobs_that_a_look_missed_are_told_by_kind() -> None:
    finding = apps.get_model("backup.Finding")
    about = {"store": "files", "seen_at": timezone.now()}
    one = finding.objects.create(kind="missing", what="original", key="a", **about)
    finding.objects.create(kind="orphaned", what="blob", key="b", **about)
    [found] = rules.check("findings")
    assert (found.key, found.severity) == ("blobs:missing:original", "critical")
    assert found.sentence == "1 original is missing in the store. Put them back from a backup."
    finding.objects.filter(pk=one.pk).update(state="repairing")
    [found] = rules.check("findings")
    assert (found.key, found.severity) == ("blobs:missing:original", "critical")
    assert found.sentence.startswith("1 original is missing in the store, and is being repaired.")
    finding.objects.create(kind="missing", what="original", key="c", **about)
    [found] = rules.check("findings")
    assert "2 originals are missing in the store, and 1 of them is being repaired. Put" in found.sentence
    finding.objects.update(state="repaired")
    assert keys("findings") == []


def test_a_store_that_cannot_be_written_is_told(settings: Any, tmp_path: Path) -> None:
    health.readiness.asked_at = float("-inf")
    assert keys("parts") == []
    (tmp_path / "wall").write_text("a file where a folder should be")
    settings.BLOB_STORES = {
        "files": {
            "BACKEND": "storage.local.LocalStore",
            "OPTIONS": {"root": tmp_path / "wall" / "files", "secret": "test-store-secret"},
        }
    }
    health.readiness.asked_at = float("-inf")
    assert keys("parts") == ["part:store:files"]
    health.readiness.asked_at = float("-inf")


def test_a_rule_that_breaks_is_told_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def broken() -> list[rules.Trouble]:
        raise RuntimeError("no")

    monkeypatch.setattr(rules, "RULES", {"broken": broken, **rules.RULES})
    settings.ALERT_DISK_PERCENT = 0
    pulses.beat(pulses.BEAT)
    Pulse.objects.update(at=ago(minutes=4))
    assert [trouble.key for trouble in rules.check_all()] == ["beat", "rule:broken"]


def test_without_postgres_only_that_is_told(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALERT_DISK_PERCENT = 0
    answers = {"postgres": {"ok": False, "message": "Postgres does not answer."}, "redis": {"ok": True}}
    monkeypatch.setattr(health.readiness, "report", lambda: answers)
    pulses.beat(pulses.BEAT)
    Pulse.objects.update(at=ago(minutes=4))
    assert [trouble.key for trouble in rules.check_all()] == ["part:postgres"]
