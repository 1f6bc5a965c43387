"""A store without room refuses uploads and nothing else: people must be able to delete and so to make room."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from media import tasks
from media.libraries import create_library
from media.models import File, Library, UnnamedBlob
from storage.errors import StoreFullError
from storage.local import LocalStore
from storage.registry import get_store
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def owner() -> User:
    user: User = User.objects.create_user("owner@example.org", "owner-password")
    return user


@pytest.fixture
def home(owner: User) -> Library:
    return create_library(owner, "Full")


def fill(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No disk has this much free, so nothing may be written any more."""
    settings.STORE_RESERVE_BYTES = 1 << 62
    store = get_store("files")
    assert isinstance(store, LocalStore)
    monkeypatch.setattr(store, "min_free_bytes", 1 << 62)
    with pytest.raises(StoreFullError):
        store.put("a/b/blob", [b"x"])


def test_trash_purge_and_sweep_need_no_room(
    owner: User, home: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = take_in(home, PNG, "a.png").file
    store = get_store("files")
    assert list(store.iterate())
    fill(settings, monkeypatch)
    client = Client()
    client.force_login(owner)
    base = f"/api/libraries/{home.pk}/files"
    assert client.delete(f"{base}/{file.pk}").status_code == 204
    answer = client.post(f"{base}/purge", {"fileIds": [str(file.pk)]}, content_type="application/json")
    assert answer.json() == {"count": 1}, answer.content
    assert not File.objects.exists()
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert tasks.sweep_blobs() > 0
    assert list(store.iterate()) == []


def test_what_died_in_the_staging_needs_no_room_to_go(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = get_store("files")
    assert isinstance(store, LocalStore)
    store.begin("a/b/blob")
    (part,) = (store.root / ".staging").glob("*.part")
    old = (timezone.now() - timedelta(days=30)).timestamp()
    os.utime(part, (old, old))
    fill(settings, monkeypatch)
    assert tasks.sweep_uploads() == 1
    assert not part.exists()
