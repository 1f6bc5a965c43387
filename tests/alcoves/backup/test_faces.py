"""Pictures of people: looks find those that are missing, altered or named by nobody, and backups bring them back."""

import hashlib
import io
import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from PIL import Image

from alcoves.accounts import avatars
from alcoves.accounts.avatars import AVATARS
from alcoves.accounts.models import User
from alcoves.backup import looking, mending, sets, targets
from alcoves.backup.models import Backup, Finding, Look
from alcoves.backup.sealing import Plain
from media import audit, orphans
from media.models import SweepHold, UnnamedBlob, uuid7
from storage.registry import get_store
from tests.alcoves.backup.test_looking import verify

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.BACKUP_PASSPHRASE = ""


@pytest.fixture
def face(alice: User) -> bytes:
    """Alice's, set as people set theirs."""
    out = io.BytesIO()
    Image.effect_noise((90, 70), 60).convert("RGB").save(out, "PNG")
    avatars.replace(alice.pk, out.getvalue())
    return path_of(alice).read_bytes()


def path_of(user: User) -> Path:
    user.refresh_from_db()
    return place(user.avatar_key)


def place(key: str) -> Path:
    found = get_store(AVATARS).local_path(key)
    assert found is not None
    return found


def alter(user: User) -> None:
    content = bytearray(path_of(user).read_bytes())
    content[-1] ^= 1
    path_of(user).write_bytes(bytes(content))


def as_before(user: User) -> None:
    """A row of a time when digests were not kept."""
    User.objects.filter(pk=user.pk).update(avatar_size=None, avatar_sha256="")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def leave_unnamed(user: User, count: int = 1) -> list[str]:
    keys = [f"{user.pk}/{uuid7()}.webp" for _ in range(count)]
    old = time.time() - 40 * 86400
    for key in keys:
        get_store(AVATARS).put(key, [b"nobody"])
        os.utime(place(key), (old, old))
    return keys


def test_the_row_knows_what_was_stored(alice: User, face: bytes) -> None:
    alice.refresh_from_db()
    assert (alice.avatar_size, alice.avatar_sha256) == (len(face), digest(face))
    avatars.remove(alice.pk)
    alice.refresh_from_db()
    assert (alice.avatar_key, alice.avatar_size, alice.avatar_sha256) == ("", None, "")


@pytest.mark.parametrize("deep", [True, False])
def test_a_missing_one_comes_back(alice: User, face: bytes, deep: bool) -> None:
    call_command("backup", blobs="originals")
    path_of(alice).unlink()
    assert "1 avatar missing" in verify(1, deep=deep)
    verify(deep=deep, repair=True)
    assert path_of(alice).read_bytes() == face
    assert Finding.objects.get().state == "repaired"


def test_an_altered_one_is_found_and_comes_back(alice: User, face: bytes) -> None:
    call_command("backup", blobs="originals")
    alter(alice)
    assert "0 findings" in verify()
    assert "1 avatar altered" in verify(1, deep=True)
    verify(deep=True, repair=True)
    assert path_of(alice).read_bytes() == face


def test_one_of_another_size_is_found_without_reading(alice: User, face: bytes) -> None:
    path_of(alice).write_bytes(face + b"x")
    assert "1 avatar altered" in verify(1)
    assert "No backup of the targets has these bytes" in verify(1, repair=True)


def test_spoilt_bytes_do_not_go_into_a_backup(alice: User, face: bytes) -> None:
    alter(alice)
    call_command("backup", blobs="originals")
    assert Backup.objects.get().missing == 1
    pool = targets.get().store
    assert not list(pool.iterate(sets.pool_key(Plain(), digest(path_of(alice).read_bytes()))))


@pytest.mark.parametrize("by", ["verify", "backup"])
def test_rows_of_before_get_theirs(alice: User, face: bytes, by: str) -> None:
    as_before(alice)
    verify()
    alice.refresh_from_db()
    assert alice.avatar_sha256 == ""
    if by == "verify":
        verify(deep=True)
        call_command("backup", blobs="originals")
    else:
        call_command("backup", blobs="originals")
    alice.refresh_from_db()
    assert (alice.avatar_size, alice.avatar_sha256) == (len(face), digest(face))
    alter(alice)
    assert "1 avatar altered" in verify(1, deep=True)
    verify(deep=True, repair=True)
    assert path_of(alice).read_bytes() == face


def test_a_finding_of_before_is_asked_for_by_the_row(alice: User, face: bytes) -> None:
    """It was written down when its checksum was not known yet."""
    call_command("backup", blobs="originals")
    as_before(alice)
    path_of(alice).unlink()
    assert "Its checksum was never known" in verify(1, repair=True)
    User.objects.filter(pk=alice.pk).update(avatar_size=len(face), avatar_sha256=digest(face))
    assert mending.mend(Finding.objects.get())
    assert path_of(alice).read_bytes() == face


def test_those_of_nobody_are_found_and_swept(alice: User, face: bytes) -> None:
    [key] = leave_unnamed(alice)
    young = f"{alice.pk}/{uuid7()}.webp"
    get_store(AVATARS).put(young, [b"young"])
    assert "1 avatar orphaned" in verify(1)
    assert Finding.objects.get().key == key
    verify(repair=True)
    entered = UnnamedBlob.objects.get()
    assert (entered.store, entered.key) == (AVATARS, key)
    assert Finding.objects.get().state == "repaired"


def test_one_that_is_worn_again_is_not_swept(alice: User, face: bytes) -> None:
    [key] = leave_unnamed(alice)
    verify(1)
    User.objects.filter(pk=alice.pk).update(avatar_key=key)
    finding = Finding.objects.get()
    assert mending.mend(finding)
    finding.refresh_from_db()
    assert finding.text == mending.NAMED_AGAIN
    assert not UnnamedBlob.objects.filter(key=key).exists()


def test_too_many_of_nobody_are_not_entered(alice: User, face: bytes) -> None:
    leave_unnamed(alice, 60)
    assert "60 of 61" in verify(1, repair=True)
    mending.mend_asked(mending.ask(Finding.objects.all(), by=audit.COMMAND), by=audit.COMMAND)
    assert not UnnamedBlob.objects.exists()


def test_after_a_restore_none_is_entered(alice: User, face: bytes) -> None:
    """It may be the only copy of what came since the backup."""
    leave_unnamed(alice)
    SweepHold.objects.hold(orphans.RESTORED, ("files",), orphans.GRACE)
    assert "since a restore" in verify(1, repair=True)
    assert not UnnamedBlob.objects.exists()
    orphans.let_go(audit.COMMAND)
    verify(repair=True)
    assert UnnamedBlob.objects.filter(store=AVATARS).count() == 1


def test_one_that_is_changed_meanwhile_is_no_finding(
    alice: User, face: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = looking.Looking.judge

    def judge(self: looking.Looking, page: list[looking.Named], sizes: dict[str, int]) -> None:
        if page and page[0].what == "avatar":
            User.objects.filter(pk=alice.pk).update(avatar_key=f"{alice.pk}/two.webp")
            get_store(AVATARS).delete(page[0].key)
        real(self, page, sizes)

    monkeypatch.setattr(looking.Looking, "judge", judge)
    assert looking.look(Look.objects.create())
    assert not Finding.objects.exists()
