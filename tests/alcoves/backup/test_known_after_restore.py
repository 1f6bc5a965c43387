"""What is known of sets and pools outlives a restore, although it lies in the database that is replaced."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from alcoves.alerts import rules
from alcoves.backup import restoring, sets, targets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup, Installation, Look, Spoiled, State
from media.models import Library, Original, Upload
from media.tools import postgres
from storage.registry import get_store
from tests.alcoves.backup.making import digests, empty_stores, fill
from tests.alcoves.backup.test_restoring import restore, rot
from tests.alcoves.backup.test_rotten import alter, backed_up, check, first, in_pool

pytestmark = pytest.mark.django_db(transaction=True)
OVER = "127.0.0.1:8000"


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""


@pytest.fixture
def filled(library: Library) -> Library:
    fill(library, count=1, run=False)
    Upload.objects.all().delete()
    return library


def facts(row: Backup) -> dict[str, Any]:
    told = ("state", "missing", "files", "files_size", "size", "blobs", "encrypted", "error")
    return {name: getattr(row, name) for name in told}


def test_a_set_that_lacks_a_blob_lacks_it_after_its_restore(filled: Library) -> None:
    get_store("files").delete(first().key)
    before = facts(backed_up())
    assert before["missing"] == 1
    restore(over=OVER)
    assert facts(Backup.objects.get()) == before
    assert not Backup.objects.sound().exists()
    assert "backup:incomplete" in {trouble.key for trouble in rules.check("backup")}


def test_a_set_of_long_ago_is_not_the_backup_of_now(filled: Library) -> None:
    backed_up()
    store = targets.get().store
    [head] = sets.heads(store)
    then = timezone.now() - timedelta(days=60)
    head.made_at = then.isoformat()
    store.put(f"{sets.folder_of(head.name)}{sets.HEAD}", [head.text()])
    restore(over=OVER)
    assert Backup.objects.sound().get().finished_at == then


def test_a_set_of_which_a_blob_was_lost_is_damaged(filled: Library) -> None:
    backed_up()
    rot(targets.get().store)
    empty_stores()
    assert "1 blob is lost" in restore(over=OVER)
    assert Backup.objects.get().damaged_at is not None
    assert not Backup.objects.sound().exists()


def test_what_is_spoiled_in_the_pool_is_sent_again_after_a_restore(filled: Library) -> None:
    row, bad = backed_up(), Original.objects.get(files__name="words.bin")
    alter(in_pool(bad))
    check(row)
    row.refresh_from_db()
    assert (Spoiled.objects.count(), row.damaged_at is None) == (1, False)
    assert "lost" not in restore(over=OVER)
    again = Backup.objects.get(name=row.name)
    assert (again.damaged_at, again.error) == (row.damaged_at, row.error)
    assert Spoiled.objects.of("shelf") == {bad.sha256}
    assert backed_up().sent == 1
    before = digests()
    empty_stores()
    assert "lost" not in restore(over=OVER)
    assert digests() == before
    assert not restoring.place().with_name("restore.known").exists()


@pytest.mark.parametrize("passphrase", ["", "correct horse battery staple"])
def test_what_a_restore_finds_spoiled_is_sent_again(
    filled: Library, settings: Any, tmp_path: Path, passphrase: str
) -> None:
    """Another target had it, so nothing was lost; a third one has it rotten as well."""
    settings.BACKUP_PASSPHRASE = passphrase
    more = [f"{name}={tmp_path / name}" for name in ("cellar", "attic")]
    settings.BACKUP_TARGETS = [*settings.BACKUP_TARGETS, *more]
    for name in ("attic", "cellar"):
        call_command("backup", blobs="originals", to=name)
    row, bad = backed_up(), Original.objects.get(files__name="words.bin")
    for name in ("shelf", "cellar"):
        rot(targets.get(name).store)
    empty_stores()
    out = StringIO()
    call_command("restore", row.name, yes=True, over=OVER, stdout=out)
    assert "lost" not in out.getvalue()
    row.refresh_from_db()
    assert "words.bin" in row.error
    assert set(Spoiled.objects.values_list("target", "digest")) == {
        ("shelf", bad.sha256),
        ("cellar", bad.sha256),
    }
    again = backed_up()
    assert (again.sent, check(again).error) == (1, "")


def test_what_was_known_of_a_pool_is_not_lost_with_a_restore_that_is_begun_twice(
    filled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = backed_up()
    alter(in_pool(first()))
    check(row)
    with monkeypatch.context() as patch:

        def full(*_: Any, **__: Any) -> None:
            raise BackupError("The disk of Postgres is full.")

        patch.setattr(postgres, "restore", full)
        with pytest.raises(CommandError, match="is full"):
            restore(over=OVER)
    with restoring.place().with_name("restore.known").open("a") as file:
        file.write('{"target": "shelf", "dig')  # Killed in the middle of a line.
    restore(over=OVER)
    assert Spoiled.objects.of("shelf") == {first().sha256}


def test_a_look_that_was_asked_for_before_the_backup_is_not_done_after_it(filled: Library) -> None:
    asked, nightly = Look.objects.create(repair=True), Look.objects.create(nightly=True, deep=True)
    backed_up()
    restore(over=OVER)
    for row in (asked, nightly):
        row.refresh_from_db()
    assert (asked.state, nightly.state) == (State.KILLED, State.QUEUED)


def test_a_copy_that_is_restored_again_keeps_the_name_of_its_own_sets(filled: Library, settings: Any) -> None:
    """A staging machine takes the set of the first one each week, and sends its own beside it."""
    backed_up("none")
    first_name = Installation.objects.name_here()
    settings.PUBLIC_URL = "https://staging.example.org"
    restore(over="staging.example.org")
    copy = Installation.objects.name_here()
    restore(over="staging.example.org")
    assert Installation.objects.name_here() == copy != first_name
