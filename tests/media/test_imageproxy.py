"""The five steps in one process: found, joined, sent for, answered, given up; and without Redis at all."""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection

from alcoves import locks
from alcoves.accounts.models import User
from media import audit, bulletin, controls, dispatch, imagecache, imagemaking, imageproxy, tasks
from media.errors import PermanentError, TimedOutError, TooLargeError, UnsupportedTypeError
from media.imageproxy import BusyError, Fresh, NotMadeError, PausedError, Pending
from media.images import transform
from media.images.recipes import Recipe
from media.libraries import create_library
from media.models import CachedImage, Library
from media.pictures import Picture
from media.serving import Served
from storage.registry import get_store
from tests import servers
from tests.media.picturing import SMALL, picture_of, put_picture, size_of
from tests.workers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Whatever a request went through: nobody waits, and no picture is on its way."""
    yield
    assert bulletin.topics() == 0
    assert imageproxy.flights == {}


@pytest.fixture
def home() -> Library:
    return create_library(User.objects.create_user("owner@example.org", "owner-password"), "Pictures")


@pytest.fixture
def picture(home: Library, tmp_path: Path) -> Picture:
    return picture_of(put_picture(home, tmp_path))


@pytest.fixture
def away(settings: Any) -> Iterator[None]:
    """A Redis that is not there."""
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    dispatch.redis_client.cache_clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bulletin, "_board", bulletin.Board())
        yield
        assert bulletin.topics() == 0
    dispatch.redis_client.cache_clear()


def messages() -> list[tuple[Any, ...]]:
    """What waits in the queue, oldest first: picture, recipe, token."""
    waiting = reversed(dispatch.redis_client().lrange("imageproxy", 0, -1))
    return [tuple(json.loads(base64.b64decode(json.loads(one)["body"]))[0]) for one in waiting]


def work() -> int:
    """As a worker: everything in the queue."""
    found = messages()
    dispatch.redis_client().delete("imageproxy")
    for message in found:
        tasks.make_image(*message)
    return len(found)


def pending(picture: Picture, recipe: Recipe = SMALL) -> Pending:
    answer = imageproxy.ask(picture, recipe)
    assert isinstance(answer, Pending)
    return answer


def fresh(answer: Any) -> bytes:
    assert isinstance(answer, Fresh)
    return answer.content


def held(picture: Picture) -> bool:
    name = locks.PREFIX + imagemaking.lock_name(picture.cache_key(SMALL))
    return bool(dispatch.redis_client().exists(name))


def in_threads(count: int, work: Any) -> list[Any]:
    def one(number: int) -> Any:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_cold_it_is_sent_for_and_then_found(picture: Picture) -> None:
    assert imageproxy.find(picture, SMALL) is None
    waiting = pending(picture)
    assert messages() == [(picture.as_json(), SMALL.text, waiting.token)]
    assert work() == 1
    content = fresh(imageproxy.wait(waiting))
    assert size_of(content) == (32, 21)
    assert not held(picture)
    found = imageproxy.find(picture, SMALL)
    assert isinstance(found, Served)
    assert (found.store, found.size, found.content_type) == ("cache", len(content), "image/jpeg")
    with get_store("cache").open(found.key) as kept:
        assert kept.read() == content


def test_the_message_is_as_celery_writes_it(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imageproxy, "uuid4", lambda: "an-id")
    waiting = pending(picture)
    waiting.give_up()
    amqp = current_app.amqp
    message = amqp.create_task_message(
        "an-id",
        imagemaking.TASK,
        args=(picture.as_json(), SMALL.text, waiting.token),
        time_limit=90,
        soft_time_limit=60,
        ignore_result=True,
        argsrepr=f"({SMALL.text} of {picture.original_id})",
        kwargsrepr="{}",
    )
    with current_app.producer_or_acquire() as producer:
        amqp.send_task_message(producer, imagemaking.TASK, message, queue=imagemaking.QUEUE, retry=False)
    theirs, ours = (json.loads(one) for one in dispatch.redis_client().lrange("imageproxy", 0, -1))
    for one in (theirs, ours):
        del one["properties"]["delivery_tag"]
        one["body"] = json.loads(base64.b64decode(one["body"]))
    assert ours == theirs


def test_it_is_told_to_the_process_that_asked_with_its_bytes(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = pending(picture)
    work()
    monkeypatch.setattr(dispatch, "redis_client", None)  # Nobody need be asked again.
    assert size_of(fresh(imageproxy.wait(waiting))) == (32, 21)


def test_longer_ones_are_fetched(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagemaking, "TOLD_MOST", 10)
    waiting = pending(picture)
    work()
    assert waiting.future.result(5) == {"ok": True}
    assert size_of(fresh(imageproxy.wait(waiting))) == (32, 21)


def test_kept_in_the_moment_after_the_look(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large for Redis: a mark says that it is in the store; and a mark may be wrong."""
    monkeypatch.setattr(imagemaking, "TRANSIENT_MOST", 1)
    pending(picture).give_up()
    work()
    find, looks = imagecache.find, iter([None])
    monkeypatch.setattr(imagecache, "find", lambda key: next(looks, find(key)))
    assert isinstance(imageproxy.ask(picture, SMALL), Served)
    assert messages() == []
    get_store("cache").delete(picture.cache_key(SMALL))
    again = pending(picture)
    assert len(messages()) == 1
    work()
    assert isinstance(imageproxy.wait(again), Served)


