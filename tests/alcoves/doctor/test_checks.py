"""Each check of the doctor in both directions, by real causes."""

import json
import os
import resource
import threading
import zoneinfo
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.utils import timezone

from alcoves import env
from alcoves.alerts import pulses
from alcoves.alerts.models import Pulse
from alcoves.doctor import examining, places, printing, running, setup, table, tools
from alcoves.doctor.findings import Check, Finding, Level, failure, ok
from media import controls
from media.audit import COMMAND
from media.models import Library, WorkerReport
from media.tools import ffmpeg
from ml.models import Download
from tests.alcoves.console.dashboard import made_up
from tests.alcoves.doctor.saying import Usage, levels, said
from tests.workers import run_python

# The machine.


def test_versions_and_libraries_are_told() -> None:
    found = [*tools.check_versions(), *tools.check_libraries()]
    assert levels(found) == set()
    assert "Django 5.2" in said(found)
    assert "onnxruntime" in said(found)


def test_few_open_files_are_warned_of() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        assert levels(places.check_limits()) == {"warning"}
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        assert levels(places.check_limits()) == set()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_time_zones_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(places.check_zones()) == set()

    def unknown(name: str) -> Any:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", unknown)
    assert levels(places.check_zones()) == {"failure"}


# Programs.


def test_ffmpeg_is_told_and_a_wrong_path_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert levels(tools.check_ffmpeg()) == set()
    monkeypatch.setenv("ALCOVES_FFMPEG_BINARY", str(tmp_path / "none"))
    found = list(tools.check_ffmpeg())
    assert levels(found) == {"failure"}
    assert "ALCOVES_FFMPEG_BINARY" in said(found)


def test_an_ffmpeg_that_lacks_encoders_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    poor = tmp_path / "ffmpeg"
    poor.write_text("#!/bin/sh\necho ffmpeg version 1.0\n")
    poor.chmod(0o755)
    monkeypatch.setenv("ALCOVES_FFMPEG_BINARY", str(poor))
    found = list(tools.check_ffmpeg())
    assert levels(found) == {"warning"}
    assert "libx264" in said(found)
    ffmpeg.capabilities_of.cache_clear()


def test_an_ffprobe_that_is_none_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert levels(tools.check_ffprobe()) == set()
    monkeypatch.setenv("ALCOVES_FFPROBE_BINARY", str(tmp_path / "none"))
    assert levels(tools.check_ffprobe()) == {"failure"}


def test_an_encoder_that_does_not_work_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(tools.check_encoder()) == set()
    monkeypatch.setenv("ALCOVES_VIDEO_ENCODER", "nvenc")
    assert levels(tools.check_encoder()) == {"warning"}


def test_the_other_programs_and_formats_answer() -> None:
    found = [*tools.check_packager(), *tools.check_vips(), *tools.check_magick(), *tools.check_formats()]
    assert levels(found) == set()
    assert "formats of pictures are shown" in said(found)


# Disks.


def test_stores_take_give_and_delete_and_leave_nothing(settings: Any) -> None:
    assert levels(places.check_stores()) == set()
    for about in settings.BLOB_STORES.values():
        left = [path for path in Path(about["OPTIONS"]["root"]).rglob("*") if path.is_file()]
        assert left == []


def test_a_store_that_cannot_be_written_is_a_failure(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "wall").write_text("a file where a folder should be")
    settings.BLOB_STORES = {
        "files": {
            "BACKEND": "storage.local.LocalStore",
            "OPTIONS": {"root": tmp_path / "wall" / "files", "secret": "test-store-secret"},
        }
    }
    assert levels(places.check_stores()) == {"failure"}


def test_a_store_without_room_is_a_failure(settings: Any, tmp_path: Path) -> None:
    options = {"root": tmp_path / "full", "secret": "test-store-secret", "min_free_bytes": 1 << 60}
    settings.BLOB_STORES = {"files": {"BACKEND": "storage.local.LocalStore", "OPTIONS": options}}
    assert levels(places.check_stores()) == {"failure"}


