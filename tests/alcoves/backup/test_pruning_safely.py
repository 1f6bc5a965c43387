"""What older sets, and what lies there by halves, lose to pruning: nothing that is still needed, and not unseen."""

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from alcoves.backup import checking, database, examining, pruning, removing, sealing, sets, targets, writing
from alcoves.backup.errors import BackupError, BusyError
from alcoves.backup.models import Backup, State
from media import audit
from media.models import AuditEntry, Library, Original
from storage.local import LocalStore
from storage.registry import get_store
from tests.alcoves.backup.conftest import PASSPHRASE
from tests.alcoves.backup.making import fill

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""
    settings.BACKUP_KEEP, settings.BACKUP_KEEP_WEEKLY = 7, 0


def backed_up(blobs: str = "originals", **options: Any) -> Backup:
    call_command("backup", blobs=blobs, stdout=StringIO(), **options)
    row: Backup = Backup.objects.order_by("-id")[0]
    return row


def there() -> set[str]:
    return {head.name for head in sets.heads(targets.get().store)}


def pool() -> int:
    return len(list(targets.get().store.iterate(sets.POOL)))


def of(name: str) -> dict[str, bytes]:
    """The files of a set."""
    store, folder = targets.get().store, sets.folder_of(name)
    keys = [stat.key for stat in store.iterate(folder)]
    return {key.removeprefix(folder): b"".join(sets.stored_chunks(store, key)) for key in keys}


def put(folder: str, content: dict[str, bytes], /, **values: Any) -> None:
    """A set made of the files of another one, with other values in its backup.json."""
    head = {**json.loads(content.get(sets.HEAD, b"{}")), "name": folder, **values}
    for key, data in content.items():
        blob = json.dumps(head).encode() if key == sets.HEAD else data
        targets.get().store.put(f"{sets.folder_of(folder)}{key}", [blob])


def lose_head(row: Backup) -> None:
    targets.get().store.delete(f"{sets.folder_of(row.name)}{sets.HEAD}")


def prune(**options: Any) -> list[str]:
    return pruning.prune(targets.get(), sealing.Plain(), **options)


