"""Real workers beside a restore, and doing one: nothing is taken up and nothing swept before its end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.backup import maintenance, restoring, sets, targets, tasks, writing
from alcoves.backup.models import Backup, Check
from alcoves.backup.restoring import Restoring
from media import audit, blobs, controls, dispatch
from media.models import AuditEntry, Control, Derivative, File, Library, SweepHold, UnnamedBlob
from storage.registry import get_store
from tests.alcoves.backup.making import digests, fill
from tests.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "127.0.0.1:8000"


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""
    settings.BACKUP_TARGETS = []
    settings.BACKUP_TARGET = ""


def is_done() -> bool:
    begun = restoring.under_way()
    return begun is not None and begun.phase == restoring.DONE


def waits() -> bool:
    return not Derivative.objects.filter(deriver="metadata").exclude(status="queued").exists()


def test_a_worker_restores_what_the_console_asks_for(library: Library, tmp_path: Path) -> None:
    """The worker that does it is at rest itself, and goes on with the work that came back."""
    before = fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    name = Backup.objects.get().name
    File.objects.filter(name="picture-0.jpg").delete()
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss@example.org", "boss-password-1"))
    with running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="metadata"):
        given = {"target": "local", "set": name, "name": HERE}
        assert boss.post("/admin/backups/restore", given).status_code == 302
        wait_until(is_done, 180, "the restore is done")
        connection.close()  # A restore ends the connections of others.
        assert digests() == before
        assert not User.objects.filter(email="boss@example.org").exists()
        told = AuditEntry.objects.get(action="backup.restore")
        assert (told.actor_name, told.detail["set"]) == ("boss@example.org", name)
        wait_until(lambda: not maintenance.ask().on, what="maintenance ends")
        wait_until(
            lambda: Derivative.objects.filter(deriver="metadata", status="ready").exists(),
            120,
            "workers go on",
        )
    assert not SweepHold.objects.exists()
    assert controls.orders() == controls.Orders()


def test_workers_rest_although_the_restored_orders_let_them(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of orders is that of the backup now: without a pause, and with more slots than before."""
    controls.set_slots("heavy", 3, by=audit.COMMAND)
    fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    controls.set_slots("heavy", None, by=audit.COMMAND)
    Derivative.objects.all().delete()
    hold: Callable[[Restoring], None] = Restoring.hold
    looked: list[bool] = []
    with running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="metadata") as worker:

        def late(of: Restoring) -> None:
            if not looked:
                assert not Control.objects.filter(paused=True).exists()
                rows = list(Derivative.objects.filter(deriver="metadata").values_list("pk", "queue"))
                assert dispatch.publish(rows, force=True)
                controls.tell()
                wait_until(
                    lambda: "heavy has 3 slots" in worker.text(), what="the worker has read the orders"
                )
                looked.append(waits())
            hold(of)

        monkeypatch.setattr(Restoring, "hold", late)
        finish: Callable[[Restoring], str] = Restoring.finish
        swept: list[int] = []

        def sweeping(of: Restoring) -> str:
            key = File.objects.filter(original__isnull=False).values_list("original__key", flat=True)[0]
            UnnamedBlob.objects.create(store="files", key=f"{key}-gone", due_at=timezone.now())
            swept.append(blobs.sweep())
            looked.append(waits())
            return finish(of)

        monkeypatch.setattr(Restoring, "finish", sweeping)
        call_command("restore", "latest", yes=True, over=HERE)
        assert looked == [True, True]
        assert swept == [0]
        wait_until(lambda: not waits(), 120, "workers go on at once")
    assert blobs.sweep() >= 0
    assert not SweepHold.objects.exists()


def test_in_maintenance_a_backup_goes_on_slice_by_slice(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message for the next slice would wait for the end of maintenance, because all lanes rest."""
    fill(library, count=2, run=False)
    sent: list[Any] = []
    monkeypatch.setattr(tasks.make, "apply_async", lambda args, **_: sent.append(args))
    monkeypatch.setattr(tasks, "SLICE", 0.0)
    row = writing.ask("", "originals", by=audit.COMMAND)
    tasks.make(str(row.pk))
    row.refresh_from_db()
    assert (row.state, len(sent)) == ("running", 1)
    maintenance.switch_on("The disks are moved.", by=audit.COMMAND)
    tasks.make(str(row.pk))
    row.refresh_from_db()
    assert (row.state, row.files, len(sent)) == ("done", 3, 1)
    maintenance.end(by=audit.COMMAND)
    assert list(get_store("files").iterate())


def test_scheduled_pruned_and_verified_by_itself(library: Library, tmp_path: Path) -> None:
    """Nobody asks for anything but the clock, which ticks by hand here."""
    fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    old = Backup.objects.get()
    wanted = {
        "ALCOVES_BACKUP_SCHEDULE": "daily",
        "ALCOVES_BACKUP_KEEP": "1",
        "ALCOVES_BACKUP_KEEP_WEEKLY": "0",
        "ALCOVES_VERIFY_DAYS": "1",
        "ALCOVES_VERIFY_HOUR": str((timezone.now().hour + 12) % 24),
    }
    made = Backup.objects.filter(scheduled=True, state="done")
    with running_worker(tmp_path, **wanted):
        tasks.tick.apply_async(queue="maintenance")
        wait_until(made.exists, 120, "the scheduled backup is made")
        new = made.get()
        old.refresh_from_db()
        assert old.pruned_at is not None
        assert [head.name for head in sets.heads(targets.get().store)] == [new.name]
        assert (new.verified_at, new.sent, new.files) == (None, 0, 2)
        tasks.tick.apply_async(queue="maintenance")
        checks = Check.objects.filter(backup=new, state="done")
        wait_until(checks.exists, 120, "the new set is read back")
    check = checks.get()
    assert (check.scheduled, check.error, check.looked, check.asked_by) == (True, "", 2, None)
    new.refresh_from_db()
    assert new.verified_at is not None
