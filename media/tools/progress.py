"""Reads ffmpeg's `-progress` lines into percent and time left. Pure: fed with lines and a clock."""

import time
from collections.abc import Callable
from typing import Final

SMOOTHING: Final = 0.2
"""Weight of the newest speed: an encode changes speed from scene to scene, a countdown should not jump."""


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
        self.last_time = clock()
        self.position = 0.0
        self.done = 0.0
        self.speed: float | None = None

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
        if elapsed > 0 and advanced > 0:
            latest = advanced / elapsed
            self.speed = latest if self.speed is None else SMOOTHING * latest + (1 - SMOOTHING) * self.speed
            self.last_time, self.position = now, self.done
        if ended:
            self.report(100.0, 0.0)
        elif self.duration:
            left = max(0.0, self.duration - self.done)
            eta = left / self.speed if self.speed else None
            # 100 is said only by the end itself: a duration in a header is a promise, not a fact.
            self.report(min(99.0, 100.0 * self.done / self.duration), eta)


def microseconds(value: str) -> float:
    """`N/A` before the first frame, negative for a moment with some encoders."""
    try:
        return max(0.0, int(value) / 1_000_000)
    except ValueError:
        return 0.0