def test_a_hundred_at_once_send_one_message(picture: Picture) -> None:
    answers = in_threads(100, lambda _: imageproxy.ask(picture, SMALL))
    assert len(messages()) == 1
    assert all(isinstance(answer, Pending) for answer in answers)
    assert len({answer.token for answer in answers}) == 1
    assert work() == 1
    contents = {fresh(imageproxy.wait(answer)) for answer in answers}
    assert len(contents) == 1


def test_another_process_waits_for_the_same_message(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pending(picture)
    with monkeypatch.context() as patched:
        patched.setattr(imageproxy, "flights", {})  # As a process that knows nothing of the first.
        second = pending(picture)
    assert second.token == first.token
    assert work() == 1
    assert fresh(imageproxy.wait(second)) == fresh(imageproxy.wait(first))


def test_different_pictures_go_side_by_side(picture: Picture) -> None:
    waiting = [pending(picture, Recipe(width=width)) for width in range(20, 30)]
    assert work() == 10
    assert [size_of(fresh(imageproxy.wait(one)))[0] for one in waiting] == list(range(20, 30))


def test_between_the_looks_it_was_made(picture: Picture) -> None:
    pending(picture).give_up()
    work()
    get_store("cache").delete(picture.cache_key(SMALL))  # As a network disk that is late.
    assert size_of(fresh(imageproxy.ask(picture, SMALL))) == (32, 21)


def test_between_the_looks_it_was_kept(picture: Picture) -> None:
    imagemaking.make(picture, SMALL)
    assert isinstance(imageproxy.ask(picture, SMALL), Served)
    assert messages() == []
    assert not held(picture)


def test_a_result_too_large_for_redis_comes_from_the_store(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagemaking, "TRANSIENT_MOST", 1)
    waiting = pending(picture)
    work()
    assert isinstance(imageproxy.wait(waiting), Served)


def test_a_store_that_is_late_is_asked_again(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagemaking, "TRANSIENT_MOST", 1)
    waiting = pending(picture)
    work()
    find = imagecache.find
    looks: list[str] = []

    def late(key: str) -> Any:
        looks.append(key)
        return find(key) if len(looks) > 2 else None

    monkeypatch.setattr(imagecache, "find", late)
    assert isinstance(imageproxy.wait(waiting), Served)
    assert len(looks) == 3


def test_who_gives_up_leaves_nothing_and_the_picture_is_made_all_the_same(picture: Picture) -> None:
    first, second = pending(picture), pending(picture)
    first.give_up()
    first.give_up()
    assert bulletin.topics() == 1
    second.future.cancel()  # As asyncio does.
    second.give_up()
    assert bulletin.topics() == 0
    assert held(picture)  # The message is still on its way.
    third = pending(picture)
    assert len(messages()) == 1
    work()
    assert not held(picture)
    fresh(imageproxy.wait(third))
    assert imageproxy.find(picture, SMALL) is not None


def test_one_who_gives_up_takes_nothing_from_the_others(picture: Picture) -> None:
    first, second = pending(picture), pending(picture)
    first.future.cancel()
    first.give_up()
    work()
    fresh(imageproxy.wait(second))


def test_five_hundred_who_give_up_leave_nothing(picture: Picture) -> None:
    for width in range(1, 251):
        pending(picture, Recipe(width=width)).give_up()
        pending(picture, Recipe(width=width)).give_up()
    assert bulletin.topics() == 0
    assert len(messages()) == 250


def test_time_over_the_next_request_begins_anew(picture: Picture, settings: Any) -> None:
    settings.IMAGE_WAIT_SECONDS = 0.1
    waiting, other = pending(picture), pending(picture)
    with pytest.raises(TimedOutError) as told:
        imageproxy.wait(waiting)
    assert told.value.http_status == 503
    assert not held(picture)
    again = pending(picture)  # Not together with the other, who may wait in vain.
    assert again.token != waiting.token == other.token
    assert len(messages()) == 2
    work()  # The first message finds another's lock and does nothing.
    fresh(imageproxy.wait(again))
    fresh(imageproxy.wait(other))
    assert not held(picture)


def test_time_over_a_lock_of_somebody_else_stays(picture: Picture, settings: Any) -> None:
    settings.IMAGE_WAIT_SECONDS = 0.05
    waiting = pending(picture)
    dispatch.redis_client().set(locks.PREFIX + imagemaking.lock_name(picture.cache_key(SMALL)), "newer")
    with pytest.raises(TimedOutError):
        imageproxy.wait(waiting)
    assert held(picture)


def test_made_in_the_last_moment_it_is_found(picture: Picture, settings: Any) -> None:
    waiting = pending(picture)
    work()
    waiting.future = Future()  # The message was not heard.
    settings.IMAGE_WAIT_SECONDS = 0.05
    waiting._until = 0
    fresh(imageproxy.wait(waiting))


def test_a_failure_is_told_to_all_and_remembered(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise PermanentError("The picture is damaged. Upload it again.", code="damaged_file")

    waiting = [pending(picture) for _ in range(5)]
    with monkeypatch.context() as patched:
        patched.setattr(transform, "generate", fail)
        work()
    for one in waiting:
        with pytest.raises(NotMadeError, match=r"damaged\. Upload") as told:
            imageproxy.wait(one)
        assert (told.value.http_status, told.value.code, told.value.retry) == (422, "damaged_file", False)
    with pytest.raises(NotMadeError, match="damaged"):
        imageproxy.ask(picture, SMALL)
    assert messages() == []
    assert not held(picture)


def test_what_the_database_knows_to_be_too_large_is_refused_without_a_message(picture: Picture) -> None:
    with pytest.raises(TooLargeError) as told:
        imageproxy.ask(replace(picture, width=60_000, height=60_000), SMALL)
    assert told.value.http_status == 422
    assert messages() == []


def test_a_queue_that_is_too_long_is_not_made_longer(picture: Picture, settings: Any) -> None:
    settings.IMAGE_QUEUE_LIMIT = 3
    waiting = [pending(picture, Recipe(width=width)) for width in (1, 2, 3)]
    with pytest.raises(BusyError) as told:
        imageproxy.ask(picture, SMALL)
    assert (told.value.http_status, told.value.code, told.value.retry_after) == (503, "busy", 60)
    assert not held(picture)
    assert isinstance(imageproxy.ask(picture, Recipe(width=1)), Pending)  # It is on its way already.
    joined = pending(picture, Recipe(width=1))
    work()
    for one in (*waiting, joined):
        fresh(imageproxy.wait(one))
    pending(picture).give_up()


@pytest.mark.parametrize(
    ("length", "made", "seconds"), [(500, 0, 60), (500, 6000, 5), (500, 60, 60), (1, 6000, 1)]
)
def test_how_long_to_wait_follows_from_length_and_speed(
    length: int, made: int, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.imageproxy.time.time", lambda: 1_200_000_000.0)  # A minute begins.
    assert imageproxy.pause_of(length, 0, made) == seconds


def test_without_redis_it_is_made_here(away: None, picture: Picture) -> None:
    assert size_of(fresh(imageproxy.ask(picture, SMALL))) == (32, 21)
    assert isinstance(imageproxy.ask(picture, SMALL), Served)
    assert CachedImage.objects.count() == 1


def test_without_redis_no_more_than_a_few_at_a_time(
    away: None, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = [0], [0]
    guard = threading.Lock()
    make = imagemaking.make

    def counted(picture: Picture, recipe: Recipe) -> bytes:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            return make(picture, recipe)
        finally:
            with guard:
                running[0] -= 1

    monkeypatch.setattr(imagemaking, "make", counted)
    answers = in_threads(12, lambda number: imageproxy.ask(picture, Recipe(width=10 + number)))
    assert len(answers) == 12
    assert 1 <= most[0] <= imageproxy.HERE_MOST
    monkeypatch.setattr(imageproxy, "HERE_SECONDS", 0.05)
    with imageproxy.here, imageproxy.here, pytest.raises(BusyError):
        imageproxy.ask(picture, SMALL)


def test_without_redis_a_damaged_picture_is_told(
    away: None, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise UnsupportedTypeError("This type of picture cannot be read here. Convert it to JPEG.")

    monkeypatch.setattr(transform, "generate", fail)
    with pytest.raises(NotMadeError, match="Convert it") as told:
        imageproxy.ask(picture, SMALL)
    assert (told.value.http_status, told.value.code) == (422, "unsupported_type")


def test_a_redis_that_dies_while_we_wait(picture: Picture) -> None:
    if servers.running is None:
        pytest.skip("these servers are not ours to kill")
    waiting = [pending(picture) for _ in range(3)]
    servers.running.kill_redis()
    try:
        answers = [imageproxy.wait(one) for one in waiting]
        assert size_of(fresh(answers[0])) == (32, 21)
        assert all(isinstance(answer, Served) for answer in answers[1:])
        assert isinstance(imageproxy.ask(picture, Recipe(width=33)), Fresh)
    finally:
        servers.running.start_redis()
    wait_until(bulletin.alive, 10)
    again = pending(picture, Recipe(width=34))
    assert work() == 1
    fresh(imageproxy.wait(again))


def test_a_redis_that_dies_between_the_steps(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the connection was cut")

    monkeypatch.setattr(imageproxy, "request", fail)
    assert size_of(fresh(imageproxy.ask(picture, SMALL))) == (32, 21)
    assert not held(picture)


@pytest.mark.parametrize("name", ["imageproxy", "interactive"])
def test_while_pictures_are_paused_nobody_waits(picture: Picture, name: str) -> None:
    controls.pause(name, by=audit.COMMAND, reason="test")
    wait_until(lambda: not controls.kept.get().takes("imageproxy"), 10)
    with pytest.raises(PausedError, match="paused") as refused:
        imageproxy.ask(picture, SMALL)
    assert (refused.value.http_status, refused.value.retry, refused.value.retry_after) == (503, True, 60)
    assert dispatch.queue_lengths()["imageproxy"] == 0
    controls.resume(name, by=audit.COMMAND)
    wait_until(lambda: controls.kept.get().takes("imageproxy"), 10)
    pending = imageproxy.ask(picture, SMALL)
    assert isinstance(pending, Pending)
    pending.give_up()
