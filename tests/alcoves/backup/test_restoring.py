"""What is looked at before anything is touched, and what a restore without blobs says."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alcoves.accounts.models import User
from alcoves.backup import choosing, database, examining, maintenance, restoring, sets, targets, tasks
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup
from alcoves.wording import are, counted
from media import epochs
from media.models import Derivative, File, Library, Original, Upload
from media.tools import postgres
from storage.local import LocalStore
from storage.registry import get_store
from tests.alcoves.backup.making import digests, empty_machine, empty_stores, far_away, fill

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made(settings: Any, library: Library) -> Any:
    settings.BACKUP_PASSPHRASE = ""
    fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    return targets.get("shelf").store


def restore(**options: Any) -> str:
    out = StringIO()
    call_command("restore", "latest", yes=True, stdout=out, **options)
    return out.getvalue()


def refused(match: str, **options: Any) -> None:
    """Nothing was changed: people are not shut out and no restore was begun."""
    with pytest.raises(CommandError, match=match):
        restore(**options)
    assert restoring.under_way() is None
    assert not maintenance.standing().on


def test_an_installation_that_is_not_empty_is_named_first(made: Any) -> None:
    refused("not empty: it has 1 library, 2 files, 1 person")
    refused("is named 127.0.0.1:8000, not elsewhere", over="elsewhere")
    before = digests()
    Upload.objects.all().delete()
    assert "is restored" in restore(over="127.0.0.1:8000")
    assert digests() == before


def test_a_damaged_part_is_found_first(made: Any) -> None:
    [head] = sets.heads(made)
    path = made.root / sets.folder_of(head.name) / "manifest.jsonl"
    path.write_bytes(path.read_bytes()[:-3] + b"xx\n")
    refused("part manifest.jsonl of the set .* is damaged", over="127.0.0.1:8000")


def test_a_blob_that_is_missing_in_the_pool_is_found_first(made: Any) -> None:
    made.delete(next(made.iterate(sets.POOL)).key)
    refused("1 blob is missing in the pool", over="127.0.0.1:8000")


def test_a_newer_set_is_refused(made: Any) -> None:
    [head] = sets.heads(made)
    head.migrations.append("media.9999_of_the_future")
    put_head(made, head.text(), head.name)
    refused("newer Alcoves .*media.9999_of_the_future", over="127.0.0.1:8000")
    put_head(made, head.text().replace(b'"format": 1', b'"format": 2'), head.name)
    with pytest.raises(CommandError, match=r"newer Alcoves .format 2"):
        call_command("restore", head.name, yes=True)


def put_head(store: Any, text: bytes, name: str) -> None:
    store.put(f"{sets.folder_of(name)}{sets.HEAD}", [text])


def test_a_newer_postgres_is_refused(made: Any) -> None:
    [head] = sets.heads(made)
    head.postgres = 99
    put_head(made, head.text(), head.name)
    refused("set is of Postgres 99", over="127.0.0.1:8000")


def test_room_is_looked_at_first(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_stores()
    monkeypatch.setattr(LocalStore, "free_bytes", lambda _self: 10)
    refused("make room, then try again", over="127.0.0.1:8000")


def test_the_passphrase_is_asked_for_first(library: Library, settings: Any) -> None:
    call_command("backup", no_blobs=True)
    settings.BACKUP_PASSPHRASE = "wrong"
    refused("does not open this target", over="127.0.0.1:8000")
    settings.BACKUP_PASSPHRASE = ""
    refused("give its passphrase", over="127.0.0.1:8000")


def test_without_blobs_what_is_lost_is_told(settings: Any, library: Library) -> None:
    settings.BACKUP_PASSPHRASE = ""
    fill(library, count=1)
    outputs = Derivative.objects.exclude(outputs=[]).count()
    assert outputs
    call_command("backup", no_blobs=True)
    empty_machine()
    told = restore()
    assert "2 blobs are lost" in told
    assert f"{counted(outputs, 'derived file')} {are(outputs)} made again" in told
    assert Derivative.objects.filter(status="queued").count() >= outputs
    assert File.objects.count() == 2
    assert "people log in again" in told


def test_from_a_bucket(settings: Any, library: Library) -> None:
    settings.BACKUP_PASSPHRASE = ""
    before = fill(library, count=1, run=False)
    with far_away(settings) as away:
        call_command("backup", to=away, blobs="originals")
        empty_machine()
        restore(target=away)
    assert digests() == before


def test_a_restore_that_failed_stays_shut_and_goes_on(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests()
    empty_machine()
    with monkeypatch.context() as patch:

        def broken(*_: Any, **__: Any) -> Any:
            raise BackupError("The disk is gone.")

        patch.setattr(restoring.Restoring, "bring", broken)
        with pytest.raises(CommandError, match=r"disk is gone\. The installation stays shut"):
            restore()
    maintenance.known.forget()
    assert maintenance.standing().restoring
    with pytest.raises(CommandError, match="maintenance stays on"):
        call_command("maintenance", "off")
    restore()
    assert digests() == before
    assert not maintenance.standing().on
    assert Backup.objects.get().state == "done"


def test_keys_are_written_for_their_owner_alone(library: Library, tmp_path: Path, settings: Any) -> None:
    call_command("backup", no_blobs=True)
    path = tmp_path / "keys.json"
    call_command("restore", "latest", keys_to=path)
    assert settings.SECRET_KEY in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert User.objects.count() == 2


def test_one_at_a_time_and_a_message_that_comes_again_does_nothing(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with choosing.alone(), pytest.raises(CommandError, match="under way already"):
        restore(over="127.0.0.1:8000")
    asked = epochs.current()
    restore(over="127.0.0.1:8000")
    begun = restoring.under_way()
    assert begun is not None
    monkeypatch.setattr(examining, "opened", None)  # It would break here.
    tasks.restore("shelf", begun.set, "boss@example.org", "127.0.0.1:8000", asked)
    assert restoring.under_way() == begun


@pytest.mark.parametrize("more", [{"of_another_version": 1}, {}])
def test_a_state_of_another_version_is_read_as_far_as_it_is_known(
    settings: Any, tmp_path: Path, more: dict[str, int]
) -> None:
    settings.BACKUP_PATH = str(tmp_path)
    restoring.keep(restoring.Progress("set", "target", phase=restoring.BLOBS))
    known = json.loads(restoring.place().read_text())
    restoring.place().write_text(json.dumps(known | more))
    begun = restoring.under_way()
    assert begun is not None
    assert (begun.set, begun.phase) == ("set", restoring.BLOBS)
    restoring.place().write_text(json.dumps([known]))
    assert restoring.under_way() is None


def rot(store: Any) -> Path:
    """The largest blob of the pool gets another first byte, as of a disk that forgets."""
    blob = max(store.iterate(sets.POOL), key=lambda stat: stat.size)
    path = Path(str(store.root), str(blob.key))
    raw = bytearray(path.read_bytes())
    raw[0] ^= 0xFF
    path.unlink()
    path.write_bytes(bytes(raw))
    return path


@pytest.mark.parametrize("passphrase", ["", "correct horse battery staple"])
def test_a_rotten_blob_costs_no_other(settings: Any, library: Library, passphrase: str) -> None:
    settings.BACKUP_PASSPHRASE = passphrase
    fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    before = digests()
    rot(targets.get("shelf").store)
    Upload.objects.all().delete()
    empty_stores()
    told = restore(over="127.0.0.1:8000")
    assert "1 blob is lost" in told
    assert "words.bin" in told
    lost = Original.objects.get(files__name="words.bin")
    assert [stat.key for stat in get_store("files").iterate()] == list(
        Original.objects.exclude(pk=lost.pk).values_list("key", flat=True)
    )
    assert not maintenance.standing().on
    assert len(before) == 2


def test_a_rotten_blob_comes_from_another_target(made: Any, settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_TARGETS = [*settings.BACKUP_TARGETS, f"attic={tmp_path / 'attic'}"]
    call_command("backup", blobs="originals", to="attic")
    before = digests()
    rot(made)
    Upload.objects.all().delete()
    empty_stores()
    assert "lost" not in restore(over="127.0.0.1:8000")
    assert digests() == before


def test_other_bytes_of_the_same_size_are_put_right(made: Any) -> None:
    before = digests()
    for original in Original.objects.all():
        get_store("files").put(original.key, [b"X" * original.size])
    Upload.objects.all().delete()
    restore(over="127.0.0.1:8000")
    assert digests() == before


def test_the_database_that_is_replaced_is_kept(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the new one does not go in after all."""
    Upload.objects.all().delete()
    User.objects.create_user(email="late@example.com", password="long enough words")
    with monkeypatch.context() as patch:

        def full(*_: Any, **__: Any) -> None:
            raise BackupError("The disk of Postgres is full.")

        patch.setattr(postgres, "restore", full)
        with pytest.raises(CommandError, match=r"is full\. The database that was here before lies in"):
            restore(over="127.0.0.1:8000")
    begun = restoring.under_way()
    assert begun is not None
    kept = Path(begun.before)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert str(kept) in restore()
    assert not User.objects.filter(email="late@example.com").exists()
    database.restore(iter([kept.read_bytes()]), database.server_major())
    assert User.objects.filter(email="late@example.com").exists()


