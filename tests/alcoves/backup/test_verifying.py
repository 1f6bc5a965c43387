"""A set that is damaged or lacks blobs is told of and is no good one; verifying goes on where it was ended."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from alcoves.alerts import rules
from alcoves.alerts.rules import Severity, Trouble
from alcoves.backup import pruning, sealing, sets, targets, verifying, working
from alcoves.backup.errors import BackupError, BusyError
from alcoves.backup.models import Backup, Check, Spoiled, State
from alcoves.console.dashboard import backups as panel
from alcoves.doctor import running
from alcoves.figures import backups as figure
from alcoves.metrics import figures as families
from media import audit
from media.models import Library, Original
from storage.registry import get_store
from tests.alcoves.backup.making import fill, jpeg
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def all_sets_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one day only the last would."""
    monkeypatch.setattr(pruning, "to_keep", lambda made, *_: {name for name, _ in made})


def backed_up() -> Backup:
    call_command("backup", blobs="originals")
    row: Backup = Backup.objects.order_by("-id")[0]
    return row


def spoil(count: int = 1) -> list[str]:
    """Other bytes of the same length: what a bad disk does."""
    store = targets.get().store
    keys = [stat.key for stat in store.iterate(sets.POOL)][:count]
    for key in keys:
        with store.open(key) as file:
            data = bytearray(file.read())
        data[len(data) // 2] ^= 0xFF
        store.put(key, [bytes(data)], size=len(data))
    return keys


def check(row: Backup) -> Check:
    made = verifying.ask(row, by=audit.COMMAND)
    while not verifying.verify(Check.objects.get(pk=made.pk)):
        pass
    made.refresh_from_db()
    return made


def told() -> dict[str, Trouble]:
    return {trouble.key: trouble for trouble in rules.check("backup")}


def success() -> list[Any]:
    return [sample for sample in figure() if sample[0] is families.BACKUP_SUCCESS]


def test_a_damaged_set_is_no_good_one(library: Library) -> None:
    fill(library, run=False)
    row = backed_up()
    assert check(row).error == ""
    assert (told(), len(success())) == ({}, 1)
    assert panel.report()["lastGood"]["name"] == row.name
    spoil()
    answer = check(row)
    row.refresh_from_db()
    assert (answer.state, answer.damaged, answer.missing) == (State.DONE, 1, 0)
    assert row.damaged_at is not None
    assert row.damaged_at == row.verified_at
    assert "1 is damaged" in row.error
    assert told()["backup:damaged"].severity == Severity.CRITICAL
    assert (panel.report()["lastGood"], success()) == (None, [])
    assert panel.report()["last"]["damaged"]
    assert not any("last good backup" in finding.sentence for finding in running.check_backup())


def test_the_next_backup_sends_again_what_is_spoiled(library: Library) -> None:
    """Its size is right, so without the check's word for it the pool would be believed."""
    fill(library, run=False)
    first = backed_up()
    spoil()
    assert check(first).damaged == 1
    second = backed_up()
    assert second.sent == 1
    assert check(second).error == ""
    assert told()["backup:damaged"].severity == Severity.WARNING
    assert panel.report()["lastGood"]["name"] == second.name
    assert check(first).error == ""
    assert told() == {}
    assert backed_up().sent == 0


def test_a_part_that_is_gone_is_damage_and_a_wrong_passphrase_is_not(library: Library, settings: Any) -> None:
    fill(library, count=1, run=False)
    row = backed_up()
    settings.BACKUP_PASSPHRASE = "another one"
    with pytest.raises(BackupError, match="does not open this target"):
        check(row)
    assert Check.objects.get().state == State.FAILED
    row.refresh_from_db()
    assert row.damaged_at is None
    settings.BACKUP_PASSPHRASE = "correct horse battery staple"
    targets.get().store.delete(f"{sets.folder_of(row.name)}database.dump.age")
    assert "database.dump" in check(row).error
    assert "backup:damaged" in told()


def test_a_set_without_some_blobs_is_no_good_one(library: Library) -> None:
    fill(library, run=False)
    good = backed_up()
    take_in(library, jpeg(33, 33), "late.jpg")
    get_store("files").delete(Original.objects.order_by("-pk")[0].key)
    row = backed_up()
    assert row.missing == 1
    assert told()["backup:incomplete"].severity == Severity.WARNING
    assert panel.report()["lastGood"]["name"] == good.name
    assert check(row).error == ""
    row.refresh_from_db()
    assert "1 blob is not in it" in row.error
    assert "backup:incomplete" in told()


def test_the_command_keeps_what_it_found(library: Library) -> None:
    fill(library, count=1, run=False)
    row = backed_up()
    spoil()
    with pytest.raises(CommandError, match="1 is damaged"):
        call_command("backup", check="latest")
    row.refresh_from_db()
    assert row.damaged_at is not None
    assert "backup:damaged" in told()
    settled = backed_up()
    call_command("backup", check=settled.name)
    settled.refresh_from_db()
    assert settled.damaged_at is None


def test_the_last_sound_set_is_not_pruned(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever came after it."""
    fill(library, count=1, run=False)
    old, sound, damaged = backed_up(), backed_up(), backed_up()
    Backup.objects.filter(pk=damaged.pk).update(damaged_at=timezone.now())
    monkeypatch.undo()
    settings.BACKUP_KEEP, settings.BACKUP_KEEP_WEEKLY = 1, 0
    target = targets.get()
    gone = pruning.prune(target, sealing.make(target.store, settings.BACKUP_PASSPHRASE))
    # Two of one second have no order: of them the damaged one may count as the last of the day, or not.
    assert old.name in gone
    assert list(Backup.objects.sound()) == [sound]


def test_goes_on_where_a_slice_has_ended(library: Library) -> None:
    fill(library, run=False)
    row = backed_up()
    spoil(2)
    asked = verifying.ask(row, by=audit.COMMAND)
    places = []
    while not verifying.verify(Check.objects.get(pk=asked.pk), seconds=0):
        asked.refresh_from_db()
        places.append((asked.phase, *asked.position.values()))
        assert asked.holder == ""
    asked.refresh_from_db()
    parts, blobs = [("parts", 1), ("parts", 2), ("parts", 3)], [("blobs", 1), ("blobs", 2), ("blobs", 3)]
    assert places[:6] == parts + blobs
    assert (asked.looked, asked.damaged, asked.state) == (row.files, 2, State.DONE)
    assert Spoiled.objects.filter(target="shelf").count() == 2


def test_never_two_at_once(library: Library) -> None:
    fill(library, count=1, run=False)
    first, second = backed_up(), backed_up()
    waiting = verifying.ask(first, by=audit.COMMAND)
    with pytest.raises(BusyError, match="being verified already"):
        verifying.ask(first, by=audit.COMMAND)
    verifying.verify(waiting, seconds=0)
    with pytest.raises(BusyError):
        verifying.verify(verifying.ask(second, by=audit.COMMAND))
    assert Check.objects.get(backup=second).state == State.QUEUED


def test_one_that_was_killed_goes_on(library: Library) -> None:
    fill(library, count=1, run=False)
    row = backed_up()
    asked = verifying.ask(row, by=audit.SYSTEM, scheduled=True)
    verifying.verify(asked, seconds=0)
    long_ago = timezone.now().replace(year=2020)
    Check.objects.update(holder="elsewhere 1 1", alive_at=long_ago)
    assert verifying.due(timezone.now()) is None
    working.bury(Check)
    assert verifying.due(timezone.now()) == row
    again = verifying.resume(row)
    assert again == asked
    assert verifying.verify(Check.objects.get())
    assert Check.objects.get().looked == row.files
    assert verifying.due(timezone.now()) is None
