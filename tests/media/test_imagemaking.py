"""One read, one decode, kept and told; every failure told in a sentence, and nothing left in scratch."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from alcoves import locks
from alcoves.accounts.models import User
from media import bulletin, dispatch, imagecache, imagemaking, reconcile, tasks, trash
from media.errors import InfrastructureError, MediaError, PermanentError
from media.images import transform
from media.images.recipes import Recipe
from media.libraries import create_library
from media.models import CachedImage, File, Library, uuid7
from media.pictures import Picture
from storage import registry
from storage.errors import StoreFullError, StoreUnavailableError
from storage.registry import get_store
from tests.ingesting import take_in
from tests.makers import make_image, make_png
from tests.media.picturing import SMALL, picture_of, put_picture, size_of
from tests.storage.s3server import S3Server, running_server
from tests.workers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Pictures")


@pytest.fixture
def file(home: Library, tmp_path: Path) -> File:
    return put_picture(home, tmp_path)


@pytest.fixture
def picture(file: File) -> Picture:
    return picture_of(file)


@pytest.fixture
def bucket(settings: Any) -> Iterator[S3Server]:
    """Everything lies far away."""
    with running_server() as server:
        options = server.options | {"bucket": server.create_bucket(f"making-{uuid7()}")}
        settings.BLOB_STORES = {
            name: {"BACKEND": "storage.s3.S3Store", "OPTIONS": options | {"prefix": f"{name}/"}}
            for name in settings.BLOB_STORES
        }
        registry.reset()
        yield server
        registry.reset()


def scratch(settings: Any) -> list[Path]:
    root = Path(settings.SCRATCH_PATH)
    return list(root.iterdir()) if root.exists() else []


def taken(key: str) -> str:
    token = locks.acquire(dispatch.redis_client(), imagemaking.lock_name(key), 120)
    assert token is not None
    return token


def held(key: str) -> bool:
    return bool(dispatch.redis_client().exists(locks.PREFIX + imagemaking.lock_name(key)))


def bad(key: str) -> tuple[dict[str, Any], int]:
    """What is remembered of a failure, and for how many seconds."""
    content = dispatch.redis_client().get(imagemaking.bad_key(key))
    return (json.loads(content) if content else {}), dispatch.redis_client().ttl(imagemaking.bad_key(key))


def work(picture: Picture, recipe: Recipe = SMALL) -> dict[str, Any]:
    """As the worker; returns what those who wait are told."""
    key = picture.cache_key(recipe)
    future = bulletin.expect(key)
    tasks.make_image(picture.as_json(), recipe.text, taken(key))
    told = future.result(5)
    assert not held(key)
    return told


def test_a_picture_is_made_and_kept(picture: Picture) -> None:
    content = imagemaking.make(picture, SMALL)
    assert size_of(content) == (32, 21)
    assert imagecache.find(picture.cache_key(SMALL)) is not None


def test_those_who_wait_are_told_and_find_it_in_redis_and_in_the_store(picture: Picture) -> None:
    key = picture.cache_key(SMALL)
    assert work(picture) == {"ok": True}
    content = dispatch.redis_client().get(imagemaking.transient_key(key))
    assert 0 < dispatch.redis_client().ttl(imagemaking.transient_key(key)) <= 30
    with get_store("cache").open(key) as kept:
        assert kept.read() == content
    assert size_of(content) == (32, 21)


def test_a_large_result_is_told_once_it_is_in_the_store(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagemaking, "TRANSIENT_MOST", 10)
    told_when: list[bool] = []
    key = picture.cache_key(SMALL)
    bulletin.expect(key).add_done_callback(lambda _: told_when.append(imagecache.find(key) is not None))
    assert work(picture) == {"ok": True}
    assert not dispatch.redis_client().exists(imagemaking.transient_key(key))
    # The thread that hears the word tells one after the other who waits for it.
    wait_until(lambda: told_when)
    assert told_when == [True]


def test_a_message_whose_lock_is_gone_is_not_worked_on(picture: Picture) -> None:
    """Everybody has given up, or another message has been sent since."""
    key = picture.cache_key(SMALL)
    imagemaking.make_for_waiters(picture, SMALL, "an-old-token")
    assert not CachedImage.objects.exists()
    token = taken(key)
    imagemaking.make_for_waiters(picture, SMALL, "an-old-token")
    assert not CachedImage.objects.exists()
    assert locks.release(dispatch.redis_client(), imagemaking.lock_name(key), token)


def test_a_turned_picture_is_turned(home: Library, file: File) -> None:
    File.objects.update(rotation=90)
    file.refresh_from_db()
    turned = picture_of(file)
    assert size_of(imagemaking.make(turned, Recipe(width=32, height=64))) == (32, 48)


def test_all_variants_come_of_one_read_and_one_decode(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Any] = []
    decode = transform.decode

    def counted(*given: Any, **more: Any) -> Any:
        decoded.append(given)
        return decode(*given, **more)

    monkeypatch.setattr(transform, "decode", counted)
    wanted = picture.variants()
    imagemaking.make(picture, wanted["card"])
    decoded.clear()
    assert imagemaking.make_all(picture, wanted.values()) == len(wanted) - 1
    assert len(decoded) == 1
    assert CachedImage.objects.filter(variants_version__gt=0).count() == len(wanted)
    assert imagemaking.make_all(picture, wanted.values()) == 0
    assert len(decoded) == 1


def test_the_cache_of_both_ways_is_the_same(picture: Picture) -> None:
    """What the pre-warm makes is what somebody who asks would get."""
    recipe = picture.variants()["search"]
    content = imagemaking.make(picture, recipe)
    imagecache.discard(CachedImage.objects.values_list("pk", flat=True))
    get_store("cache").delete(picture.cache_key(recipe))
    imagemaking.make_all(picture, [recipe])
    with get_store("cache").open(picture.cache_key(recipe)) as kept:
        assert kept.read() == content


def test_from_far_away_the_source_is_copied_once_and_removed(
    bucket: S3Server, home: Library, tmp_path: Path, settings: Any
) -> None:
    picture = picture_of(put_picture(home, tmp_path))
    wanted = picture.variants().values()
    before = bucket.gate.seen["GET"]
    assert imagemaking.make_all(picture, wanted) == len(wanted)
    assert bucket.gate.seen["GET"] == before + 1
    with CaptureQueriesContext(connection) as looked:
        assert imagemaking.make_all(picture, wanted) == 0
    assert len(looked) == 1
    assert bucket.gate.seen["GET"] == before + 1
    assert work(picture) == {"ok": True}
    assert scratch(settings) == []
    assert {stat.key for stat in get_store("cache").iterate()} == set(
        CachedImage.objects.values_list("key", flat=True)
    )


def test_from_far_away_a_damaged_source_leaves_nothing(
    bucket: S3Server, home: Library, tmp_path: Path, settings: Any
) -> None:
    data = make_image(tmp_path / "a.png", size=(300, 300)).read_bytes()[:60]
    (tmp_path / "cut.png").write_bytes(data)
    told = work(picture_of(take_in(home, tmp_path / "cut.png", "cut.png").file))
    assert told["status"] == 422
    assert scratch(settings) == []


def test_a_bomb_is_refused_at_once_and_remembered(home: Library, tmp_path: Path) -> None:
    bomb = picture_of(take_in(home, make_png(tmp_path / "bomb.png", 60_000, 60_000), "bomb.png").file)
    began = time.monotonic()
    told = work(bomb)
    assert time.monotonic() - began < 1
    assert (told["ok"], told["status"], told["code"]) == (False, 422, "too_many_pixels")
    remembered, seconds = bad(bomb.cache_key(SMALL))
    assert remembered == told
    assert 590 < seconds <= 600


@pytest.mark.parametrize(
    ("error", "status", "seconds"),
    [
        (PermanentError("This is damaged. Upload it again."), 422, 600),
        (StoreUnavailableError("The store is away."), 503, 5),
        (OSError(5, "Input/output error"), 503, 5),
        (SoftTimeLimitExceeded(), 503, 60),
        (MemoryError(), 503, 5),
        (ZeroDivisionError("a fault of ours"), 503, 5),
    ],
)
def test_every_failure_is_told_in_a_sentence(
    picture: Picture, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, seconds: int
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(transform, "generate", fail)
    told = work(picture)
    assert (told["ok"], told["status"]) == (False, status)
    assert told["message"].endswith(".")
    assert "ZeroDivision" not in told["message"]
    remembered, left = bad(picture.cache_key(SMALL))
    assert remembered == told
    assert seconds - 5 < left <= seconds
    assert not CachedImage.objects.exists()
    with pytest.raises(MediaError):
        imagemaking.make(picture, SMALL)


@pytest.mark.parametrize("error", [StoreFullError("Away."), OperationalError("Away.")])
def test_a_cache_that_cannot_be_written_costs_nobody_the_picture(
    picture: Picture, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(type(get_store("cache")), "put", fail)
    assert size_of(imagemaking.make(picture, SMALL)) == (32, 21)
    assert work(picture) == {"ok": True}
    assert dispatch.redis_client().exists(imagemaking.transient_key(picture.cache_key(SMALL)))
    assert "not kept: Away." in caplog.text


def test_purged_before_it_is_made_it_is_missing(file: File, picture: Picture) -> None:
    trash.purge(file.library, [file.pk])
    get_store("files").delete(picture.key)
    told = work(picture)
    assert (told["ok"], told["code"]) == (False, "source_missing")
    assert list(get_store("cache").iterate()) == []


def test_a_stopped_worker_tells_so_and_gives_the_lock_back(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: Any, **__: Any) -> None:
        raise SystemExit(0)

    monkeypatch.setattr(transform, "generate", leave)
    key = picture.cache_key(SMALL)
    future = bulletin.expect(key)
    with pytest.raises(SystemExit):
        imagemaking.make_for_waiters(picture, SMALL, taken(key))
    assert future.result(5)["code"] == "stopped"
    assert not held(key)
    assert bad(key)[0] == {}


def test_a_picture_that_kills_workers_is_left_alone_after_the_third(picture: Picture) -> None:
    key = picture.cache_key(SMALL)
    told = []
    for _ in range(3):
        future = bulletin.expect(key)
        imagemaking.tell_lost(key, taken(key))
        told.append(future.result(5))
        assert not held(key)
    assert [(one["code"], one["status"]) for one in told] == [
        ("worker_lost", 503),
        ("worker_lost", 503),
        ("worker_lost", 422),
    ]
    assert bad(key)[0] == told[-1]


@pytest.mark.parametrize(
    "payload",
    [
        ({"library_id": 1}, SMALL.text, "token"),
        ({"unknown": 1}, SMALL.text, "token"),
        (None, "nonsense", "token"),
        (None, "w0-h0-q80.exe", "token"),
        (None, "w99999-h0-q80.jpeg", "token"),
    ],
)
def test_a_message_that_is_not_ours_is_dropped(
    picture: Picture, payload: tuple[Any, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    given, recipe, token = payload
    tasks.make_image(given if given is not None else picture.as_json(), recipe, token)
    assert "not ours" in caplog.text
    assert not CachedImage.objects.exists()


def test_scratch_of_the_living_stays_and_that_of_the_dead_goes(settings: Any) -> None:
    root = Path(settings.SCRATCH_PATH)
    long_ago = time.time() - 3600
    with imagemaking.scratch_folder() as living:
        dead, young = root / "image.dead", root / "image.young"
        for folder in (dead, young):
            folder.mkdir()
            (folder / "source").write_bytes(b"x")
        for folder in (living, dead):
            os.utime(folder, (long_ago, long_ago))
        assert reconcile.sweep_scratch() == 1
        assert sorted(scratch(settings)) == sorted([living, young])
    assert scratch(settings) == [young]


def test_infrastructure_is_no_permanent_error() -> None:
    assert imagemaking.remembered(InfrastructureError("The disk is full.")) == 5
