"""The cap of the image cache: what goes, in which order, and what never goes."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media import blobs, evicting, imagecache, imagemaking, pictures, prewarm, tasks, trash
from media.images.recipes import Recipe
from media.images.variants import VARIANTS_VERSION
from media.models import CachedImage, File, Library, Original, UnnamedBlob
from media.models.cached_image import CACHE
from media.pictures import Picture
from storage.errors import BlobNotFoundError
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.makers import make_image

NOW = timezone.now()


@pytest.fixture
def file(library: Library, tmp_path: Path) -> File:
    made = take_in(library, make_image(tmp_path / "lake.jpg", size=(1000, 500)), "lake.jpg").file
    run_queued()
    return File.objects.get(pk=made.pk)


@pytest.fixture
def picture(file: File) -> Picture:
    (found,) = pictures.live_pictures(file.original)
    return found


def kept(
    picture: Picture, width: int, *, size: int = 1000, version: int = 0, days_ago: int = 0
) -> CachedImage:
    """A picture in the cache as the proxy keeps it, of a chosen size, last used so long ago."""
    recipe = Recipe(width, None, 50)
    assert imagecache.keep(picture, recipe, b"x" * size) is not None
    rows = CachedImage.objects.filter(key=picture.cache_key(recipe))
    rows.update(variants_version=version, used_at=NOW - timedelta(days=days_ago))
    row: CachedImage = rows.get()
    return row


def there(row: CachedImage) -> bool:
    try:
        get_store(CACHE).stat(row.key)
    except BlobNotFoundError:
        return False
    return True


def sweep() -> None:
    """As when the readers in mid-stream have had their time."""
    UnnamedBlob.objects.update(due_at=NOW - timedelta(days=1))
    blobs.sweep()


def test_nothing_goes_below_the_cap(picture: Picture, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 3000
    for width in (10, 20, 30):
        kept(picture, width)
    assert evicting.evict() == evicting.Evicted()
    assert CachedImage.objects.count() == 3


def test_the_least_recently_used_free_sizes_go_down_to_nine_tenths(picture: Picture, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 10_000
    rows = [kept(picture, 10 + days, days_ago=days) for days in range(12)]
    assert evicting.evict() == evicting.Evicted(3, 3000)
    assert set(CachedImage.objects.values_list("key", flat=True)) == {row.key for row in rows[:9]}
    assert evicting.evict() == evicting.Evicted(), "Nine tenths are under the cap."


def test_bytes_stay_for_readers_in_mid_stream_and_go_with_the_sweep(picture: Picture, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 1
    row = kept(picture, 10)
    with get_store(CACHE).open(row.key) as reader:
        evicting.evict()
        assert there(row)
        entry = UnnamedBlob.objects.get(key=row.key)
        assert entry.store == CACHE
        sweep()
        assert not there(row)
        assert reader.read() == b"x" * 1000, "Who reads, reads on."


def test_variants_of_live_files_never_go(
    file: File, picture: Picture, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (claimed,) = prewarm.claim()
    assert prewarm.warm(claimed) == "warm"
    free = kept(picture, 10, days_ago=0)
    CachedImage.objects.exclude(pk=free.pk).update(used_at=NOW - timedelta(days=900))
    settings.IMAGE_CACHE_MAX_BYTES = 1
    with caplog.at_level(logging.WARNING, "media.evicting"):
        assert evicting.evict() == evicting.Evicted(1, 1000)
    assert CachedImage.objects.count() == 5
    told = evicting.usage()
    assert told.warning in caplog.text
    assert "Raise ALCOVES_IMAGE_CACHE_MAX_BYTES" in told.warning
    assert (told.images, told.variants, told.free, told.free_size) == (5, 5, 0, 0)
    Original.objects.get().refresh_from_db()
    assert Original.objects.get().warmed_version == VARIANTS_VERSION


def test_how_full_it_is_is_not_counted(picture: Picture) -> None:
    """Each round of the sweeper asks, every ten minutes."""
    kept(picture, 10)
    kept(picture, 20, version=VARIANTS_VERSION)
    with CaptureQueriesContext(connection) as captured:
        told = evicting.usage()
    assert not any("media_cachedimage" in one["sql"] for one in captured)
    assert (told.images, told.variants, told.size, told.free_size) == (2, 1, 2000, 1000)


def test_all_that_was_made_of_trashed_files_goes_first(
    library: Library, file: File, picture: Picture, settings: Any, tmp_path: Path
) -> None:
    other = take_in(library, make_image(tmp_path / "sea.png"), "sea.png").file
    run_queued()
    for claimed in prewarm.claim():
        prewarm.warm(claimed)
    (sea,) = pictures.live_pictures(other.original)
    used_long_ago = kept(sea, 10, days_ago=900)
    trash.trash(library, [file.pk])
    settings.IMAGE_CACHE_MAX_BYTES = evicting.usage().size - 1
    evicting.evict()
    assert set(CachedImage.objects.values_list("original_id", flat=True)) == {other.original_id}
    assert CachedImage.objects.filter(pk=used_long_ago.pk).exists()
    trash.restore(library, [file.pk])
    sweep()
    (again,) = prewarm.claim()
    assert again.id == file.original_id
    assert prewarm.warm(again) == "warm", "What comes back from the trash is warmed again."


def test_variants_of_an_older_registry_go_unless_they_are_todays_too(
    picture: Picture, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A raised registry keeps most of its table, and not everything is warmed again at once."""
    for recipe in picture.variants().values():
        imagemaking.make(picture, recipe)
    kept(picture, 10, version=VARIANTS_VERSION)
    monkeypatch.setattr(evicting, "VARIANTS_VERSION", VARIANTS_VERSION + 1)
    settings.IMAGE_CACHE_MAX_BYTES = 1
    assert evicting.evict() == evicting.Evicted(1, 1000)
    assert [row.variants_version for row in CachedImage.objects.all()] == [VARIANTS_VERSION + 1] * 5


