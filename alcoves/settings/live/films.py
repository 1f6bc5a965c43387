"""How long ffmpeg may take. What decides how a film looks is boot-time: chunks of one film come from all workers."""

from typing import Final

from alcoves.settings.live.row import Live

GROUP: Final = "Films"
ROWS: Final = (
    Live(
        name="FFMPEG_TIMEOUT_MULTIPLIER",
        group=GROUP,
        kind=float,
        default=2.0,
        low=0.1,
        high=10,
        unit="times the film's length",
        env="ALCOVES_FFMPEG_TIMEOUT_MULTIPLIER",
        help="Encoding may take so many times the length of a film of 360 lines; more lines have more time. "
        "Raise it on a slow machine. Counts from the next run.",
    ),
    Live(
        name="FFMPEG_TIMEOUT_MINIMUM",
        group=GROUP,
        kind=float,
        default=300.0,
        low=60,
        high=3600,
        unit="seconds",
        env="ALCOVES_FFMPEG_TIMEOUT_MINIMUM",
        help="The least time that encoding is given, however short the film is.",
    ),
    Live(
        name="FFMPEG_TIMEOUT_MAXIMUM",
        group=GROUP,
        kind=float,
        default=14_400.0,
        low=300,
        high=86_400,
        unit="seconds",
        env="ALCOVES_FFMPEG_TIMEOUT_MAXIMUM",
        help="The most time that encoding is given. Where it is less than the least, it is what counts.",
    ),
)
