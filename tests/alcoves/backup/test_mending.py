"""Repairs are asked for in a request and done by a worker, in batches, each finding once."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from alcoves.accounts.avatars import AVATARS
from alcoves.accounts.models import User
from alcoves.backup import mending, sets, targets, tasks
from alcoves.backup.models import Finding
from alcoves.backup.sealing import Plain
from media import audit
from media.models import AuditEntry, Derivative, Library
from storage.errors import BlobNotFoundError
from storage.registry import get_store
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db


def orphans(count: int) -> QuerySet[Finding]:
    Finding.objects.bulk_create(
        Finding(kind="orphaned", what="blob", store="files", key=f"a/{number}", seen_at=timezone.now())
        for number in range(count)
    )
    return Finding.objects.all()


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Finding.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def test_one_entry_for_each_batch() -> None:
    keys = mending.ask(orphans(45), by=audit.COMMAND)
    assert states() == {"repairing": 45}
    tasks.mend(keys, "")
    assert states() == {"repaired": 45}
    told = AuditEntry.objects.filter(action="findings.repaired").order_by("pk")
    assert [entry.count for entry in told] == [20, 20, 5]


def test_a_slice_hands_on_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.mend, "apply_async", lambda args, **_: sent.append(args))
    monkeypatch.setattr(tasks, "SLICE", 0.0)
    keys = mending.ask(orphans(3), by=audit.COMMAND)
    tasks.mend(keys, "")
    assert sent == [(keys, "")]


def test_one_that_breaks_off_is_open_again_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = mending.ask(orphans(2), by=audit.COMMAND)
    mend = mending.mend

    def break_off(finding: Finding) -> bool:
        if finding.key == "a/0":
            raise OSError("no such disk")
        return mend(finding)

    monkeypatch.setattr(mending, "mend", break_off)
    tasks.mend(keys, "")
    assert dict(Finding.objects.values_list("key", "state")) == {"a/0": "open", "a/1": "repaired"}
    assert "broke off" in Finding.objects.get(key="a/0").text


def test_what_no_worker_took_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.mend, "apply_async", lambda args, **_: sent.append(args))
    keys = mending.ask(orphans(2), by=audit.COMMAND)
    now = timezone.now()
    tasks.send_again(now)
    assert sent == []
    tasks.send_again(now + timedelta(minutes=20))
    assert sent == [(keys, "")]


@pytest.mark.parametrize("text", [mending.WAITS, mending.ANEW])
def test_a_repair_of_which_nothing_came_for_a_day_is_open_again(
    monkeypatch: pytest.MonkeyPatch, settings: Any, library: Library, text: str
) -> None:
    settings.BACKUP_SCHEDULE, settings.VERIFY_DAYS = "off", 0
    monkeypatch.setattr(tasks.mend, "apply_async", lambda *_, **__: None)
    original = take_in(library, b"words", "a.bin").file.original
    about = {"original": original, "queue": "metadata", "queued_at": timezone.now(), "status": "ready"}
    row = Derivative.objects.create(deriver="echo", **about)
    finding = Finding.objects.create(
        kind="missing", what="output", store="files", key="a/b", derivative=row.pk, seen_at=timezone.now()
    )
    if text == mending.WAITS:
        mending.ask(Finding.objects.all(), by=audit.COMMAND)
    else:
        assert mending.mend(finding)
    for hours, state in ((23, "repairing"), (2, "open")):
        asked_at = Finding.objects.get().asked_at
        assert asked_at is not None
        Finding.objects.update(asked_at=asked_at - timedelta(hours=hours), updated_at=asked_at)
        tasks.tick()
        assert Finding.objects.get().state == state
    assert Finding.objects.get().text == mending.STUCK[text]


def test_a_part_is_made_again_with_what_it_is_a_part_of(library: Library) -> None:
    """It is no row that anybody could ask for, and still its blob is wanted."""
    original = take_in(library, b"words", "a.bin").file.original
    about = {"original": original, "queue": "metadata", "queued_at": timezone.now(), "status": "ready"}
    whole = Derivative.objects.create(deriver="echo", **about)
    key = f"{library.pk}/{original.pk}/echo/run/part.bin"
    outputs = [{"name": "part.bin", "key": key, "size": 4, "content_type": "x/y", "sha256": "0" * 64}]
    part = Derivative.objects.create(deriver="echo", variant="part", parent=whole, outputs=outputs, **about)
    finding = Finding.objects.create(
        kind="altered", what="output", store="files", key=key, derivative=part.pk, seen_at=timezone.now()
    )
    assert mending.mend(finding)
    finding.refresh_from_db()
    whole.refresh_from_db()
    assert (finding.state, whole.status) == ("repairing", "queued")
    assert "made anew" in finding.text


def test_bytes_of_a_purged_file_are_not_put_back(library: Library, settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_PASSPHRASE = ""
    original = take_in(library, b"words", "a.bin").file.original
    face = User.objects.create_user("face@example.org", "long-password-1")
    User.objects.filter(pk=face.pk).update(avatar_key=f"{face.pk}/a.webp")
    digest = hashlib.sha256(b"words").hexdigest()
    targets.get("shelf").store.put(sets.pool_key(Plain(), digest), [b"words"])
    wanted = {"size_expected": 5, "sha256_expected": digest, "seen_at": timezone.now(), "kind": "missing"}
    here = Finding.objects.create(
        what="original", store="files", key=original.key, original=original.pk, **wanted
    )
    gone = Finding.objects.create(what="original", store="files", key=f"{library.pk}/gone/original", **wanted)
    worn = Finding.objects.create(what="avatar", store=AVATARS, key=f"{face.pk}/a.webp", **wanted)
    changed = Finding.objects.create(what="avatar", store=AVATARS, key=f"{face.pk}/old.webp", **wanted)
    get_store("files").delete(original.key)
    assert [mending.mend(one) for one in (here, gone, worn, changed)] == [True] * 4
    assert get_store("files").stat(original.key).size == 5
    assert get_store(AVATARS).stat(f"{face.pk}/a.webp").size == 5
    for one, store in ((gone, "files"), (changed, AVATARS)):
        one.refresh_from_db()
        assert (one.state, one.text) == ("repaired", "Nothing names it any more.")
        with pytest.raises(BlobNotFoundError):
            get_store(store).stat(one.key)
