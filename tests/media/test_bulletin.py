"""One subscription a process: nothing that is posted after `expect` is missed, nothing leaks, a lost Redis is told."""

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from media import bulletin, dispatch
from tests import servers
from tests.workers import wait_until

LOST = {"lost": True}


@pytest.fixture(autouse=True)
def own_board(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has not listened yet."""
    monkeypatch.setattr(bulletin, "_board", bulletin.Board())
    yield
    assert bulletin.topics() == 0


def connections() -> int:
    return sum(int(one["sub"]) > 0 for one in dispatch.redis_client().client_list())


def test_what_is_posted_right_after_expect_is_heard() -> None:
    for number in range(200):
        future = bulletin.expect(f"topic-{number}")
        assert bulletin.post(f"topic-{number}", ok=True, number=number)
        assert future.result(5) == {"ok": True, "number": number}


def test_everybody_who_waits_hears_it_and_nobody_else() -> None:
    same = [bulletin.expect("same") for _ in range(50)]
    other = bulletin.expect("other")
    bulletin.post("same", ok=True)
    assert [future.result(5) for future in same] == [{"ok": True}] * 50
    assert not other.done()
    bulletin.forget("other", other)


def test_bytes_come_to_the_process_they_are_for() -> None:
    content = b"\x00 first\n second \xff"
    client = dispatch.redis_client()
    first, second = bulletin.expect("made"), bulletin.expect("other")
    client.publish(*bulletin.envelope("other", {"ok": True}, content, name="somebody else"))
    client.publish(*bulletin.envelope("made", {"ok": True}, content, name=bulletin.name()))
    assert first.result(5) == {"ok": True, "content": content}
    assert not second.done()
    bulletin.post("other", ok=True)
    assert second.result(5) == {"ok": True}


def test_a_message_is_heard_once() -> None:
    first = bulletin.expect("once")
    bulletin.post("once", number=1)
    assert first.result(5)["number"] == 1
    second = bulletin.expect("once")
    bulletin.post("once", number=2)
    assert second.result(5)["number"] == 2


def test_a_thousand_who_give_up_leave_nothing() -> None:
    for number in range(1000):
        bulletin.forget(f"topic-{number}", bulletin.expect(f"topic-{number}"))
    assert bulletin.topics() == 0
    pair = [bulletin.expect("shared"), bulletin.expect("shared")]
    bulletin.forget("shared", pair[0])
    assert bulletin.topics() == 1
    bulletin.forget("shared", pair[1])
    bulletin.forget("shared", pair[1])
    bulletin.forget("never", pair[1])
    assert bulletin.topics() == 0


def test_one_subscription_and_one_thread_for_all() -> None:
    before = connections()
    with ThreadPoolExecutor(20) as pool:
        futures = list(pool.map(bulletin.expect, [f"topic-{number}" for number in range(100)]))
    assert connections() == before + 1
    for number in range(100):
        bulletin.post(f"topic-{number}", ok=True)
    assert all(future.result(5) == {"ok": True} for future in futures)


def test_a_cancelled_future_harms_nobody() -> None:
    gone, stays = bulletin.expect("same"), bulletin.expect("same")
    gone.cancel()
    bulletin.post("same", ok=True)
    assert stays.result(5) == {"ok": True}


def test_listeners_hear_every_message_and_their_faults_stay_theirs(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []

    def fail(message: Any) -> None:
        raise ValueError(f"a fault of the listener at {message}")

    bulletin.listen("epoch", fail)
    bulletin.listen("epoch", heard.append)
    wait_until(bulletin.alive, 5)
    bulletin.post("epoch", library="a")
    bulletin.post("other", library="b")
    bulletin.post("epoch", library="c")
    wait_until(lambda: len(heard) == 2, 5)
    assert heard == [{"library": "a"}, {"library": "c"}]
    assert "a listener failed" in caplog.text


def test_what_is_no_message_of_ours_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    future = bulletin.expect("topic")
    for content in ("no json", "{}", "[1]", '["topic"]', json.dumps([["list"], {}]), '["topic", "text"]'):
        dispatch.redis_client().publish(bulletin.channel(), content)
    bulletin.post("topic", ok=True)
    assert future.result(5) == {"ok": True}
    assert caplog.text.count("is not ours") >= 6


def test_another_database_of_the_same_redis_is_another_channel(settings: Any) -> None:
    future = bulletin.expect("topic")
    dispatch.redis_client().publish("alcoves:bulletin:7", json.dumps(["topic", {"ok": True}]))
    bulletin.post("topic", right=True)
    assert future.result(5) == {"right": True}
    assert bulletin.channel() == "alcoves:bulletin:0"


def test_a_forked_child_listens_anew() -> None:
    heard: list[Any] = []
    bulletin.listen("kept", heard.append)
    outer = bulletin.expect("outer")

    def child(pipe: Any) -> None:
        assert bulletin.topics() == 0
        dispatch.redis_client.cache_clear()
        inner = bulletin.expect("inner")
        bulletin.post("inner", pid=os.getpid())
        told = inner.result(5)
        bulletin.post("kept", pid=os.getpid())
        wait_until(lambda: {"pid": os.getpid()} in heard, 5)
        pipe.send(told)
        os._exit(0)

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    assert ours.poll(20)
    assert ours.recv() == {"pid": process.pid}
    process.join(5)
    bulletin.post("outer", ok=True)
    assert outer.result(5) == {"ok": True}


def test_without_redis_nobody_waits(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    dispatch.redis_client.cache_clear()
    try:
        assert bulletin.expect("topic").result(0) == LOST
        assert not bulletin.alive()
        assert not bulletin.post("topic", ok=True)
        for _ in range(100):
            assert bulletin.expect("topic").result(0) == LOST
    finally:
        dispatch.redis_client.cache_clear()


def test_a_redis_that_answers_nothing_counts_as_lost(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """A cut cable: the connection stands, and nothing comes."""
    if not settings.REDIS_URL.startswith("unix"):
        pytest.skip("this Redis is not ours to pause")
    monkeypatch.setattr(bulletin, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(bulletin, "DEAF_SECONDS", 0.8)
    future = bulletin.expect("topic")
    client = redis.Redis.from_url(settings.REDIS_URL)
    wait_until(lambda: future.done() or bulletin.alive(), 2)
    threading.Event().wait(1.2)
    assert bulletin.alive()
    assert not future.done()  # Asked, it answers: silence alone is no loss.
    client.client_pause(3000)
    assert future.result(3) == LOST
    wait_until(bulletin.alive, 10)


def test_a_redis_that_was_killed_is_told_and_found_again() -> None:
    if servers.running is None:
        pytest.skip("these servers are not ours to kill")
    heard: list[Any] = []
    bulletin.listen("epoch", heard.append)
    futures = [bulletin.expect(f"topic-{number}") for number in range(10)]
    servers.running.kill_redis()
    try:
        assert [future.result(5) for future in futures] == [LOST] * 10
        assert not bulletin.alive()
        assert heard == [LOST]
        assert bulletin.expect("away").result(0) == LOST
    finally:
        servers.running.start_redis()
    wait_until(bulletin.alive, 10)
    future = bulletin.expect("again")
    bulletin.post("again", ok=True)
    assert future.result(5) == {"ok": True}
    assert heard == [LOST]
