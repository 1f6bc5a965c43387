"""What a backup takes along, what it leaves out, and what it says."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from alcoves.backup import checking, pruning, removing, restoring, sealing, sets, targets, writing
from alcoves.backup.errors import BackupError, BusyError
from alcoves.backup.models import Backup
from media import audit, blobs
from media.models import AuditEntry, Library, Original, SweepHold, UnnamedBlob
from storage.errors import StoreFullError
from storage.local import LocalStore
from storage.registry import get_store
from tests.alcoves.backup.making import far_away, fill, jpeg
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""


def back_up(**options: Any) -> Any:
    out = StringIO()
    call_command("backup", stdout=out, json=True, **options)
    return json.loads(out.getvalue())


def test_a_second_run_sends_only_what_is_new(library: Library) -> None:
    fill(library, run=False)
    first = back_up(blobs="originals")
    take_in(library, jpeg(90, 90), "new.jpg")
    second = back_up(blobs="originals")
    assert (first["sent"], second["sent"], second["files"]) == (4, 1, 5)
    store = targets.get("shelf").store
    assert len(list(store.iterate(sets.POOL))) == 5
    assert all(stat.key.endswith(".age") for stat in store.iterate(sets.POOL))
    assert AuditEntry.objects.filter(action="backup.make").count() == 2


def test_a_plain_set_has_no_keys(plain: None, library: Library, tmp_path: Path, settings: Any) -> None:
    fill(library, run=False)
    told = back_up(no_blobs=True)
    assert not told["encrypted"]
    names = {stat.key.rpartition("/")[2] for stat in targets.get("shelf").store.iterate(sets.SETS)}
    assert names == {"backup.json", "database.dump", "manifest.jsonl", "settings.json"}
    everything = b"".join(
        path.read_bytes()
        for path in (tmp_path / "shelf").rglob("*")
        if path.is_file() and path.name != "database.dump"
    )
    assert settings.SECRET_KEY.encode() not in everything


def test_an_encrypted_target_is_not_written_to_without_its_passphrase(
    library: Library, settings: Any
) -> None:
    back_up(no_blobs=True)
    settings.BACKUP_PASSPHRASE = ""
    with pytest.raises(CommandError, match="ALCOVES_BACKUP_PASSPHRASE"):
        back_up(no_blobs=True)
    settings.BACKUP_PASSPHRASE = "another one"
    with pytest.raises(CommandError, match="does not open"):
        back_up(no_blobs=True)
    assert Backup.objects.filter(state="failed").count() == 2


def test_what_is_not_in_the_store_is_told(plain: None, library: Library) -> None:
    fill(library, run=False)
    lost = Original.objects.order_by("id").first()
    assert lost is not None
    get_store("files").delete(lost.key)
    told = back_up(blobs="originals")
    assert (told["missing"], told["sent"]) == (1, 3)
    assert "verify" in told["error"]
    [head] = sets.heads(targets.get("shelf").store)
    assert head.missing == [lost.key]


def test_bytes_that_are_not_hashed_yet_get_their_checksum(plain: None, library: Library) -> None:
    take_in(library, b"not yet read", "late.bin", hashed=False)
    back_up(blobs="originals")
    store = targets.get("shelf").store
    [head] = sets.heads(store)
    [entry] = sets.entries(store, head, sealing.Plain())
    assert len(entry.sha256) == 64
    assert (entry.name, entry.size) == ("late.bin", 12)


def test_nothing_is_swept_meanwhile_and_a_dead_hold_ends(library: Library) -> None:
    UnnamedBlob.objects.register(["a/b/c"], due=timedelta(seconds=-1))
    SweepHold.objects.hold("backup x", ("files",), timedelta(minutes=1))
    assert blobs.sweep() == 0
    SweepHold.objects.update(until=Now() - timedelta(seconds=1))
    assert blobs.sweep() == 1


def test_blobs_that_lose_their_name_after_the_snapshot_are_in_it(
    plain: None, library: Library, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SWEEP_GRACE_SECONDS = 0
    fill(library, run=False)
    send = writing.Writing.send

    def purge_first(self: Any) -> str:
        for original in Original.objects.all():
            original.files.all().delete()
            original.dissolve()
        blobs.sweep()
        return send(self)

    monkeypatch.setattr(writing.Writing, "send", purge_first)
    told = back_up(blobs="originals")
    assert (told["sent"], told["missing"]) == (4, 0)
    assert blobs.sweep() == 4


def test_only_one_at_a_time(library: Library) -> None:
    row = writing.ask("shelf", "none", by=audit.SYSTEM)
    with pytest.raises(BusyError):
        writing.ask("shelf", "none", by=audit.SYSTEM)
    assert writing.make(row)
    assert writing.ask("shelf", "none", by=audit.SYSTEM).state == "queued"


def test_slices_go_on_where_the_last_one_ended(plain: None, library: Library) -> None:
    fill(library, run=False)
    row = writing.ask("shelf", "originals", by=audit.SYSTEM)
    slices = 1
    while not writing.make(row, seconds=0):
        slices += 1
        row.refresh_from_db()
        assert row.holder == ""
    row.refresh_from_db()
    assert (row.state, row.sent, slices) == ("done", 4, 5)


def test_a_full_target_is_told(plain: None, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(library, run=False)

    def full(*_: Any, **__: Any) -> Any:
        raise StoreFullError("No space is left on the disk of the store backup.")

    monkeypatch.setattr(LocalStore, "put", full)
    with pytest.raises(CommandError, match="no room left"):
        back_up(blobs="originals")
    monkeypatch.undo()
    assert sets.heads(targets.get("shelf").store) == []
    assert Backup.objects.get().state == "failed"
    assert not SweepHold.objects.exists()


def test_to_a_bucket_and_checked_there(plain: None, library: Library, settings: Any) -> None:
    fill(library, run=False)
    with far_away(settings) as away:
        told = back_up(to=away, blobs="originals")
        assert told["sent"] == 4
        out = StringIO()
        call_command("backup", to=away, check="latest", stdout=out)
        assert "4 blobs read and compared" in out.getvalue()


def test_a_target_must_be_known(settings: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no backup target named nowhere"):
        back_up(to="nowhere")
    settings.BLOB_STORES["files"]["OPTIONS"]["root"] = tmp_path / "stores"
    with pytest.raises(CommandError, match="choose a folder outside"):
        back_up(to=str(tmp_path / "stores" / "inside"))


def test_sets_and_blobs_that_nobody_needs_go(
    plain: None, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, count=1, run=False)
    first = back_up(blobs="originals")
    for original in Original.objects.all():
        original.files.all().delete()
        original.dissolve()
    take_in(library, b"other bytes", "other.bin")
    second = back_up(blobs="originals", keep=1)
    store = targets.get("shelf").store
    assert [head.name for head in sets.heads(store)] == [second["name"]]
    assert Backup.objects.get(name=first["name"]).pruned_at is not None
    assert len(list(store.iterate(sets.POOL))) == 3  # The two that nobody names are young.
    monkeypatch.setattr(pruning, "YOUNG", timedelta(0))
    pruning.prune(targets.get("shelf"), sealing.Plain())
    assert len(list(store.iterate(sets.POOL))) == 1


def test_the_last_of_each_day_and_week_is_kept() -> None:
    at = timezone.now().replace(year=2026, month=3, day=11, hour=12)
    made = [(f"{day}-{hour}", at - timedelta(days=day, hours=hour)) for day in range(30) for hour in (0, 3)]
    kept = pruning.to_keep(made, 3, 2)
    assert kept == {"0-0", "1-0", "2-0", "3-0"}
    assert pruning.to_keep(made[:1], 1, 0) == {"0-0"}


def test_what_goes_from_the_pool_meanwhile_is_sent_again(
    plain: None, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed by the pruning of another installation, after this one had seen it there."""
    fill(library, count=1, run=False)
    back_up(blobs="originals")
    store = targets.get("shelf").store
    inner = checking.check_parts

    def and_lose(*args: Any, **more: Any) -> None:
        inner(*args, **more)
        for stat in list(store.iterate(sets.POOL)):
            store.delete(stat.key)

    monkeypatch.setattr(checking, "check_parts", and_lose)
    name = back_up(blobs="originals")["name"]
    row = Backup.objects.get(name=name)
    assert (row.state, row.sent, row.missing) == ("done", 2, 0)
    head = sets.read_head(store, row.name)
    assert not checking.check_blobs(store, head, sealing.Plain(), deep=True).sentence()


