"""Pure: how long ffmpeg may take before it is given up. Twice the film's length for 360 lines, more for more lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

FACTORS: Final = ((360, 1.0), (480, 1.25), (720, 1.5), (1080, 2.0), (1440, 2.5), (2160, 3.5))
"""Lines of the short side up to which the factor holds; beyond the last, the last holds."""
UNKNOWN_DURATION: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What operators decide: times the film's length, and the seconds between which it stays."""

    multiplier: float = 2.0
    shortest: float = 300.0
    longest: float = 14_400.0


_limits: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039  It is frozen.


@contextmanager
def under(limits: Limits) -> Iterator[None]:
    """These hold for what is run inside: whoever starts a run knows them, what runs does not."""
    token = _limits.set(limits)
    try:
        yield
    finally:
        _limits.reset(token)


def encoding(duration: float | None, height: int | None) -> float:
    """Seconds for decoding and encoding a film so long. `height` is the shorter side; 1080 where nobody knows."""
    lines = height or 1080
    factor = next((factor for most, factor in FACTORS if lines <= most), FACTORS[-1][1])
    return clamped((duration or UNKNOWN_DURATION) * _limits.get().multiplier * factor)


def copying(duration: float | None, height: int | None) -> float:
    """For the same film whose packets are copied: a third."""
    return clamped(encoding(duration, height) / 3)


def clamped(seconds: float) -> float:
    limits = _limits.get()
    return min(limits.longest, max(limits.shortest, seconds))
