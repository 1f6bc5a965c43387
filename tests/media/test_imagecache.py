"""What is kept is known by a row, what is purged or evicted is swept, whatever happens in between."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from alcoves.accounts.models import User
from media import blobs, imagecache, trash
from media.images.recipes import Recipe
from media.images.variants import VARIANTS_VERSION
from media.libraries import create_library
from media.models import CachedImage, File, Library, Original, UnnamedBlob, uuid7
from media.pictures import Picture
from storage import registry
from storage.errors import StoreFullError
from storage.local import LocalStore
from storage.registry import get_store
from tests.ingesting import take_in
from tests.media.picturing import SMALL, picture_of, put_picture
from tests.storage.s3server import running_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Pictures")


@pytest.fixture(params=["local", "s3"])
def any_cache(request: pytest.FixtureRequest, settings: Any, own_stores: None) -> Iterator[str]:
    if request.param == "local":
        yield "local"
        return
    with running_server() as server:
        options = server.options | {"bucket": server.create_bucket(f"cache-{uuid7()}")}
        cache = {"BACKEND": "storage.s3.S3Store", "OPTIONS": options}
        settings.BLOB_STORES = settings.BLOB_STORES | {"cache": cache}
        registry.reset()
        yield "s3"
        registry.reset()


@pytest.fixture
def file(home: Library, tmp_path: Path) -> File:
    return put_picture(home, tmp_path)


@pytest.fixture
def picture(file: File) -> Picture:
    return picture_of(file)


def stored() -> dict[str, int]:
    return {stat.key: stat.size for stat in get_store("cache").iterate()}


def rows() -> dict[str, int]:
    return dict(CachedImage.objects.values_list("key", "size"))


def sweep() -> int:
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return blobs.sweep()


def test_what_is_kept_is_found(any_cache: str, picture: Picture) -> None:
    key = picture.cache_key(SMALL)
    assert imagecache.find(key) is None
    kept = imagecache.keep(picture, SMALL, b"content")
    found = imagecache.find(key)
    assert kept is not None
    assert found is not None
    assert (found.key, found.size) == (kept.key, kept.size) == (key, 7)
    assert stored() == rows() == {key: 7}
    row = CachedImage.objects.get()
    assert (str(row.original_id), row.variants_version) == (picture.original_id, 0)


def test_a_variant_of_the_registry_is_marked_as_one(picture: Picture) -> None:
    recipe = picture.variants()["timeline"]
    imagecache.keep(picture, recipe, b"content")
    row = CachedImage.objects.get()
    assert row.key.startswith("variants/")
    assert row.variants_version == VARIANTS_VERSION


def test_kept_again_it_is_the_same_row_with_the_new_bytes(any_cache: str, picture: Picture) -> None:
    imagecache.keep(picture, SMALL, b"content")
    imagecache.keep(picture, SMALL, b"longer content")
    assert stored() == rows() == {picture.cache_key(SMALL): 14}


def test_two_who_keep_the_same_at_once(any_cache: str, picture: Picture) -> None:
    def keep(number: int) -> bool:
        try:
            return imagecache.keep(picture, SMALL, b"content") is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(keep, range(16)))
    assert stored() == rows() == {picture.cache_key(SMALL): 7}


def test_an_empty_file_is_no_picture(picture: Picture, tmp_path: Path) -> None:
    """What a power cut leaves: the name without the bytes."""
    imagecache.keep(picture, SMALL, b"content")
    path = get_store("cache").local_path(picture.cache_key(SMALL))
    assert path is not None
    path.write_bytes(b"")
    assert imagecache.find(picture.cache_key(SMALL)) is None


def test_a_row_whose_blob_was_never_written_is_no_picture(
    any_cache: str, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise StoreFullError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(type(get_store("cache")), "put", fail)
        with pytest.raises(StoreFullError):
            imagecache.keep(picture, SMALL, b"content")
    assert rows() == {picture.cache_key(SMALL): 0}
    assert imagecache.find(picture.cache_key(SMALL)) is None
    imagecache.keep(picture, SMALL, b"content")
    assert stored() == rows() == {picture.cache_key(SMALL): 7}


def test_a_picture_whose_blob_is_gone_is_forgotten(any_cache: str, picture: Picture) -> None:
    imagecache.keep(picture, SMALL, b"content")
    get_store("cache").delete(picture.cache_key(SMALL))
    imagecache.forget(picture.cache_key(SMALL))
    assert imagecache.find(picture.cache_key(SMALL)) is None


def test_of_a_purged_original_nothing_is_kept(any_cache: str, file: File, picture: Picture) -> None:
    trash.purge(file.library, [file.pk])
    assert imagecache.keep(picture, SMALL, b"content") is None
    assert (stored(), rows()) == ({}, {})
    assert not UnnamedBlob.objects.filter(store="cache").exists()


def test_a_purge_takes_the_cached_pictures_along(any_cache: str, file: File, picture: Picture) -> None:
    imagecache.keep(picture, SMALL, b"content")
    trash.purge(file.library, [file.pk])
    assert rows() == {}
    assert UnnamedBlob.objects.get(store="cache").key == picture.cache_key(SMALL)
    assert stored()  # A reader may be in the middle of it.
    sweep()
    assert stored() == {}


@pytest.mark.parametrize("swept_before", [False, True])
def test_a_purge_while_the_bytes_are_written_leaves_nothing(
    any_cache: str, file: File, picture: Picture, monkeypatch: pytest.MonkeyPatch, swept_before: bool
) -> None:
    store = type(get_store("cache"))
    put = store.put

    def purge_and_put(self: Any, key: str, *arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        trash.purge(file.library, [file.pk])
        if swept_before:
            sweep()
        return put(self, key, *arguments, **options)

    monkeypatch.setattr(store, "put", purge_and_put)
    assert imagecache.keep(picture, SMALL, b"content") is None
    assert stored() == {}
    assert rows() == {}
    sweep()
    assert stored() == {}
    assert not UnnamedBlob.objects.filter(store="cache").exists()


def test_a_purge_under_way_is_waited_for(file: File, picture: Picture) -> None:
    """The original is locked: either the row is seen by the purge, or the purge by the row."""
    locked, done = threading.Event(), threading.Event()

    def purge() -> None:
        try:
            with transaction.atomic():
                trash.purge(file.library, [file.pk])
                locked.set()
                done.wait(0.3)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        purging = pool.submit(purge)
        assert locked.wait(10)
        assert imagecache.keep(picture, SMALL, b"content") is None
        purging.result(10)
    assert (stored(), rows()) == ({}, {})
    assert not Original.objects.exists()


def test_deleted_and_uploaded_again_the_picture_stays(
    any_cache: str, file: File, picture: Picture, home: Library, tmp_path: Path
) -> None:
    """The same bytes in the same library have the same key; the sweep of the first must not take the second's."""
    imagecache.keep(picture, SMALL, b"content")
    trash.purge(file.library, [file.pk])
    again = picture_of(take_in(home, tmp_path / "a.jpg", "a.jpg").file)
    assert again.cache_key(SMALL) == picture.cache_key(SMALL)
    assert again.original_id != picture.original_id
    imagecache.keep(again, SMALL, b"new content")
    sweep()
    assert stored() == rows() == {again.cache_key(SMALL): 11}


