"""The pre-warm: what is claimed, what counts as a strike, what is free, and what makes a picture cold again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from alcoves.celery import app
from media import evicting, imagemaking, pictures, prewarm, reprocess, tasks, trash
from media.images import transform
from media.images.variants import VARIANTS_VERSION
from media.libraries import create_library
from media.models import CachedImage, File, Library, Original, uuid7
from media.models.cached_image import CACHE
from storage import registry
from storage.registry import get_store
from tests.ingesting import derivative, run_queued, take_in
from tests.makers import make_image, make_tone, make_video
from tests.workers import running_worker, wait_until

HOUR = timedelta(hours=1)


@pytest.fixture
def picture(library: Library, tmp_path: Path) -> File:
    """A photo with everything known of it, as the hourly pass finds it."""
    file = take_in(library, make_image(tmp_path / "lake.jpg", size=(1000, 500)), "lake.jpg").file
    run_queued()
    return File.objects.get(pk=file.pk)


@pytest.fixture
def broken(library: Library, tmp_path: Path) -> File:
    """The right type and no picture."""
    whole = make_image(tmp_path / "whole.png", size=(400, 300)).read_bytes()
    file = take_in(library, whole[:60], "broken.png").file
    run_queued()
    return file


def later() -> None:
    """An hour goes by."""
    Original.objects.filter(warm_claimed_at__isnull=False).update(warm_claimed_at=F("warm_claimed_at") - HOUR)


def a_pass() -> list[str]:
    """As each hour: claim, and warm what was claimed."""
    return [prewarm.warm(one) for one in prewarm.claim()]


def keys_of(file: File) -> set[str]:
    return {
        shown.cache_key(recipe)
        for shown in pictures.live_pictures(file.original)
        for recipe in shown.variants().values()
    }


def row(file: File) -> Original:
    found: Original = Original.objects.get(pk=file.original_id)
    return found


def test_a_pass_makes_every_variant_once(picture: File) -> None:
    assert row(picture).warmed_version == 0
    assert a_pass() == ["warm"]
    kept = CachedImage.objects.filter(original=picture.original_id)
    assert {one.key for one in kept} == keys_of(picture)
    assert len(keys_of(picture)) == 5
    assert all(one.variants_version == VARIANTS_VERSION and one.size for one in kept)
    assert all(get_store(CACHE).stat(key).size for key in keys_of(picture))
    assert row(picture).warmed_version == VARIANTS_VERSION
    later()
    assert a_pass() == []


def test_the_source_is_read_and_decoded_once(picture: File, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []
    real = transform.decode

    def spy(path: Path, *args: Any, **options: Any) -> Any:
        decoded.append(path)
        return real(path, *args, **options)

    monkeypatch.setattr(transform, "decode", spy)
    assert a_pass() == ["warm"]
    assert len(decoded) == 1


def test_what_is_there_is_not_made_again(picture: File) -> None:
    a_pass()
    row(picture).forget_warmth()
    get_store("files").delete(picture.original.key)
    assert a_pass() == ["warm"], "Nothing was missing, so the source was not needed."


def test_only_what_is_missing_is_made(picture: File) -> None:
    a_pass()
    first = CachedImage.objects.get(key__contains="/w240-")
    before = dict(CachedImage.objects.exclude(pk=first.pk).values_list("key", "updated_at"))
    evicting.drop([first])
    get_store(CACHE).delete(first.key)
    row(picture).forget_warmth()
    assert a_pass() == ["warm"]
    assert CachedImage.objects.filter(key=first.key, size__gt=0).exists()
    assert dict(CachedImage.objects.exclude(key=first.key).values_list("key", "updated_at")) == before


def test_a_blob_that_is_about_to_be_swept_is_no_warm_picture(picture: File) -> None:
    """Evicted a moment ago: the bytes lie there still, and will not for long."""
    a_pass()
    evicting.drop(CachedImage.objects.all())
    row(picture).forget_warmth()
    assert a_pass() == ["deferred"]
    assert (row(picture).warmed_version, row(picture).warm_attempts) == (0, 0)
    for key in keys_of(picture):
        get_store(CACHE).delete(key)
    later()
    assert a_pass() == ["warm"]


@pytest.mark.django_db(transaction=True)  # The heartbeat of a longer run looks at the row from outside.
def test_a_video_is_warm_by_its_poster(library: Library, tmp_path: Path) -> None:
    file = take_in(library, make_video(tmp_path / "walk.mp4", seconds=1), "walk.mp4").file
    assert prewarm.claim() == [], "There is no poster yet."
    run_queued()
    assert a_pass() == ["warm"]
    before = keys_of(file)
    assert {one.key for one in CachedImage.objects.all()} == before
    reprocess.reprocess_file(file, "poster")
    run_queued()
    assert derivative(file.original_id, "poster").ready_version == 2
    assert row(file).warmed_version == 0, "Another poster is another picture."
    later()
    assert a_pass() == ["warm"]
    assert keys_of(file) <= set(CachedImage.objects.values_list("key", flat=True))


@pytest.mark.parametrize("why", ["trashed", "not hashed", "metadata waits", "sound", "warm", "text"])
def test_what_is_not_claimed(why: str, library: Library, picture: File, tmp_path: Path) -> None:
    original = row(picture)
    if why == "trashed":
        trash.trash(library, [picture.pk])
    elif why == "not hashed":
        Original.objects.update(sha256=None)
    elif why == "metadata waits":
        reprocess.reprocess_file(picture, "metadata")
    elif why == "warm":
        Original.objects.update(warmed_version=VARIANTS_VERSION)
    elif why == "sound":
        trash.trash(library, [picture.pk])
        take_in(library, make_tone(tmp_path / "a.wav"), "a.wav")
        run_queued()
    else:
        original.mime, original.kind = "text/plain", "other"
        original.save()
    assert prewarm.claim() == []
    assert prewarm.waiting() == 0


def test_other_libraries_are_warmed_apart(library: Library, picture: File, tmp_path: Path) -> None:
    """The same bytes in two libraries share nothing."""
    other = create_library(library.memberships.get(role="owner").user, "Office")
    twin = take_in(other, tmp_path / "lake.jpg", "lake.jpg").file
    run_queued()
    assert sorted(a_pass()) == ["warm", "warm"]
    assert not keys_of(picture) & keys_of(twin)
    assert CachedImage.objects.count() == 10


def test_every_turn_of_live_files_is_warmed(library: Library, picture: File, tmp_path: Path) -> None:
    turned = take_in(library, tmp_path / "lake.jpg", "turned.jpg").file
    File.objects.filter(pk=turned.pk).update(rotation=90)
    trashed = take_in(library, tmp_path / "lake.jpg", "trashed.jpg").file
    File.objects.filter(pk=trashed.pk).update(rotation=180, trashed_at=timezone.now())
    assert a_pass() == ["warm"]
    assert {one.rotation for one in pictures.live_pictures(row(picture))} == {0, 90}
    assert set(CachedImage.objects.values_list("key", flat=True)) == keys_of(picture)
    assert CachedImage.objects.count() == 10


def test_three_strikes_of_the_file_end_it(broken: File) -> None:
    for strike in (1, 2, 3):
        assert a_pass() == ["failed"]
        assert row(broken).warm_attempts == strike
        assert row(broken).warm_error.endswith(".")
        assert prewarm.claim() == [], "Not before a quarter of an hour."
        later()
    assert prewarm.claim() == []
    assert prewarm.waiting() == 0
    assert not CachedImage.objects.filter(size__gt=0).exists()


def test_a_new_registry_begins_to_count_anew(broken: File) -> None:
    Original.objects.update(warming_version=VARIANTS_VERSION - 1, warm_attempts=3)
    assert a_pass() == ["failed"]
    assert (row(broken).warming_version, row(broken).warm_attempts) == (VARIANTS_VERSION, 1)


def test_a_picture_of_an_older_registry_is_warmed_again(picture: File) -> None:
    a_pass()
    Original.objects.update(warmed_version=VARIANTS_VERSION - 1)
    CachedImage.objects.update(variants_version=VARIANTS_VERSION - 1)
    assert a_pass() == ["warm"]
    assert {one.variants_version for one in CachedImage.objects.all()} == {VARIANTS_VERSION}


def test_the_failures_of_the_house_are_free(picture: File, settings: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    healthy = settings.BLOB_STORES
    settings.BLOB_STORES = {
        **healthy,
        "cache": {"BACKEND": "storage.local.LocalStore", "OPTIONS": {"root": blocked, "secret": "s" * 16}},
    }
    registry.reset()
    for _ in range(5):
        assert a_pass() == ["deferred"]
        assert row(picture).warm_attempts == 0
        assert row(picture).warm_error
        later()
    settings.BLOB_STORES = healthy
    registry.reset()
    assert a_pass() == ["warm"]
    assert row(picture).warm_error == ""


def test_a_lost_source_is_a_strike_with_a_reason(picture: File) -> None:
    get_store("files").delete(picture.original.key)
    assert a_pass() == ["failed"]
    assert "Restore it from a backup" in row(picture).warm_error


def test_what_kills_its_worker_is_given_up_after_three(picture: File) -> None:
    for _ in range(3):
        (claimed,) = prewarm.claim()
        assert prewarm.begin(claimed) is not None  # And here the worker dies.
        assert prewarm.claim() == []
        later()
    assert prewarm.claim() == []
    assert row(picture).warm_error == prewarm.DIED


def test_a_message_that_is_lost_is_no_strike(picture: File) -> None:
    for _ in range(5):
        assert len(prewarm.claim()) == 1  # And the message never comes.
        later()
    assert row(picture).warm_attempts == 0
    assert a_pass() == ["warm"]


def test_a_message_that_comes_too_late_or_twice_does_nothing(picture: File) -> None:
    (early,) = prewarm.claim()
    later()
    (now,) = prewarm.claim()
    assert prewarm.warm(early) == "given_up"
    assert prewarm.warm(now) == "warm"
    assert prewarm.warm(now) == "given_up"
    assert row(picture).warm_attempts == 0


def test_a_picture_turned_meanwhile_is_not_called_warm(
    picture: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = imagemaking.make_all

    def turned_meanwhile(*args: Any) -> int:
        made = real(*args)
        File.objects.update(rotation=90)
        row(picture).forget_warmth()
        return made

    monkeypatch.setattr(imagemaking, "make_all", turned_meanwhile)
    assert a_pass() == ["given_up"]
    assert row(picture).warmed_version == 0
    monkeypatch.undo()
    assert a_pass() == ["warm"]
    assert CachedImage.objects.filter(variants_version=VARIANTS_VERSION).count() == 5
    assert CachedImage.objects.filter(variants_version=0).count() == 5, "The old turn may be evicted."


def test_an_original_purged_meanwhile_leaves_nothing(
    library: Library, picture: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = imagemaking.make_all

    def purged_meanwhile(*args: Any) -> int:
        trash.purge(library, [picture.pk])
        return real(*args)

    monkeypatch.setattr(imagemaking, "make_all", purged_meanwhile)
    assert a_pass() == ["given_up"]
    assert not CachedImage.objects.exists()
    assert not Original.objects.exists()


def test_a_worker_that_is_told_to_stop_gives_back_at_once(
    picture: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> int:
        raise SystemExit(0)

    monkeypatch.setattr(imagemaking, "make_all", stop)
    (claimed,) = prewarm.claim()
    with pytest.raises(SystemExit):
        prewarm.warm(claimed)
    monkeypatch.undo()
    assert row(picture).warm_attempts == 0
    assert a_pass() == ["warm"]


def test_those_tried_longest_ago_come_first(library: Library, tmp_path: Path) -> None:
    """A picture that the house fails again and again does not stand in the way of the others."""
    for number in range(3):
        take_in(library, make_image(tmp_path / f"{number}.png", size=(20 + number, 20)), f"{number}.png")
    run_queued()
    (first,) = prewarm.claim(1)
    began = prewarm.begin(first)
    assert began is not None
    assert prewarm.give_back(began, "The store was away.") == "deferred"
    later()
    others = {one.id for _ in range(2) for one in prewarm.claim(1)}
    assert len(others) == 2
    assert first.id not in others
    assert [one.id for one in prewarm.claim()] == [first.id]


def test_the_switch_and_the_broker(picture: File, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.IMAGE_PREWARM_ENABLED = False
    assert tasks.prewarm_pictures() == 0
    assert row(picture).warm_claimed_at is None
    settings.IMAGE_PREWARM_ENABLED = True
    assert tasks.prewarm_pictures() == 1
    assert row(picture).warm_claimed_at is not None


def test_beat_has_the_pass_and_the_eviction_on_the_lowest_queue() -> None:
    for name in ("media.prewarm", "media.evict_images"):
        assert name in {entry["task"] for entry in app.conf.beat_schedule.values()}
        assert name in app.tasks
        assert app.amqp.router.route({}, name)["queue"].name == "maintenance"
    assert app.amqp.router.route({}, prewarm.TASK)["queue"].name == "maintenance"


@pytest.mark.django_db(transaction=True)
def test_a_worker_warms_what_a_pass_has_sent(picture: File, settings: Any, tmp_path: Path) -> None:
    stores = tmp_path / "stores"
    with running_worker(
        tmp_path, ALCOVES_STORAGE_PATH=str(stores), ALCOVES_CACHE_STORAGE_PATH=str(stores / "cache")
    ):
        tasks.prewarm_pictures.apply_async(queue="maintenance")
        wait_until(lambda: row(picture).warmed_version == VARIANTS_VERSION, 30, "warm")
    assert {one.key for one in CachedImage.objects.filter(size__gt=0)} == keys_of(picture)


def test_a_pass_among_thousands_reads_only_what_is_to_be_warmed(library: Library) -> None:
    """Warm pictures, sounds and documents do not slow the pass."""

    def many(count: int, **values: Any) -> None:
        keys = [uuid7() for _ in range(count)]
        made = Original.objects.bulk_create(
            Original(id=key, library=library, size=1, key=str(key), sha256=f"{key.int:064x}", **values)
            for key in keys
        )
        File.objects.bulk_create(File(library=library, original=one, name="a") for one in made)

    many(6000, kind="image", mime="image/jpeg", warmed_version=VARIANTS_VERSION)
    many(6000, kind="audio", mime="audio/mpeg")
    many(700, kind="image", mime="image/jpeg")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE media_original, media_file, media_derivative")
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + prewarm.CLAIM, {"stuck": 900, "limit": prewarm.A_PASS}
        )
        (told,) = cursor.fetchone()
    found = list(nodes(json.loads(told) if isinstance(told, str) else told))
    (scan,) = (node for node in found if node.get("Index Name") == "original_to_be_warmed")
    assert scan["Actual Rows"] * scan["Actual Loops"] <= 700
    assert not [node for node in found if node["Node Type"] == "Sort"], "The index has the order."
    assert len(prewarm.claim()) == 200, "The other 500 were claimed by the statement that was explained."


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    for part in plan if isinstance(plan, list) else [plan]:
        if "Node Type" in part:
            yield part
        for inner in (part.get("Plan", []), part.get("Plans", [])):
            yield from nodes(inner) if inner else ()


def test_what_makes_a_warm_picture_cold(library: Library, picture: File, tmp_path: Path) -> None:
    def warm_again() -> None:
        assert row(picture).warmed_version == 0
        assert a_pass() == ["warm"]

    assert a_pass() == ["warm"]
    picture.turn(90)
    warm_again()
    twin = take_in(library, tmp_path / "lake.jpg", "another.jpg").file
    warm_again()
    assert {one.rotation for one in pictures.live_pictures(row(picture))} == {0, 90}
    trash.trash(library, [twin.pk])
    trash.restore(library, [twin.pk])
    warm_again()
    original = row(picture)
    original.record_probe({**(original.probe or {}), "width": 999})
    warm_again()
    original = row(picture)
    original.record_probe(original.probe or {})
    assert row(picture).warmed_version == VARIANTS_VERSION, "Nothing has changed."
