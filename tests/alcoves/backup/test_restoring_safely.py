"""What a restore must not lose, and what must not be done to what it brought back."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.alerts.rules import keeping
from alcoves.backup import (
    bringing,
    database,
    examining,
    maintenance,
    pruning,
    quieting,
    removing,
    restoring,
    sets,
    targets,
    verifying,
    writing,
)
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup, Finding
from alcoves.backup.sealing import Plain
from media import audit, blobs, dispatch, epochs, orphans, trash, workers
from media.admin import many
from media.models import AuditEntry, Bulk, File, Library, Original, SweepHold, UnnamedBlob, Upload, uuid7
from storage.errors import UnreadableError
from storage.registry import get_store
from tests.alcoves.backup.making import digests, empty_stores, fill, jpeg
from tests.alcoves.backup.test_killed import kill_in
from tests.alcoves.backup.test_restoring import restore, rot
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)
OVER = "127.0.0.1:8000"


@pytest.fixture
def made(settings: Any, library: Library) -> Any:
    settings.BACKUP_PASSPHRASE = ""
    fill(library, count=1, run=False)
    Upload.objects.all().delete()
    call_command("backup", blobs="originals")
    return targets.get("shelf").store


def names(store: Any) -> list[str]:
    return [head.name for head in sets.heads(store)]


def test_a_set_that_is_looked_at_stays(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while a newer one is made, and old ones go."""
    row = Backup.objects.get()

    def back_up(_of: Any) -> None:
        call_command("backup", blobs="originals")
        with pytest.raises(BackupError, match="is being restored"):
            removing.remove(row, by=audit.COMMAND)
        raise BackupError("No room.")

    monkeypatch.setattr(examining, "check_room", back_up)
    with pytest.raises(CommandError, match="No room"):
        call_command("restore", row.name, yes=True, over=OVER)
    first, second = names(made)
    assert first == row.name
    assert restoring.under_way() is None
    pruning.prune(targets.get("shelf"), Plain(), days=1)
    assert names(made) == [second]


def test_a_look_that_is_killed_leaves_nothing(made: Any, tmp_path: Path) -> None:
    kill_in(("alcoves.backup.examining", "check_room", 1), tmp_path, "restore", "latest", "--over", OVER)
    assert restoring.place().exists()
    assert restoring.under_way() is None
    maintenance.known.forget()
    assert not maintenance.standing().on
    call_command("backup", blobs="none")
    restore(over=OVER)


@pytest.mark.parametrize("left", [None, b"", b"nothing of ours"])
def test_a_dump_that_has_gone_is_seen_before_anything_goes(
    made: Any, monkeypatch: pytest.MonkeyPatch, left: bytes | None
) -> None:
    [name] = names(made)
    key = f"{sets.folder_of(name)}{sets.DATABASE}"

    def lose(*_: Any) -> None:
        made.delete(key)
        if left is not None:
            made.put(key, [left])

    monkeypatch.setattr(quieting, "wait_until_quiet", lose)
    with pytest.raises(CommandError, match="Nothing was changed, and Alcoves is open again"):
        restore(over=OVER)
    assert File.objects.count() == 2
    assert not maintenance.ask().on


def test_what_a_set_lacks_is_asked_about(made: Any) -> None:
    largest = max(made.iterate(sets.POOL), key=lambda stat: stat.size)
    made.delete(largest.key)
    empty_stores()
    with pytest.raises(CommandError, match=r"1 blob is missing in the pool .*--with-losses"):
        restore(over=OVER)
    assert restoring.under_way() is None
    told = restore(over=OVER, with_losses=True)
    assert "1 blob is lost" in told
    assert "words.bin" in told
    assert [stat.key for stat in get_store("files").iterate()] == [
        Original.objects.get(files__name="picture-0.jpg").key
    ]
    assert AuditEntry.objects.get(action="backup.restore").detail["lost"] == 1


