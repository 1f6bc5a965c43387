"""Pure: how long ffmpeg may take before it is given up. Twice the film's length for 360 lines, more for more lines."""

from typing import Final

FACTORS: Final = ((360, 1.0), (480, 1.25), (720, 1.5), (1080, 2.0), (1440, 2.5), (2160, 3.5))
"""Lines of the short side up to which the factor holds; beyond the last, the last holds."""
MULTIPLIER: Final = 2.0
SHORTEST: Final = 300.0
LONGEST: Final = 14_400.0
UNKNOWN_DURATION: Final = 3600.0


def encoding(duration: float | None, height: int | None) -> float:
    """Seconds for decoding and encoding a film so long. `height` is the shorter side; 1080 where nobody knows."""
    lines = height or 1080
    factor = next((factor for most, factor in FACTORS if lines <= most), FACTORS[-1][1])
    return clamped((duration or UNKNOWN_DURATION) * MULTIPLIER * factor)


def copying(duration: float | None, height: int | None) -> float:
    """For the same film whose packets are copied: a third."""
    return max(SHORTEST, encoding(duration, height) / 3)


def clamped(seconds: float) -> float:
    return min(LONGEST, max(SHORTEST, seconds))
