"""What is late is ended at its moment, and nothing that was done in time."""

import itertools
import os
import threading
import time

from media.tools import deadlines
from tests.workers import wait_until


def test_what_is_late_is_ended_and_the_others_are_not() -> None:
    ended: set[str] = set()
    now = time.monotonic()
    with deadlines.ending(now + 0.15, lambda: ended.add("in time")):
        pass
    with (
        deadlines.ending(now + 60, lambda: ended.add("far away")),
        deadlines.ending(now + 0.05, lambda: ended.add("late")),
    ):
        wait_until(lambda: time.monotonic() > now + 0.3, 10)
    assert ended == {"late"}


def test_the_sign_is_given_until_it_is_heard() -> None:
    heard = threading.Event()
    signs: list[float] = []

    def sign() -> None:
        signs.append(time.monotonic())
        if len(signs) == 3:
            heard.set()

    with deadlines.ending(time.monotonic(), sign):
        assert heard.wait(10)
    given = len(signs)
    wait_until(lambda: time.monotonic() > signs[-1] + 5 * deadlines.AGAIN, 10)
    assert len(signs) == given
    assert all(later - sooner >= deadlines.AGAIN for sooner, later in itertools.pairwise(signs))


def test_the_nearer_of_two_comes_first_whatever_the_order() -> None:
    order: list[int] = []
    now = time.monotonic()
    with (
        deadlines.ending(now + 0.2, lambda: order.append(2)),
        deadlines.ending(now + 0.1, lambda: order.append(1)),
        deadlines.ending(now - 1, lambda: order.append(0)),
    ):
        wait_until(lambda: 2 in order, 10)
    assert list(dict.fromkeys(order)) == [0, 1, 2]


def test_nothing_that_is_done_is_kept() -> None:
    watch = deadlines.Deadlines()
    far = time.monotonic() + 3600
    for _ in range(1000):
        watch.done(watch.add(far, lambda: None))
    assert not watch._heap


def test_a_forked_child_has_a_thread_of_its_own() -> None:
    with deadlines.ending(time.monotonic() + 60, lambda: None):
        child = os.fork()
        if child == 0:
            ended = threading.Event()
            with deadlines.ending(time.monotonic() + 0.01, ended.set):
                os._exit(0 if ended.wait(10) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
