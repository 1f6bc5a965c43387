"""What stays in a target: sets of others, of a restore, of clocks that were ahead; and what only seems to be there."""

import fcntl
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from alcoves.backup import (
    examining,
    maintenance,
    pruning,
    removing,
    restoring,
    sealing,
    sets,
    targets,
    tasks,
    verifying,
    writing,
)
from alcoves.backup.errors import BackupError, BusyError
from alcoves.backup.models import Backup, Check, Installation, State
from media import audit
from media.models import AuditEntry, Library, SweepHold
from storage.errors import StoreUnavailableError
from storage.local import LocalStore
from tests.alcoves.backup.conftest import PASSPHRASE
from tests.alcoves.backup.making import fill

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""
    settings.BACKUP_KEEP, settings.BACKUP_KEEP_WEEKLY = 1, 0


def backed_up(blobs: str = "originals") -> Backup:
    call_command("backup", blobs=blobs)
    row: Backup = Backup.objects.order_by("-id")[0]
    return row


def there() -> set[str]:
    return {head.name for head in sets.heads(targets.get().store)}


def rewrite(name: str, **values: Any) -> None:
    """backup.json with other values."""
    path = targets.get().store.local_path(f"{sets.folder_of(name)}{sets.HEAD}")
    assert path is not None
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def prune() -> list[str]:
    return pruning.prune(targets.get(), sealing.Plain())


def test_sets_of_another_installation_are_its_own_affair(library: Library) -> None:
    fill(library, count=1, run=False)
    theirs = backed_up()
    Installation.objects.renew()
    ours = backed_up()
    assert there() == {theirs.name, ours.name}
    assert len(list(targets.get().store.iterate(sets.POOL))) == 2
    # A set from before installations had names is told by its address.
    rewrite(theirs.name, owner="", installation="https://elsewhere.example")
    assert prune() == []
    rewrite(theirs.name, owner="")
    rewrite(theirs.name, installation=sets.read_head(targets.get().store, ours.name).installation)
    rewrite(ours.name, made_at=(timezone.now() + timedelta(seconds=5)).isoformat())
    Backup.objects.filter(pk=ours.pk).update(damaged_at=None)
    assert prune() == [theirs.name]


def test_what_is_restored_at_another_address_leaves_the_sets_of_the_first(
    library: Library, settings: Any
) -> None:
    first = backed_up("none")
    name = Installation.objects.name_here()
    call_command("restore", "latest", yes=True, over=examining.installation())
    assert Installation.objects.name_here() == name
    settings.PUBLIC_URL = "https://copy.example.org"
    out = StringIO()
    call_command("restore", "latest", yes=True, over="copy.example.org", stdout=out)
    assert Installation.objects.name_here() != name
    assert "this installation removes no sets of that one" in out.getvalue()
    assert {first.name, backed_up("none").name} == there()


