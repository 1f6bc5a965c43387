"""What runs at once in the host. A call waits in its lane for one of the lane's threads.

Ordinary calls share so many threads as the operator allows, which are niced. What somebody waits for (a query) has a
thread of its own: it runs beside a transcription that takes minutes, and is never behind a batch. What a thread starts
(the pools of onnxruntime and whisper.cpp) inherits its niceness.
"""

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
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
        self.ended = math.inf
        """When that was, by the monotonic clock."""
        self.news = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.told: deque[tuple[dict[str, Any], Arrays]] = deque()
        self._stop: Callable[[], None] | None = None
        self._guard = threading.Lock()

    def tell(self, header: dict[str, Any], arrays: Arrays | None = None) -> None:
        """Progress, or the answer."""
        with self._guard:
            if not self.gone.is_set():
                self.told.append((header, arrays or {}))
                os.eventfd_write(self.news, 1)

    def stopped_by(self, stop: Callable[[], None] | None) -> None:
        """How the run that has just begun is ended; None when it is over."""
        with self._guard:
            self._stop = stop
            if stop is not None and self.gone.is_set():
                stop()

    def end(self) -> None:
        """It is answered, or its client has gone: then the run ends too."""
        with self._guard:
            self.gone.set()
            self.ended = time.monotonic()
            if self._stop is not None:
                self._stop()
            os.close(self.news)
            self.told.clear()


class Lane:
    """Threads that take one call after the other, in the order in which they came."""

    def __init__(self, name: str, threads: int, nice: int, work: Callable[[Call], None]) -> None:
        self.waiting: deque[Call] = deque()
        self.running: set[Call] = set()
        self.arrived = threading.Condition()
        self.nice = nice
        self.work = work
        for number in range(threads):
            threading.Thread(target=self.run, name=f"{name}-{number}", daemon=True).start()

    def put(self, call: Call) -> None:
        with self.arrived:
            self.waiting.append(call)
            self.arrived.notify()

    def run(self) -> None:
        own = threading.get_native_id()
        # Whoever has started the host may be nicer; only the mighty may lower it again.
        os.setpriority(os.PRIO_PROCESS, own, max(self.nice, os.getpriority(os.PRIO_PROCESS, own)))
        while True:
            with self.arrived:
                self.arrived.wait_for(lambda: self.waiting)
                call = self.waiting.popleft()
            self.serve(call)
            # Else the last call's arrays would live until the next one comes.
            del call

    def give_way(self, short: Callable[[Call], bool]) -> None:
        """Called by a long run between two of its steps: short calls that wait now go first, in its thread."""
        with self.arrived:
            going = [call for call in self.waiting if short(call)]
            self.waiting = deque(call for call in self.waiting if not short(call))
        while going:
            self.serve(going.pop(0))

    def serve(self, call: Call) -> None:
        """Nothing, where its client has gone already."""
        if call.gone.is_set():
            return
        self.running.add(call)
        try:
            self.work(call)
        finally:
            self.running.discard(call)

    def longest_ended(self, now: float) -> float:
        """Seconds for which a run has gone on although it was told to end."""
        return max((now - call.ended for call in self.running.copy()), default=0.0)
