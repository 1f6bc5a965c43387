"""Blobs that are missing, altered or orphaned are found, listed and repaired where that can be."""

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from alcoves.accounts.avatars import AVATARS
from alcoves.accounts.models import User
from alcoves.backup import looking, tasks
from alcoves.backup.models import FACES, Finding, Look
from media.models import Derivative, Library, Original, UnnamedBlob
from storage.registry import get_store
from tests.alcoves.backup.making import digests, fill
from tests.ingesting import run_queued, take_in
from tests.workers import Process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""


def verify(code: int = 0, **options: Any) -> str:
    out = StringIO()
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command("verify", stdout=out, **options)
        assert ended.value.code == code
    else:
        call_command("verify", stdout=out, **options)
    return out.getvalue()


def path_of(key: str) -> Path:
    found = get_store("files").local_path(key)
    assert found is not None
    return found


def alter(key: str) -> None:
    """The same size, other bytes."""
    path = path_of(key)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_all_is_well(library: Library) -> None:
    fill(library, count=1)
    told = verify(deep=True)
    assert "0 findings" in told
    assert Look.objects.get().looked >= 2


def test_a_missing_output_is_made_again(library: Library) -> None:
    fill(library, count=1)
    row = Derivative.objects.filter(deriver="preview").exclude(outputs=[]).first() or (
        Derivative.objects.exclude(outputs=[]).first()
    )
    assert row is not None
    get_store("files").delete(row.outputs[0]["key"])
    assert "1 output missing" in verify(1)
    assert "1 under repair" in verify(1, repair=True)
    finding = Finding.objects.get()
    assert finding.state == "repairing"
    verify(1)
    finding.refresh_from_db()
    assert finding.state == "repairing"
    run_queued()
    verify()
    row.refresh_from_db()
    assert get_store("files").stat(row.outputs[0]["key"]).size == row.outputs[0]["size"]


def test_altered_originals_are_found_by_reading_and_come_back_from_a_backup(library: Library) -> None:
    before = fill(library, count=1, run=False)
    call_command("backup", blobs="originals")
    for original in Original.objects.all():
        alter(original.key)
    assert "0 findings" in verify()
    assert "2 original altered" in verify(1, deep=True)
    finding = Finding.objects.first()
    assert finding is not None
    assert finding.sha256_found not in {"", finding.sha256_expected}
    verify(deep=True, repair=True)
    assert digests() == before
    assert not Finding.objects.exclude(state="repaired").exists()


def test_what_no_backup_has_stays_open(library: Library) -> None:
    fill(library, count=0, run=False)
    get_store("files").delete(Original.objects.get().key)
    assert "No backup of the targets has these bytes" in verify(1, repair=True)
    take_in(library, b"words " * 100_000, "again.bin")
    assert Finding.objects.get().state == "open"


def test_orphans_are_listed_and_left_to_the_sweeper(library: Library) -> None:
    original = take_in(library, b"mine", "mine.bin").file.original
    key = f"{library.pk}/{original.pk}/poster/run/stray.webp"
    get_store("files").put(key, [b"stray"])
    assert "0 findings" in verify()
    old = time.time() - 3 * 86400
    os.utime(path_of(key), (old, old))
    assert "1 blob orphaned" in verify(1)
    verify(repair=True)
    assert UnnamedBlob.objects.get(key=key).due_at > timezone.now() + timedelta(days=6)
    assert Finding.objects.get().state == "repaired"


def test_one_library_and_since(library: Library, alice: Any) -> None:
    fill(library, count=1, run=False)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert "0 blobs looked at" in verify(since=tomorrow)
    assert "2 blobs looked at" in verify(library="Family")
    with pytest.raises(CommandError, match="named Nowhere"):
        verify(library="Nowhere")
    with pytest.raises(CommandError, match="is no date"):
        verify(since="yesterday")


def test_a_look_that_was_killed_goes_on(library: Library, tmp_path: Path, settings: Any) -> None:
    for number in range(3):
        take_in(library, f"bytes {number}".encode(), f"{number}.bin")
    command = ["-m", "tests.alcoves.backup.dying", "alcoves.backup.looking", "Looking.look_at_avatars", "1"]
    process = Process([*command, "verify", "--deep"], tmp_path)
    assert process.popen.wait(120) == -signal.SIGKILL, process.text()
    verify(deep=True)
    row = Look.objects.get()
    assert (row.state, row.looked) == ("done", 3)


def test_the_nights_go_on_where_they_ended(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "PAGE", 1)
    sent: list[Any] = []
    monkeypatch.setattr(tasks.look, "apply_async", lambda args, **_: sent.append(args))
    for number in range(3):
        take_in(library, f"bytes {number}".encode(), f"{number}.bin")
    night = timezone.now().replace(hour=int(settings.VERIFY_HOUR), minute=30)
    tasks.begin_night(night + timedelta(hours=1))
    assert sent == []
    tasks.begin_night(night)
    row = Look.objects.get()
    assert [args[0] for args in sent] == [str(row.pk)]
    assert not looking.look(row, seconds=0)
    row.refresh_from_db()
    assert (row.state, row.looked) == ("queued", 1)
    tasks.begin_night(night)
    assert len(sent) == 1
    tasks.begin_night(night + timedelta(days=1))
    assert len(sent) == 2
    while not looking.look(row, seconds=0):
        row.refresh_from_db()
    row.refresh_from_db()
    assert (row.state, row.looked) == ("done", 3)
    tasks.begin_night(night + timedelta(days=2))
    assert len(sent) == 2


def test_avatars_are_looked_at_in_pages(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never all at once: there may be many people, and a store far away."""
    store = get_store(AVATARS)
    for number in range(5):
        user = User.objects.create_user(f"p{number}@example.org", "long-password-1")
        User.objects.filter(pk=user.pk).update(avatar_key=f"{user.pk}/a.webp")
        if number != 3:
            store.put(f"{user.pk}/a.webp", [b"a face"])
    monkeypatch.setattr(looking, "PAGE", 2)
    row = Look.objects.create(phase=FACES)
    places = []
    while not looking.look(Look.objects.get(), seconds=0):
        row.refresh_from_db()
        if row.phase == FACES:
            places.append(row.looked)
        Look.objects.update(state="running")
    assert places == [2, 4, 5]
    [finding] = Finding.objects.all()
    assert (finding.what, finding.kind, finding.store) == ("avatar", "missing", AVATARS)
