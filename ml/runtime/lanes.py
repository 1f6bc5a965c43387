"""What runs at once in the host. A call waits in its lane for one of the lane's threads.

Ordinary calls share so many threads as the operator allows, which are niced. What somebody waits for (a query) has a
thread of its own: it runs beside a transcription that takes minutes, and is never behind a batch. What a thread starts
(the pools of onnxruntime and whisper.cpp) inherits its niceness.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

from ml.runtime.wire import Arrays

NICE: Final = 10
"""Of ordinary calls, as of heavy tasks in a worker."""


class Call:
    """One question of a client, from its arrival to its answer. `news` is an eventfd that wakes who waits for it."""

    def __init__(self, header: Mapping[str, Any], arrays: Arrays) -> None:
        self.header = header
        self.arrays = arrays
        self.gone = threading.Event()
        """Nobody waits for the answer any more."""
        self.news = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.told: deque[tuple[dict[str, Any], Arrays]] = deque()
        self._stop: Callable[[], None] | None = None
        self._guard = threading.Lock()

    def tell(self, header: dict[str, Any], arrays: Arrays | None = None) -> None:
        """Progress, or the answer."""
        self.told.append((header, arrays or {}))
        with suppress(OSError):
            os.eventfd_write(self.news, 1)

    def stopped_by(self, stop: Callable[[], None] | None) -> None:
        """How the run that has just begun is ended; None when it is over."""
        with self._guard:
            self._stop = stop
            if stop is not None and self.gone.is_set():
                stop()

    def abandon(self) -> None:
        """The client has gone."""
        with self._guard:
            self.gone.set()
            if self._stop is not None:
                self._stop()

    def close(self) -> None:
        os.close(self.news)
        self.news = -1


class Lane:
    """Threads that take one call after the other."""

    def __init__(self, name: str, threads: int, nice: int, work: Callable[[Call], None]) -> None:
        self.waiting: SimpleQueue[Call] = SimpleQueue()
        self.nice = nice
        self.work = work
        for number in range(threads):
            threading.Thread(target=self.run, name=f"{name}-{number}", daemon=True).start()

    def put(self, call: Call) -> None:
        self.waiting.put(call)

    def run(self) -> None:
        if self.nice:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self.nice)
        while True:
            call = self.waiting.get()
            if not call.gone.is_set():
                self.work(call)
            # Else the last call's arrays would live until the next one comes.
            del call
