"""Bytes that a disk cannot read, or gives back wrong: they cost themselves, are told by name, and are sent again."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alcoves.alerts import rules
from alcoves.alerts.rules import Severity
from alcoves.backup import checking, looking, pruning, sealing, sets, stopping, targets, verifying, writing
from alcoves.backup.errors import BackupError, LostError
from alcoves.backup.models import Backup, Check, Finding, Look, Spoiled, State
from media import audit
from media.models import Library, Original
from storage.registry import get_store
from tests.alcoves.backup.making import fill, unreadable
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All sets stay: of one day only the last would."""
    settings.BACKUP_PASSPHRASE = ""
    monkeypatch.setattr(pruning, "to_keep", lambda made, *_: {name for name, _ in made})


def backed_up(blobs: str = "originals") -> Backup:
    call_command("backup", blobs=blobs)
    row: Backup = Backup.objects.order_by("-id")[0]
    return row


def check(row: Backup) -> Check:
    made = verifying.ask(row, by=audit.COMMAND)
    while not verifying.verify(Check.objects.get(pk=made.pk)):
        pass
    made.refresh_from_db()
    return made


def in_pool(original: Original) -> Path:
    assert original.sha256 is not None
    path = targets.get().store.local_path(sets.pool_key(sealing.Plain(), original.sha256))
    assert path is not None
    return path


def here(original: Original) -> Path:
    path = get_store("files").local_path(original.key)
    assert path is not None
    return path


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def first() -> Original:
    found = Original.objects.order_by("pk").first()
    assert found is not None
    return found


def test_one_original_that_cannot_be_read_ends_no_backup(library: Library) -> None:
    fill(library, run=False)
    bad = first()
    with unreadable(here(bad)):
        row = backed_up()
    assert (row.state, row.missing, row.sent) == (State.DONE, 1, 3)
    assert sets.read_head(targets.get().store, row.name).missing == [bad.key]


@pytest.mark.parametrize("trouble", ["unreadable", "shorter"])
def test_an_original_that_was_not_hashed_is_held_to_its_row(library: Library, trouble: str) -> None:
    take_in(library, b"not yet read", "late.bin", hashed=False)
    path = here(first())
    if trouble == "shorter":
        path.write_bytes(b"not yet")
        row = backed_up()
    else:
        with unreadable(path):
            row = backed_up()
    assert (row.state, row.missing, row.sent) == (State.DONE, 1, 0)


def test_a_look_finds_what_cannot_be_read_and_goes_on_and_repair_brings_it_back(library: Library) -> None:
    fill(library, run=False)
    backed_up()
    bad, content = first(), here(first()).read_bytes()
    with unreadable(here(bad)):
        row = Look.objects.create(deep=True)
        assert looking.look(row)
        row.refresh_from_db()
        finding = Finding.objects.get()
        assert (finding.kind, finding.key, row.state) == ("altered", bad.key, State.DONE)
        assert "cannot read" in finding.text
        call_command("verify", deep=True, repair=True)
    finding.refresh_from_db()
    assert finding.state == "repaired"
    assert here(bad).read_bytes() == content


def test_a_check_counts_what_cannot_be_read_as_damaged_and_the_next_backup_sends_it(library: Library) -> None:
    fill(library, run=False)
    row = backed_up()
    with unreadable(in_pool(first())):
        assert (check(row).damaged, check(row).state) == (1, State.DONE)
        with pytest.raises(CommandError, match="1 is damaged"):
            call_command("backup", check=row.name)
    assert backed_up().sent == 1


def test_what_is_spoiled_is_known_until_it_was_sent(library: Library) -> None:
    """Through backups that do not want it, and when its file has gone and comes again."""
    fill(library, count=1, run=False)
    bad = first()
    row, content = backed_up(), here(bad).read_bytes()
    alter(in_pool(bad))
    assert check(row).damaged == 1
    bad.files.all().delete()
    bad.dissolve()
    assert backed_up().sent == 0
    take_in(library, content, "again.jpg")
    last = backed_up()
    assert last.sent == 1
    assert not Spoiled.objects.exists()
    assert check(last).error == ""


def test_what_a_check_finds_beside_a_backup_is_sent_by_it(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, run=False)
    row = backed_up()
    alter(in_pool(first()))
    inner = checking.check_parts

    def and_check(*args: Any, **more: Any) -> None:
        monkeypatch.setattr(checking, "check_parts", inner)
        assert check(row).damaged == 1
        inner(*args, **more)

    monkeypatch.setattr(checking, "check_parts", and_check)
    last = backed_up()
    assert (last.sent, check(last).error) == (1, "")


def test_more_are_kept_than_are_told(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(library, run=False)
    row = backed_up()
    monkeypatch.setattr(checking, "TOLD", 1)
    for original in Original.objects.all():
        in_pool(original).unlink()
    assert check(row).missing == 4
    assert Spoiled.objects.filter(target="shelf").count() == 4


def test_a_newer_set_covers_a_damaged_one_when_it_was_read_back(library: Library) -> None:
    fill(library, run=False)
    old, new = backed_up(), backed_up()
    alter(in_pool(first()))
    check(old)

    def told() -> tuple[str, bool]:
        [found] = [one for one in rules.check("backup") if one.key == "backup:damaged"]
        return found.severity, "A newer one is whole" in found.sentence

    assert told() == (Severity.CRITICAL, False)
    check(new)
    assert told() == (Severity.CRITICAL, False)
    last = backed_up()
    assert told() == (Severity.CRITICAL, False)
    check(last)
    assert told() == (Severity.WARNING, True)


@pytest.mark.parametrize("where", [0, -3])
def test_a_rotten_list_of_an_old_set_fails_no_new_backup(library: Library, where: int) -> None:
    fill(library, count=1, run=False)
    old = backed_up()
    path = targets.get().store.local_path(f"{sets.folder_of(old.name)}{sets.MANIFEST}")
    assert path is not None
    content = bytearray(path.read_bytes())
    content[where] ^= 0xFF
    path.write_bytes(bytes(content))
    new = backed_up()
    assert (new.state, new.error) == (State.DONE, "")
    old.refresh_from_db()
    assert old.damaged_at is not None
    assert len(list(targets.get().store.iterate(sets.POOL))) == 2


def test_pruning_that_breaks_off_fails_no_new_backup(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pruning, "prune", broken)
    assert backed_up().state == State.DONE


def test_who_stops_a_backup_is_not_told_of_a_bad_disk(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped while a blob was read back: the blob stays."""
    take_in(library, b"words", "a.bin")
    row = writing.ask("shelf", "originals", by=audit.SYSTEM)
    inner = writing.Writing.look_at

    def and_stop(self: writing.Writing, *args: Any) -> None:
        stopping.stop(Backup, str(row.pk), by=audit.COMMAND)
        monkeypatch.setattr("alcoves.backup.working.TICK_SECONDS", 0.0)
        inner(self, *args)

    monkeypatch.setattr(writing.Writing, "look_at", and_stop)
    with pytest.raises(BackupError, match="stopped") as caught:
        writing.make(row)
    assert isinstance(caught.value.__cause__, LostError)
    row.refresh_from_db()
    assert row.state == State.STOPPED
    assert len(list(targets.get().store.iterate(sets.POOL))) == 1