@pytest.mark.parametrize("phase", ["looking", "database", "blobs"])
def test_the_set_of_a_restore_stays(library: Library, settings: Any, phase: str) -> None:
    """From the first look at it: the database may be gone by the time it is read."""
    settings.BACKUP_KEEP = 7
    old = backed_up("none")
    rewrite(old.name, made_at="2020-01-01T00:00:00+00:00")
    last = backed_up("none")
    settings.BACKUP_KEEP = 1
    restoring.keep(restoring.Progress(old.name, "shelf", phase=phase))
    with restoring.place().with_name("restore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert prune() == []
        with pytest.raises(BackupError, match="is being restored"):
            removing.remove(old, by=audit.COMMAND)
    restoring.keep(restoring.Progress(old.name, "shelf", phase=restoring.DONE))
    assert prune() == [old.name]
    assert there() == {last.name}


def test_no_backup_is_made_of_what_is_here_by_halves(library: Library) -> None:
    row = writing.ask("shelf", "none", by=audit.SYSTEM)
    restoring.keep(restoring.Progress("one", "shelf", phase="looking"))
    Backup.objects.update(state="done")
    row = writing.ask("shelf", "none", by=audit.SYSTEM)
    restoring.keep(restoring.Progress("one", "shelf", phase=restoring.BLOBS))
    with pytest.raises(BusyError, match="restore is under way or was not finished"):
        writing.make(row)
    row.refresh_from_db()
    assert row.state == State.QUEUED
    Backup.objects.all().delete()
    with pytest.raises(CommandError, match="go on with it to its end"):
        call_command("backup", no_blobs=True)
    restoring.place().unlink()
    maintenance.switch_on("A backup is being restored.", by=audit.SYSTEM, restoring=True)
    with pytest.raises(BusyError):
        writing.ask("shelf", "none", by=audit.SYSTEM)
    assert not Backup.objects.exists()


def test_a_removal_that_breaks_off_leaves_nothing_to_rely_on(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = backed_up("none")
    delete = LocalStore.delete

    def refuse(self: LocalStore, key: str) -> None:
        if key.endswith(sets.DATABASE):
            raise StoreUnavailableError("The target is away.")
        delete(self, key)

    monkeypatch.setattr(LocalStore, "delete", refuse)
    with pytest.raises(BackupError, match="counts no more"):
        removing.remove(row, by=audit.COMMAND)
    assert not Backup.objects.standing().exists()
    assert AuditEntry.objects.filter(action="backup.remove").count() == 1


def test_a_set_that_is_gone_is_no_longer_said_to_be_there(library: Library) -> None:
    rows = [backed_up("none")]
    targets.get().store.delete(f"{sets.folder_of(rows[0].name)}{sets.HEAD}")
    rows.append(backed_up("none"))
    assert list(Backup.objects.standing()) == [rows[1]]


def test_a_clock_that_was_ahead_makes_no_newest_set(library: Library) -> None:
    ahead = backed_up("originals")
    rewrite(ahead.name, made_at="2040-01-01T00:00:00+00:00")
    Backup.objects.filter(pk=ahead.pk).update(finished_at=timezone.now() + timedelta(days=5000))
    now = backed_up("originals")
    assert there() == {ahead.name, now.name}
    assert examining.opened(targets.get(), "latest", "").head.name == now.name
    assert verifying.newest("shelf") == now
    assert Backup.objects.sound().first() == now
    rewrite(now.name, made_at="2026-01-01T00:00:00+00:00")
    last = backed_up("originals")
    assert there() == {ahead.name, last.name}


def test_plain_blobs_go_from_a_target_that_is_sealed_by_now(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, count=1, run=False)
    old = backed_up()
    settings.BACKUP_PASSPHRASE = PASSPHRASE
    monkeypatch.setattr(pruning, "YOUNG", timedelta(seconds=-1))
    backed_up()
    new = backed_up()
    assert old.name not in there()
    names = [stat.key for stat in targets.get().store.iterate(sets.POOL)]
    assert len(names) == 2
    assert all(name.endswith(".age") for name in names)
    assert new.missing == 0


def test_a_target_that_is_not_mounted_is_refused(library: Library, tmp_path: Path) -> None:
    row = backed_up("none")
    (tmp_path / "shelf").rename(tmp_path / "disk")
    (tmp_path / "shelf").mkdir()
    with pytest.raises(CommandError, match="1 set was sent to it: mount its disk"):
        call_command("backup", no_blobs=True)
    assert not list((tmp_path / "shelf").iterdir())
    asked = verifying.ask(row, by=audit.COMMAND)
    with pytest.raises(BackupError, match="mount its disk"):
        verifying.verify(asked)
    row.refresh_from_db()
    assert (row.damaged_at, row.pruned_at) == (None, None)
    (tmp_path / "shelf" / targets.MARK).touch()
    assert backed_up("none").state == State.DONE


def test_each_target_is_read_back_for_itself_and_not_for_a_set_without_blobs(
    library: Library, settings: Any, tmp_path: Path
) -> None:
    settings.VERIFY_DAYS = 30
    settings.BACKUP_TARGETS = [f"shelf={tmp_path / 'shelf'}", f"far={tmp_path / 'far'}"]
    now = timezone.now()
    made = {
        (target, blobs): Backup.objects.create(
            name=f"{target}-{blobs}",
            target=target,
            blobs=blobs,
            state="done",
            finished_at=now - timedelta(days=3 if blobs == "originals" else 1),
        )
        for target in ("far", "shelf", "gone")
        for blobs in ("originals", "none")
    }
    assert verifying.due(now) == made["far", "originals"]
    Check.objects.create(backup=made["far", "originals"], state="done", finished_at=now)
    assert verifying.due(now) == made["shelf", "originals"]
    Check.objects.create(backup=made["shelf", "none"], state="done", finished_at=now)
    assert verifying.due(now) == made["shelf", "originals"]
    Check.objects.create(backup=made["shelf", "originals"], state="done", finished_at=now)
    assert verifying.due(now) is None
    # Of a pool in which damage was found the newest set is read at once.
    Check.objects.update(created_at=now - timedelta(days=2))
    Backup.objects.create(
        name="old", target="far", state="done", finished_at=now - timedelta(days=9), damaged_at=now
    )
    assert verifying.due(now) == made["far", "originals"]


def test_a_lane_that_is_paused_for_lunch_kills_no_backup(library: Library, settings: Any) -> None:
    fill(library, count=1, run=False)
    settings.BACKUP_SCHEDULE, settings.VERIFY_DAYS = "off", 0
    row = writing.ask("shelf", "originals", by=audit.SYSTEM)
    assert not writing.make(row, seconds=0)
    hours_ago = timezone.now() - timedelta(hours=5)
    Backup.objects.update(alive_at=hours_ago, updated_at=timezone.now())
    tasks.tick()
    row.refresh_from_db()
    assert row.state == State.RUNNING
    assert SweepHold.objects.filter(until__gt=timezone.now() + timedelta(hours=24)).count() == 2
    Backup.objects.update(alive_at=hours_ago - timedelta(hours=20))
    tasks.tick()
    row.refresh_from_db()
    assert row.state == State.KILLED
    assert not SweepHold.objects.exists()