def test_a_set_that_lacks_more_than_it_names_is_restored_and_not_damaged(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_PASSPHRASE = ""
    monkeypatch.setattr(writing, "MISSING_TOLD", 1)
    fill(library, count=3, run=False)
    Upload.objects.all().delete()
    for original in Original.objects.filter(files__name__startswith="picture"):
        get_store("files").delete(original.key)
    call_command("backup", blobs="originals")
    [head] = sets.heads(targets.get("shelf").store)
    assert (head.missing_count, len(head.missing)) == (3, 1)
    row = Backup.objects.get()
    assert verifying.verify(verifying.ask(row, by=audit.COMMAND))
    row.refresh_from_db()
    assert row.damaged_at is None
    told = restore(over=OVER)
    assert "It lacks 3 blobs" in told
    assert "3 blobs are lost" in told
    assert File.objects.count() == 4


def unreadable(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """As of a disk with bad sectors below these blobs."""
    before = sets.stored_chunks

    def read(store: Any, key: str) -> Iterator[bytes]:
        if key in keys:
            raise UnreadableError(f"{key} cannot be read")
        yield from before(store, key)

    monkeypatch.setattr(sets, "stored_chunks", read)


def test_a_blob_that_the_disk_cannot_read_is_brought_anew(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests()
    key = Original.objects.get(files__name="words.bin").key
    path = Path(str(get_store("files").root), key)  # type: ignore[attr-defined]
    number = path.stat().st_ino
    unreadable(monkeypatch, key)
    assert "lost" not in restore(over=OVER)
    assert path.stat().st_ino != number
    assert digests() == before


@pytest.mark.parametrize("attic", [True, False])
def test_a_blob_that_the_target_cannot_read_costs_no_other(
    made: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attic: bool
) -> None:
    before = digests()
    bad = max(made.iterate(sets.POOL), key=lambda stat: stat.size).key
    if attic:
        settings.BACKUP_TARGETS = [*settings.BACKUP_TARGETS, f"attic={tmp_path / 'attic'}"]
        call_command("backup", blobs="originals", to="attic")
    empty_stores()
    kept = targets.get("shelf").store

    def read(store: Any, key: str, then: Any = sets.stored_chunks) -> Iterator[bytes]:
        if key == bad and store.root == kept.root:  # type: ignore[attr-defined]
            raise UnreadableError(f"{key} cannot be read")
        yield from then(store, key)

    monkeypatch.setattr(sets, "stored_chunks", read)
    told = restore(over=OVER)
    if attic:
        assert "lost" not in told
        assert digests() == before
    else:
        assert "1 blob is lost" in told
        assert "words.bin" in told
        assert len(list(get_store("files").iterate())) == 1


def test_bytes_that_somebody_else_has_put_there_meanwhile_are_compared(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Young as they are: a rescued disk was copied into the store between two tries."""
    before = digests()
    empty_stores()
    bring = restoring.Restoring.bring
    brought: list[sets.Entry] = []

    def once(self: Any, entry: Any, pool: Any) -> bool:
        if brought:
            raise BackupError("The target is away.")
        brought.append(entry)
        return bring(self, entry, pool)

    with monkeypatch.context() as patch:
        patch.setattr(restoring.Restoring, "bring", once)
        with pytest.raises(CommandError, match="is away"):
            restore(over=OVER)
    for original in Original.objects.exclude(key=brought[0].key):
        get_store("files").put(original.key, [b"X" * original.size])
    compared: list[str] = []
    is_right = bringing.is_right

    def compare(entry: sets.Entry, reading: Any) -> bool:
        compared.append(entry.key)
        return is_right(entry, reading)

    monkeypatch.setattr(bringing, "is_right", compare)
    assert "lost" not in restore()
    assert digests() == before
    assert brought[0].key not in compared  # It was held to its digest as it came.


def test_a_list_of_another_restore_says_nothing(tmp_path: Path) -> None:
    path, entry = tmp_path / "list", sets.Entry("files", "a/b/blob", 3, "00", "original")
    one, other = "2026-11-22T03:00:00+00:00", "2026-11-22T03:00:01+00:00"
    with bringing.Brought(path, one) as brought:
        brought.add(entry)
    with bringing.Brought(path, one) as brought:
        assert brought.has(entry)
        assert not brought.has(sets.Entry("files", "a/b/blob", 3, "01", "original"))
    path.write_bytes(path.read_bytes()[:-1])  # Killed in the middle of a line.
    with bringing.Brought(path, one) as brought:
        assert not brought.has(entry)
        brought.add(entry)
    with bringing.Brought(path, other) as brought:
        assert not brought.has(entry)


def test_what_came_since_the_backup_is_not_swept(made: Any, library: Library) -> None:
    UnnamedBlob.objects.all().delete()
    late = take_in(library, jpeg(99, 99), "late.jpg").file.original
    Upload.objects.all().delete()
    told = restore(over=OVER)
    assert "1 blob of" in told
    assert "manage.py orphans --let-go" in told
    assert AuditEntry.objects.filter(action="backup.restore").latest("id").detail["unnamed"] == 1
    [trouble] = [one for one in keeping.backups() if one.key == "backup:unswept"]
    assert trouble.sentence.startswith("1 blob in the store is named by nothing since the restore of ")
    UnnamedBlob.objects.register([late.key], due=-orphans.GRACE)
    assert blobs.sweep() == 0
    out = StringIO()
    call_command("orphans", let_go=True, stdout=out)
    assert "The sweeper goes on." in out.getvalue()
    assert AuditEntry.objects.filter(action="sweep.let_go").count() == 1
    assert blobs.sweep() == 1
    assert "backup:unswept" not in {one.key for one in keeping.backups()}
    call_command("orphans", let_go=True, stdout=out)
    assert "Nothing was held." in out.getvalue()


def test_nothing_is_held_where_everything_has_a_name(made: Any) -> None:
    assert "names them" not in restore(over=OVER)
    assert not SweepHold.objects.exists()


def test_what_waited_for_the_sweeper_gets_its_time_anew(library: Library, settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""
    UnnamedBlob.objects.register(["a/b/c"], due=-orphans.GRACE)
    call_command("backup", no_blobs=True)
    restore(over=OVER)
    assert not UnnamedBlob.objects.filter(due_at__lt=Now() + orphans.GRACE * 0.9).exists()
    assert UnnamedBlob.objects.filter(key="a/b/c").exists()


def test_what_was_asked_before_is_taken_out_of_the_queue_and_told(
    made: Any, library: Library, alice: User
) -> None:
    """The trash of the wrong library is emptied; the lane was paused in time; last night's backup comes back."""
    trash.trash(library, File.objects.values_list("pk", flat=True))
    call_command("backup", blobs="originals")
    given = {"library": str(library.pk), "actor": str(alice.pk), "before": many.asked_now().asked_at}
    current_app.send_task(many.EMPTY, kwargs={**given, "epoch": epochs.current()}, queue="maintenance")
    current_app.send_task("media.sweep_blobs", queue="maintenance")
    Bulk.objects.create(act="cancel", selection={}, via="console", until=uuid7())
    told = restore(over=OVER)
    assert "not done: emptying a trash (1)" in told
    waiting = [
        json.loads(one)["headers"]["task"] for one in dispatch.redis_client().lrange("maintenance", 0, -1)
    ]
    assert many.EMPTY not in waiting
    assert "media.sweep_blobs" in waiting
    assert File.objects.filter(trashed_at__isnull=False).count() == 2


def test_acts_that_the_backup_found_half_done_are_ended(library: Library, settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""
    Bulk.objects.create(act="cancel", selection={}, via="console", until=uuid7())
    finding = Finding.objects.create(
        kind="missing", what="output", store="files", key="a", state="repairing", seen_at=Now()
    )
    Finding.objects.update(text="It waits for a worker to repair it.")
    call_command("backup", no_blobs=True)
    restore(over=OVER)
    assert (Bulk.objects.get().state, Bulk.objects.get().text) == (
        "failed",
        "It was under way when the backup was made.",
    )
    finding.refresh_from_db()
    assert finding.state == "open"


def test_a_restore_waits_for_acts_that_destroy(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now().timestamp()
    about: dict[str, Any] = {"lane": "all", "host": "h", "pid": 1, "version": "1", "slots": 1}
    running = (workers.Running(many.TASK, "1", "maintenance", now),)
    told = workers.Report(name="one", began=now, seen=now, running=running, **about)
    monkeypatch.setattr(workers, "told_now", lambda: {"one": told})
    assert quieting.what_runs("") == "an act on many files"
    with pytest.raises(BackupError, match=r"still under way \(an act on many files\)"):
        quieting.wait_until_quiet("", 0)


def test_the_lock_lasts_behind_a_pooler_of_transactions(db: None) -> None:
    with database.alone() as is_alone, connection.cursor() as cursor:
        cursor.execute(
            "SELECT state FROM pg_stat_activity WHERE application_name = %s AND pid IN "
            "(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)",
            [database.ALONE],
        )
        assert (is_alone, cursor.fetchall()) == (True, [("idle in transaction",)])


def test_a_rotten_blob_that_is_accepted_is_named(made: Any) -> None:
    rot(made)
    empty_stores()
    assert "words.bin" in restore(over=OVER, with_losses=True)
