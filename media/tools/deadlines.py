"""Ends work of a library at its deadline, from a thread that sleeps until then.

One thread a process, started with the first deadline and anew after a fork. Asking the clock in the callbacks of the
library instead cost a millisecond of every picture. The sign to end is given until it is heard: libvips takes it back
when it reports it, and where a loop of its own overlooks that report (WebP weighs several encodings of a frame) the
work would go on to its end.
"""

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

AGAIN = 0.02
"""Seconds after which work that still goes on is told again to end."""


@dataclass(order=True)
class Entry:
    """Something to end. What is done in time lets go of its work and stays until its moment."""

    deadline: float
    number: int
    end: Callable[[], None] | None = field(compare=False)


class Deadlines:
    """What is to be ended when."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[Entry] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, deadline: float, end: Callable[[], None]) -> Entry:
        entry = Entry(deadline, next(self._numbers), end)
        with self._changed:
            heapq.heappush(self._heap, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif self._heap[0] is entry:
                self._changed.notify()
        return entry

    def done(self, entry: Entry) -> None:
        with self._changed:
            entry.end = None
            while self._heap and self._heap[0].end is None:
                heapq.heappop(self._heap)

    def _watch(self) -> None:
        with self._changed:
            while True:
                pause = self._heap[0].deadline - time.monotonic() if self._heap else None
                if pause is None or pause > 0:
                    self._changed.wait(pause)
                else:
                    self._end(heapq.heappop(self._heap))

    def _end(self, entry: Entry) -> None:
        """Under the lock, so that nothing is ended that was done a moment ago: `end` is quick."""
        if entry.end is not None:
            entry.end()
            entry.deadline = time.monotonic() + AGAIN
            heapq.heappush(self._heap, entry)


_deadlines = Deadlines()


def begin_anew() -> None:
    """In a forked child, where the thread is not."""
    global _deadlines  # noqa: PLW0603  One a process is the point.
    _deadlines = Deadlines()


os.register_at_fork(after_in_child=begin_anew)


@contextmanager
def ending(deadline: float, end: Callable[[], None]) -> Iterator[None]:
    """Calls `end`, in another thread, from `deadline` (of `time.monotonic`) until this is left."""
    deadlines = _deadlines
    entry = deadlines.add(deadline, end)
    try:
        yield
    finally:
        deadlines.done(entry)
