"""Reads ffmpeg's `-progress` lines into percent and time left. Pure: fed with lines and a clock."""

import time
from collections.abc import Callable
from math import exp
from typing import Final

MEMORY: Final = 10.0
"""Seconds over which the speed is averaged: an encode changes its speed from scene to scene, a countdown should not
jump. In the first seconds the average of all so far is taken."""


class ProgressParser:
    """Feed it every line; it calls back with percent (0 to 100, never falling) and seconds left (or None)."""

    def __init__(
        self,
        duration: float | None,
        report: Callable[[float, float | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.duration = duration
        self.report = report
        self.clock = clock
        self.began = self.last_time = clock()
        self.position = 0.0
        self.done = 0.0
        self.speed = 0.0
        self.left: float | None = None

    def feed(self, line: str) -> None:
        """One `key=value` line. Unknown keys are passed over; `progress=` closes a block."""
        key, _, value = line.strip().partition("=")
        if key in {"out_time_us", "out_time_ms"}:
            # Both are microseconds: the second name is an old mistake that ffmpeg keeps.
            self.done = max(self.done, microseconds(value))
        elif key == "progress":
            self.tell(ended=value == "end")

    def tell(self, *, ended: bool) -> None:
        now = self.clock()
        elapsed, advanced = now - self.last_time, self.done - self.position
        self.last_time, self.position = now, self.done
        if not self.done:
            # The encoder fills its look-ahead, or ffmpeg seeks: that says nothing of the speed.
            self.began = now
        if ended:
            self.report(100.0, 0.0)
        elif self.duration:
            if elapsed > 0 and self.done:
                self.estimate(
                    elapsed, advanced, weight=max(1 - exp(-elapsed / MEMORY), elapsed / (now - self.began))
                )
            # 100 is said only by the end itself: a duration in a header is a promise, not a fact.
            self.report(min(99.0, 100.0 * self.done / self.duration), self.left)

    def estimate(self, elapsed: float, advanced: float, *, weight: float) -> None:
        """The time left goes by as time does, and is drawn towards what the speed says now."""
        self.speed += weight * (advanced / elapsed - self.speed)
        if self.speed <= 0 or not self.duration:
            return
        latest = max(0.0, self.duration - self.done) / self.speed
        expected = latest if self.left is None else max(0.0, self.left - elapsed)
        self.left = expected + weight * (latest - expected)


def microseconds(value: str) -> float:
    """`N/A` before the first frame, negative for a moment with some encoders."""
    try:
        return max(0.0, int(value) / 1_000_000)
    except ValueError:
        return 0.0
