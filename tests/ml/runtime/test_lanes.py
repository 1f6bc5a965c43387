import math
import os
import threading
import time
from typing import Any

import numpy as np
import pytest

from ml.runtime.lanes import Call, Lane
from tests.workers import wait_until


def call(**header: Any) -> Call:
    return Call(header, {})


class Work:
    """Notes what runs, and how much at once; each call waits until it is let go."""

    def __init__(self) -> None:
        self.order: list[Any] = []
        self.now = self.most = 0
        self.guard = threading.Lock()
        self.go = threading.Semaphore(0)

    def __call__(self, one: Call) -> None:
        with self.guard:
            self.now += 1
            self.most = max(self.most, self.now)
            self.order.append(one.header["name"])
        self.go.acquire(timeout=10)
        with self.guard:
            self.now -= 1


def test_calls_run_in_their_order_and_no_more_at_once_than_threads() -> None:
    work = Work()
    lane = Lane("test", 2, 0, work)
    for name in range(6):
        lane.put(call(name=name))
    wait_until(lambda: work.now == 2, 5)
    assert work.order == [0, 1]
    for _ in range(6):
        work.go.release()
    wait_until(lambda: len(work.order) == 6 and work.now == 0, 5)
    assert sorted(work.order) == list(range(6))
    assert work.most == 2


def test_a_run_that_does_not_end_when_it_is_told_to_is_noticed() -> None:
    work = Work()
    lane = Lane("test", 1, 0, work)
    one = call(name=1)
    lane.put(one)
    wait_until(lambda: work.now == 1, 5)
    assert lane.longest_ended(time.monotonic() + 1000) == -math.inf
    one.end()
    assert lane.longest_ended(time.monotonic() + 1000) == pytest.approx(1000, abs=1)
    work.go.release()
    wait_until(lambda: not lane.running, 5)
    assert lane.longest_ended(time.monotonic() + 1000) == 0


def test_who_has_gone_is_not_served() -> None:
    work = Work()
    lane = Lane("test", 1, 0, work)
    first, second, third = call(name=1), call(name=2), call(name=3)
    for one in (first, second, third):
        lane.put(one)
    second.end()
    for _ in range(3):
        work.go.release()
    wait_until(lambda: work.order == [1, 3], 5)


def test_a_long_run_gives_way_to_short_ones_that_wait() -> None:
    work, ended = Work(), threading.Event()
    lane: Lane

    def serve(one: Call) -> None:
        if one.header["name"] != "long":
            work.go.release()
            work(one)
            return
        wait_until(lambda: len(lane.waiting) == 3, 5)
        lane.give_way(lambda other: other.header["name"] != "long too")
        work.order.append("long goes on")
        ended.set()

    lane = Lane("test", 1, 0, serve)
    for name in ("long", "a", "long too", "b"):
        lane.put(call(name=name))
    assert ended.wait(5)
    assert work.order[:3] == ["a", "b", "long goes on"]


def test_ordinary_threads_are_niced_and_stay_where_their_starter_was_nicer() -> None:
    found: list[int] = []

    def serve(_: Call) -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    for nice in (0, 10):
        Lane("test", 1, nice, serve).put(call())
    wait_until(lambda: len(found) == 2, 5)
    assert sorted(found) == sorted((here, max(here, 10)))


def test_news_wake_who_waits_and_nothing_is_told_to_who_has_gone() -> None:
    one = call()
    one.tell({"progress": 1})
    one.tell({"done": True}, {"x": np.zeros(1)})
    assert os.eventfd_read(one.news) == 2
    assert [header for header, _ in one.told] == [{"progress": 1}, {"done": True}]
    one.end()
    one.tell({"progress": 2})
    assert not one.told


@pytest.mark.parametrize("early", [True, False])
def test_the_end_of_a_call_stops_its_run_whenever_it_comes(early: bool) -> None:
    one, stopped = call(), threading.Event()
    if early:
        one.end()
    one.stopped_by(stopped.set)
    if not early:
        one.end()
    assert stopped.is_set()
