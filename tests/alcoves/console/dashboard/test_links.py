"""Each warning leads to its cure: the page behind its link names what it speaks of, and has the control it names."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.alerts import pulses, rules
from alcoves.alerts.models import Delivery, Pulse
from alcoves.alerts.rules import servers
from alcoves.backup import maintenance
from alcoves.backup.models import Backup, Finding
from alcoves.console.dashboard import warnings
from media import controls, workers
from media.audit import SYSTEM
from media.models import AuditEntry, CachedImage, Control, Library, Original
from media.tools import ffmpeg
from ml.models import Download
from tests.alcoves.console.dashboard import made_up
from tests.alcoves.console.dashboard.test_figures import report

pytestmark = pytest.mark.django_db


def ago(**span: float) -> Any:
    return timezone.now() - timedelta(**span)


class World:
    """Where something goes wrong."""

    def __init__(self, library: Library, settings: Any, patched: pytest.MonkeyPatch, folder: Path) -> None:
        self.library, self.settings, self.patched, self.folder = library, settings, patched, folder

    def jobs(self, number: int = 1, **about: Any) -> list[Any]:
        return made_up.derivatives([one.original for one in made_up.files(self.library, number)], **about)


@pytest.fixture
def world(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[World]:
    """That maintenance is on is told by a file, by Redis and in this process: nothing of it stays."""
    settings.BACKUP_PATH = tmp_path / "data" / "backups"
    maintenance.known.forget()
    yield World(library, settings, monkeypatch, tmp_path)
    if maintenance.standing().on:
        maintenance.end(by=SYSTEM)
    maintenance.known.forget()


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def no_room(world: World) -> None:
    world.settings.ALERT_DISK_PERCENT = 101


def no_scratch(world: World) -> None:
    world.settings.STORE_RESERVE_BYTES = 10**18


def many_connections(world: World) -> None:
    world.patched.setattr(servers, "NEAR_PERCENT", 0)


def another_clock(world: World) -> None:
    behind = ago(seconds=60)
    world.patched.setattr(timezone, "now", lambda: behind)


def older_database(world: World) -> None:
    world.patched.setattr(MigrationExecutor, "migration_plan", lambda *_: [(Pending(), False)])


class Pending:
    """A migration of tomorrow."""

    app_label, name = "alerts", "0099_tomorrow"


def no_beat(world: World) -> None:
    pulses.beat(pulses.BEAT)
    Pulse.objects.update(at=ago(minutes=9))


def all_paused(world: World) -> None:
    controls.pause_all(reason="a backup that died", by=SYSTEM)


def one_lane(world: World) -> None:
    told = report("interactive@here", seen=1)
    workers.write(
        type(told)(**{**{name: getattr(told, name) for name in told.__slots__}, "lane": "interactive"})
    )


def gone_worker(world: World) -> None:
    workers.write(report("all@gone", seen=300))


def old_worker(world: World) -> None:
    workers.write(report("all@old", seen=1))


def untaken_letter(world: World) -> None:
    world.settings.ALERT_MAIL_TO = "ops@example.org"
    letter = Delivery.objects.create(channel="mail", event="alerts", error="550 no such user")
    Delivery.objects.filter(pk=letter.pk).update(created_at=ago(hours=5))


def stuck_job(world: World) -> None:
    world.jobs(status="processing", started_at=ago(hours=5), progress=41)


def late_jobs(world: World) -> None:
    world.jobs(3, status="queued", queued_at=ago(hours=5))


def failing_deriver(world: World) -> None:
    world.settings.ALERT_FAILURE_COUNT = 2
    world.jobs(3, deriver="hover", status="failed")
    made_up.ended("hover", "failed", 3)


def failed_with(code: str) -> Callable[[World], None]:
    def fail(world: World) -> None:
        world.jobs(2, deriver="hover", status="failed", error_code=code)

    return fail


def failed_download(world: World) -> None:
    Download.objects.create(pipeline="faces", model="m", name="lost.onnx", state="failed", error="Away.")


def failed_backup(world: World) -> None:
    Backup.objects.create(name="b", target="t", state="failed", error="No room.", finished_at=timezone.now())


def same_disk(world: World) -> None:
    world.settings.BACKUP_TARGET, world.settings.BACKUP_PATH = "", world.folder / "backups"
    world.settings.BACKUP_SCHEDULE = "daily"


def unknown_target(world: World) -> None:
    world.settings.BACKUP_SCHEDULE, world.settings.BACKUP_TARGET = "daily", "nas"


def missing_blob(world: World) -> None:
    about = {"store": "files", "key": "lost/blob", "seen_at": timezone.now()}
    Finding.objects.create(kind="missing", what="original", **about)


def weak_key(world: World) -> None:
    world.settings.SECRET_KEY = "changeme"


def unsigned(world: World) -> None:
    world.settings.ALERT_WEBHOOK_URL, world.settings.ALERT_WEBHOOK_SECRET = "https://a.example.org/", "short"


def in_maintenance(world: World) -> None:
    maintenance.switch_on("moving house", by=SYSTEM)


def one_pause(world: World) -> None:
    controls.pause("thumbnail", by=SYSTEM, reason="the disk is moved")


def full_cache(world: World) -> None:
    world.settings.IMAGE_CACHE_MAX_BYTES = 100
    (original,) = made_up.originals(world.library, 1)
    CachedImage.objects.create(
        original=original, key="k", size=250, variants_version=2, used_at=timezone.now()
    )


def held(world: World) -> None:
    made_up.files(world.library, 2)
    first = Original.objects.order_by("pk")[:1].get()
    Original.objects.filter(pk=first.pk).update(held_at=timezone.now(), held_reason="odd")


def wanted_model(world: World) -> None:
    world.settings.MODELS_PATH = world.folder
    Library.objects.update(faces=True)


def never_verified(world: World) -> None:
    world.settings.VERIFY_DAYS = 7
    made_up.originals(world.library, 1)
    Original.objects.update(created_at=ago(days=30))


def nobody(world: World) -> None:
    world.settings.ALERT_WEBHOOK_URL = world.settings.ALERT_MAIL_TO = ""


def poor_ffmpeg(world: World) -> None:
    told = ffmpeg.capabilities()
    lacking = type(told)(**{**{name: getattr(told, name) for name in told.__slots__}, "lacks": ("zscale",)})
    world.patched.setattr(ffmpeg, "capabilities", lambda: lacking)


CASES: dict[str, tuple[Callable[[World], None], str, tuple[str, ...]]] = {
    "disks": (no_room, "/admin/doctor", ("GB left.",)),
    "scratch": (no_scratch, "/admin/doctor", ("kept in reserve",)),
    "connections": (many_connections, "/admin/doctor", ("Raise max_connections",)),
    "clock": (another_clock, "/admin/doctor", ("Set both by NTP",)),
    "migrations": (older_database, "/admin/doctor", ("alerts.0099_tomorrow", "manage.py migrate")),
    "beat": (no_beat, "/admin/doctor", ("Beat has sent nothing",)),
    "all lanes paused": (all_paused, "/admin/queues", ('id="resume-all"',)),
    "lanes": (one_lane, "/admin/workers", ("interactive@here",)),
    "workers": (gone_worker, "/admin/workers", ("all@gone",)),
    "versions": (old_worker, "/admin/workers", ("all@old",)),
    "stuck": (stuck_job, "/admin/media/derivative/?id=", ("41", 'value="cancel"')),
    "waiting": (late_jobs, "/admin/media/derivative/?", ("thumbnail", 'value="cancel"')),
    "failing": (failing_deriver, "/admin/failures?", ("hover", "/admin/reprocess?")),
    "missing blobs": (failed_with("source_missing"), "/admin/media/derivative/?", ('value="reprocess"',)),
    "set aside": (failed_with("quarantined"), "/admin/media/derivative/?", ('value="reprocess"',)),
    "models": (failed_download, "/admin/ml/download/?", ("lost.onnx", 'value="fetch_again"')),
    "backup": (failed_backup, "/admin/backups", ("No room.", 'id="make-backup"')),
    "backup target": (unknown_target, "/admin/settings", ("BACKUP_TARGET",)),
    "backup place": (same_disk, "/admin/settings", ("BACKUP_TARGET",)),
    "findings": (missing_blob, "/admin/backup/finding/?", ("lost/blob", 'value="repair"')),
    "weak settings": (weak_key, "/admin/doctor", ("ALCOVES_SECRET_KEY can be guessed",)),
    "ways of alerts": (unsigned, "/admin/doctor", ("Calls of the webhook cannot be signed",)),
    "letters": (untaken_letter, "/admin/alerts/delivery/?", ("550 no such user", 'value="send_again"')),
    "maintenance": (in_maintenance, "/admin/backups", ("moving house", 'id="maintenance-off"')),
    "pauses": (one_pause, "/admin/queues", ("the disk is moved", 'id="resume-queue-thumbnail"')),
    "image cache": (full_cache, "/admin/media/cachedimage/", ("250",)),
    "files set aside": (held, "/admin/media/original/?held=yes", ('value="release"',)),
    "failed jobs": (failed_with("broken"), "/admin/failures", ("hover", "/admin/reprocess?")),
    "wanted models": (wanted_model, "/admin/models", ("licence",)),
    "verification": (never_verified, "/admin/backups", ('id="look-now"',)),
    "who is told": (nobody, "/admin/settings", ("ALERT_MAIL_TO",)),
    "ffmpeg": (poor_ffmpeg, "/admin/doctor", ("zscale",)),
}
"""By rule: what goes wrong, where the link of its first trouble leads, and what that page says or offers."""
ELSEWHERE = {"parts": "tests/alcoves/console/dashboard/test_failing_alone.py breaks each part."}


def test_every_rule_has_a_case() -> None:
    assert not {*rules.RULES} & {*warnings.RULES}
    assert {*rules.RULES, *warnings.RULES} == {*CASES, *ELSEWHERE}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", list(CASES))
def test_a_warning_leads_to_its_cure(name: str, world: World, db: None) -> None:
    arrange, link, wanted = CASES[name]
    arrange(world)
    one = next(iter({**rules.RULES, **warnings.RULES}[name]()))
    assert one.link.startswith(link), one
    root = browser_of(User.objects.create_superuser("root@example.org", "a-password"))
    answer = root.get(one.link)
    assert answer.status_code == 200, (one.link, answer.status_code, answer.headers.get("Location"))
    text = answer.content.decode()
    for part in wanted:
        assert part in text, (one.link, part)


@pytest.mark.parametrize("model", ["original", "file"])
def test_what_is_set_aside_is_found_by_the_link(world: World, staff: Callable[..., User], model: str) -> None:
    kept, other = made_up.files(world.library, 2)
    Original.objects.filter(pk=kept.original_id).update(held_at=timezone.now(), held_reason="odd")
    (one,) = warnings.RULES["files set aside"]()
    shown = browser_of(staff("auditor")).get(one.link.replace("original", model)).content.decode()
    wanted, hidden = (kept.pk, other.pk) if model == "file" else (kept.original_id, other.original_id)
    assert str(wanted) in shown
    assert str(hidden) not in shown


def test_few_jobs_that_failed_are_told_too(world: World) -> None:
    of = made_up.originals(world.library, 3)
    made_up.derivatives(of, "hover", status="failed")
    made_up.derivatives(of[:1], "poster", status="failed")
    (one,) = warnings.RULES["failed jobs"]()
    assert one.sentence.startswith("4 jobs have failed, the largest group is hover (3).")


def test_what_holds_all_lanes_is_let_go_where_the_warning_leads(
    world: World, staff: Callable[..., User]
) -> None:
    all_paused(world)
    operator, auditor = browser_of(staff("operator")), browser_of(staff("auditor"))
    assert auditor.post("/admin/queues", {"act": "resume-all"}).status_code == 403
    in_maintenance(world)
    text = operator.post("/admin/queues", {"act": "resume-all"}, follow=True).content.decode()
    assert "End it on the page Backups." in text
    maintenance.end(by=SYSTEM)
    all_paused(world)
    operator.post("/admin/queues", {"act": "resume-all"})
    assert not Control.objects.filter(paused=True).exists()
    assert AuditEntry.objects.filter(action="lanes.resume_all").exists()
    assert rules.check("all lanes paused") == []
