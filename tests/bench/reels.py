"""Long films and recordings in little time: a piece is encoded once, and repeated without encoding it again."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from media.tools import ffmpeg

PIECE = 60.0
"""Seconds that are encoded."""


def film(path: Path, seconds: float, size: tuple[int, int], *options: str) -> Path:
    """H.264 at 25 frames a second with a key frame every ten, as encoders leave it; without sound."""
    width, height = size
    picture = f"testsrc2=size={width}x{height}:rate=25:duration={min(PIECE, seconds)}"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "28", "-pix_fmt", "yuv420p", *options]
    return repeated(path, seconds, ["-f", "lavfi", "-i", picture, *encode])


def recording(path: Path, seconds: float) -> Path:
    """AAC in stereo: pink noise, different in both ears."""
    noise = f"anoisesrc=color=pink:sample_rate=44100:amplitude=0.4:duration={min(10 * PIECE, seconds)}"
    graph = f"{noise},pan=stereo|c0=c0|c1=0.7*c0"
    return repeated(path, seconds, ["-f", "lavfi", "-i", graph, "-c:a", "aac", "-b:a", "128k"], 10 * PIECE)


def repeated(path: Path, seconds: float, made: Sequence[str], piece: float = PIECE) -> Path:
    first = path.with_stem(f"{path.stem}-piece")
    ffmpeg.run([*made, first], timeout=600)
    turns = max(1, round(seconds / piece))
    ffmpeg.run(["-stream_loop", str(turns - 1), "-i", first, "-c", "copy", path], timeout=600)
    first.unlink()
    return path


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