def test_older_sets_go_while_no_other_backup_can_begin(
    plain: None, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        pruning, "prune", lambda *_, **__: seen.extend(Backup.objects.values_list("state", flat=True))
    )
    back_up()
    assert seen == ["running"]


def test_only_what_was_read_is_said_to_be_verified(plain: None, library: Library) -> None:
    """The pool had the blobs of the second one already, and nobody has read them since."""
    fill(library, count=1, run=False)
    names = [back_up(blobs="originals")["name"] for _ in range(2)]
    first, second = (Backup.objects.get(name=name) for name in names)
    assert first.verified_at is not None
    assert second.verified_at is None
    call_command("backup", check=second.name)
    second.refresh_from_db()
    assert second.verified_at is not None


def test_a_set_is_removed_by_hand(plain: None, library: Library) -> None:
    fill(library, count=1, run=False)
    row = Backup.objects.get(name=back_up(blobs="originals")["name"])
    removing.remove(row, by=audit.COMMAND)
    row.refresh_from_db()
    assert row.pruned_at is not None
    store = targets.get("shelf").store
    assert sets.heads(store) == []
    assert list(store.iterate(sets.SETS)) == []
    assert len(list(store.iterate(sets.POOL))) == 2  # They serve the next one.
    entry = AuditEntry.objects.get(action="backup.remove")
    assert (entry.target_id, row.name in entry.text) == (str(row.pk), True)
    with pytest.raises(BackupError, match="no finished backup"):
        removing.remove(row, by=audit.COMMAND)


def test_a_set_that_is_being_restored_is_not_removed(plain: None, library: Library) -> None:
    row = Backup.objects.get(name=back_up(no_blobs=True)["name"])
    restoring.keep(restoring.Progress(row.name, "shelf", phase=restoring.BLOBS))
    with pytest.raises(BackupError, match="is being restored"):
        removing.remove(row, by=audit.COMMAND)
    assert sets.heads(targets.get("shelf").store)
    assert not AuditEntry.objects.filter(action="backup.remove").exists()