def test_variants_of_an_older_turn_go_also_where_nothing_is_warmed(
    file: File, picture: Picture, settings: Any
) -> None:
    """As with ALCOVES_IMAGE_PROXY_PREWARM_ENABLED=false: what people ask for is all that is ever made."""
    imagemaking.make_all(picture, picture.variants().values())
    file.turn(90)
    (turned,) = pictures.live_pictures(file.original)
    imagemaking.make_all(turned, turned.variants().values())
    settings.IMAGE_CACHE_MAX_BYTES = 1
    assert evicting.evict().images == 5
    today = {turned.cache_key(recipe) for recipe in turned.variants().values()}
    assert set(CachedImage.objects.values_list("key", flat=True)) == today


def test_rows_whose_writer_died_go(picture: Picture, settings: Any) -> None:
    row = kept(picture, 10)
    young = kept(picture, 20)
    CachedImage.objects.filter(pk=row.pk).update(size=0, updated_at=NOW - timedelta(hours=2))
    CachedImage.objects.filter(pk=young.pk).update(size=0)
    evicting.evict()
    assert list(CachedImage.objects.all()) == [young], "Somebody may be writing that one."
    sweep()
    assert not there(row)


def test_what_is_asked_for_while_it_is_evicted_stays(picture: Picture, settings: Any) -> None:
    """Evicted, asked for again before the sweep: the sweep must not take the new bytes."""
    row = kept(picture, 10)
    settings.IMAGE_CACHE_MAX_BYTES = 1
    evicting.evict()
    settings.IMAGE_CACHE_MAX_BYTES = 10_000
    again = kept(picture, 10)
    assert again.key == row.key
    sweep()
    assert there(again)
    assert imagecache.find(again.key) is not None


def test_the_task_tells_how_many(picture: Picture, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 1
    kept(picture, 10)
    assert tasks.evict_images() == 1


def test_more_than_a_batch_goes_at_once(
    picture: Picture, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evicting, "BATCH", 2)
    for width in range(10, 17):
        kept(picture, width)
    settings.IMAGE_CACHE_MAX_BYTES = 1
    assert evicting.evict() == evicting.Evicted(7, 7000)


def test_clearing_takes_free_sizes_or_everything(file: File, picture: Picture) -> None:
    (claimed,) = prewarm.claim()
    prewarm.warm(claimed)
    kept(picture, 10)
    assert evicting.clear() == (evicting.Evicted(1, 1000), True)
    assert CachedImage.objects.count() == 5
    gone, done = evicting.clear(variants=True)
    assert (gone.images, done) == (5, True)
    assert Original.objects.get().warmed_version == 0
    assert evicting.clear(seconds=0) == (evicting.Evicted(), False)


def test_no_original_takes_another_with_it(
    library: Library, file: File, picture: Picture, tmp_path: Path
) -> None:
    """A purge leaves no row, and its blobs are swept from the cache too."""
    row = kept(picture, 10)
    trash.purge(library, [file.pk])
    assert not CachedImage.objects.exists()
    assert UnnamedBlob.objects.get(key=row.key).store == CACHE
    sweep()
    assert not there(row)