def test_the_sweep_looks_whether_a_key_is_used_again(picture: Picture) -> None:
    """The entry may have become visible only after the row was written."""
    imagecache.keep(picture, SMALL, b"content")
    UnnamedBlob.objects.retire([picture.cache_key(SMALL)], store="cache")
    sweep()
    assert stored() == rows() == {picture.cache_key(SMALL): 7}
    assert not UnnamedBlob.objects.filter(store="cache").exists()


def test_what_is_discarded_is_swept_a_little_later(any_cache: str, picture: Picture) -> None:
    recipes = [Recipe(width=width) for width in range(1, 6)]
    for recipe in recipes:
        imagecache.keep(picture, recipe, b"content")
    chosen = CachedImage.objects.filter(key__in=[picture.cache_key(recipe) for recipe in recipes[:2]])
    assert imagecache.discard(chosen.values_list("pk", flat=True)) == 2
    assert len(rows()) == 3
    assert len(stored()) == 5
    sweep()
    assert stored() == rows() == {picture.cache_key(recipe): 7 for recipe in recipes[2:]}


def test_one_that_is_written_at_this_moment_is_not_discarded(picture: Picture) -> None:
    imagecache.keep(picture, SMALL, b"content")
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        row = CachedImage.objects.select_for_update().get()

        def discard() -> int:
            try:
                return imagecache.discard([row.pk])
            finally:
                connection.close()

        assert pool.submit(discard).result(10) == 0
    assert len(rows()) == 1