def test_folders_that_cannot_be_written_are_failures(settings: Any, tmp_path: Path) -> None:
    settings.DATA_PATH = settings.MODELS_PATH = tmp_path
    assert levels(places.check_folders()) == set()
    assert list(tmp_path.glob(".doctor-*")) == []
    # Nobody writes there, not even the superuser under whom tests may run.
    settings.SCRATCH_PATH = Path("/proc/1/alcoves")
    assert levels(places.check_folders()) == {"failure"}


def test_disks_without_room_are_told(settings: Any) -> None:
    settings.ALERT_DISK_PERCENT = 0
    assert "failure" not in levels(places.check_room())
    settings.ALERT_DISK_PERCENT = 101
    settings.STORE_RESERVE_BYTES = 1 << 60
    assert levels(places.check_room()) == {"failure"}


def test_a_disk_without_names_is_a_failure(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ALERT_DISK_PERCENT = 0
    monkeypatch.setattr(os, "statvfs", lambda path: Usage(10**9, 10**9, 4096, 1000, 3))
    found = list(places.check_room())
    assert levels(found) == {"failure"}
    assert "3 more files" in said(found)


def test_secrets_that_others_can_read_are_told(settings: Any, tmp_path: Path) -> None:
    settings.DATA_PATH = tmp_path
    key = tmp_path / "secret_key"
    key.write_text("x" * 40)
    for mode, level in ((0o600, set()), (0o640, {"warning"}), (0o604, {"failure"})):
        key.chmod(mode)
        assert levels(places.check_secrets_files()) == level


SECRETS = sorted(name for name, kind in env.KNOWN.items() if kind == "secret")
OF_OTHERS = ("DATABASE_URL", "REDIS_URL", "POSTGRES_PASSWORD")


@pytest.mark.parametrize("name", [*SECRETS, *OF_OTHERS])
def test_each_secret_in_a_file_that_others_can_read_is_told(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings.DATA_PATH = settings.BACKUP_PATH = tmp_path
    given = tmp_path / "given"
    given.write_text("x" * 40)
    given.chmod(0o604)
    monkeypatch.setenv(f"{name}_FILE", str(given))
    found = list(places.check_secrets_files())
    assert levels(found) == {"failure"}
    assert str(given) in said(found)


def test_what_is_no_secret_may_be_read(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"ALCOVES_BACKUP_PASSPHRASE", "ALCOVES_ALERT_WEBHOOK_URL", "ALCOVES_S3_ACCESS_KEY"} <= set(SECRETS)
    settings.DATA_PATH = settings.BACKUP_PATH = tmp_path
    given = tmp_path / "given"
    given.write_text("media.example.org")
    given.chmod(0o604)
    monkeypatch.setenv("ALCOVES_PUBLIC_URL_FILE", str(given))
    assert levels(places.check_secrets_files()) == set()
    monkeypatch.setattr(places, "GIVEN_TO_CONTAINERS", tmp_path)
    monkeypatch.setenv("ALCOVES_SECRET_KEY_FILE", str(given))
    assert levels(places.check_secrets_files()) == set()


@pytest.mark.parametrize(
    "name",
    ["data/secret_key.before-restore", "data/run/embedded.json", "backups/before-20261122-040506.dump"],
)
def test_what_restores_leave_behind_is_looked_at(settings: Any, tmp_path: Path, name: str) -> None:
    """A dump is the whole database, plain."""
    settings.DATA_PATH, settings.BACKUP_PATH = tmp_path / "data", tmp_path / "backups"
    left = tmp_path / name
    left.parent.mkdir(parents=True)
    left.write_text("x" * 40)
    left.chmod(0o604)
    found = list(places.check_secrets_files())
    assert levels(found) == {"failure"}
    assert str(left) in said(found)


# Work and keeping.


@pytest.fixture
def alive(db: None) -> None:
    now = timezone.now()
    WorkerReport.objects.create(name="all@here", lane="all", began_at=now, seen_at=now)
    pulses.beat(pulses.BEAT, pulses.CHECK)


def test_workers_beat_and_queues_that_live_are_told(alive: None) -> None:
    found = [
        *running.check_workers(),
        *running.check_beat(),
        *running.check_queues(),
        *running.check_checks(),
    ]
    assert levels(found) == set()
    assert "1 alive: all@here." in said(found)


def test_workers_and_beat_that_are_gone_are_told(alive: None) -> None:
    long_ago = timezone.now() - timedelta(minutes=30)
    WorkerReport.objects.update(seen_at=long_ago, began_at=long_ago)
    Pulse.objects.update(at=long_ago)
    assert "failure" in levels(running.check_workers())
    assert levels(running.check_beat()) == {"failure"}
    assert levels(running.check_checks()) == {"warning"}


def test_queues_that_are_paused_are_noted(alive: None) -> None:
    controls.pause("heavy", by=COMMAND)
    found = list(running.check_queues())
    assert levels(found) == set()
    assert "Paused: transcription, video-transcode." in said(found)


def test_who_is_told_of_troubles(db: None, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert levels(running.check_mail()) == {"warning"}
    settings.ALERT_MAIL_TO = "ops@example.org"
    assert levels(running.check_mail()) == set()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert levels(running.check_mail()) == {"failure"}
    settings.EMAIL_HOST, settings.EMAIL_HOST_USER, settings.MAIL_TLS = "mail.example.org", "alcoves", "none"
    assert levels(running.check_mail()) == {"warning"}
    settings.MAIL_TLS = "starttls"
    assert levels(running.check_mail()) == set()
    settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = "https://hooks.example.org/hidden", "short"
    found = list(running.check_mail())
    assert levels(found) == {"failure"}
    assert "hidden" not in said(found)


def test_backups_and_models_that_failed_are_told(db: None) -> None:
    assert levels([*running.check_backup(), *running.check_models()]) == set()
    backup = apps.get_model("backup.Backup")
    backup.objects.create(name="a", target="/b", state="failed", error="No room.", finished_at=timezone.now())
    Download.objects.create(
        pipeline="faces", model="m", name="m.onnx", state="failed", error="The mirror is away."
    )
    assert "No room." in said(running.check_backup())
    assert levels(running.check_backup()) == {"failure"}
    assert levels(running.check_models()) == {"warning"}


def test_ports_are_looked_at(settings: Any) -> None:
    settings.WORKER_METRICS_PORT = 0
    settings.FLOWER_PORT = 1
    text = said(running.check_ports())
    assert "switched off" in text
    assert "nothing answers on port 1" in text


# Access.


def test_a_secret_that_can_be_guessed_is_a_failure_and_is_not_shown(settings: Any) -> None:
    settings.SECRET_KEY = "changeme-changeme-changeme-changeme-changeme"
    found = list(setup.check_secret())
    assert levels(found) == {"failure"}
    assert "changeme" not in said(found)
    settings.SECRET_KEY = "kJ8#sdf0823lkjsdf-098234lkjsdf_0q9w8er"
    assert levels(setup.check_secret()) == set()


def test_the_public_address_and_who_is_answered(settings: Any) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "http://localhost:8000", ["localhost"]
    settings.CSRF_TRUSTED_ORIGINS = ["http://localhost:8000"]
    assert levels(setup.check_address()) == set()
    settings.PUBLIC_URL = "https://media.example.org"
    found = list(setup.check_address())
    assert levels(found) == {"failure", "warning"}
    assert "ALCOVES_ALLOWED_HOSTS" in said(found)
    assert "ALCOVES_BEHIND_PROXY" in said(found)
    settings.PUBLIC_URL = "media.example.org"
    assert levels(setup.check_address()) == {"failure"}
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "http://media.example.org", ["*"]
    assert levels(setup.check_address()) == {"warning"}
    assert "without TLS" in said(setup.check_secret())


# The whole.


def broken() -> Iterator[Finding]:
    raise RuntimeError("secret-of-an-exception")


def test_a_check_that_raises_or_hangs_stops_no_other() -> None:
    never = threading.Event()

    def hangs() -> Iterator[Finding]:
        never.wait(60)
        yield ok("late")

    checks = [
        Check(name="raises", group="g", ask=broken),
        Check(name="hangs", group="g", ask=hangs, seconds=0.2),
        Check(name="server", group="g", ask=lambda: [failure("It is away.", "Start it.")]),
        Check(name="client", group="g", ask=broken, needs=("server",)),
        Check(name="fine", group="g", ask=lambda: [ok("Fine.")]),
    ]
    answers = examining.examine(checks)
    never.set()
    assert [answer.check.name for answer in answers] == ["raises", "hangs", "server", "client", "fine"]
    assert [str(answer.level) for answer in answers] == ["failure", "failure", "failure", "note", "ok"]
    text = printing.plain(answers)
    assert "RuntimeError" in text
    assert "secret-of-an-exception" not in text
    assert "No answer within 0.2 seconds." in text
    assert "Not asked, because of server." in text
    assert "3 failures, 0 warnings." in text
    assert examining.worst(answers) == Level.FAILURE


def test_more_checks_than_are_asked_at_once_are_all_asked() -> None:
    checks = [Check(name=str(number), group="g", ask=lambda: [ok("Fine.")]) for number in range(20)]
    assert [answer.check.name for answer in examining.examine(checks)] == [check.name for check in checks]


@pytest.mark.parametrize(
    ("levels_found", "arguments", "code"),
    [
        ([Level.OK], [], 0),
        ([Level.WARNING], [], 0),
        ([Level.WARNING], ["--strict"], 1),
        ([Level.WARNING, Level.FAILURE], [], 2),
    ],
)
def test_the_command_ends_with_a_code_for_scripts(
    levels_found: list[Level],
    arguments: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [Finding(level, "It is so.", "Do this.") for level in levels_found]
    monkeypatch.setattr(table, "CHECKS", (Check(name="one", group="g", ask=lambda: found),))
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command("doctor", "--json", *arguments)
        assert ended.value.code == code
    else:
        call_command("doctor", "--json", *arguments)
    told = json.loads(capsys.readouterr().out)
    assert told["level"] == str(max(levels_found, key=examining.ORDER.index))
    assert len(told["checks"][0]["findings"]) == len(found)


def test_with_all_servers_away_the_command_tells_so_and_what_else_it_knows(tmp_path: Path) -> None:
    ended = run_python(
        *("manage.py", "doctor", "--json"),
        DJANGO_SETTINGS_MODULE="alcoves.settings.embedded",
        ALCOVES_DATA_PATH=str(tmp_path),
        REDIS_URL="redis://:hidden-password@127.0.0.1:1/0",
        ALCOVES_SECRET_KEY="hidden-secret-key-hidden-secret-key",
    )
    assert ended.returncode == 2, ended.stderr
    told = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    assert told["Postgres"]["level"] == "failure"
    assert told["Redis"]["level"] == "failure"
    assert told["Migrations"]["findings"][0]["sentence"] == "Not asked, because of Postgres."
    assert told["ffmpeg"]["level"] == "ok"
    assert "hidden" not in ended.stdout + ended.stderr


@pytest.mark.django_db
def test_a_long_queue_is_no_failure(library: Library) -> None:
    old = timezone.now() - timedelta(days=2)
    rows = made_up.files(library, 300)
    made_up.derivatives([row.original for row in rows], status="queued", queued_at=old)
    found = list(running.check_queues())
    assert levels(found) == {"warning"}
    assert "300 jobs are due in queue thumbnail, the oldest for 2 days" in said(found)


def test_names_of_checks_are_once_and_needs_are_known() -> None:
    names = [check.name for check in table.CHECKS]
    assert len(set(names)) == len(names)
    assert {need for check in table.CHECKS for need in check.needs} <= set(names)
