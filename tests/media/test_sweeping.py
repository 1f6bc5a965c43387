"""What is left over is found and removed, and nothing that is still wanted."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from alcoves.accounts.models import User
from media import blobs, tasks
from media.models import Library, Original, UnnamedBlob, Upload
from media.models.blob import LINKS_DIE
from media.uploads import presigned
from media.uploads.expiry import LONGEST
from storage.errors import StoreUnavailableError
from storage.local import LocalStore
from storage.registry import get_store


def test_staging_outlives_every_upload() -> None:
    assert tasks.STAGING_KEPT > LONGEST


def test_keys_are_watched_for_as_long_as_a_link_may_live() -> None:
    assert LINKS_DIE >= LONGEST + presigned.LAST_PUT


def test_a_watched_key_is_swept_twice(db: None) -> None:
    store = get_store("files")
    store.put("a/b/blob", [b"x"])
    UnnamedBlob.objects.register(["a/b/blob"], due=timedelta(seconds=-1))
    until = timezone.now() + timedelta(hours=1)
    UnnamedBlob.objects.update(watched_until=until)
    assert blobs.sweep() == 1
    assert list(store.iterate()) == []
    assert UnnamedBlob.objects.get().due_at == until
    store.put("a/b/blob", [b"again"])
    assert blobs.sweep() == 0
    past = timezone.now() - timedelta(seconds=1)
    UnnamedBlob.objects.update(due_at=past, watched_until=past)
    assert blobs.sweep() == 1
    assert list(store.iterate()) == []
    assert not UnnamedBlob.objects.exists()


def test_writes_that_died_long_ago_are_freed(db: None, tmp_path: Path) -> None:
    store = get_store("files")
    store.append(store.begin("old/blob"), 0, [b"x"])
    store.append(store.begin("new/blob"), 0, [b"x"])
    old, new = sorted(
        (tmp_path / "stores" / "files" / ".staging").iterdir(), key=lambda path: path.stat().st_mtime_ns
    )
    long_ago = time.time() - (tasks.STAGING_KEPT + timedelta(hours=1)).total_seconds()
    os.utime(old, (long_ago, long_ago))
    assert tasks.sweep_uploads() == 1
    assert not old.exists()
    assert new.exists()


def test_an_upload_that_is_being_written_to_is_not_swept(library: Library, alice: User) -> None:
    past = timezone.now() - timedelta(hours=1)
    idle, busy, alive = (
        Upload.objects.create(
            library=library, user=alice, kind="tus", length=5, expires_at=expires, locked_until=locked
        )
        for expires, locked in (
            (past, past),
            (past, timezone.now() + timedelta(minutes=1)),
            (timezone.now() + timedelta(hours=1), None),
        )
    )
    assert tasks.sweep_uploads() == 1
    assert set(Upload.objects.all()) == {busy, alive}
    assert idle not in Upload.objects.all()


def test_only_what_is_due_is_swept(db: None) -> None:
    store = get_store("files")
    for key, due in (("due/a", -1), ("later/b", 3600)):
        store.put(key, [b"x"])
        UnnamedBlob.objects.register([key], due=timedelta(seconds=due))
    assert blobs.sweep() == 1
    assert [stat.key for stat in store.iterate()] == ["later/b"]
    assert list(UnnamedBlob.objects.values_list("key", flat=True)) == ["later/b"]


@pytest.mark.parametrize("store", ["files", "avatars"])
def test_what_has_its_name_again_is_spared(
    library: Library, alice: User, caplog: pytest.LogCaptureFixture, store: str
) -> None:
    """A row came back behind our back, such as by a copy of the database that somebody put in place."""
    for key in ("named/again", "left/over"):
        get_store(store).put(key, [b"x"])
        UnnamedBlob.objects.register([key], due=timedelta(seconds=-1), store=store)
    if store == "files":
        Original.objects.create(library=library, key="named/again", size=1, kind="image")
    else:
        User.objects.filter(pk=alice.pk).update(avatar_key="named/again")
    assert blobs.sweep() == 1
    assert [stat.key for stat in get_store(store).iterate()] == ["named/again"]
    assert not UnnamedBlob.objects.exists()
    assert "named again, so not swept: named/again" in caplog.text


def test_a_store_that_is_away_is_asked_again_later(db: None, monkeypatch: Any) -> None:
    get_store("files").put("due/a", [b"x"])
    UnnamedBlob.objects.register(["due/a"], due=timedelta(seconds=-1))

    def refuse(self: LocalStore, key: str) -> None:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(LocalStore, "delete", refuse)
    assert blobs.sweep() == 0
    assert UnnamedBlob.objects.filter(key="due/a").exists()
    assert not UnnamedBlob.objects.due().exists()