def test_the_row_costs_one_statement_and_no_disk(
    picture: Picture, django_assert_num_queries: Any, settings: Any
) -> None:
    imagecache.keep(picture, Recipe(width=31), b"content")
    with django_assert_num_queries(2):
        imagecache.keep(picture, SMALL, b"content")
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)  # Of those statements alone.


def test_a_local_cache_is_asked_without_a_query(picture: Picture, django_assert_num_queries: Any) -> None:
    imagecache.keep(picture, SMALL, b"content")
    assert isinstance(get_store("cache"), LocalStore)
    with django_assert_num_queries(0):
        assert imagecache.find(picture.cache_key(SMALL)) is not None
        assert imagecache.find(picture.cache_key(Recipe(width=33))) is None


def test_uses_are_noted_once_an_hour_and_written_together(
    picture: Picture, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagecache, "FLUSH_SECONDS", 3600)
    uses = imagecache.Uses()
    variant = picture.variants()["timeline"]
    for recipe in (SMALL, Recipe(width=33), variant):
        imagecache.keep(picture, recipe, b"content")
    old = timezone.now() - timedelta(hours=2)
    CachedImage.objects.update(used_at=old)
    with django_assert_num_queries(0):
        for _ in range(1000):
            uses.note(picture.cache_key(SMALL))
            uses.note(picture.cache_key(Recipe(width=33)))
            uses.note(picture.cache_key(variant))
    with django_assert_num_queries(1):
        assert uses.flush() == 2
    assert CachedImage.objects.get(key=picture.cache_key(variant)).used_at == old
    assert CachedImage.objects.get(key=picture.cache_key(SMALL)).used_at > old
    uses.note(picture.cache_key(SMALL))
    assert uses.flush() == 0


def test_another_process_has_noted_it_within_the_hour(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagecache, "FLUSH_SECONDS", 3600)
    imagecache.keep(picture, SMALL, b"content")
    before = CachedImage.objects.get().used_at
    uses = imagecache.Uses()
    uses.note(picture.cache_key(SMALL))
    assert uses.flush() == 0
    assert CachedImage.objects.get().used_at == before


def test_the_notes_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagecache, "FLUSH_SECONDS", 3600)
    monkeypatch.setattr(imagecache, "NOTED_MOST", 10)
    uses = imagecache.Uses()
    for number in range(100):
        uses.note(f"derived/{number}")
    assert len(uses._noted) <= 10


def test_a_thread_writes_what_was_used(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagecache, "FLUSH_SECONDS", 0.05)
    imagecache.keep(picture, SMALL, b"content")
    old = timezone.now() - timedelta(hours=2)
    CachedImage.objects.update(used_at=old)
    uses = imagecache.Uses()
    uses.note(picture.cache_key(SMALL))
    writer = uses._writer
    assert writer is not None
    writer.join(10)
    assert CachedImage.objects.get().used_at > old
