"""kill -9 in each step of a backup and of a restore: nothing valid-looking is left, and the same command goes on."""

import signal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from alcoves.backup import maintenance, restoring, sets, targets, working
from alcoves.backup.models import Backup
from media.models import AuditEntry, File, Library, SweepHold, Upload
from tests.alcoves.backup.making import digests, empty_machine, empty_stores, fill
from tests.workers import Process

STEPS_OF_BACKUP = (
    ("alcoves.backup.database", "dumped", 2),
    ("alcoves.backup.writing", "Writing.manifest", 2),
    ("alcoves.backup.writing", "Writing.send", 1),
    ("alcoves.backup.writing", "Writing.send_one", 2),
    ("alcoves.backup.writing", "Writing.look_at", 2),
    ("alcoves.backup.writing", "Writing.verify", 1),
    ("alcoves.backup.writing", "Writing.finish", 1),
)
STEPS_OF_RESTORE = (
    ("alcoves.backup.quieting", "wait_until_quiet", 1),
    ("alcoves.backup.database", "wipe", 1),
    ("media.tools.postgres", "restore", 1),
    ("alcoves.backup.restoring", "Restoring.hold", 1),
    ("alcoves.backup.restoring", "Restoring.bring", 2),
    ("alcoves.backup.restoring", "Restoring.finish", 1),
    ("alcoves.backup.settling", "bring_keys", 1),
    ("alcoves.backup.settling", "forget_unfinished", 1),
    ("alcoves.backup.settling", "remake_lost_outputs", 1),
    ("alcoves.backup.restoring", "Restoring.note", 1),
    ("alcoves.backup.restoring", "Restoring.open_again", 1),
)


def kill_in(step: tuple[str, str, int], folder: Path, *command: str) -> None:
    module, function, number = step
    arguments = ["-m", "tests.alcoves.backup.dying", module, function, str(number), *command]
    process = Process(
        arguments,
        folder,
        ALCOVES_BACKUP_TARGETS=f"shelf={folder / 'shelf'}",
        ALCOVES_BACKUP_TARGET="shelf",
        ALCOVES_BACKUP_PASSPHRASE="",
    )
    assert process.popen.wait(300) == -signal.SIGKILL, process.text()
    connection.close()  # A restore ends the connections of others.


@pytest.mark.django_db(transaction=True)
def test_a_killed_backup_leaves_no_set_and_the_next_goes_on(
    settings: Any, library: Library, tmp_path: Path
) -> None:
    settings.BACKUP_PASSPHRASE = ""
    fill(library, run=False)
    store = targets.get("shelf").store
    for step in STEPS_OF_BACKUP:
        kill_in(step, tmp_path, "backup", "--blobs", "originals")
        assert sets.heads(store) == [], step
        working.bury(Backup)
        row = Backup.objects.order_by("-created_at").first()
        assert row is not None
        assert row.state == "killed", step
        assert "ended" in row.error
    call_command("backup", blobs="originals")
    [head] = sets.heads(store)
    assert (head.files, head.missing_count) == (4, 0)
    # What the killed ones had left is gone, and what they had sent was of use.
    assert [name for name, _ in sets.names(store)] == [head.name]
    assert Backup.objects.get(name=head.name).sent < 4
    assert not SweepHold.objects.filter(reason__endswith=head.name).exists()


@pytest.mark.django_db(transaction=True)
def test_a_killed_restore_stays_shut_and_goes_on(settings: Any, library: Library, tmp_path: Path) -> None:
    settings.BACKUP_PASSPHRASE = ""
    before = fill(library, run=False)
    call_command("backup", blobs="originals")
    empty_machine()
    for step in STEPS_OF_RESTORE:
        kill_in(step, tmp_path, "restore", "latest", "--yes")
        maintenance.known.forget()
        assert maintenance.standing().on, step
        begun = restoring.under_way()
        assert begun is not None, step
    call_command("restore", "latest", yes=True)
    assert digests() == before
    assert AuditEntry.objects.filter(action="backup.restore").exists()
    maintenance.known.forget()
    assert not maintenance.standing().on
    empty_stores()
    assert File.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_one_that_was_killed_after_its_end_is_a_set(settings: Any, library: Library, tmp_path: Path) -> None:
    """backup.json is there, so it can be restored, although its row knows nothing of that."""
    settings.BACKUP_PASSPHRASE = ""
    before = fill(library, count=1, run=False)
    kill_in(("alcoves.backup.pruning", "prune", 1), tmp_path, "backup", "--blobs", "originals")
    working.bury(Backup)
    assert Backup.objects.get().state == "killed"
    [head] = sets.heads(targets.get("shelf").store)
    empty_machine()
    call_command("restore", head.name, yes=True)
    assert digests() == before
    assert Backup.objects.get().state == "done"


@pytest.mark.django_db(transaction=True)
def test_a_restore_that_is_killed_while_it_keeps_the_old_database(
    settings: Any, library: Library, tmp_path: Path
) -> None:
    """What is kept of the database that was here is whole, or it is not there."""
    settings.BACKUP_PASSPHRASE = ""
    before = fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    File.objects.filter(name="picture-0.jpg").delete()
    Upload.objects.all().delete()
    folder = Path(settings.BACKUP_PATH)
    for function, number, kept in (("dumped", 2, 0), ("wipe", 1, 1)):
        step = ("alcoves.backup.database", function, number)
        kill_in(step, tmp_path, "restore", "latest", "--yes", "--over", "127.0.0.1:8000")
        maintenance.known.forget()
        assert maintenance.standing().on, step
        assert len(list(folder.glob("before-*.dump"))) == kept
    call_command("restore", "latest", yes=True)
    assert digests() == before
    begun = restoring.under_way()
    assert begun is not None
    assert [str(path) for path in folder.glob("before-*.dump")] == [begun.before]