def test_where_it_cannot_be_kept_nothing_is_changed(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests()
    Upload.objects.all().delete()

    def full(*_: Any) -> Any:
        raise BackupError("No room.")

    with monkeypatch.context() as patch:
        patch.setattr(database, "dumped", full)
        with pytest.raises(CommandError, match="could not be kept first"):
            restore(over="127.0.0.1:8000")
    assert digests() == before
    assert not maintenance.ask().on
    restore(over="127.0.0.1:8000")
    assert digests() == before
    assert not maintenance.ask().on


def test_one_at_a_time_whichever_machine_it_runs_on(made: Any, settings: Any, tmp_path: Path) -> None:
    """Two machines with a folder of backups each, and one database."""
    with choosing.alone():
        settings.BACKUP_PATH = tmp_path / "another machine"
        with pytest.raises(CommandError, match="under way already"):
            restore(over="127.0.0.1:8000")
        database.wipe()  # It ends idle connections, but not the one that holds the lock.
        with pytest.raises(BackupError, match="under way already"), choosing.alone():
            pass
    call_command("migrate", verbosity=0, interactive=False)
    restore()


def test_a_message_that_comes_to_another_machine_afterwards_does_nothing(
    made: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = epochs.current()
    restore(over="127.0.0.1:8000")
    settings.BACKUP_PATH = tmp_path / "another machine"
    assert restoring.under_way() is None
    monkeypatch.setattr(examining, "opened", None)  # It would break here.
    tasks.restore("shelf", "latest", "boss@example.org", "127.0.0.1:8000", asked)
    assert restoring.under_way() is None
    monkeypatch.undo()
    assert not choosing.is_meant(asked, "latest")
    assert choosing.is_meant(epochs.current(), "latest")