def test_no_backup_begins_while_a_command_prunes(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    inner, refused = pruning.drop_unnamed, []

    def and_ask(*args: Any) -> Any:
        with pytest.raises(BusyError) as caught:
            writing.ask("shelf", "none", by=audit.SYSTEM)
        refused.append(caught)
        return inner(*args)

    monkeypatch.setattr(pruning, "drop_unnamed", and_ask)
    old = backed_up("none")
    new = backed_up("none", keep=1)
    assert refused
    assert there() == {new.name} != {old.name}


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("what", ["a set", "one that is written", "one that cannot be read"])
def test_another_installation_counts_on_blobs_that_are_about_to_go(
    library: Library, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    """It saw them in the pool, and has only begun to say so."""
    monkeypatch.setattr(pruning, "YOUNG", timedelta(0))
    fill(library, count=1, run=False)
    row = backed_up()
    theirs = of(row.name)
    if what != "a set":
        del theirs[sets.HEAD]
    if what == "one that cannot be read":
        theirs[sets.MANIFEST] = b"\xff" + theirs[sets.MANIFEST]
    removing.remove(row, by=audit.COMMAND)
    inner = LocalStore.iterate

    def and_begin(self: LocalStore, prefix: str = "", **more: Any) -> Any:
        if prefix == sets.POOL:
            put("20261122-030000-other1", theirs, owner="another")
        return inner(self, prefix, **more)

    if when == "before":
        put("20261122-030000-other1", theirs, owner="another")
    else:
        monkeypatch.setattr(LocalStore, "iterate", and_begin)
    assert prune() == []
    assert pool() == 2
    monkeypatch.undo()
    monkeypatch.setattr(pruning, "YOUNG", timedelta(0))
    store = targets.get().store
    for stat in list(store.iterate(sets.folder_of("20261122-030000-other1"))):
        store.delete(stat.key)
    assert prune() == []
    assert pool() == 0


DAMAGES = (
    {"made_at": "2026-1w-22T00:00:00+00:00"},
    {"made_at": 17},
    {"made_at": "0001-01-01T00:00:00+14:00"},
    {"files": "many"},
    {"missing": 1},
    {"missing": [1]},
    {"parts": [{"name": "database.dump", "size": "9", "sha256": ""}]},
    {"name": "another"},
)


@pytest.mark.parametrize("wrong", DAMAGES)
def test_a_head_of_wrong_types_is_a_damaged_one_and_hinders_no_other(
    library: Library, settings: Any, wrong: dict[str, Any]
) -> None:
    fill(library, count=1, run=False)
    bad, good = backed_up(), backed_up()
    Backup.objects.filter(pk=bad.pk).update(pruned_at=None)
    put(bad.name, of(good.name), **wrong)
    assert there() == {good.name}
    assert examining.opened(targets.get(), "latest", "").head.name == good.name
    out, err = StringIO(), StringIO()
    call_command("backup", list=True, stdout=out, stderr=err)
    assert good.name in out.getvalue()
    assert f"backup.json of the set {bad.name} is damaged" in err.getvalue()
    assert prune() == []
    bad.refresh_from_db()
    assert bad.damaged_at is not None
    assert "backup.json" in bad.error
    assert pool() == 2


def test_a_time_without_a_zone_is_taken_for_utc(library: Library) -> None:
    row = backed_up("none")
    put(row.name, of(row.name), made_at="2026-11-01T03:00:00")
    last = backed_up("none")
    assert [head.name for head in sets.heads(targets.get().store)] == [row.name, last.name]
    assert prune() == []


def test_a_set_that_lost_its_head_stays_until_a_newer_one_is_whole(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "YOUNG", timedelta(0))
    fill(library, count=1, run=False)
    row = backed_up()
    files = of(row.name)
    lose_head(row)
    inner = database.dumped

    def broken(*_: Any) -> Any:
        raise BackupError("pg_dump is of another version.")

    monkeypatch.setattr(database, "dumped", broken)
    with pytest.raises(CommandError, match="another version"):
        backed_up()
    assert set(of(row.name)) == set(files) - {sets.HEAD}
    row.refresh_from_db()
    assert (row.damaged_at is not None, row.pruned_at) == (True, None)
    assert "backup.json" in row.error
    monkeypatch.setattr(database, "dumped", inner)
    backed_up("none")  # It carries nothing of what lies there.
    assert set(of(row.name)) == set(files) - {sets.HEAD}
    assert pool() == 2
    last = backed_up()
    row.refresh_from_db()
    assert (of(row.name), row.pruned_at is not None) == ({}, True)
    assert there() == {last.name}
    assert AuditEntry.objects.filter(action="backup.prune", target_id=str(row.pk)).count() == 1


def days_of(kinds: list[tuple[str, int]], days: int) -> None:
    """A set of each of these kinds and hours, on each of the last days."""
    for blobs, hour in kinds:
        files = of(backed_up(blobs).name)
        for day in range(1, days + 1):
            at = (timezone.now() - timedelta(days=day)).replace(hour=hour, minute=0, second=0)
            put(f"{at:%Y%m%d-%H%M%S}-{blobs}", files, made_at=at.isoformat())
        removing.remove(Backup.objects.order_by("-id")[0], by=audit.COMMAND)


def kept() -> list[tuple[str, str]]:
    return [(f"{head.made:%d}", head.blobs) for head in sets.heads(targets.get().store)]


def test_a_set_without_blobs_displaces_no_other_of_its_day(library: Library) -> None:
    fill(library, count=1, run=False)
    days_of([("originals", 3), ("none", 15)], 5)
    assert prune(days=3)
    days = [f"{timezone.now() - timedelta(days=day):%d}" for day in (3, 2, 1)]
    assert kept() == [(day, blobs) for day in days for blobs in ("originals", "none")]


def test_a_set_that_lacks_blobs_displaces_no_whole_one_of_its_week(library: Library) -> None:
    row = backed_up("originals")
    files = of(row.name)
    removing.remove(row, by=audit.COMMAND)
    monday = datetime.fromisoformat("2026-11-02T03:00:00+00:00")
    for week in range(2):
        for day, lacking in ((0, 0), (1, 0), (2, 3)):
            at = monday + timedelta(days=7 * week + day)
            put(f"{at:%Y%m%d}-000000-aaaaaa", files, made_at=at.isoformat(), missing_count=lacking)
    gone = pruning.to_keep([], 1, 1)
    assert gone == set()
    heads = sets.heads(targets.get().store)
    assert pruning.names_to_keep(heads, 1, 2) == {
        f"202611{day}-000000-aaaaaa" for day in ("03", "04", "10", "11")
    }


def test_the_newest_that_carries_blobs_stays_though_it_lacks_some(library: Library) -> None:
    """One original is lost for good, so each set lacks it; a set without blobs is made before an update."""
    fill(library, count=3, run=False)
    original = Original.objects.order_by("pk").first()
    assert original is not None
    get_store("files").delete(original.key)
    first, last = backed_up(), backed_up()
    bare = backed_up("none", keep=1)
    assert (first.missing, last.missing) == (1, 1)
    assert there() == {last.name, bare.name}


@pytest.mark.parametrize("left", ["sets", "pool"])
def test_a_lost_key_is_never_replaced_where_something_was_locked_by_it(
    library: Library, settings: Any, left: str
) -> None:
    settings.BACKUP_PASSPHRASE = PASSPHRASE
    fill(library, count=1, run=False)
    row = backed_up()
    store = targets.get().store
    safe = b"".join(sets.stored_chunks(store, sealing.IDENTITY))
    store.delete(sealing.IDENTITY)
    for stat in list(store.iterate(sets.POOL if left == "sets" else sets.SETS)):
        store.delete(stat.key)
    for passphrase in (PASSPHRASE, "") if left == "sets" else (PASSPHRASE,):
        settings.BACKUP_PASSPHRASE = passphrase
        with pytest.raises(CommandError, match="bring back your copy of it"):
            backed_up()
        assert Backup.objects.order_by("-id")[0].state == State.FAILED
    assert [stat.key for stat in store.iterate(sealing.IDENTITY)] == []
    settings.BACKUP_PASSPHRASE = PASSPHRASE
    store.put(sealing.IDENTITY, [safe])
    for name in [row.name] if left == "sets" else [backed_up().name]:
        found = examining.opened(targets.get(), name, PASSPHRASE)
        checking.check_parts(store, found.head, found.seal)


def test_a_plain_target_is_sealed_from_now_on(library: Library, settings: Any) -> None:
    fill(library, count=1, run=False)
    backed_up()
    settings.BACKUP_PASSPHRASE = PASSPHRASE
    assert backed_up().encrypted


def test_no_set_goes_while_another_machine_looks_at_one(library: Library) -> None:
    """Its file of what it restores lies in a folder of its own; the lock in the database is seen from here."""
    first = backed_up("none")
    assert not pruning.is_restored_elsewhere()
    with database.alone() as is_alone:
        assert is_alone
        last = backed_up("none")
        assert there() == {first.name, last.name}
        with pytest.raises(BackupError, match="on another machine"):
            removing.remove(first, by=audit.COMMAND)
    assert prune() == [first.name]


def test_what_pruning_removes_is_in_the_audit_log(library: Library, settings: Any) -> None:
    settings.BACKUP_KEEP = 1
    first = backed_up("none")
    second = backed_up("none")
    third = backed_up("none", keep=1)
    entries = AuditEntry.objects.filter(action="backup.prune").order_by("pk")
    assert [(one.target_id, one.via) for one in entries] == [
        (str(first.pk), audit.SYSTEM.via),
        (str(second.pk), audit.COMMAND.via),
    ]
    assert f"Removed the set {first.name} from shelf" in entries[0].text
    assert there() == {third.name}


def test_pruning_that_breaks_off_is_told_by_the_command(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise BackupError("The target is away.")

    monkeypatch.setattr(pruning, "prune", broken)
    err = StringIO()
    assert backed_up("none", keep=1, stderr=err).state == State.DONE
    assert "Older sets were not all removed: The target is away." in err.getvalue()


def test_whoever_takes_the_keys_of_a_set_is_noted(library: Library, settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_PASSPHRASE = PASSPHRASE
    row = backed_up("none")
    path = tmp_path / "keys.json"
    call_command("restore", "latest", keys_to=path, stdout=StringIO())
    entry = AuditEntry.objects.get(action="backup.keys")
    assert (entry.target_id, entry.via) == (str(row.pk), audit.COMMAND.via)
    assert settings.SECRET_KEY in path.read_text()
    assert settings.SECRET_KEY not in f"{entry.text}{entry.detail}"
    with pytest.raises(CommandError, match="is there already"):
        call_command("restore", "latest", keys_to=path, stdout=StringIO())
    assert AuditEntry.objects.filter(action="backup.keys").count() == 1


def test_keys_are_written_where_no_database_is_there_yet(
    library: Library, settings: Any, tmp_path: Path
) -> None:
    settings.BACKUP_PASSPHRASE = PASSPHRASE
    backed_up("none")
    out = StringIO()
    table, away = AuditEntry._meta.db_table, "not_there_yet"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {away}")
        try:
            call_command("restore", "latest", keys_to=tmp_path / "keys.json", target="shelf", stdout=out)
        finally:
            cursor.execute(f"ALTER TABLE {away} RENAME TO {table}")
    assert settings.SECRET_KEY in (tmp_path / "keys.json").read_text()
    assert "not noted" in out.getvalue()


@pytest.mark.parametrize("said", ["{shelf}", "{shelf}/", "shelf"])
def test_a_check_by_address_is_kept_with_the_set_of_the_named_target(
    library: Library, tmp_path: Path, said: str
) -> None:
    fill(library, count=1, run=False)
    row = backed_up()
    for stat in list(targets.get().store.iterate(sets.POOL)):
        targets.get().store.delete(stat.key)
    with pytest.raises(CommandError, match="2 blobs are missing"):
        call_command("backup", check="latest", to=said.format(shelf=tmp_path / "shelf"))
    row.refresh_from_db()
    assert row.damaged_at is not None
    assert backed_up().sent == 2


def test_what_lost_its_head_stays_though_its_target_has_a_name_since(
    library: Library, settings: Any, tmp_path: Path
) -> None:
    row = backed_up("none", to=str(tmp_path / "usb"))
    settings.BACKUP_TARGETS = [f"usb={tmp_path / 'usb'}"]
    target = targets.get("usb")
    target.store.delete(f"{sets.folder_of(row.name)}{sets.HEAD}")
    assert pruning.clean(target, keep="") == 0
    row.refresh_from_db()
    assert row.damaged_at is not None
    backed_up("none", to="usb")
    row.refresh_from_db()
    assert row.pruned_at is not None


def test_a_check_by_name_is_kept_with_a_set_that_was_made_by_address(
    library: Library, settings: Any, tmp_path: Path
) -> None:
    row = backed_up("none", to=str(tmp_path / "usb"))
    settings.BACKUP_TARGETS = [*settings.BACKUP_TARGETS, f"usb={tmp_path / 'usb'}"]
    targets.get("usb").store.delete(f"{sets.folder_of(row.name)}{sets.DATABASE}")
    with pytest.raises(CommandError, match="is damaged or missing"):
        call_command("backup", check="latest", to="usb")
    row.refresh_from_db()
    assert row.damaged_at is not None
